use super::*;
use crate::api::strategy::CanaryStrategy;
use crate::route::Backends;
use std::collections::BTreeMap;

/// A Rollout `web`, its router, and the Ingresses that are there.
struct Scene {
    meta: Meta,
    canary: CanaryStrategy,
    ingresses: BTreeMap<String, Value>,
}

fn scene(routing: Value) -> Scene {
    let canary = json!({"canaryService": "canary", "stableService": "stable", "trafficRouting": routing});
    let meta = Meta {
        name: "web".into(),
        namespace: "shop".into(),
        uid: "u1".into(),
        ..Meta::default()
    };
    let ingresses = BTreeMap::from([("edge".to_owned(), stable())]);
    Scene {
        meta,
        canary: serde_json::from_value(canary).unwrap(),
        ingresses,
    }
}

fn path(to: &str) -> Value {
    json!({"path": format!("/{to}"), "pathType": "Prefix", "backend": {"service": {"name": to, "port": {"number": 80}}}})
}

fn stable() -> Value {
    json!({"metadata": {"name": "edge", "annotations": {"kubernetes.io/ingress.class": "nginx", "mine": "yes"}},
        "spec": {"ingressClassName": "nginx", "tls": [{"hosts": ["a.example"]}], "rules": [
            {"host": "a.example", "http": {"paths": [path("stable"), path("admin")]}},
            {"host": "b.example", "http": {"paths": [path("admin")]}}]}})
}

impl Scene {
    fn subject(&self) -> Subject<'_> {
        let routing = self.canary.traffic_routing.as_ref().unwrap();
        Subject {
            rollout: &self.meta,
            canary: &self.canary,
            routing,
            backends: Backends {
                canary: "canary",
                stable: "stable",
            },
            weight_max: routing.max_traffic_weight.unwrap_or(100).into(),
        }
    }

    fn ask<T>(&self, what: impl FnOnce(&Ingresses, Look) -> T) -> T {
        let of = self.subject();
        let router = Ingresses::new(of, of.routing.nginx.as_ref().unwrap());
        what(&router, &|_, key| self.ingresses.get(&key.name))
    }

    fn writes(&self, canary: i64) -> Vec<Write> {
        let weights = Weights {
            canary,
            stable: 100 - canary,
        };
        let wanted = Wanted {
            weights,
            specials: Vec::new(),
        };
        self.ask(|router, look| router.writes(look, &wanted))
    }

    /// Carries out what the router wants for this weight.
    fn serve(&mut self, canary: i64) {
        for write in self.writes(canary) {
            let object = self.ingresses.entry(write.key.name).or_insert(Value::Null);
            json::merge_apply(object, &write.body);
        }
    }

    fn seen(&self) -> Vec<Option<Weights>> {
        self.ask(|router, look| router.weights(look))
    }

    fn problems(&self) -> Vec<String> {
        self.ask(|router, look| router.problems(look))
    }
}

fn weights(canary: i64, stable: i64) -> Vec<Option<Weights>> {
    vec![Some(Weights { canary, stable })]
}

#[test]
fn the_canary_ingress_leads_the_paths_of_stable_to_the_canary() {
    let scene = scene(json!({"nginx": {"stableIngress": "edge"}}));
    let created = scene.writes(5).remove(0);
    assert!(created.creates);
    assert_eq!(created.key, Key::new("shop", "web-edge-canary"));
    let want = json!({"ingressClassName": "nginx", "tls": [{"hosts": ["a.example"]}], "rules": [
        {"host": "a.example", "http": {"paths": [
            {"path": "/stable", "pathType": "Prefix", "backend": {"service": {"name": "canary", "port": {"number": 80}}}},
            path("admin")]}}]});
    assert_eq!(created.body["spec"], want);
    let annotations = json!({"kubernetes.io/ingress.class": "nginx", "nginx.ingress.kubernetes.io/canary": "true",
        "nginx.ingress.kubernetes.io/canary-weight": "5"});
    assert_eq!(created.body["metadata"]["annotations"], annotations);
    assert_eq!(created.body["metadata"]["ownerReferences"][0]["uid"], "u1");
    let (reason, message) = created.told.unwrap();
    assert_eq!(reason, "CreatingCanaryIngress");
    assert_eq!(
        message,
        "Creating canary ingress `web-edge-canary` with weight `5`"
    );
}

#[test]
fn annotations_get_the_prefix_unless_they_have_it_or_are_taken_as_they_are() {
    let scene = scene(
        json!({"nginx": {"stableIngresses": ["edge"], "annotationPrefix": "custom.io",
        "additionalIngressAnnotations": {"canary-by-header": "X", "custom.io/whitelist": "y"},
        "canaryIngressAnnotations": {"other.io/keep": "z"}}, "maxTrafficWeight": 1000}),
    );
    let want = json!({"kubernetes.io/ingress.class": "nginx", "custom.io/canary": "true", "custom.io/canary-weight": "5",
        "custom.io/canary-weight-total": "1000", "custom.io/canary-by-header": "X", "custom.io/whitelist": "y", "other.io/keep": "z"});
    assert_eq!(scene.writes(5)[0].body["metadata"]["annotations"], want);
}

#[test]
fn a_change_is_a_patch_of_what_differs_and_keeps_annotations_of_others() {
    let mut scene = scene(json!({"nginx": {"stableIngress": "edge"}}));
    scene.serve(0);
    scene.ingresses.get_mut("web-edge-canary").unwrap()["metadata"]["annotations"]["cert"] = json!("x");
    let weight = json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/canary-weight": "20"}}});
    assert_eq!(scene.writes(20)[0].body, weight);
    scene.serve(20);
    assert_eq!(scene.writes(20), []);
    scene.ingresses.get_mut("edge").unwrap()["spec"]["rules"][0]["host"] = json!("c.example");
    scene.ingresses.get_mut("edge").unwrap()["spec"]["tls"] = Value::Null;
    let patch = scene.writes(20).remove(0).body;
    assert_eq!(patch["spec"]["rules"][0]["host"], "c.example");
    assert_eq!(patch["spec"]["tls"], Value::Null);
    assert_eq!(patch.get("metadata"), None);
}

#[test]
fn the_weight_is_what_the_annotations_say() {
    let mut scene = scene(json!({"nginx": {"stableIngress": "edge"}}));
    assert_eq!(scene.seen(), weights(0, 100));
    scene.serve(20);
    assert_eq!(scene.seen(), weights(20, 80));
    let annotations = |scene: &mut Scene, patch: Value| {
        let canary = scene.ingresses.get_mut("web-edge-canary").unwrap();
        json::merge_apply(&mut canary["metadata"]["annotations"], &patch);
    };
    annotations(
        &mut scene,
        json!({"nginx.ingress.kubernetes.io/canary-weight-total": "50"}),
    );
    assert_eq!(scene.seen(), weights(20, 30));
    annotations(&mut scene, json!({"nginx.ingress.kubernetes.io/canary": "false"}));
    assert_eq!(scene.seen(), [None]);
}

#[test]
fn several_ingresses_get_one_canary_each() {
    let mut scene = scene(json!({"nginx": {"stableIngresses": ["edge", "mesh", "edge"]}}));
    let mut mesh = stable();
    mesh["metadata"]["name"] = json!("mesh");
    scene.ingresses.insert("mesh".into(), mesh);
    let names: Vec<String> = scene.writes(5).into_iter().map(|write| write.key.name).collect();
    assert_eq!(names, ["web-edge-canary", "web-mesh-canary"]);
}

#[test]
fn an_ingress_without_a_path_to_stable_or_of_somebody_else_is_refused() {
    let mut scene = scene(json!({"nginx": {"stableIngress": "edge"}}));
    assert_eq!(scene.problems(), Vec::<String>::new());
    scene.serve(0);
    assert_eq!(scene.problems(), Vec::<String>::new());
    scene.ingresses.get_mut("web-edge-canary").unwrap()["metadata"]["ownerReferences"][0]["uid"] =
        json!("u2");
    assert!(
        scene.problems()[0].starts_with("canary ingress `web-edge-canary` controlled by different object")
    );
    scene.ingresses.get_mut("edge").unwrap()["spec"]["rules"][0]["http"]["paths"] = json!([path("admin")]);
    assert!(scene.problems()[0].starts_with("ingress `edge` has no rules using service stable backend"));
}

#[test]
fn a_canary_ingress_that_was_left_behind_is_taken_up_again() {
    let mut scene = scene(json!({"nginx": {"stableIngress": "edge"}}));
    scene.serve(0);
    let canary = scene.ingresses.get_mut("web-edge-canary").unwrap();
    let other = json!({"kind": "Other", "name": "one", "uid": "o1"});
    canary["metadata"]["ownerReferences"] = json!([other]);
    assert_eq!(scene.problems(), Vec::<String>::new());
    scene.serve(0);
    let owners = &scene.ingresses["web-edge-canary"]["metadata"]["ownerReferences"];
    assert_eq!((&owners[0], &owners[1]["uid"]), (&other, &json!("u1")));
    assert!(scene.writes(0).is_empty());
    let canary = scene.ingresses.get_mut("web-edge-canary").unwrap();
    canary["metadata"] = json!({"name": "web-edge-canary"});
    let problem = &scene.problems()[0];
    assert!(
        problem.contains("controlled by different object"),
        "nobody's, but no canary: {problem}"
    );
}

#[test]
fn the_name_of_a_canary_ingress_fits() {
    assert_eq!(canary_name("web", "edge"), "web-edge-canary");
    let long = canary_name("web", &"x".repeat(253));
    assert_eq!(long.len(), 253);
    assert!(long.ends_with("-canary"));
}
