//! The terminal: plain lines, each with the time since the demo began.

use std::time::Instant;

/// Prints. Cheap to copy, so that every part can tell what it sees.
#[derive(Debug, Clone, Copy)]
pub struct Tell {
    began: Instant,
}

/// Where the text of a line begins.
const INDENT: &str = "          ";

impl Tell {
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// Seconds since the beginning.
    pub fn seconds(self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// A line with the time; more lines of the same text are indented under it.
    pub fn line(self, text: &str) {
        let mut lines = text.lines();
        println!("{:>+8.1}s {}", self.seconds(), lines.next().unwrap_or_default());
        self.more(lines);
    }

    /// The beginning of a chapter.
    pub fn heading(self, text: &str) {
        println!("\n{:>+8.1}s == {text}", self.seconds());
    }

    /// Text under the last line.
    pub fn under(self, text: &str) {
        self.more(text.lines());
    }

    fn more<'a>(self, lines: impl Iterator<Item = &'a str>) {
        for line in lines {
            println!("{}", format!("{INDENT}{line}").trim_end());
        }
    }
}
