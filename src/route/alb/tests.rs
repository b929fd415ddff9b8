use super::*;
use crate::api::strategy::CanaryStrategy;
use crate::base::json;
use crate::base::object::Meta;
use crate::route::Backends;

/// An Ingress `edge`, seen by the router of a Rollout `web`.
struct Scene {
    meta: Meta,
    canary: CanaryStrategy,
    ingress: Value,
}

fn scene(alb: Value) -> Scene {
    let routing = json!({"alb": alb, "managedRoutes": [{"name": "beta"}]});
    let canary = json!({"canaryService": "canary", "stableService": "stable", "trafficRouting": routing});
    Scene {
        meta: Meta {
            name: "web".into(),
            namespace: "shop".into(),
            ..Meta::default()
        },
        canary: serde_json::from_value(canary).unwrap(),
        ingress: json!({"metadata": {"name": "edge", "annotations": {"mine": "yes"}},
            "spec": {"rules": [{"http": {"paths": [path("stable", "/")]}}, {"host": "x", "http": {"paths": [path("stable", "/a")]}}]}}),
    }
}

fn path(to: &str, at: &str) -> Value {
    json!({"path": at, "pathType": "ImplementationSpecific",
        "backend": {"service": {"name": to, "port": {"name": "use-annotation"}}}})
}

fn plain() -> Value {
    json!({"ingress": "edge", "servicePort": 443})
}

impl Scene {
    fn ask<T>(&self, what: impl FnOnce(&LoadBalancers, Look) -> T) -> T {
        let routing = self.canary.traffic_routing.as_ref().unwrap();
        let of = Subject {
            rollout: &self.meta,
            canary: &self.canary,
            routing,
            backends: Backends {
                canary: "canary",
                stable: "stable",
            },
            weight_max: 100,
        };
        let router = LoadBalancers::new(of, routing.alb.as_ref().unwrap());
        what(&router, &|_, _| Some(&self.ingress))
    }

    fn serve(&mut self, canary: i64, specials: &[Special]) {
        let weights = Weights {
            canary,
            stable: 100 - canary,
        };
        let wanted = Wanted {
            weights,
            specials: specials.to_vec(),
        };
        for write in self.ask(|router, look| router.writes(look, &wanted)) {
            json::merge_apply(&mut self.ingress, &write.body);
        }
        assert!(self.ask(|router, look| router.serves(look, &wanted)));
    }

    fn annotation(&self, name: &str) -> &Value {
        &self.ingress["metadata"]["annotations"][name]
    }

    fn paths(&self, rule: usize) -> Vec<&str> {
        let paths = self.ingress["spec"]["rules"][rule]["http"]["paths"]
            .as_array()
            .unwrap();
        let names = paths
            .iter()
            .map(|path| path["backend"]["service"]["name"].as_str().unwrap());
        names.collect()
    }
}

#[test]
fn the_action_is_written_as_argo_writes_it() {
    let mut scene = scene(plain());
    scene.serve(5, &[]);
    let want = r#"{"Type":"forward","ForwardConfig":{"TargetGroups":[{"ServiceName":"canary","ServicePort":"443","Weight":5},{"ServiceName":"stable","ServicePort":"443","Weight":95}]}}"#;
    assert_eq!(scene.annotation("alb.ingress.kubernetes.io/actions.stable"), want);
    let managed = r#"{"web":["alb.ingress.kubernetes.io/actions.stable"]}"#;
    assert_eq!(scene.annotation(MANAGED), managed);
    assert_eq!(scene.annotation("mine"), "yes");
    assert_eq!(scene.paths(0), ["stable"]);
}

#[test]
fn root_prefix_and_stickiness_are_taken_from_the_manifest() {
    let mut scene = scene(
        json!({"ingresses": ["edge"], "servicePort": 80, "rootService": "root", "annotationPrefix": "x.io",
        "stickinessConfig": {"enabled": true, "durationSeconds": 60}}),
    );
    assert!(
        scene.ask(|router, look| router.problems(look))[0]
            .starts_with("ingress `edge` has no rules using service root backend")
    );
    scene.serve(0, &[]);
    let want = r#"{"Type":"forward","ForwardConfig":{"TargetGroups":[{"ServiceName":"canary","ServicePort":"80","Weight":0},{"ServiceName":"stable","ServicePort":"80","Weight":100}],"TargetGroupStickinessConfig":{"Enabled":true,"DurationSeconds":60}}}"#;
    assert_eq!(scene.annotation("x.io/actions.root"), want);
}

#[test]
fn the_weights_are_read_from_the_action() {
    let mut scene = scene(plain());
    let seen = |scene: &Scene| scene.ask(|router, look| router.weights(look));
    let weights = |canary, stable| vec![Some(Weights { canary, stable })];
    assert_eq!(seen(&scene), weights(0, 100));
    scene.serve(30, &[]);
    assert_eq!(seen(&scene), weights(30, 70));
    scene.ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/actions.stable"] = json!("{");
    assert_eq!(seen(&scene), [None]);
}

#[test]
fn what_other_rollouts_manage_stays_in_the_list() {
    let mut scene = scene(plain());
    scene.ingress["metadata"]["annotations"][MANAGED] = json!(r#"{"api":["a"],"web":["old"]}"#);
    scene.serve(5, &[]);
    let managed = r#"{"api":["a"],"web":["alb.ingress.kubernetes.io/actions.stable"]}"#;
    assert_eq!(scene.annotation(MANAGED), managed);
}

#[test]
fn a_header_route_is_a_path_an_action_and_a_condition_and_all_go_again() {
    let mut scene = scene(plain());
    let before = scene.ingress["spec"].clone();
    let route = json!({"name": "beta", "match": [{"headerName": "x-a", "headerValue": {"exact": "1"}},
        {"headerName": "x-b", "headerValue": {"exact": "2"}}, {"headerName": "x-a", "headerValue": {"exact": "3"}}]});
    let route: SetHeaderRoute = serde_json::from_value(route).unwrap();
    scene.serve(5, &[Special::Header(&route)]);
    for rule in [0, 1] {
        assert_eq!(scene.paths(rule), ["beta", "stable"]);
    }
    let want = r#"{"Type":"forward","ForwardConfig":{"TargetGroups":[{"ServiceName":"canary","ServicePort":"443","Weight":100}]}}"#;
    assert_eq!(scene.annotation("alb.ingress.kubernetes.io/actions.beta"), want);
    let want = r#"[{"Field":"http-header","HttpHeaderConfig":{"HttpHeaderName":"x-a","Values":["1","3"]}},{"Field":"http-header","HttpHeaderConfig":{"HttpHeaderName":"x-b","Values":["2"]}}]"#;
    assert_eq!(
        scene.annotation("alb.ingress.kubernetes.io/conditions.beta"),
        want
    );
    assert!(scene.ask(|router, look| router.pinned(look)));
    scene.serve(0, &[]);
    assert_eq!(scene.ingress["spec"], before);
    assert_eq!(
        *scene.annotation("alb.ingress.kubernetes.io/actions.beta"),
        Value::Null
    );
    assert_eq!(
        *scene.annotation("alb.ingress.kubernetes.io/conditions.beta"),
        Value::Null
    );
    assert!(!scene.ask(|router, look| router.pinned(look)));
}
