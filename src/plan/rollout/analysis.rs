//! Analysis runs of a canary.

use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::status::Findings;

pub fn reconcile(_draft: &mut Draft, _findings: &mut Findings) {}

pub fn questions(_draft: &Draft) -> Vec<crate::plan::Question> {
    Vec::new()
}
