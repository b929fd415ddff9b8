//! The tables of `docs/planted-bugs.md` and `docs/incidents.md`: read for where a bug was caught before, and compared with what is true now.

use super::incidents::Incident;
use super::{Hint, Verdict};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a row says of a bug that was not caught.
pub const NOTHING: &str = "nothing";

#[derive(Clone, Copy)]
pub enum Table {
    Planted,
    Incidents,
}

impl Table {
    fn path(self) -> PathBuf {
        let name = match self {
            Table::Planted => "docs/planted-bugs.md",
            Table::Incidents => "docs/incidents.md",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    /// How the first line of the table begins.
    fn head(self) -> &'static str {
        match self {
            Table::Planted => "| Bug |",
            Table::Incidents => "| What happened |",
        }
    }
}

pub fn update() -> bool {
    std::env::var("SERIN_UPDATE").is_ok_and(|set| set == "1")
}

/// The rows of a table as they are in its document, and where they begin and end in it.
fn rows(text: &str, table: Table) -> (usize, usize) {
    let begin = text.find(table.head()).unwrap_or(text.len());
    let len = text[begin..].find("\n\n").map_or(text.len() - begin, |at| at + 1);
    (begin, begin + len)
}

/// Where each planted bug was caught the last time, by name.
pub fn hints() -> BTreeMap<String, String> {
    let text = fs::read_to_string(Table::Planted.path()).unwrap_or_default();
    let (begin, end) = rows(&text, Table::Planted);
    let cells = |line: &str| {
        let cells: Vec<&str> = line.split(" | ").collect();
        let name = cells.first()?.trim_matches(['|', ' ', '`']).to_owned();
        Some((name, cells.get(2)?.trim_end_matches(" |").to_owned()))
    };
    text[begin..end].lines().filter_map(cells).collect()
}

/// The place that a row names.
pub fn hint(caught: &str) -> Option<Hint> {
    let after = |word: &str| caught.split_once(word).map(|(_, rest)| rest);
    let first = |rest: &str| rest.split(' ').next().unwrap_or_default().to_owned();
    match after("story ") {
        Some(rest) => Some(Hint::Story(first(rest))),
        None => first(after("seed ")?).parse().ok().map(Hint::Seed),
    }
}

/// The table of planted bugs as it should be.
pub fn planted(verdicts: &[Verdict]) -> String {
    let mut text = "| Bug | What it does | Caught by |\n|---|---|---|\n".to_owned();
    for verdict in verdicts {
        let caught = verdict.caught.as_deref().unwrap_or(NOTHING);
        text.push_str(&format!("| `{}` | {} | {caught} |\n", verdict.name, verdict.says));
    }
    text
}

/// The table of incidents as it should be.
pub fn incidents(incidents: &[Incident]) -> String {
    let mut text =
        "| What happened | What happens here | Story | Bug that brings it back |\n|---|---|---|---|\n"
            .to_owned();
    for row in incidents {
        let (story, bug) = (row.story, row.mutant.name);
        text.push_str(&format!(
            "| {} | {} | [{story}](../examples/stories/{story}.yaml) | `{bug}` |\n",
            row.happened, row.instead
        ));
    }
    text
}

/// A row without the law that caught the bug: another law of the same story may be the first tomorrow.
fn without_law(row: &str) -> String {
    let (head, caught) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap_or((row, ""));
    match hint(caught) {
        Some(Hint::Story(name)) => format!("{head} | {name}"),
        _ => row.to_owned(),
    }
}

/// The table in the document is this one, or is made so.
pub fn compare(table: Table, now: &str) {
    let path = table.path();
    let text = fs::read_to_string(&path).unwrap_or_default();
    let (begin, end) = rows(&text, table);
    let told = text[begin..end].lines().map(without_law);
    if text[begin..end] == *now || (!update() && told.eq(now.lines().map(without_law))) {
        return;
    }
    if update() {
        fs::write(&path, format!("{}{now}{}", &text[..begin], &text[end..])).unwrap();
        return;
    }
    let absent: Vec<&str> = now
        .lines()
        .filter(|line| !text[begin..end].contains(line))
        .collect();
    panic!(
        "{} is not what was found now; SERIN_UPDATE=1 writes it anew\n{}",
        path.display(),
        absent.join("\n")
    );
}
