use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::answers::{Override, When, Who};
use super::rate::Rate;
use super::{Entry, Load, Traffic};
use crate::cluster::store::{Key, Store};
use crate::simulate::record::Served;

const ROUTES: &str = "httproutes.gateway.networking.k8s.io";
const SLICES: &str = "endpointslices.discovery.k8s.io";

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000 + seconds)
}

fn key(resource: &str, name: &str) -> Key {
    Key::new(&Arc::from(resource), "n", name)
}

fn put(store: &mut Store, resource: &str, name: &str, object: Value) {
    store.put(&key(resource, name), object);
}

fn route(store: &mut Store, stable: i64, canary: i64) {
    let backends = json!([{"name": "stable", "weight": stable}, {"name": "canary", "weight": canary}]);
    put(
        store,
        ROUTES,
        "shop",
        json!({"spec": {"rules": [{"backendRefs": backends}]}}),
    );
}

fn slice(store: &mut Store, service: &str, pods: &[&str]) {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| json!({"targetRef": {"name": pod}, "conditions": {"ready": true}}))
        .collect();
    let labels = json!({"kubernetes.io/service-name": service});
    let object = json!({"metadata": {"labels": labels}, "endpoints": endpoints});
    put(store, SLICES, &format!("{service}-x"), object);
}

fn pod(store: &mut Store, name: &str, hash: &str, tag: &str, restarts: i64) {
    let object = json!({
        "metadata": {
            "labels": {"rollouts-pod-template-hash": hash},
            "creationTimestamp": at(0).to_rfc3339(),
        },
        "spec": {"containers": [{"image": format!("example.org:5000/shop:{tag}")}]},
        "status": {"containerStatuses": [{"restartCount": restarts}]},
    });
    put(store, "pods", name, object);
}

/// Two stable pods and one canary, 100 requests per second by the route.
fn shop() -> (Store, Traffic) {
    let mut store = Store::default();
    route(&mut store, 80, 20);
    slice(&mut store, "stable", &["s1", "s2"]);
    slice(&mut store, "canary", &["c1"]);
    pod(&mut store, "s1", "old", "v1", 0);
    pod(&mut store, "s2", "old", "v1", 0);
    pod(&mut store, "c1", "new", "v2-errors10", 0);
    let mut traffic = Traffic::new(at(0));
    traffic.add(Load {
        namespace: "n".to_owned(),
        entry: Entry::Route("shop".to_owned()),
        rate: Rate::Constant(100.0),
    });
    (store, traffic)
}

fn check(served: &[Served], expect: &[(&str, f64, f64)]) {
    let got: Vec<(&str, f64, f64)> = served
        .iter()
        .map(|one| (one.pod.as_str(), one.requests, one.errors))
        .collect();
    let equal = got.len() == expect.len()
        && got.iter().zip(expect).all(|(got, expect)| {
            got.0 == expect.0 && (got.1 - expect.1).abs() < 1e-6 && (got.2 - expect.2).abs() < 1e-6
        });
    assert!(equal, "{got:?}, not {expect:?}");
}

#[test]
fn requests_flow_by_weight_and_are_answered_by_version() {
    let (store, mut traffic) = shop();
    let served = traffic.advance(&store, at(10));
    check(
        &served,
        &[("c1", 200.0, 20.0), ("s1", 400.0, 0.4), ("s2", 400.0, 0.4)],
    );
    assert_eq!(served[0].by, ("n".to_owned(), "shop".to_owned()));
    assert_eq!((served[0].hash.as_str(), served[1].hash.as_str()), ("new", "old"));
    check(&traffic.advance(&store, at(10)), &[]);
    let canary = traffic.counters().find(|one| one.pod == "c1").unwrap().reported();
    assert_eq!(
        (canary.good, canary.errors, canary.count, canary.buckets[10]),
        (180.0, 20.0, 200.0, 200.0)
    );
}

#[test]
fn a_change_counts_from_the_time_at_which_it_was_made() {
    // Told after the change, as the record tells it.
    let (mut store, mut traffic) = shop();
    check(&traffic.advance(&store, at(0)), &[]);
    route(&mut store, 100, 0);
    let shares = [("c1", 20.0, 2.0), ("s1", 40.0, 0.04), ("s2", 40.0, 0.04)];
    check(&traffic.advance(&store, at(1)), &shares);
    check(
        &traffic.advance(&store, at(2)),
        &[("s1", 50.0, 0.05), ("s2", 50.0, 0.05)],
    );
    // Told before, and then noted.
    route(&mut store, 0, 1);
    let change = store.changes_after(store.version() - 1).remove(0);
    traffic.note(&change);
    check(&traffic.advance(&store, at(3)), &[("c1", 100.0, 10.0)]);
}

#[test]
fn requests_that_nobody_takes_are_errors() {
    let (mut store, mut traffic) = shop();
    slice(&mut store, "canary", &[]);
    let served = traffic.advance(&store, at(1));
    check(
        &served,
        &[("s1", 40.0, 0.04), ("s2", 40.0, 0.04), ("", 20.0, 20.0)],
    );
    assert_eq!(served[2].service, "canary");
    store.remove(&key(ROUTES, "shop"));
    traffic.advance(&store, at(1));
    let served = traffic.advance(&store, at(2));
    check(&served, &[("", 100.0, 100.0)]);
    assert_eq!(served[0].service, "");
    assert_eq!(traffic.refused().values().sum::<f64>(), 120.0);
}

#[test]
fn a_pod_that_is_gone_answers_nobody_and_reports_nothing() {
    let (mut store, mut traffic) = shop();
    traffic.advance(&store, at(1));
    store.remove(&key("pods", "c1"));
    traffic.advance(&store, at(1));
    let served = traffic.advance(&store, at(2));
    check(
        &served,
        &[("c1", 20.0, 20.0), ("s1", 40.0, 0.04), ("s2", 40.0, 0.04)],
    );
    assert_eq!(served[0].hash, "new");
    let reporting: Vec<&str> = traffic.counters().map(|one| one.pod.as_str()).collect();
    assert_eq!(reporting, ["s1", "s2"]);
}

#[test]
fn a_restarted_pod_counts_from_zero() {
    let (mut store, mut traffic) = shop();
    traffic.advance(&store, at(10));
    pod(&mut store, "c1", "new", "v2-errors10", 1);
    traffic.advance(&store, at(10));
    traffic.advance(&store, at(11));
    let canary = traffic.counters().find(|one| one.pod == "c1").unwrap();
    assert_eq!(canary.reported().count, 20.0);
}

#[test]
fn a_leak_shows_at_its_age_however_time_is_cut() {
    let leak = || Override::new(Who::Hash("new".into()), When::at_age(TimeDelta::seconds(180))).errors(0.5);
    let (store, mut whole) = shop();
    whole.answer(leak());
    let served = whole.advance(&store, at(200));
    check(&served[..1], &[("c1", 4_000.0, 360.0 + 200.0)]);
    let (store, mut parts) = shop();
    parts.answer(leak());
    for second in 1..=200 {
        parts.advance(&store, at(second));
    }
    let ends = [&whole, &parts].map(|one| {
        one.counters()
            .map(super::counter::Counter::reported)
            .collect::<Vec<_>>()
    });
    for (a, b) in ends[0].iter().zip(&ends[1]) {
        assert_eq!(
            (a.good, a.errors, a.count, a.buckets),
            (b.good, b.errors, b.count, b.buckets)
        );
    }
}

#[test]
fn the_last_override_wins_and_time_bounds_hold() {
    let (store, mut traffic) = shop();
    let between = When {
        until: Some(at(20)),
        ..When::from(at(10))
    };
    traffic.answer(Override::new(Who::Everyone, When::ALWAYS).errors(0.0));
    traffic.answer(Override::new(Who::Pod("s1".into()), between).errors(1.0));
    traffic.answer(Override::new(Who::Tag("v2".into()), When::from(at(15))).silent());
    let served = traffic.advance(&store, at(30));
    check(
        &served,
        &[("c1", 600.0, 0.0), ("s1", 1_200.0, 400.0), ("s2", 1_200.0, 0.0)],
    );
    let silent: Vec<&str> = traffic
        .counters()
        .filter(|one| one.silent)
        .map(|one| one.pod.as_str())
        .collect();
    assert_eq!(silent, ["c1"]);
}

#[test]
fn a_service_is_shared_evenly_by_the_pods_of_all_versions() {
    let (mut store, mut traffic) = shop();
    let first = traffic.loads().map(|(id, _)| id).next().unwrap();
    traffic.remove(first);
    slice(&mut store, "all", &["s1", "s2", "c1"]);
    let load = traffic.add(Load {
        namespace: "n".to_owned(),
        entry: Entry::Service("all".to_owned()),
        rate: Rate::Constant(3.0),
    });
    let served = traffic.advance(&store, at(10));
    check(
        &served,
        &[("c1", 10.0, 1.0), ("s1", 10.0, 0.01), ("s2", 10.0, 0.01)],
    );
    traffic.set_rate(load, Rate::Constant(6.0));
    check(&traffic.advance(&store, at(11))[..1], &[("c1", 2.0, 0.2)]);
}

#[test]
fn a_store_that_was_put_back_is_read_again() {
    let (mut store, mut traffic) = shop();
    let older = store.clone();
    traffic.advance(&store, at(1));
    route(&mut store, 0, 100);
    traffic.advance(&store, at(2));
    traffic.advance(&older, at(3));
    check(
        &traffic.advance(&older, at(4)),
        &[("c1", 20.0, 2.0), ("s1", 40.0, 0.04), ("s2", 40.0, 0.04)],
    );
}
