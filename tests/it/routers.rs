//! Releases behind NGINX, Istio and AWS load balancers, lived through on the small world. After every write and every change of pods the
//! routers' objects are read as the data plane would: nobody may be sent to a version without pods. The controller dies after every
//! single write, too, and the end must be the same.

use crate::crash::{Story, change, check_built, release, until};
use crate::world::World;
use serde_json::{Value, json};
use serin::base::names::label;
use serin::base::object::Kind;
use serin::plan::rollout::former_routers::is_routed;

impl World {
    /// What routers of the Rollout made or manage, as the caches would find it.
    pub fn routed(&self) -> Vec<(Kind, Value)> {
        let rollout = self.rollout().metadata;
        let objects = self
            .objects
            .iter()
            .map(|((kind, _), object)| (*kind, object.clone()));
        objects
            .filter(|(kind, object)| is_routed(*kind, object, &rollout))
            .collect()
    }
}

fn manifest(canary: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "shop/web:v1"}]}},
        "revisionHistoryLimit": 1, "strategy": {"canary": canary}}})
}

fn service(name: &str) -> (Kind, Value) {
    (
        Kind::Service,
        json!({"metadata": {"name": name}, "spec": {"selector": {"app": "web"}}}),
    )
}

fn ingress(to: &str) -> (Kind, Value) {
    let path = json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": to, "port": {"number": 80}}}});
    (
        Kind::Ingress,
        json!({"metadata": {"name": "edge"}, "spec": {"rules": [{"host": "x", "http": {"paths": [path]}}]}}),
    )
}

fn built(objects: Vec<(Kind, Value)>, canary: Value, law: fn(&World)) -> World {
    let mut world = World::new();
    for (kind, object) in objects {
        world.put(kind, object);
    }
    world.put(Kind::Rollout, manifest(canary));
    world.laws.push(law);
    world
}

fn steps() -> Value {
    json!([{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}])
}

fn nginx() -> World {
    let routing = json!({"nginx": {"stableIngress": "edge"}});
    let canary = json!({"canaryService": "canary", "stableService": "stable", "steps": steps(), "trafficRouting": routing});
    let objects = vec![service("canary"), service("stable"), ingress("stable")];
    built(objects, canary, |world| reaches(world, &by_nginx(world)))
}

fn destination(host: &str, subset: Option<&str>, weight: i64) -> Value {
    let mut one = json!({"destination": {"host": host}, "weight": weight});
    if let Some(subset) = subset {
        one["destination"]["subset"] = json!(subset);
    }
    one
}

/// With a header route and a mirror on the way.
fn istio_by_host() -> World {
    let routing = json!({"istio": {"virtualService": {"name": "vs"}}, "managedRoutes": [{"name": "beta"}, {"name": "copy"}]});
    let header = json!({"name": "beta", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]});
    let mirror = json!({"name": "copy", "match": [{"path": {"prefix": "/"}}]});
    let steps = json!([{"setHeaderRoute": header}, {"pause": {}}, {"setWeight": 60}, {"setMirrorRoute": mirror}, {"pause": {}},
        {"setHeaderRoute": {"name": "beta"}}]);
    let canary = json!({"canaryService": "canary", "stableService": "stable", "steps": steps, "trafficRouting": routing});
    let http = json!([{"route": [destination("stable", None, 100), destination("canary", None, 0)]}]);
    let service_of_mesh = json!({"metadata": {"name": "vs"}, "spec": {"hosts": ["x"], "http": http}});
    let objects = vec![
        service("canary"),
        service("stable"),
        (Kind::VirtualService, service_of_mesh),
    ];
    built(objects, canary, |world| reaches(world, &by_istio(world)))
}

fn istio_by_subset() -> World {
    let rule = json!({"name": "dr", "canarySubsetName": "canary", "stableSubsetName": "stable"});
    let routing = json!({"istio": {"virtualService": {"name": "vs"}, "destinationRule": rule}});
    let canary = json!({"steps": steps(), "trafficRouting": routing});
    let http =
        json!([{"route": [destination("web", Some("stable"), 100), destination("web", Some("canary"), 0)]}]);
    let subsets =
        json!([{"name": "stable", "labels": {"app": "web"}}, {"name": "canary", "labels": {"app": "web"}}]);
    let rule = json!({"metadata": {"name": "dr"}, "spec": {"host": "web", "subsets": subsets}});
    let objects = vec![
        (
            Kind::VirtualService,
            json!({"metadata": {"name": "vs"}, "spec": {"hosts": ["x"], "http": http}}),
        ),
        (Kind::DestinationRule, rule),
    ];
    built(objects, canary, |world| reaches(world, &by_istio(world)))
}

fn ping_pong() -> World {
    let routing = json!({"alb": {"ingress": "edge", "rootService": "root", "servicePort": 80}});
    let pair = json!({"pingService": "ping", "pongService": "pong"});
    let canary = json!({"pingPong": pair, "steps": steps(), "trafficRouting": routing});
    let objects = vec![service("ping"), service("pong"), service("root"), ingress("root")];
    built(objects, canary, |world| reaches(world, &by_load_balancer(world)))
}

/// A share of the requests, and the version that gets it; no version for pods of all.
type Share = (i64, Option<String>);

fn hash_of(world: &World, service: &str) -> Option<String> {
    let selected = &world.get(Kind::Service, service)["spec"]["selector"][label::POD_HASH];
    selected.as_str().map(str::to_owned)
}

fn by_nginx(world: &World) -> Vec<Share> {
    let made = world.objects.get(&(Kind::Ingress, "web-edge-canary".to_owned()));
    let weight = made.map_or(0, |made| {
        let text = &made["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"];
        text.as_str().unwrap().parse().unwrap()
    });
    vec![
        (weight, hash_of(world, "canary")),
        (100 - weight, hash_of(world, "stable")),
    ]
}

fn by_istio(world: &World) -> Vec<Share> {
    let routes = world.get(Kind::VirtualService, "vs")["spec"]["http"]
        .as_array()
        .unwrap();
    let all = routes.iter().flat_map(|route| route["route"].as_array().unwrap());
    let version = |target: &Value| match target["subset"].as_str() {
        None => hash_of(world, target["host"].as_str().unwrap()),
        Some(name) => {
            let rule = world.get(Kind::DestinationRule, "dr");
            let subsets = rule["spec"]["subsets"].as_array().unwrap();
            let subset = subsets.iter().find(|subset| subset["name"] == name).unwrap();
            subset["labels"][label::POD_HASH].as_str().map(str::to_owned)
        }
    };
    all.map(|one| (one["weight"].as_i64().unwrap(), version(&one["destination"])))
        .collect()
}

fn by_load_balancer(world: &World) -> Vec<Share> {
    let annotations = &world.get(Kind::Ingress, "edge")["metadata"]["annotations"];
    let Some(text) = annotations["alb.ingress.kubernetes.io/actions.root"].as_str() else {
        return Vec::new();
    };
    let action: Value = serde_json::from_str(text).unwrap();
    let groups = action["ForwardConfig"]["TargetGroups"].as_array().unwrap();
    let share = |group: &Value| {
        let service = group["ServiceName"].as_str().unwrap();
        (group["Weight"].as_i64().unwrap(), hash_of(world, service))
    };
    groups.iter().map(share).collect()
}

fn reaches(world: &World, shares: &[Share]) {
    let sets = world.replica_sets();
    for (weight, hash) in shares {
        let Some(hash) = hash.as_ref().filter(|_| *weight > 0) else {
            continue;
        };
        let ready = sets.iter().any(|set| set.hash() == hash && set.available > 0);
        assert!(
            ready,
            "{weight} % lead to {hash}, which has no ready pod: {shares:?}"
        );
    }
}

/// Whether it pauses for the `nth` time, counted from 0.
fn paused(world: &World, nth: usize) -> bool {
    let rollout = world.rollout();
    let steps = rollout.spec.strategy.canary.unwrap().steps;
    let pauses = steps.iter().enumerate().filter(|(_, step)| step.pause.is_some());
    let at = pauses.map(|(index, _)| index as i32).nth(nth);
    rollout.status.current_step_index == at && !rollout.status.pause_conditions.is_empty()
}

fn promote(world: &mut World, nth: usize) {
    until(world, |world| paused(world, nth));
    change(world, json!({"status": {"pauseConditions": null}}));
}

fn healthy(world: &mut World, tag: &str) {
    until(world, |world| {
        let status = world.rollout().status;
        world.hash_of(tag).is_some_and(|hash| hash == status.stable_rs) && status.phase == "Healthy"
    });
}

fn two_good_releases(world: &mut World) {
    for tag in ["v2", "v3"] {
        release(world, tag);
        promote(world, 0);
        promote(world, 1);
        healthy(world, tag);
    }
}

fn aborted_and_retried(world: &mut World) {
    release(world, "v2");
    promote(world, 0);
    until(world, |world| paused(world, 1));
    change(world, json!({"status": {"abort": true}}));
    until(world, |world| world.rollout().status.phase == "Degraded");
    world.run(
        chrono::TimeDelta::seconds(60),
        chrono::TimeDelta::hours(1),
        |_| false,
    );
    change(world, json!({"status": {"abort": false}}));
    promote(world, 0);
    promote(world, 1);
    healthy(world, "v2");
}

fn replaced_on_the_way(world: &mut World) {
    release(world, "v2");
    promote(world, 0);
    until(world, |world| paused(world, 1));
    release(world, "v3");
    promote(world, 0);
    promote(world, 1);
    healthy(world, "v3");
}

fn rolled_back_on_the_way(world: &mut World) {
    release(world, "v2");
    promote(world, 0);
    until(world, |world| paused(world, 1));
    release(world, "v1");
    healthy(world, "v1");
}

/// In the middle of an update; what the router left leads nobody astray, also in the update after it.
fn router_removed(world: &mut World) {
    release(world, "v2");
    promote(world, 0);
    until(world, |world| paused(world, 1));
    change(
        world,
        json!({"spec": {"strategy": {"canary": {"trafficRouting": null}}}}),
    );
    promote(world, 1);
    healthy(world, "v2");
    release(world, "v3");
    promote(world, 0);
    promote(world, 1);
    healthy(world, "v3");
    for (kind, object) in world.routed() {
        let weight = &object["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"];
        assert_eq!((kind, weight.as_str()), (Kind::Ingress, Some("0")), "{object}");
    }
}

const STORIES: [(&str, Story); 4] = [
    ("aborted and retried", aborted_and_retried),
    ("two good", two_good_releases),
    ("replaced", replaced_on_the_way),
    ("rolled back", rolled_back_on_the_way),
];

#[test]
fn a_crash_after_any_write_behind_nginx_ends_as_without() {
    check_built(&nginx, &STORIES);
}

#[test]
fn a_crash_after_any_write_behind_istio_by_host_ends_as_without() {
    check_built(&istio_by_host, &STORIES[..1]);
}

#[test]
fn a_crash_after_any_write_behind_istio_by_subset_ends_as_without() {
    check_built(&istio_by_subset, &STORIES[..1]);
}

#[test]
fn a_crash_after_any_write_with_services_that_swap_ends_as_without() {
    check_built(&ping_pong, &STORIES[..2]);
}

#[test]
fn subsets_of_a_router_that_is_removed_select_by_their_own_labels_again() {
    check_built(&istio_by_subset, &[("router removed", router_removed)]);
}

#[test]
fn the_canary_ingress_of_a_router_that_is_removed_gives_its_share_back() {
    // Without a router the stable Service follows the pods, and only at the end: whoever goes by it alone is not what this is about.
    let unobserved = || {
        let mut world = nginx();
        world.laws.clear();
        world
    };
    check_built(&unobserved, &[("router removed", router_removed)]);
}

#[test]
fn the_examples_have_no_problems() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut rollouts = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        for object in objects.into_iter().filter(|object| object["kind"] == "Rollout") {
            let rollout = serde_json::from_value(object).unwrap();
            let problems = serin::api::check::rollout(&rollout);
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert!(told.is_empty(), "{}: {told:?}", path.display());
            rollouts += 1;
        }
    }
    assert!(rollouts >= 6, "{rollouts}");
}
