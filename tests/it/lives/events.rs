//! What is told of a life: our Events are the recorded ones, in the recorded order, or stand in one of two tables.
//!
//! Recorded are a kind of event once, with how often it was told, in the order of the first times; the peer tells at most 25 of one
//! object, the rest is not in the recording.

use super::compare::mask;
use serde_json::{Value, json};
use serin::cluster::store::Store;

/// What we tell, and so do, the other way round: what comes earlier with us, what comes later, and why.
const ORDER: [(&str, &str, &str); 2] = [
    (
        "RolloutAborted",
        "SwitchService",
        "an abort is written down before anything moves",
    ),
    (
        "PatchingCanaryIngress",
        "SwitchService",
        "weights go back before the Service of the canary does: while it has traffic, it leads to what it is measured by",
    ),
];

/// Lives of canaries without a router.
const PLAIN: &[&str] = &["canary-", "analysis-", "bluegreen-to-canary"];
const ALL: &[&str] = &[""];

/// In which lives (how their names begin), what an Event contains or, with `$`, ends with, and why.
type Row = (&'static [&'static str], &'static str, &'static str);

/// Recorded Events that we leave out.
const LEFT_OUT: [Row; 9] = [
    (
        ALL,
        "RolloutAddedToInformer",
        "nothing has happened; each start of the controller would tell it of every Rollout",
    ),
    (ALL, "Traffic weight updated $", "no weight has changed"),
    (
        ALL,
        "(combined from similar events)",
        "the library of the peer counts the eleventh of a reason together with the ones before",
    ),
    (
        ALL,
        " from 0 to ",
        "requests: a version is created with its size, and that it is created is told",
    ),
    (
        PLAIN,
        "ScalingReplicaSet",
        "requests: without a router the Events of the steps tell the sizes; that a version has no pods left is told",
    ),
    (
        PLAIN,
        "RolloutResumed",
        "requests: that the pause is over is told as a completed step",
    ),
    (
        ALL,
        "the object has been modified",
        "the peer meets its own writes; we wait until they are seen",
    ),
    (
        &["canary-deadline-abort"],
        "RolloutAborted: Rollout aborted update to revision 2$",
        "an abort always says why",
    ),
    (
        ALL,
        "' Previous: ''$",
        "that a run is measured is written before it has ended, and so is the phase before",
    ),
];

/// Events of ours that are not recorded.
const OURS: [Row; 4] = [
    (ALL, "' Previous: 'Running'$", "see above"),
    (ALL, "Status New: 'Running' Previous: ''$", "see above"),
    (
        ALL,
        "InvalidSpec",
        "why nothing moves is told, not only written into the status",
    ),
    (
        &["canary-deadline-abort"],
        "has timed out progressing.$",
        "an abort always says why",
    ),
];

/// What is told wrongly, if anything.
pub fn differences(life: &Value, store: &Store) -> Vec<String> {
    let recorded: Vec<String> = life["events"].as_array().unwrap().iter().map(line).collect();
    let ours = told(life, store);
    let name = life["name"].as_str().unwrap();
    let known = |text: &str, table: &[Row]| is_in(name, text, table);
    let mut wrong = Vec::new();
    let cut = cut_short(life);
    for text in &ours {
        let beyond = cut && text.starts_with("Rollout ");
        if !recorded.contains(text) && !known(text, &OURS) && !beyond {
            wrong.push(format!("told and not recorded: {text}"));
        }
    }
    for text in &recorded {
        if !ours.contains(text) && !known(text, &LEFT_OUT) {
            wrong.push(format!("recorded and not told: {text}"));
        }
    }
    wrong.extend(misplaced(life, &recorded, &ours));
    wrong
}

fn is_in(life: &str, text: &str, table: &[Row]) -> bool {
    table.iter().any(|(lives, part, _)| {
        let end = part.strip_suffix('$');
        let says = end.map_or(text.contains(part), |end| text.ends_with(end));
        says && lives.iter().any(|prefix| life.starts_with(prefix))
    })
}

/// Neighbours in our order that stand the other way round in the recording. What was told more than once stands where it was told
/// first, or last, in either; what we leave out at times stands where we do not; and what is told of a run has nothing to do with what is told of the Rollout.
fn misplaced(life: &Value, recorded: &[String], ours: &[String]) -> Vec<String> {
    let once = |place: &usize| life["events"][*place]["count"] == 1;
    let mut wrong = Vec::new();
    for object in ["Rollout ", "AnalysisRun "] {
        let of_object = ours.iter().filter(|text| text.starts_with(object));
        let left_out = |text: &str| is_in(life["name"].as_str().unwrap(), text, &LEFT_OUT);
        let place = |text: &String| {
            let place = recorded.iter().position(|one| one == text).filter(once);
            place.filter(|_| !left_out(text))
        };
        let places: Vec<(usize, &String)> = of_object.filter_map(|text| Some((place(text)?, text))).collect();
        for pair in places.windows(2) {
            let (first, second) = (&pair[0], &pair[1]);
            let on_purpose = ORDER
                .iter()
                .any(|(earlier, later, _)| first.1.contains(earlier) && second.1.contains(later));
            if first.0 > second.0 && !on_purpose {
                wrong.push(format!("told in another order: {} / {}", first.1, second.1));
            }
        }
    }
    wrong
}

/// Whether the peer had more to tell of the Rollout than its library let pass, repeats among it, or let stand.
fn cut_short(life: &Value) -> bool {
    let events = life["events"].as_array().unwrap();
    let combined = |event: &Value| event["message"].as_str().unwrap().starts_with("(combined");
    if events.iter().any(combined) {
        return true;
    }
    let told = events.iter().filter(|event| event["kind"] == "Rollout");
    told.map(|event| event["count"].as_u64().unwrap()).sum::<u64>() >= PEER_TELLS_MAX
}

/// Events of one object that the peer's library lets pass.
const PEER_TELLS_MAX: u64 = 25;

fn line(event: &Value) -> String {
    let text = |member: &str| event[member].as_str().unwrap_or_default();
    format!(
        "{} {} {} {}: {}",
        text("kind"),
        text("object"),
        text("type"),
        text("reason"),
        text("message")
    )
}

/// Our Events in the order in which each was told first.
fn told(life: &Value, store: &Store) -> Vec<String> {
    let changes = store.changes_after(0);
    let first = changes
        .iter()
        .filter(|change| &*change.key.resource == "events" && change.before.is_none());
    let shown = first.filter_map(|change| {
        let event = change.after.as_ref()?;
        let involved = &event["involvedObject"];
        Some(
            json!({"kind": involved["kind"], "object": involved["name"], "type": event["type"],
            "reason": event["reason"], "message": event["message"]}),
        )
    });
    let events = mask(shown.collect(), life["hashes"].as_object().unwrap());
    let mut lines: Vec<String> = Vec::new();
    for event in events.as_array().unwrap() {
        let line = line(event);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}
