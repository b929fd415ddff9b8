//! Values checked by hand. The comparison with a real Prometheus is among the end-to-end tests.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::labels::Labels;
use super::scripted::{Say, Scripted};
use super::{Edition, Prometheus, Settings};
use crate::cluster::store::{Key, Store};
use crate::simulate::traffic::rate::Rate;
use crate::simulate::traffic::{Entry, Load, Traffic};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000_000 + seconds)
}

/// A series: labels and values 10 s apart, beginning at 0; `_` is a gap.
const SERIES: [(&[(&str, &str)], &str); 11] = [
    (
        &[("__name__", "c"), ("pod", "a"), ("v", "1")],
        "0 10 20 30 40 50 60",
    ),
    (
        &[("__name__", "c"), ("pod", "b"), ("v", "1")],
        "0 30 60 90 20 50 80",
    ),
    (&[("__name__", "c"), ("pod", "d"), ("v", "2")], "_ _ _ 5 5 5 5"),
    (&[("__name__", "g"), ("pod", "a")], "1 5 -2 NaN 4 2 3"),
    (&[("__name__", "g"), ("pod", "b")], "7 7 7 7 7 7 -7"),
    (&[("__name__", "z"), ("pod", "a"), ("team", "x")], "0 0 0 0 0 0 2"),
    (&[("__name__", "h"), ("le", "0.1")], "_ _ _ _ _ _ 20"),
    (&[("__name__", "h"), ("le", "0.5")], "_ _ _ _ _ _ 60"),
    (&[("__name__", "h"), ("le", "1")], "_ _ _ _ _ _ 95"),
    (&[("__name__", "h"), ("le", "+Inf")], "_ _ _ _ _ _ 100"),
    (&[("__name__", "h2"), ("le", "1")], "_ _ _ _ _ _ 5"),
];

fn loaded(edition: Edition) -> Prometheus {
    let settings = Settings {
        edition,
        ..Settings::default()
    };
    let mut prometheus = Prometheus::new(settings, at(0));
    for (labels, values) in SERIES {
        let labels: Labels = labels.iter().copied().collect();
        for (step, value) in values.split(' ').enumerate() {
            if let Ok(value) = value.parse() {
                prometheus.append(&labels, at(10 * step as i64), value);
            }
        }
    }
    prometheus
}

/// The answer in short: `{labels} value` of each series, or the error.
fn ask(prometheus: &Prometheus, query: &str, now: DateTime<Utc>) -> Vec<String> {
    let (status, body) = prometheus.instant(query, now);
    let answer: Value = serde_json::from_str(&body).unwrap();
    if status != 200 {
        return vec![format!("{status} {}", answer["error"].as_str().unwrap())];
    }
    let result = &answer["data"]["result"];
    if answer["data"]["resultType"] == "scalar" {
        return vec![result[1].as_str().unwrap().to_owned()];
    }
    let series = result.as_array().unwrap().iter();
    series
        .map(|one| {
            let metric = one["metric"].as_object().unwrap().iter();
            let labels: Vec<String> = metric
                .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
                .collect();
            let value = one["value"][1].as_str().unwrap();
            format!("{} {value}", labels.join(",")).trim().to_owned()
        })
        .collect()
}

#[track_caller]
fn check(query: &str, expect: &[&str]) {
    assert_eq!(ask(&loaded(Edition::V2), query, at(60)), expect, "{query}");
}

#[test]
fn selectors_choose_by_label() {
    check("c{pod='a'}", &["__name__=c,pod=a,v=1 60"]);
    check("c{pod!='a',v=~'1|3'}", &["__name__=c,pod=b,v=1 80"]);
    check("c{pod!~'a|b'}", &["__name__=c,pod=d,v=2 5"]);
    check("c{absent=''} > 70", &["__name__=c,pod=b,v=1 80"]);
    check("{__name__=~'z|none'}", &["__name__=z,pod=a,team=x 2"]);
    check("c{pod='a'} offset 30s", &["__name__=c,pod=a,v=1 30"]);
    check("c{pod='a'} @ 1000020", &["__name__=c,pod=a,v=1 20"]);
    check("nothing", &[]);
}

#[test]
fn rates_extrapolate_to_the_window_and_not_below_zero() {
    // Samples from 0 s to 60 s fill the window: nothing to add.
    check("increase(c{pod='a'}[1m])", &["pod=a,v=1 60"]);
    check("rate(c{pod='a'}[1m])", &["pod=a,v=1 1"]);
    // Of 55 s the samples from 10 s to 60 s are 50; the 5 s before are less than a gap: all of them are bridged.
    check("increase(c{pod='a'}[55s])", &["pod=a,v=1 55.00000000000001"]);
    // Of 90 s they are 60 and begin at zero: no more came before.
    check("increase(c{pod='a'}[90s])", &["pod=a,v=1 60"]);
    // 90 falls to 20: the counter began again, so 90 + 20 + 60.
    check("increase(c{pod='b'}[1m])", &["pod=b,v=1 170"]);
    check("delta(c{pod='b'}[1m])", &["pod=b,v=1 80"]);
    check("irate(c{pod='b'}[1m])", &["pod=b,v=1 3"]);
    check("irate(c{pod='b'}[15s] offset 20s)", &["pod=b,v=1 2"]);
    check("rate(c{pod='d'}[1m])", &["pod=d,v=2 0"]);
    check("rate(c[5s])", &[]);
}

#[test]
fn the_start_of_a_window_belongs_to_it_only_before_edition_3() {
    let ask = |edition| ask(&loaded(edition), "count_over_time(c{pod='a'}[1m])", at(60));
    assert_eq!(ask(Edition::V2), ["pod=a,v=1 7"]);
    assert_eq!(ask(Edition::V3), ["pod=a,v=1 6"]);
}

#[test]
fn functions_over_time() {
    check("avg_over_time(g{pod='b'}[1m])", &["pod=b 5"]);
    check("sum_over_time(z[1m])", &["pod=a,team=x 2"]);
    check("min_over_time(g[1m])", &["pod=a -2", "pod=b -7"]);
    check("max_over_time(g[1m])", &["pod=a 5", "pod=b 7"]);
    check("changes(g[1m])", &["pod=a 6", "pod=b 1"]);
    check("resets(c[1m])", &["pod=a,v=1 0", "pod=b,v=1 1", "pod=d,v=2 0"]);
    check("last_over_time(z[1m])", &["__name__=z,pod=a,team=x 2"]);
    check("quantile_over_time(0.5, c{pod='a'}[1m])", &["pod=a,v=1 30"]);
    check("stddev_over_time(c{pod='a'}[1m])", &["pod=a,v=1 20"]);
    check("deriv(c{pod='a'}[1m])", &["pod=a,v=1 1"]);
    check("predict_linear(c{pod='a'}[1m], 60)", &["pod=a,v=1 120"]);
    check("max_over_time(sum(c)[30s:10s])", &["145"]);
    check("absent_over_time(nothing{a='b',c=~'d'}[1m])", &["a=b 1"]);
}

#[test]
fn aggregations() {
    check("sum(c)", &["145"]);
    check("sum by (v) (c)", &["v=1 140", "v=2 5"]);
    check("sum without (pod) (c)", &["v=1 140", "v=2 5"]);
    check("avg(c)", &["48.333333333333336"]);
    check("count by (v, none) (c)", &["v=1 2", "v=2 1"]);
    check("max(c) - min(c)", &["75"]);
    check("group by (pod) (c)", &["pod=a 1", "pod=b 1", "pod=d 1"]);
    check(
        "topk(2, c)",
        &["__name__=c,pod=b,v=1 80", "__name__=c,pod=a,v=1 60"],
    );
    check(
        "bottomk by (v) (1, c)",
        &["__name__=c,pod=a,v=1 60", "__name__=c,pod=d,v=2 5"],
    );
    check("quantile(0.25, c)", &["32.5"]);
    check("count_values('n', c > 10)", &["n=60 1", "n=80 1"]);
    check("sum(nothing)", &[]);
}

#[test]
fn operators_match_series() {
    check("c{pod='a'} * 2 - 1", &["pod=a,v=1 119"]);
    check("-c{pod='a'}", &["pod=a,v=1 -60"]);
    check("2 ^ 3 ^ 2", &["512"]);
    check("10 % 4 == bool 2", &["1"]);
    check("70 < c", &["__name__=c,pod=b,v=1 80"]);
    check("c > bool 70", &["pod=a,v=1 0", "pod=b,v=1 1", "pod=d,v=2 0"]);
    check("g / on (pod) z", &["pod=a 1.5"]);
    check("z / ignoring (team) g", &["pod=a 0.6666666666666666"]);
    check("g + z", &[]);
    check("c * on (pod) group_left (team) z", &["pod=a,team=x,v=1 120"]);
    check("z - on (pod) group_right (team) c", &["pod=a,team=x,v=1 -58"]);
    check("c and on (pod) z", &["__name__=c,pod=a,v=1 60"]);
    check("c unless on (pod) g", &["__name__=c,pod=d,v=2 5"]);
    check(
        "z or g{pod='b'}",
        &["__name__=z,pod=a,team=x 2", "__name__=g,pod=b -7"],
    );
    check("z / 0 and z * 0 / 0 != 1", &["pod=a,team=x +Inf"]);
    let many =
        "422 multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
    check("c / on (v) c{pod='a'}", &[many]);
    let twice = "422 found duplicate series for the match group {v=\"1\"} on the right hand-side of the operation: \
         [c{pod=\"b\", v=\"1\"}, c{pod=\"a\", v=\"1\"}];many-to-many matching not allowed: \
         matching labels must be unique on one side";
    check("c{pod='a'} / on (v) c", &[twice]);
    check("-{__name__=~'g|z',pod='a'}", &["pod=a -3", "pod=a,team=x -2"]);
    check(
        "-{__name__=~'g|c',pod='a',v=~'.*'}",
        &["pod=a,v=1 -60", "pod=a -3"],
    );
}

#[test]
fn functions_of_now() {
    check("scalar(z) + 1", &["3"]);
    check("scalar(c)", &["NaN"]);
    check("vector(1)", &["1"]);
    check("time() - 1000000", &["60"]);
    check("timestamp(z) - 1000000", &["pod=a,team=x 60"]);
    check("abs(g)", &["pod=a 3", "pod=b 7"]);
    check("round(c{pod='a'} / 7, 0.1)", &["pod=a,v=1 8.6"]);
    check("ceil(z / 3) + floor(z / 3)", &["pod=a,team=x 1"]);
    check("clamp_min(g, 0)", &["pod=a 3", "pod=b 0"]);
    check("clamp_max(g, 0)", &["pod=a 0", "pod=b -7"]);
    check("clamp(g, -1, 1)", &["pod=a 1", "pod=b -1"]);
    check("clamp(g, 1, -1)", &[]);
    check("absent(c)", &[]);
    check("absent(nothing{a='b'})", &["a=b 1"]);
    check("absent(sum(nothing))", &["1"]);
    check(
        "label_replace(z, 'both', '$1-$1', 'team', '(.*)')",
        &["__name__=z,both=x-x,pod=a,team=x 2"],
    );
    check(
        "label_replace(z, 'team', '', 'team', 'x')",
        &["__name__=z,pod=a 2"],
    );
    check(
        "sum by (j) (label_join(z, 'j', '/', 'pod', 'team'))",
        &["j=a/x 2"],
    );
    check(
        "sort_desc(c > 10)",
        &["__name__=c,pod=b,v=1 80", "__name__=c,pod=a,v=1 60"],
    );
}

#[test]
fn quantiles_of_histograms_interpolate_within_a_bucket() {
    check("histogram_quantile(0.1, h)", &["0.05"]);
    check("histogram_quantile(0.4, h)", &["0.30000000000000004"]);
    check("histogram_quantile(0.99, h)", &["1"]);
    check("histogram_quantile(0.5, h2)", &["NaN"]);
    check("histogram_quantile(2, h)", &["+Inf"]);
    check("histogram_quantile(0.5, h * 0)", &["NaN"]);
}

#[test]
fn mistakes_are_answered_as_such() {
    let prometheus = loaded(Edition::V3);
    for query in [
        "sum(",
        "c{pod=}",
        "1 +",
        "rate(c)",
        "c[5m] + 1",
        "nofunction(c)",
        "c{pod=~'('}",
        "",
    ] {
        let (status, body) = prometheus.instant(query, at(60));
        assert!(
            status == 400 && body.contains(r#""errorType":"bad_data""#),
            "{query}: {status} {body}"
        );
    }
    let (status, body) = prometheus.instant("holt_winters(c[1m], 0.1, 0.1)", at(60));
    assert_eq!(status, 400, "{body}");
    let ask = |query, from, to, step| {
        prometheus
            .range(query, at(from), at(to), TimeDelta::seconds(step))
            .1
    };
    assert!(ask("c", 60, 0, 10).contains("end timestamp must not be before start time"));
    assert!(ask("c", 0, 60, 0).contains("zero or negative"));
    assert!(ask("c", 0, 20_000, 1).contains("11,000"));
    assert!(ask("c[1m]", 0, 60, 10).contains("range vector"));
}

#[test]
fn a_range_query_is_a_matrix_of_instants() {
    let prometheus = loaded(Edition::V3);
    let (status, body) = prometheus.range("sum by (v) (c)", at(20), at(40), TimeDelta::seconds(10));
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(
        answer["data"],
        json!({"resultType": "matrix", "result": [
            {"metric": {"v": "1"}, "values": [[1_000_020, "80"], [1_000_030, "120"], [1_000_040, "60"]]},
            {"metric": {"v": "2"}, "values": [[1_000_030, "5"], [1_000_040, "5"]]},
        ]})
    );
    let (_, body) = prometheus.instant("z[25s]", at(60));
    assert!(
        body.contains(r#""values":[[1000040,"0"],[1000050,"0"],[1000060,"2"]]"#),
        "{body}"
    );
}

#[test]
fn a_series_is_found_for_five_minutes_after_its_last_sample() {
    let prometheus = loaded(Edition::V2);
    assert_eq!(ask(&prometheus, "count(c)", at(360)), ["3"]);
    assert_eq!(ask(&prometheus, "count(c)", at(361)), [""; 0]);
    assert_eq!(ask(&loaded(Edition::V3), "count(c)", at(360)), [""; 0]);
}

#[test]
fn a_dictated_answer_holds_from_its_offset_on() {
    let mut prometheus = loaded(Edition::V3);
    prometheus.script(Scripted {
        contains: "sum(c".to_owned(),
        since: at(0),
        values: vec![
            (TimeDelta::seconds(70), Say::Number(f64::NAN)),
            (TimeDelta::seconds(80), Say::Nothing),
            (TimeDelta::seconds(90), Say::Body(502, "<html>".to_owned())),
        ],
    });
    assert_eq!(ask(&prometheus, "sum(c)", at(60)), ["145"]);
    assert_eq!(ask(&prometheus, "sum(c)", at(75)), ["NaN"]);
    assert_eq!(ask(&prometheus, "sum(c)", at(80)), [""; 0]);
    assert_eq!(prometheus.instant("sum(c)", at(95)), (502, "<html>".to_owned()));
    assert_eq!(ask(&prometheus, "count(c)", at(95)), ["3"]);
}

fn key(resource: &str, name: &str) -> Key {
    Key::new(&resource.into(), "n", name)
}

/// One pod of version `hash` with 100 requests per second, 10 % of them errors.
fn served(hash: &str) -> (Store, Traffic) {
    let mut store = Store::default();
    let slice = json!({
        "metadata": {"labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"targetRef": {"name": "p"}}],
    });
    store.put(&key("endpointslices.discovery.k8s.io", "web"), slice);
    let pod = json!({
        "metadata": {"labels": {"rollouts-pod-template-hash": hash}},
        "spec": {"containers": [{"image": "web:v1-errors10"}]},
    });
    store.put(&key("pods", "p"), pod);
    let mut traffic = Traffic::new(at(0));
    traffic.add(Load {
        namespace: "n".to_owned(),
        entry: Entry::Service("web".to_owned()),
        rate: Rate::Constant(100.0),
    });
    (store, traffic)
}

fn run(prometheus: &mut Prometheus, store: &Store, traffic: &mut Traffic, until: i64) {
    while prometheus.due() <= at(until) {
        traffic.advance(store, prometheus.due());
        prometheus.tick(traffic);
    }
    traffic.advance(store, at(until));
}

#[test]
fn the_house_rules_and_queries_see_the_traffic() {
    let (store, mut traffic) = served("abc");
    let mut prometheus = Prometheus::new(Settings::default(), at(0));
    let rules = include_str!("../../../examples/analysis/recording-rules.yaml");
    prometheus.add_rules(rules, at(0)).unwrap();
    run(&mut prometheus, &store, &mut traffic, 600);
    let query = |name: &str| format!("{name}{{namespace=\"n\",rollouts_pod_template_hash=\"abc\"}}");
    let value = |name: &str| {
        let found = ask(&prometheus, &query(name), at(600));
        found[0].rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!((value("version:http_requests:increase5m") - 30_000.0).abs() < 1.0);
    assert!((value("version:http_errors:ratio5m") - 0.1).abs() < 1e-6);
    assert!((value("version:http_latency_ms:p99_5m") - 248.0).abs() < 2.0);
    let guarded = format!(
        "{} and {} >= 200",
        query("version:http_errors:ratio5m"),
        query("version:http_requests:increase5m")
    );
    assert_eq!(ask(&prometheus, &guarded, at(600)).len(), 1);
}

#[test]
fn a_pod_that_vanishes_ends_its_series() {
    let (mut store, mut traffic) = served("abc");
    let mut prometheus = Prometheus::new(Settings::default(), at(0));
    run(&mut prometheus, &store, &mut traffic, 60);
    assert_eq!(ask(&prometheus, "count(http_requests_total)", at(60)), ["2"]);
    store.remove(&key("pods", "p"));
    run(&mut prometheus, &store, &mut traffic, 70);
    assert_eq!(ask(&prometheus, "count(http_requests_total)", at(70)), [""; 0]);
    assert_eq!(
        ask(&prometheus, "count(rate(http_requests_total[1m]))", at(70)),
        ["2"]
    );
}

#[test]
fn what_happens_while_it_is_away_is_not_known() {
    let (store, mut traffic) = served("abc");
    let mut prometheus = Prometheus::new(Settings::default(), at(0));
    run(&mut prometheus, &store, &mut traffic, 60);
    prometheus.set_running(false);
    run(&mut prometheus, &store, &mut traffic, 120);
    prometheus.set_running(true);
    run(&mut prometheus, &store, &mut traffic, 180);
    let count = "count_over_time(http_requests_total{code='200'}[3m])";
    assert!(ask(&prometheus, count, at(180))[0].ends_with(" 24"));
}

#[test]
fn old_samples_are_forgotten() {
    let (store, mut traffic) = served("abc");
    let settings = Settings {
        retention: TimeDelta::minutes(5),
        ..Settings::default()
    };
    let mut prometheus = Prometheus::new(settings, at(0));
    run(&mut prometheus, &store, &mut traffic, 3_600);
    let found = ask(
        &prometheus,
        "count_over_time(http_requests_total{code='200'}[1h])",
        at(3_600),
    );
    let count: f64 = found[0].rsplit(' ').next().unwrap().parse().unwrap();
    assert!((60.0..80.0).contains(&count), "{count}");
}
