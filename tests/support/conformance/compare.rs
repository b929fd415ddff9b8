//! The record of the real API server: where it is kept, how it is written, and what differs from it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Begins the title of a script in a record; no line of a transcript begins so.
const TITLE: &str = "# ";

/// A script that was answered otherwise than in the record.
#[derive(Debug)]
pub struct Difference {
    pub topic: String,
    pub script: String,
    /// Lines of the record (`-`) and of the answer (`+`), with the step before them.
    pub lines: Vec<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}\n{}\n", self.topic, self.script, self.lines.join("\n"))
    }
}

fn file(topic: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conformance");
    folder.join(format!("{topic}.txt"))
}

/// Writes the record of a topic.
pub fn record(topic: &str, transcripts: &[(String, String)]) -> Result<()> {
    let path = file(topic);
    std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
    let scripts: Vec<String> = transcripts
        .iter()
        .map(|(name, text)| format!("{TITLE}{name}\n{text}"))
        .collect();
    std::fs::write(&path, scripts.join("\n"))?;
    Ok(())
}

/// Every script of a topic that is not answered as recorded. A script without a record is a difference.
pub fn compare(topic: &str, transcripts: &[(String, String)]) -> Vec<Difference> {
    let text = std::fs::read_to_string(file(topic)).unwrap_or_default();
    let mut recorded = BTreeMap::new();
    for script in format!("\n{text}").split(&format!("\n{TITLE}")).skip(1) {
        let (name, answers) = script.split_once('\n').unwrap_or((script, ""));
        recorded.insert(name.to_owned(), answers.trim_end().to_owned());
    }
    let differs = |(name, got): &(String, String)| {
        let want = recorded.get(name).map_or("", String::as_str);
        (want != got.trim_end()).then(|| Difference {
            topic: topic.to_owned(),
            script: name.clone(),
            lines: diff(want, got.trim_end()),
        })
    };
    transcripts.iter().filter_map(differs).collect()
}

/// A line difference by longest common subsequence, with requests as its headings.
fn diff(want: &str, got: &str) -> Vec<String> {
    let (want, got): (Vec<&str>, Vec<&str>) = (want.lines().collect(), got.lines().collect());
    let mut common = vec![vec![0_usize; got.len() + 1]; want.len() + 1];
    for row in (0..want.len()).rev() {
        for column in (0..got.len()).rev() {
            common[row][column] = if want[row] == got[column] {
                common[row + 1][column + 1] + 1
            } else {
                common[row + 1][column].max(common[row][column + 1])
            };
        }
    }
    let (mut row, mut column, mut lines, mut heading) = (0, 0, Vec::new(), None);
    while row < want.len() || column < got.len() {
        if row < want.len() && column < got.len() && want[row] == got[column] {
            if !want[row].starts_with(' ') {
                heading = Some(want[row]);
            }
            (row, column) = (row + 1, column + 1);
            continue;
        }
        lines.extend(heading.take().map(|line| format!("  {line}")));
        if column == got.len() || row < want.len() && common[row + 1][column] >= common[row][column + 1] {
            lines.push(format!("- {}", want[row]));
            row += 1;
        } else {
            lines.push(format!("+ {}", got[column]));
            column += 1;
        }
    }
    lines
}
