//! Every story in examples/stories, played to its end.

use serin::simulate::play::{Staging, play};
use serin::simulate::story::Story;
use serin::simulate::transcript::line;
use std::path::Path;

#[test]
fn every_story_ends_as_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/stories");
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let story = Story::read(&path).unwrap();
        let began = std::time::Instant::now();
        let mut staging = Staging::new(1);
        staging.laws = Some(serin::simulate::laws::Laws::all(
            serin::simulate::laws::Facts::default(),
        ));
        let played = play(&story, staging);
        for broken in &played.outcome.broken {
            println!("{broken}");
        }
        println!("{:?}", played.outcome.tally);
        println!(
            "{:?} {} records, {:?} virtual, {:?} real, {:x}",
            path.file_name(),
            played.outcome.tally.records,
            played.outcome.lasted,
            began.elapsed(),
            played.outcome.hash
        );
        if !played.unmet.is_empty() {
            for record in played.outcome.transcript.records() {
                println!("{}", line(record));
            }
        }
        wrong.extend(
            played
                .unmet
                .into_iter()
                .map(|one| format!("{}: {one}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every story with its name.
pub fn all() -> Vec<(String, Story)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/stories");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let named = |path: std::path::PathBuf| {
        (
            path.file_stem().unwrap().to_string_lossy().into_owned(),
            Story::read(&path).unwrap(),
        )
    };
    paths.into_iter().map(named).collect()
}

/// Does the work of all items on every core; what it yields, in the order of the items.
pub fn in_parallel<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> Option<R> + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let queue = std::sync::Mutex::new(items.into_iter().enumerate());
    let found = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let Some((number, item)) = queue.lock().unwrap().next() else {
                        return;
                    };
                    if let Some(result) = work(item) {
                        found.lock().unwrap().push((number, result));
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, result)| result).collect()
}
