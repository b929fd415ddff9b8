//! What happened to people with other controllers, the story that shows it here, and a bug that would bring it back.
//!
//! Each row's story must pass with the true controller and must not with the bug. `docs/incidents.md` is made from these rows.

mod analysis;
mod capacity;
mod commands;
mod traffic;

use super::tools::Mutant;

/// One real incident.
pub struct Incident {
    /// What happened to people, and where it can be read.
    pub happened: &'static str,
    /// The file in `examples/stories` that shows it.
    pub story: &'static str,
    /// What happens here.
    pub instead: &'static str,
    /// The bug that brings it back.
    pub mutant: Mutant,
}

fn row(story: &'static str, happened: &'static str, instead: &'static str, mutant: Mutant) -> Incident {
    Incident {
        happened,
        story,
        instead,
        mutant,
    }
}

/// All of them, in the order of the document.
pub fn all() -> Vec<Incident> {
    let mut all = traffic::rows();
    all.extend(capacity::rows());
    all.extend(commands::rows());
    all.extend(analysis::rows());
    all
}
