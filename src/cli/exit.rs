//! Exit codes: the part of the command line that scripts depend on. They are added to, never renumbered.

use crate::view::outcome::Outcome;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command did what it was asked; for `status`: the version is promoted and healthy.
    Done,
    /// Something else went wrong: no permission, an invalid answer, a bug.
    Failed,
    /// The command line itself was wrong.
    Usage,
    Degraded,
    Paused,
    TimedOut,
    Superseded,
    NotFound,
    Unreachable,
    /// Only without `--watch`: no answer yet.
    Progressing,
    /// Only of `simulate`: the release ended otherwise than it should have, or a law was broken.
    Unexpected,
}

impl Exit {
    /// Every exit with its code, the word in JSON and its meaning for `status`.
    pub const ALL: [(Exit, u8, &str, &str); 11] = [
        (Exit::Done, 0, "healthy", "promoted and healthy"),
        (
            Exit::Failed,
            1,
            "failed",
            "the command failed (permission, unreadable answer)",
        ),
        (Exit::Usage, 2, "usage", "wrong command line"),
        (Exit::Degraded, 3, "degraded", "aborted or degraded"),
        (
            Exit::Paused,
            4,
            "paused",
            "paused until a person acts (a timed pause is still progressing)",
        ),
        (Exit::TimedOut, 5, "timeout", "not finished when --timeout ended"),
        (
            Exit::Superseded,
            6,
            "superseded",
            "replaced by a newer version before it finished",
        ),
        (
            Exit::NotFound,
            7,
            "notFound",
            "no such rollout, or deleted while waiting",
        ),
        (
            Exit::Unreachable,
            8,
            "unreachable",
            "the cluster cannot be reached",
        ),
        (
            Exit::Progressing,
            9,
            "progressing",
            "still progressing (only without --watch)",
        ),
        (
            Exit::Unexpected,
            10,
            "unexpected",
            "a simulated release ended otherwise than expected (only of simulate)",
        ),
    ];

    fn row(self) -> (u8, &'static str) {
        let row = Exit::ALL.iter().find(|(exit, ..)| *exit == self);
        row.map_or((1, "failed"), |(_, code, word, _)| (*code, *word))
    }

    pub fn code(self) -> u8 {
        self.row().0
    }

    /// The word in `-o json`.
    pub fn word(self) -> &'static str {
        self.row().1
    }

    /// The table for `--help`.
    pub fn help() -> String {
        let line =
            |(_, code, word, meaning): &(Exit, u8, &str, &str)| format!("  {code}  {word:<12} {meaning}\n");
        let lines: String = Exit::ALL.iter().map(line).collect();
        format!("Exit codes (and the word for each in the field `outcome` of -o json):\n{lines}")
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Healthy => Exit::Done,
            Outcome::Progressing => Exit::Progressing,
            Outcome::Degraded => Exit::Degraded,
            Outcome::Paused => Exit::Paused,
            Outcome::Superseded => Exit::Superseded,
            Outcome::NotFound => Exit::NotFound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_exit_has_its_own_code_and_word() {
        let codes: BTreeSet<u8> = Exit::ALL.iter().map(|row| row.1).collect();
        let words: BTreeSet<&str> = Exit::ALL.iter().map(|row| row.2).collect();
        assert_eq!((codes.len(), words.len()), (Exit::ALL.len(), Exit::ALL.len()));
        assert!(Exit::ALL.iter().all(|(exit, code, ..)| exit.code() == *code));
    }
}
