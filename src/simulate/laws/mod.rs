//! stub
use crate::simulate::record::Moment;
#[derive(Clone, Debug)]
pub struct Broken {
    pub law: &'static str,
    pub says: &'static str,
    pub evidence: String,
}
#[derive(Debug)]
pub struct Laws;
impl Laws {
    pub fn look(&mut self, _: &Moment<'_>) -> Vec<Broken> {
        Vec::new()
    }
}
