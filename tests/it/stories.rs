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
