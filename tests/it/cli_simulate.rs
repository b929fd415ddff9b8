//! `serin simulate` as a user meets it: exit code, standard output, standard error.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const EXAMPLE: &str = "-f examples/canary-gateway.yaml -f examples/analysis";

fn run(line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serin"));
    command
        .arg("simulate")
        .args(line.split_whitespace())
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it, checks the exit code, and that each of these is printed where it belongs. Nothing else may be on standard error than
/// what is expected there.
#[track_caller]
fn check(line: &str, code: i32, stdout: &[&str], stderr: &[&str]) -> Output {
    let output = run(line);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{line}\n{out}\n{err}");
    // Lines are broken where the terminal ends.
    let flat = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in stdout {
        assert!(flat.contains(part), "{line}: {part:?} is not in\n{out}");
    }
    for part in stderr {
        assert!(err.contains(part), "{line}: {part:?} is not in\n{err}");
    }
    assert!(!stderr.is_empty() || err.is_empty(), "{line}: {err}");
    output
}

/// A file of this test's own; removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("serin-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A small canary, with these steps, nothing that it needs beside it, and a deadline of a minute.
fn rollout(steps: &str, more: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: web, namespace: shop}}\n\
         spec:\n  replicas: 2\n  progressDeadlineSeconds: 60\n  selector: {{matchLabels: {{app: web}}}}\n\
         \x20 template:\n    metadata: {{labels: {{app: web}}}}\n    spec: {{containers: [{{name: web, image: 'host:5000/web:1'}}]}}\n\
         \x20 strategy: {{canary: {{steps: [{steps}]{more}}}}}\n"
    )
}

#[test]
fn a_good_release_is_promoted_and_its_cost_is_told() {
    check(
        EXAMPLE,
        0,
        &[
            "example.org/shop:1 → example.org/shop:simulated-good",
            "serin-a: the route gives the canary 5 %",
            "measured error-rate = ",
            "promoted after 20m",
            ", as expected",
            "the new version answered ",
        ],
        &[],
    );
}

#[test]
fn bad_releases_are_taken_back_by_the_metric_that_sees_it() {
    let check = |profile: &str, told: &[&str]| check(&format!("{EXAMPLE} --profile {profile}"), 0, told, &[]);
    check(
        "errors",
        &[
            "Metric \"error-rate\" assessed Failed",
            "aborted after 1m",
            "as expected",
        ],
    );
    check(
        "slow",
        &[
            "Metric \"p99-latency-ms\" assessed Failed",
            "aborted after 1m",
            "0 of them with 5xx",
        ],
    );
    check(
        "crash-looping",
        &["has timed out", "aborted after 10m", "answered 0 requests"],
    );
}

#[test]
fn too_little_traffic_is_no_evidence() {
    check(
        &format!("{EXAMPLE} --profile low-traffic"),
        0,
        &[
            "one request in ten seconds",
            "Inconclusive",
            "waits for a person since 3m",
            "as expected",
        ],
        &[],
    );
}

#[test]
fn what_ends_otherwise_is_10_with_a_hint() {
    let file = Scratch::new("unmeasured.yaml", &rollout("{setWeight: 50}", ""));
    let line = format!("-f {} --profile errors", file.path());
    check(
        &line,
        10,
        &[
            "host:5000/web:1 → host:5000/web:simulated-errors",
            "but it should have been aborted",
        ],
        &["hint: nothing measures the new version"],
    );
    check(&format!("{line} --expect promoted"), 0, &["as expected"], &[]);
    let line = format!("-f {} --profile crash-looping", file.path());
    check(&line, 10, &["stuck since 1m"], &["progressDeadlineAbort: true"]);
}

#[test]
fn what_the_rollout_needs_is_added_and_a_person_promotes_pauses() {
    let routing = ", stableService: web-stable, canaryService: web-canary, trafficRouting: {gatewayAPI: {httpRoute: web}}";
    let file = Scratch::new("alone.yaml", &rollout("{setWeight: 10}, {pause: {}}", routing));
    check(
        &format!("-f {}", file.path()),
        0,
        &[
            "added: Service shop/web-stable",
            "added: Service shop/web-canary",
            "added: HTTPRoute shop/web",
            "step 2 is a pause without a duration: a simulated person promoted after 1 minute",
            "the route gives the canary 10 %",
            "promoted after 1m",
        ],
        &[],
    );
}

#[test]
fn all_problems_of_all_manifests_are_named_with_field_and_mend() {
    let steps =
        "{setWeight: 101}, {setMirrorRoute: {name: a}}, {analysis: {templates: [{templateName: nope}]}}";
    let bad = Scratch::new("bad.yaml", &rollout(steps, ""));
    let template = "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: t, namespace: shop}\n\
        spec: {metrics: [{name: a, count: 2, provider: {web: {url: x}}}]}\n---\nkind: Deployment\nspec: {}\n";
    let output = check(
        &format!("-f {}", bad.path()),
        1,
        &[],
        &["failed to read the manifests: "],
    );
    let told = text(&output.stderr);
    for part in [
        "bad.yaml: Rollout shop/web: spec.strategy.canary.steps[0].setWeight",
        "spec.strategy.canary.steps[1].setMirrorRoute: Invalid value: {\"name\":\"a\"}: SetMirrorRoute requires TrafficRouting, supports Istio and Plugins (remove the step, or route through Istio)",
        "spec.strategy.canary.steps[2].analysis.templates: Invalid value: \"nope\": AnalysisTemplate 'nope' not found (create it",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    assert!(output.stdout.is_empty());
    let broken = Scratch::new("template.yaml", template);
    check(
        &format!("-f {} -f {}", bad.path(), broken.path()),
        1,
        &[],
        &[
            "template.yaml: a document is no object of Kubernetes: it needs apiVersion, kind and metadata.name",
        ],
    );
    let only = Scratch::new("metrics.yaml", template.split("---").next().unwrap());
    check(
        &format!("-f {} -f {}", bad.path(), only.path()),
        1,
        &[],
        &[
            "metrics.yaml: AnalysisTemplate shop/t: spec.metrics[0].interval: interval must be specified when count > 1",
            "spec.metrics[0].provider.web: nobody answers web metrics in a simulation",
            "steps[0].setWeight",
        ],
    );
}

#[test]
fn blue_green_is_played_and_a_person_promotes_what_waits_for_one() {
    let strategy = "{blueGreen: {activeService: live, previewService: next, autoPromotionEnabled: false}}";
    let manifest = rollout("", "").replace("{canary: {steps: []}}", strategy);
    let file = Scratch::new("blue-green.yaml", &manifest);
    let told = [
        "added: Service shop/live",
        "added: Service shop/next",
        "1/2 pause",
        "person promotes the switch, after 1 minute",
        "Switched selector for service 'live'",
        "as expected",
    ];
    check(&format!("-f {}", file.path()), 0, &told, &[]);
}

#[test]
fn what_is_not_carried_out_is_named_as_the_controller_names_it() {
    let strategy = "{blueGreen: {activeService: web, activeMetadata: {}}}";
    let manifest = rollout("", "").replace("{canary: {steps: []}}", strategy);
    let file = Scratch::new("metadata.yaml", &manifest);
    let told = "spec.strategy.blueGreen.activeMetadata: this version of Serin does not carry out metadata";
    check(&format!("-f {}", file.path()), 1, &[], &[told]);
}

#[test]
fn a_wrong_command_line_is_2() {
    check("", 2, &[], &["nothing to play", "hint: give manifests with -f"]);
    let line = format!("{EXAMPLE} --fault no-such-fault");
    check(
        &line,
        2,
        &[],
        &[
            "no fault is named \"no-such-fault\"",
            "serin simulate --list-faults",
        ],
    );
    check(
        &format!("{EXAMPLE} --speed 0"),
        2,
        &[],
        &["write a number above zero"],
    );
    check(
        &format!("{EXAMPLE} --profile nice"),
        2,
        &[],
        &["crash-looping", "low-traffic"],
    );
    check("-f /nowhere/a.yaml", 1, &[], &["cannot read /nowhere/a.yaml"]);
}

#[test]
fn a_fault_of_the_catalogue_strikes_and_is_told() {
    let listed = check("--list-faults", 0, &[], &[]);
    assert!(text(&listed.stdout).contains("prometheus-hangs"));
    check(
        &format!("{EXAMPLE} --fault prometheus-hangs,at=1m,for=3m"),
        0,
        &[
            "fault prometheus-hangs: 1m after the release begins, for 3m",
            "!! fault prometheus-hangs",
            "promoted after",
        ],
        &[],
    );
}

#[test]
fn a_story_ends_as_it_tells_or_not() {
    check(
        "--story examples/stories/good-release-is-promoted.yaml",
        0,
        &["TIME STEP", "it ended as the story tells"],
        &[],
    );
    let story = "title: t\nrollout: shop\ntimeline: [{when: healthy, do: {setImage: '2'}}]\nends: {phase: Degraded, within: 1m}\n";
    let file = Scratch::new("story.yaml", story);
    let line = format!("{EXAMPLE} --story {}", file.path());
    check(
        &line,
        10,
        &["it did not end as the story tells:", "phase: told \"Degraded\""],
        &[],
    );
    let file = Scratch::new(
        "wrong-story.yaml",
        "title: t\nends: {phase: Healthy}\nscenes: []\n",
    );
    check(
        &format!("--story {}", file.path()),
        1,
        &[],
        &["wrong-story.yaml", "scenes"],
    );
}

#[test]
fn json_says_the_same_to_programs() {
    let output = check(&format!("{EXAMPLE} --profile errors -o json"), 0, &[], &[]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["rollout"], "default/shop");
    assert_eq!(answer["ended"], "aborted");
    assert_eq!(answer["asExpected"], true);
    assert!(answer["tookSeconds"].as_u64().unwrap() < 120, "{answer}");
    assert!(answer["newVersion"]["errors"].as_u64().unwrap() > 0, "{answer}");
    assert_eq!(answer["timeline"]["summary"]["phase"], "Degraded");
    assert!(answer["timeline"]["rows"].as_array().unwrap().len() > 10);
}

#[test]
fn equal_seeds_tell_equal_stories() {
    let told = |seed: u64| run(&format!("{EXAMPLE} --profile errors -o json --seed {seed}")).stdout;
    let (one, again, other) = (told(3), told(3), told(4));
    assert!(!one.is_empty() && one == again);
    assert_ne!(one, other);
}

#[test]
fn a_seed_of_the_swarm_is_replayed() {
    let output = run("--seed 12");
    let out = text(&output.stdout);
    assert!(
        out.contains("seed 12: ") && out.contains("the last events"),
        "{out}"
    );
    assert!(out.contains("replay: serin simulate --seed 12"), "{out}");
    let output = run("--seed 12 -o json");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let broken = answer["broken"].as_array().unwrap().len();
    let code = if broken == 0 { 0 } else { 10 };
    assert_eq!(output.status.code(), Some(code), "{answer:#}");
}

#[test]
fn what_users_suffer_right_after_a_bad_promotion_counts() {
    let output = run("-f examples/blue-green.yaml --profile errors");
    let out = text(&output.stdout);
    let line = out
        .lines()
        .find(|line| line.starts_with("the new version answered "))
        .unwrap();
    assert!(!line.contains(" 0 of them with 5xx"), "{line}");
    let told = text(&output.stderr) + &out;
    assert!(
        told.contains("add prePromotionAnalysis to spec.strategy.blueGreen"),
        "{told}"
    );
}
