//! Why a condition could not be compiled or evaluated, in words for the person who wrote it.

use std::fmt;

/// The reason, one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error(Box<str>);

impl Error {
    pub(super) fn new(message: impl Into<Box<str>>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An `Err` with a formatted message.
macro_rules! fail {
    ($($arg:tt)*) => { Err($crate::plan::analysis::condition::error::Error::new(format!($($arg)*))) };
}
pub(super) use fail;
