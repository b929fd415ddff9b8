//! stub
use crate::simulate::traffic::Traffic;
use chrono::{DateTime, TimeDelta, Utc};
#[derive(Debug, Default)]
pub struct Prometheus;
impl Prometheus {
    pub fn scrape(&mut self, _: &Traffic, _: DateTime<Utc>) {}
    pub fn instant(&mut self, _: &str, at: DateTime<Utc>) -> (u16, String) {
        (
            200,
            format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[{},"0.001"]}}]}}}}"#,
                at.timestamp()
            ),
        )
    }
    pub fn range(&mut self, _: &str, _: DateTime<Utc>, _: DateTime<Utc>, _: TimeDelta) -> (u16, String) {
        (200, String::new())
    }
}
