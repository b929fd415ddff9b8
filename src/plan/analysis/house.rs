//! The house template in `examples/analysis`: it must be readable to the last field, fit the example Rollout, take ten minutes, and
//! never pass without evidence.

use super::*;
use crate::api::rollout::Rollout;
use crate::api::strategy::RolloutAnalysis;
use crate::plan::{Answer, Answers, Question};
use chrono::TimeDelta;

const TEMPLATE: &str = include_str!("../../../examples/analysis/canary-vs-stable.yaml");
const ROLLOUT: &str = include_str!("../../../examples/canary-gateway.yaml");

fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

/// The Rollout among the documents of a file.
fn rollout_of(yaml: &str) -> Value {
    let found = documents(yaml)
        .into_iter()
        .find(|object| object["kind"] == "Rollout");
    found.unwrap()
}

fn rollout() -> Rollout {
    let mut rollout = rollout_of(ROLLOUT);
    rollout["metadata"]["namespace"] = json!("shop");
    serde_json::from_value(rollout).unwrap()
}

fn answers() -> Answers {
    let template = serde_json::from_value(documents(TEMPLATE).remove(0)).unwrap();
    let question = Question::template("shop", "canary-vs-stable", false);
    Answers([(question, Answer::Template(template))].into())
}

fn analysis(rollout: &Rollout) -> RolloutAnalysis {
    let steps = &rollout.spec.strategy.canary.as_ref().unwrap().steps;
    steps[1].analysis.clone().unwrap()
}

fn run() -> AnalysisRun {
    let (rollout, answers) = (rollout(), answers());
    let wanted = RunWanted {
        rollout: &rollout,
        analysis: &analysis(&rollout),
        answers: &answers,
        purpose: Purpose::Step(1),
        new_hash: "newhash",
        stable_hash: "oldhash",
        revision: 2,
        instance_id: "",
    };
    serde_json::from_value(build_run(&wanted, &base_name(&wanted)).unwrap()).unwrap()
}

#[test]
fn every_field_of_the_template_is_known() {
    let template = documents(TEMPLATE).remove(0);
    let typed: crate::api::analysis::AnalysisTemplateSpec =
        serde_json::from_value(template["spec"].clone()).unwrap();
    assert_eq!(serde_json::to_value(typed).unwrap(), template["spec"]);
}

#[test]
fn the_example_rollout_can_use_it() {
    let rollout = rollout();
    assert_eq!(
        templates_needed(&analysis(&rollout).templates, "shop", &answers()),
        []
    );
    assert_eq!(validate_templates(&rollout, &answers()), []);
}

#[test]
fn it_measures_ten_times_in_ten_minutes() {
    let mut seen = RunObserved {
        run: run(),
        ..RunObserved::default()
    };
    let start = Time::parse("2026-11-21T08:00:00Z").unwrap().get();
    let RunPlan { plan, probes } = plan_run(&seen, start);
    assert_eq!(
        (probes.len(), plan.wake_at),
        (0, Some(start + TimeDelta::seconds(60)))
    );
    seen.run.status.started_at = Some(Time::new(start));
    let first = start + TimeDelta::seconds(60);
    let probes = plan_run(&seen, first).probes;
    let names: Vec<&str> = probes.iter().map(|probe| probe.metric.as_str()).collect();
    let both = [
        "error-rate",
        "p99-latency-ms",
        "error-rate-vs-stable",
        "p99-vs-stable",
        "error-rate-stable",
        "p99-latency-ms-stable",
    ];
    assert_eq!(names, both);
    for target in targets(&seen.run).unwrap() {
        assert_eq!(schedule::effective_count(&target.metric), Some(10));
        assert_eq!(target.metric.interval.as_deref(), Some("60s"));
        assert!(
            target
                .metric
                .provider
                .prometheus
                .unwrap()
                .query
                .contains("hash=\""),
            "{}",
            target.metric.name
        );
    }
}

#[test]
fn nothing_passes_without_evidence() {
    use crate::base::reading::Value::{Float, List};
    let check = |metric: &str, result: &[f64], want: &str| {
        let targets = targets(&run()).unwrap();
        let target = targets
            .iter()
            .find(|target| target.metric.name == metric)
            .unwrap();
        let reading = Reading {
            result: List(result.iter().copied().map(Float).collect()),
            ..Reading::default()
        };
        let verdict = verdict::judge(&target.metric, &reading, DateTime::UNIX_EPOCH);
        assert_eq!(
            (verdict.phase, verdict.message.as_str()),
            (want, ""),
            "{metric} {result:?}"
        );
    };
    for (metric, good, bad) in [
        ("error-rate", 0.0049, 0.005),
        ("p99-latency-ms", 499.9, 500.0),
        ("error-rate-vs-stable", 2.0, 2.01),
        ("p99-vs-stable", 1.3, 1.31),
    ] {
        check(metric, &[good], "Successful");
        check(metric, &[bad], "Failed");
        check(metric, &[f64::INFINITY], "Failed");
        check(metric, &[], "Inconclusive");
        check(metric, &[f64::NAN], "Inconclusive");
        check(metric, &[good, good], "Inconclusive");
    }
    for baseline in ["error-rate-stable", "p99-latency-ms-stable"] {
        check(baseline, &[1.0], "Successful");
        check(baseline, &[], "Failed");
        check(baseline, &[f64::NAN], "Failed");
    }
}

#[test]
fn baselines_have_no_say_and_belong_to_a_metric() {
    let targets = targets(&run()).unwrap();
    let decisive: Vec<&str> = targets
        .iter()
        .filter(|t| !t.dry_run)
        .map(|t| t.metric.name.as_str())
        .collect();
    assert_eq!(
        decisive,
        [
            "error-rate",
            "p99-latency-ms",
            "error-rate-vs-stable",
            "p99-vs-stable"
        ]
    );
    for baseline in targets.iter().filter(|target| target.dry_run) {
        let metric = baseline.metric.name.strip_suffix("-stable").unwrap();
        assert!(decisive.contains(&metric), "{metric}");
        let query = baseline.metric.provider.prometheus.clone().unwrap().query;
        assert!(query.contains("oldhash") && !query.contains("newhash"), "{query}");
    }
}

#[test]
fn every_example_names_known_kinds_only() {
    let basic = include_str!("../../../examples/canary-basic.yaml");
    let kinds = |yaml: &str| {
        documents(yaml)
            .iter()
            .map(|object| object["kind"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(basic), ["Rollout", "Service"]);
    assert_eq!(kinds(ROLLOUT), ["Service", "Service", "HTTPRoute", "Rollout"]);
    assert_eq!(kinds(TEMPLATE), ["AnalysisTemplate"]);
    for yaml in [basic, ROLLOUT] {
        let object = rollout_of(yaml);
        let typed: Rollout = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(
            serde_json::to_value(typed).unwrap()["spec"],
            object["spec"],
            "every field is known"
        );
    }
}
