//! Watches: missing kinds are waited for, and nothing that is said on a watch ends it.

use super::fake::{FakeApi, Reply, rollout_json, status};
use crate::base::object::{Key, Kind};
use crate::controller::caches::{Caches, Kick};
use crate::controller::metrics::Metrics;
use crate::controller::watch::Watches;
use crate::plan::question::Service;
use crate::plan::{Answer, Question};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

struct Started {
    caches: Arc<Caches>,
    kicks: Arc<Mutex<BTreeSet<Kick>>>,
}

fn start(api: &FakeApi) -> Started {
    let caches = Arc::new(Caches::new(&Watches::kinds(None)));
    let kicks: Arc<Mutex<BTreeSet<Kick>>> = Arc::default();
    let sink = Arc::clone(&kicks);
    let watches = Watches {
        client: api.client(),
        caches: Arc::clone(&caches),
        metrics: Arc::new(Metrics::new().unwrap()),
        kick: Arc::new(move |kick| {
            sink.lock().unwrap().insert(kick);
        }),
        namespace: None,
        instance_id: String::new(),
        seed: crate::base::seed::Seed::new(1),
    };
    tokio::spawn(watches.run());
    Started { caches, kicks }
}

/// A list of these objects.
fn list(items: &[Value]) -> Reply {
    let body =
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "50"}, "items": items});
    Reply::Answer((200, None, body))
}

fn web() -> Key {
    Key::new("shop", "web")
}

async fn filled(started: &Started) {
    let mut missing = started.caches.missing();
    let wait = missing.wait_for(String::is_empty);
    tokio::time::timeout(Duration::from_secs(600), wait)
        .await
        .expect("caches fill")
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn missing_kinds_are_waited_for_and_named() {
    let installed = Arc::new(AtomicBool::new(false));
    let is_installed = Arc::clone(&installed);
    let api = FakeApi::new(move |asked| {
        let argo = asked.line.contains("/argoproj.io/");
        match (
            asked.query.contains("watch="),
            argo && !is_installed.load(Ordering::SeqCst),
        ) {
            (_, true) => status(
                404,
                "NotFound",
                "the server could not find the requested resource",
            ),
            (true, _) => Reply::Watch(Vec::new()),
            // What an API server says for a group that it does not know is no Status.
            (false, _) if asked.line.contains("gateway") => {
                Reply::Answer((404, None, json!("404 page not found")))
            }
            (false, _) => list(&[]),
        }
    });
    let started = start(&api);
    sleep(Duration::from_secs(120)).await;
    let missing = started.caches.missing().borrow().clone();
    assert!(
        missing.contains("apply the custom resource definition rollouts.argoproj.io"),
        "{missing}"
    );
    assert!(
        !missing.contains("services") && !missing.contains("httproutes"),
        "{missing}"
    );
    installed.store(true, Ordering::SeqCst);
    filled(&started).await;
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_object_costs_only_itself() {
    let api = FakeApi::new(|asked| {
        let rollouts = asked.line.ends_with("/rollouts");
        let mut broken = rollout_json("broken", 60);
        broken["spec"]["replicas"] = json!("three");
        match (rollouts, asked.query.contains("watch=")) {
            (true, true) => Reply::Watch(vec![
                json!({"type": "MODIFIED", "object": broken}),
                json!({"type": "MODIFIED", "object": rollout_json("web", 61)}),
            ]),
            (true, false) => list(&[broken]),
            (false, true) => Reply::Watch(Vec::new()),
            (false, false) if asked.line.contains("gateway") => status(404, "NotFound", ""),
            (false, false) => list(&[]),
        }
    });
    let started = start(&api);
    filled(&started).await;
    sleep(Duration::from_secs(1)).await;
    assert!(matches!(started.caches.family(&web()), Some(Ok(_))));
    let broken = started.caches.family(&Key::new("shop", "broken"));
    assert!(matches!(broken, Some(Err(broken)) if broken.message.starts_with("spec.replicas: ")));
    assert_eq!(started.kicks.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn objects_that_a_new_list_lacks_are_gone() {
    let lists = Mutex::new(0);
    let api = FakeApi::new(move |asked| {
        match (asked.line.ends_with("/rollouts"), asked.query.contains("watch=")) {
            (true, false) => {
                let mut lists = lists.lock().unwrap();
                *lists += 1;
                let before = vec![rollout_json("web", 7)];
                list(if *lists == 1 { &before } else { &[] })
            }
            (true, true) => Reply::Watch(vec![
                json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1",
            "status": "Failure", "code": 410, "reason": "Expired", "message": "too old resource version"}}),
            ]),
            (false, true) => Reply::Watch(Vec::new()),
            (false, false) if asked.line.contains("gateway") => status(404, "NotFound", ""),
            (false, false) => list(&[]),
        }
    });
    let started = start(&api);
    filled(&started).await;
    assert!(started.caches.family(&web()).is_some());
    sleep(Duration::from_secs(5)).await;
    assert!(started.caches.family(&web()).is_none());
}

#[tokio::test(start_paused = true)]
async fn routes_are_looked_for_only_while_somebody_asks() {
    let installed = Arc::new(AtomicBool::new(false));
    let is_installed = Arc::clone(&installed);
    let api = FakeApi::new(move |asked| {
        let (gateway, watch) = (asked.line.contains("gateway"), asked.query.contains("watch="));
        let resources = json!({"kind": "APIResourceList", "groupVersion": "gateway.networking.k8s.io/v1", "resources": [
            {"name": "httproutes", "singularName": "", "namespaced": true, "kind": "HTTPRoute", "verbs": ["list"]}]});
        match (gateway, watch) {
            (true, _) if !is_installed.load(Ordering::SeqCst) => status(404, "NotFound", ""),
            (true, false) if asked.line.ends_with("/v1") => Reply::Answer((200, None, resources)),
            (true, false) => {
                list(&[json!({"metadata": {"namespace": "shop", "name": "web"}, "spec": {"rules": []}})])
            }
            (_, true) => Reply::Watch(Vec::new()),
            (_, false) => list(&[]),
        }
    });
    let started = start(&api);
    filled(&started).await;
    let question = Question::Route(Kind::HttpRoute, web());
    let probes = || api.lines().iter().filter(|line| line.contains("gateway")).count();
    sleep(Duration::from_secs(300)).await;
    assert_eq!(probes(), 1, "nobody asks");
    assert!(
        matches!(started.caches.answer(&question), Answer::Unknown(why) if why.contains("not installed"))
    );
    started.caches.ask(&web(), BTreeSet::from([question.clone()]));
    sleep(Duration::from_secs(61)).await;
    assert!(probes() >= 3);
    started.kicks.lock().unwrap().clear();
    installed.store(true, Ordering::SeqCst);
    sleep(Duration::from_secs(31)).await;
    assert!(
        matches!(started.caches.answer(&question), Answer::Route(route) if route["spec"]["rules"] == json!([]))
    );
    assert!(started.kicks.lock().unwrap().contains(&Kick::Rollout(web())));
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_was_read_once_stays_known_while_lists_fail() {
    let lists = Mutex::new(0);
    let api = FakeApi::new(move |asked| {
        match (asked.line.ends_with("/services"), asked.query.contains("watch=")) {
            (true, false) => {
                let mut lists = lists.lock().unwrap();
                *lists += 1;
                match *lists {
                    2 => list(&[]),
                    _ => status(500, "InternalError", "etcd is slow"),
                }
            }
            (true, true) => Reply::Watch(vec![
                json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1",
            "status": "Failure", "code": 410, "reason": "Expired", "message": "too old resource version"}}),
            ]),
            (false, true) => Reply::Watch(Vec::new()),
            (false, false) if asked.line.contains("gateway") => status(404, "NotFound", ""),
            (false, false) => list(&[]),
        }
    });
    let started = start(&api);
    filled(&started).await;
    sleep(Duration::from_secs(60)).await;
    let lists = api
        .lines()
        .iter()
        .filter(|line| line.ends_with("/services"))
        .count();
    assert!(lists > 3, "{lists}");
    assert_eq!(
        started.caches.answer(&Question::Service(web())),
        Answer::Missing,
        "an unknown answer would make every Rollout invalid that names a Service"
    );
}

#[tokio::test(start_paused = true)]
async fn who_asked_about_an_unreadable_kind_is_woken_when_it_can_be_read() {
    let caches = Caches::new(&Watches::kinds(None));
    caches.ask(&web(), BTreeSet::from([Question::Service(web())]));
    caches.begin_list(Kind::Service);
    assert_eq!(
        caches.end_list::<Service>(Kind::Service),
        [Kick::Rollout(web())],
        "also when the list does not have it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_kind_whose_list_never_came_is_listed_anew() {
    let asked_for = Mutex::new(0);
    let api = FakeApi::new(move |asked| {
        let services = asked.line.ends_with("/services");
        match (services, asked.query.contains("watch=")) {
            (true, false) => {
                let mut times = asked_for.lock().unwrap();
                *times += 1;
                if *times == 1 { Reply::Never } else { list(&[]) }
            }
            (_, true) => Reply::Watch(Vec::new()),
            (false, false) if asked.line.contains("gateway") => status(404, "NotFound", ""),
            (false, false) => list(&[]),
        }
    });
    // There is no Service at all: nothing but the missing list tells that it never came.
    filled(&start(&api)).await;
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_doubted_is_compared_at_once() {
    let lists = Mutex::new(0);
    let api = FakeApi::new(move |asked| {
        let rollouts = asked.line.ends_with("/rollouts");
        match (rollouts, asked.query.contains("watch=")) {
            (true, false) => {
                let mut lists = lists.lock().unwrap();
                *lists += 1;
                // No watch says that the object changed.
                list(&[rollout_json("web", if *lists == 1 { 7 } else { 8 })])
            }
            (_, true) => Reply::Watch(Vec::new()),
            (false, false) if asked.line.contains("gateway") => status(404, "NotFound", ""),
            (false, false) => list(&[]),
        }
    });
    let started = start(&api);
    filled(&started).await;
    let version = || started.caches.version(Kind::Rollout, &web()).unwrap().1;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(version(), "7");
    started.caches.doubt(Kind::Rollout);
    sleep(Duration::from_secs(15)).await;
    assert_eq!(version(), "8");
}
