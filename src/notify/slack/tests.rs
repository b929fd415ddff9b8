use super::samples::*;
use super::*;
use serde_json::json;
use std::path::PathBuf;

/// Compares a message's text with `tests/data/slack/NAME.txt`; `SERIN_BLESS=1` writes the file instead.
fn check(name: &str, what: &Announcement) {
    let message = message(what);
    let got = format!("{}\nfallback: {}\n", render_text(&message), message.text);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/slack/{name}.txt"));
    if std::env::var_os("SERIN_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &got).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(got, want, "{}: set SERIN_BLESS=1 to accept", path.display());
}

fn with_runs(moment: Moment, runs: Vec<crate::api::analysis_run::AnalysisRun>) -> Announcement {
    Announcement {
        runs,
        ..update(moment)
    }
}

fn reason() -> String {
    "Rollout aborted update to revision 7: Step-based analysis phase error/failed: Metric \"error-rate\" assessed Failed due to \
     failed (1) > failureLimit (0)"
        .into()
}

#[test]
fn started_shows_the_plan_of_steps() {
    check("started", &update(Moment::Started));
}

#[test]
fn a_first_release_says_so() {
    let what = Announcement {
        images_old: Vec::new(),
        steps: Vec::new(),
        ..update(Moment::Started)
    };
    check("started-first", &what);
}

#[test]
fn aborted_shows_the_metric_that_decided_first() {
    check(
        "aborted",
        &with_runs(Moment::Aborted(reason()), vec![background_run(), failed_run()]),
    );
}

#[test]
fn aborted_without_answers_shows_why_there_were_none() {
    check(
        "aborted-no-answer",
        &with_runs(Moment::Aborted(reason()), vec![erroneous_run()]),
    );
}

#[test]
fn aborted_by_a_person_names_no_metric() {
    let moment = Moment::Aborted("Rollout aborted update to revision 7".into());
    let mut retried = failed_run();
    retried.metadata.name = "first-try".into();
    check("aborted-by-hand", &with_runs(moment, vec![retried, good_run()]));
}

#[test]
fn promoted_shows_every_metric() {
    let mut what = with_runs(
        Moment::Promoted("Completed all 6 canary steps".into()),
        vec![good_run()],
    );
    what.at = at("12:40:00");
    what.weight = 50;
    what.step = Some((6, 6));
    check("promoted", &what);
}

#[test]
fn without_a_router_the_share_is_of_pods() {
    let mut what = with_runs(
        Moment::Promoted("Completed all 6 canary steps".into()),
        Vec::new(),
    );
    (what.weight_is_pods, what.weight) = (true, 20);
    what.images_old = vec![
        ("app".into(), "app:v1".into()),
        ("proxy".into(), "envoy:1.30".into()),
        ("old".into(), "gone:1".into()),
    ];
    what.images_new = vec![
        ("app".into(), "app:v2".into()),
        ("proxy".into(), "envoy:1.30".into()),
        ("log".into(), "fluent:3".into()),
    ];
    check("promoted-pods", &what);
}

#[test]
fn paused_says_how_to_go_on_and_back() {
    check(
        "paused",
        &with_runs(Moment::Paused("CanaryPauseStep".into()), vec![good_run()]),
    );
}

#[test]
fn invalid_lists_every_problem() {
    let problems =
        "spec.strategy.canary.steps[2].setWeight: must be between 0 and 100\nspec.selector: Required value";
    check("invalid", &update(Moment::Invalid(problems.into())));
}

#[test]
fn a_verdict_tells_of_its_run_alone() {
    let run = failed_run();
    check(
        "verdict-failed",
        &with_runs(
            Moment::Verdict(run.metadata.name.clone()),
            vec![background_run(), run],
        ),
    );
    let run = good_run();
    check(
        "verdict-passed",
        &with_runs(Moment::Verdict(run.metadata.name.clone()), vec![run]),
    );
}

fn moments() -> Vec<Moment> {
    let long = "why <!channel> & `x`\nline ".repeat(500);
    vec![
        Moment::Started,
        Moment::Verdict("<!channel> @here <@U123> `code` *bold*\n```\nfake & line".into()),
        Moment::Verdict("unknown".into()),
        Moment::Paused(long.clone()),
        Moment::Promoted(long.clone()),
        Moment::Aborted(long.clone()),
        Moment::Invalid(long),
    ]
}

fn chars(value: &Value) -> usize {
    value["text"].as_str().unwrap().chars().count()
}

#[test]
fn whatever_is_told_fits_slack() {
    for moment in moments() {
        let message = message(&hostile(moment));
        assert!(message.text.chars().count() <= FALLBACK_CHARS_MAX);
        assert!(message.blocks.len() <= BLOCKS_MAX);
        assert!(serde_json::to_string(&message.blocks).unwrap().len() <= BLOCKS_BYTES_MAX);
        for block in &message.blocks {
            match block["type"].as_str().unwrap() {
                "header" => assert!(chars(&block["text"]) <= HEADER_CHARS_MAX),
                _ => {
                    assert!(block["text"].is_null() || chars(&block["text"]) <= SECTION_CHARS_MAX);
                    let fields = block["fields"].as_array().map_or(&[][..], Vec::as_slice);
                    assert!(fields.len() <= FIELDS_MAX);
                    assert!(fields.iter().all(|field| chars(field) <= FIELD_CHARS_MAX));
                }
            }
        }
    }
}

#[test]
fn a_cut_list_says_how_much_is_missing_and_where_to_look() {
    let text = render_text(&message(&hostile(Moment::Aborted("no".into()))));
    assert!(
        text.contains(" more metrics: `serin get checkout -n payments`"),
        "{text}"
    );
    assert!(
        text.contains("Try again: `serin retry checkout -n payments`"),
        "the commands survive the cut: {text}"
    );
}

#[test]
fn no_text_from_elsewhere_becomes_markup() {
    for moment in moments() {
        let message = message(&hostile(moment));
        let all = format!(
            "{}{}",
            message.text,
            serde_json::to_string(&message.blocks).unwrap()
        );
        assert!(!all.contains('<') && !all.contains('>'), "{all}");
        assert!(!all.contains("@here"), "{all}");
        for block in &message.blocks {
            let texts = block["fields"]
                .as_array()
                .into_iter()
                .flatten()
                .chain([&block["text"]]);
            for text in texts.filter(|text| text["type"] == "mrkdwn") {
                assert_eq!(
                    text["verbatim"], true,
                    "Slack must not look for names in plain words"
                );
                let ticks = text["text"].as_str().unwrap().matches('`').count();
                assert_eq!(ticks % 2, 0, "an open code span: {text}");
            }
        }
    }
}

#[test]
fn a_blue_green_update_tells_what_happens_around_the_switch() {
    let switch = serde_json::from_value(json!({
        "activeService": "checkout", "previewService": "checkout-next", "previewReplicaCount": 2, "autoPromotionEnabled": false,
        "prePromotionAnalysis": {"templates": [{"templateName": "smoke"}]},
        "postPromotionAnalysis": {"templates": [{"templateName": "error-rate"}, {"templateName": "latency"}]},
    }));
    let mut what = update(Moment::Started);
    (what.switch, what.steps, what.step) = (switch.unwrap(), Vec::new(), None);
    check("switch-started", &what);
    what.moment = Moment::Paused("BlueGreenPause".into());
    (what.weight, what.runs) = (0, Vec::new());
    check("switch-paused", &what);
}
