//! How a new version behaves in a rehearsal, how the release should end, and how it did.

use clap::ValueEnum;

/// How the new version answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// As the present one: 0.1 % of the requests fail, P99 is below 250 ms
    Good,
    /// 8 % of its requests are answered with 5xx
    Errors,
    /// As few errors as the present one, but P99 is 1.5 s
    Slow,
    /// Its pods start, crash and start again
    CrashLooping,
    /// It is good, but users send one request in ten seconds
    LowTraffic,
}

impl Profile {
    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Errors => "errors",
            Self::Slow => "slow",
            Self::CrashLooping => "crash-looping",
            Self::LowTraffic => "low-traffic",
        }
    }

    /// The tag of the new image. The traffic model reads the words `errors` and `slow` in it.
    pub(super) fn tag(self) -> String {
        format!("simulated-{}", self.name())
    }

    /// How it should end when nothing else is said.
    pub fn expected(self) -> Expected {
        match self {
            Self::Good => Expected::Promoted,
            Self::Errors | Self::Slow | Self::CrashLooping => Expected::Aborted,
            Self::LowTraffic => Expected::Held,
        }
    }
}

/// How a release should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Expected {
    /// The new version serves everybody
    Promoted,
    /// The new version is taken back
    Aborted,
    /// It is not promoted: taken back, or left for a person to decide
    Held,
}

/// How a release ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Promoted,
    Aborted,
    /// It waits for a person although no step says so.
    Waiting,
    /// Degraded, and neither taken back nor going on.
    Stuck,
    /// Still under way when time was up.
    Unfinished,
    /// The present version could not be installed.
    NotInstalled,
}

impl Ended {
    /// For people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::Aborted => "aborted",
            Self::Waiting => "waiting",
            Self::Stuck => "stuck",
            Self::Unfinished => "unfinished",
            Self::NotInstalled => "notInstalled",
        }
    }

    pub fn is(self, expected: Expected) -> bool {
        match expected {
            Expected::Promoted => self == Self::Promoted,
            Expected::Aborted => self == Self::Aborted,
            Expected::Held => matches!(self, Self::Aborted | Self::Waiting | Self::Stuck),
        }
    }
}
