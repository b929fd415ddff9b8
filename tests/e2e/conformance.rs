//! The record of how the real API server answers stays true: every script is run against it again.
//!
//! `SERIN_BLESS=1` writes the record instead; `SERIN_CONFORMANCE=topic` runs one topic.

use std::time::Duration;

use futures::FutureExt;

use crate::support::conformance::{Runner, compare, crds, record, topics};
use crate::support::plane::{Plane, parts};

#[tokio::test]
async fn the_api_server_answers_as_recorded() {
    let crds: Vec<String> = crds().unwrap().iter().map(ToString::to_string).collect();
    let plane = Plane::start_with(&crds, parts::CLEANERS).await.unwrap();
    let runner = Runner {
        client: plane.admin_client().await.unwrap(),
        prefix: "conf".to_owned(),
        pause: &|| tokio::time::sleep(Duration::from_millis(50)).boxed(),
    };
    let (blesses, only) = (
        std::env::var_os("SERIN_BLESS").is_some(),
        std::env::var("SERIN_CONFORMANCE").ok(),
    );
    let mut differences = Vec::new();
    for topic in topics().unwrap() {
        if only.as_ref().is_some_and(|only| *only != topic.name) {
            continue;
        }
        let transcripts = runner.topic(&topic).await.unwrap();
        if blesses {
            record(&topic.name, &transcripts).unwrap();
        }
        differences.extend(compare(&topic.name, &transcripts));
    }
    let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(
        texts.is_empty(),
        "{} scripts are answered otherwise than recorded (SERIN_BLESS=1 records anew)\n{}",
        texts.len(),
        texts.join("\n")
    );
}
