//! What people read in Slack, end to end: the real controller posts to a stand-in that refuses what Slack refuses.

use std::time::Duration;

use serde_json::{Value, json};

use crate::case::{Case, SOON};
use crate::manifests::{analysis, error_rate, metric, rollout, routed, template};
use crate::support::manifest;
use crate::support::serin::{NAMESPACE, Options};
use crate::support::slack::{Posted, Slack};
use crate::support::world::world;

const TOKEN: &str = "xoxb-e2e";

/// The outcome may wait for as long as the outbox waits between two tries.
const AFTER_OUTAGE: Duration = Duration::from_secs(60);

/// A controller that posts to `slack`, with its token in a Secret in the controller's namespace.
async fn case(name: &str, slack: &Slack) -> Case {
    let world = world().await;
    let secret = format!("slack-{name}");
    let options = Options {
        prometheus: Some(world.prometheus.url()),
        args: vec![
            format!("--slack-secret={secret}"),
            "--slack-channel=releases".to_owned(),
            format!("--slack-api-url={}", slack.url()),
        ],
        ..Options::default()
    };
    let case = Case::own(name, options).await;
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret},
        "stringData": {"token": TOKEN}});
    manifest::apply_one(&case.space.client, NAMESPACE, &object)
        .await
        .unwrap();
    case
}

/// Every text of a message.
fn words(message: &Posted) -> String {
    fn collect(value: &Value, into: &mut String) {
        match value {
            Value::String(text) => {
                into.push_str(text);
                into.push('\n');
            }
            Value::Array(all) => all.iter().for_each(|one| collect(one, into)),
            Value::Object(all) => all.values().for_each(|one| collect(one, into)),
            _ => {}
        }
    }
    let mut all = format!("{}\n", message.text);
    message.blocks.iter().for_each(|block| collect(block, &mut all));
    all
}

/// The thread whose first message speaks of the release `tag`: its first message and the replies.
fn thread(slack: &Slack, tag: &str) -> Vec<Posted> {
    let all = slack.messages();
    let begins = |one: &&Posted| one.thread_ts.is_none() && one.text.contains(tag);
    let heads: Vec<&Posted> = all.iter().filter(begins).collect();
    assert!(heads.len() <= 1, "{tag} has more than one thread: {heads:?}");
    let Some(head) = heads.first() else {
        return Vec::new();
    };
    let mine = |one: &&Posted| one.ts == head.ts || one.thread_ts.as_ref() == Some(&head.ts);
    all.iter().filter(mine).cloned().collect()
}

/// The first word after the icon of each message: Started, Analysis, Aborted, …
fn kinds(thread: &[Posted]) -> Vec<String> {
    let first = |one: &Posted| one.text.split(':').next().unwrap_or_default().trim().to_owned();
    thread.iter().map(first).collect()
}

fn assert_has(message: &Posted, parts: &[&str]) {
    let words = words(message);
    for part in parts {
        assert!(words.contains(part), "'{part}' is not in\n{words}");
    }
}

async fn until_said(slack: &Slack, deadline: Duration, tag: &str, wanted: &[&str]) -> Vec<Posted> {
    crate::support::wait::eventually(deadline, &format!("the thread of {tag}"), || async {
        let thread = thread(slack, tag);
        let said = kinds(&thread);
        if said == wanted {
            Ok(thread)
        } else {
            Err(format!("{said:?} instead of {wanted:?}"))
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_update_has_one_thread_from_start_to_outcome() {
    let slack = Slack::start(TOKEN).await;
    let case = case("slack", &slack).await;
    let errors = metric("error-rate", &error_rate("canary"), "0.005");
    let mut baseline = metric("error-rate-stable", &error_rate("stable"), "1");
    baseline["failureLimit"] = json!(4);
    let mut house = template("house", &[errors, baseline]);
    house["spec"]["dryRun"] = json!([{"metricName": "error-rate-stable"}]);
    case.apply([house]).await;
    let steps = json!([{"setWeight": 5}, {"analysis": analysis("house")}]);
    let canary = json!({"abortScaleDownDelaySeconds": 1, "scaleDownDelaySeconds": 1, "steps": steps});
    case.apply(routed(2, "v1", &case.space.namespace, canary)).await;
    case.until_healthy("v1").await;
    let _load = case.drive_route().await;

    case.release("v2-errors").await;
    case.until_phase("Degraded", "error-rate").await;
    let told = until_said(
        &slack,
        SOON,
        "v2-errors",
        &["Started", "Analysis failed", "Aborted"],
    )
    .await;
    assert!(
        told[1..]
            .iter()
            .all(|one| one.thread_ts.as_ref() == Some(&told[0].ts)),
        "{told:?}"
    );
    assert_has(&told[0], &["web", &case.space.namespace, "v1", "v2-errors"]);
    let measured = case.record.look(|seen| {
        let run = seen.all("AnalysisRun")[0]["status"]["metricResults"][0].clone();
        let last = run["measurements"].as_array().and_then(|all| all.last()).cloned();
        last.map(|last| {
            last["value"]
                .as_str()
                .unwrap_or_default()
                .trim_matches(['[', ']'])
                .to_owned()
        })
    });
    // Three digits of it: messages are rounded.
    let measured = &measured.unwrap()[.."0.076".len()];
    let outcome = [
        "`v1` → `v2-errors`",
        "5 %",
        "error-rate",
        measured,
        "0.005",
        "stable 0.00",
        "serin get web -n",
    ];
    assert_has(&told[2], &outcome);
    assert!(
        words(&told[1]).contains(measured),
        "the verdict too: {}",
        words(&told[1])
    );
    case.release("v3").await;
    case.until_healthy("v3").await;
    let told = until_said(&slack, SOON, "v3", &["Started", "Analysis passed", "Promoted"]).await;
    assert_has(&told[2], &["`v1` → `v3`", "error-rate", "0.005", "stable 0.00"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slack_down_delays_no_abort_and_the_outcome_arrives_later() {
    let mut slack = Slack::start(TOKEN).await;
    let case = case("slack-down", &slack).await;
    let bad = metric("errors", "vector(1)", "0.5");
    case.apply([template("house", &[bad])]).await;
    let steps = json!([{"setWeight": 50}, {"analysis": analysis("house")}]);
    case.apply([rollout(2, "v1", json!({"steps": steps}))]).await;
    case.until_healthy("v1").await;
    slack.down().await;
    case.release("v2").await;
    let abort = case.until_within(Duration::from_secs(20), "aborted with Slack down", |web| {
        match crate::case::phase(web) == "Degraded" {
            true => Ok(()),
            false => Err(crate::case::look(web)),
        }
    });
    abort.await;
    assert!(thread(&slack, "v2").is_empty());
    slack.up().await;
    let told = until_said(
        &slack,
        AFTER_OUTAGE,
        "v2",
        &["Started", "Analysis failed", "Aborted"],
    )
    .await;
    assert_has(&told[2], &["v1", "v2", "errors", "0.5"]);
}
