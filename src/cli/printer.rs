//! The only place that writes to a terminal.
//!
//! A reader that went away (`serin get x | head -1`) is no error of ours, so failed writes are ignored.

use std::io::Write;

/// A line on standard output: the answer.
pub fn out(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Raw bytes on standard output, for generated files.
pub fn raw(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// A line on standard error: what went wrong, and what to do about it.
pub fn err(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
