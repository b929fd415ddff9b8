use super::*;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Row {
    rollout: Value,
    want: Vec<String>,
}

/// Rows of the peer's recorded answers where Serin differs on purpose, by number, with the reason. None so far.
const DIFFERENT: &[(usize, &str)] = &[];

#[test]
fn problems_are_the_peers_in_its_order_and_words() {
    let rows = include_str!("../../../tests/data/argo/validation.jsonl");
    let mut count = 0;
    for (number, line) in rows.lines().enumerate() {
        count += 1;
        if DIFFERENT.iter().any(|(different, _)| *different == number) {
            continue;
        }
        let row: Row = serde_json::from_str(line).unwrap();
        let rollout: Rollout = serde_json::from_value(row.rollout).unwrap();
        let got: Vec<String> = structural(&rollout).iter().map(Problem::argo).collect();
        assert_eq!(got, row.want, "row {number}: {line}");
    }
    assert_eq!(count, 89);
}

fn minimal() -> Value {
    json!({
        "metadata": {"name": "r", "namespace": "d"},
        "spec": {
            "selector": {"matchLabels": {"app": "r"}},
            "template": {"metadata": {"labels": {"app": "r"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
            "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}},
        },
    })
}

/// The problems of the minimal Rollout with `patch` merged into its spec.
fn problems(patch: &Value) -> Vec<Problem> {
    let mut given = minimal();
    crate::base::json::merge_apply(&mut given["spec"], patch);
    rollout(&serde_json::from_value(given).unwrap())
}

fn check_fields(patch: Value, want: &[&str]) {
    let got = problems(&patch);
    let got: Vec<&str> = got.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(got, want, "{patch}");
}

#[test]
fn fields_are_the_paths_of_the_manifest() {
    check_fields(json!({}), &[]);
    let canary = |canary: Value| json!({"strategy": {"canary": canary}});
    check_fields(
        canary(json!({"steps": [{"setWeight": 101}]})),
        &["spec.strategy.canary.steps[0].setWeight"],
    );
    check_fields(
        json!({"template": {"metadata": {"labels": {"bad key": "x"}}}}),
        &["spec.template.metadata.labels"],
    );
    check_fields(json!({"strategy": {"canary": null}}), &["spec.strategy"]);
    let fields = json!([{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.finalizers"}}}]);
    let analysis = json!({"templates": [{"templateName": "a"}], "args": fields});
    check_fields(
        canary(json!({"steps": [{"analysis": analysis}]})),
        &["spec.strategy.canary.steps[0].analysis.args"],
    );
}

#[test]
fn messages_tell_the_mend() {
    let shown = problems(&json!({"selector": {"matchLabels": {"app": "other"}}}))[0].to_string();
    let want = "spec.template.metadata.labels: Invalid value: {\"app\":\"r\"}: `selector` does not match template `labels` \
                (give spec.template.metadata.labels every label that spec.selector asks for)";
    assert_eq!(shown, want);
}

#[test]
fn what_is_not_carried_out_is_named_and_never_skipped() {
    let canary = |canary: Value| json!({"strategy": {"canary": canary}});
    let routed = |routing: Value| {
        canary(json!({"canaryService": "c", "stableService": "s", "trafficRouting": routing}))
    };
    check_fields(
        json!({"strategy": {"canary": null, "blueGreen": {"activeService": "a", "previewMetadata": {}, "activeMetadata": {}}}}),
        &[
            "spec.strategy.blueGreen.previewMetadata",
            "spec.strategy.blueGreen.activeMetadata",
        ],
    );
    check_fields(json!({"restartAt": "2026-11-21T00:00:00Z"}), &["spec.restartAt"]);
    check_fields(
        json!({"template": null, "workloadRef": {"kind": "Deployment", "name": "d"}}),
        &["spec.workloadRef"],
    );
    check_fields(
        canary(json!({"canaryMetadata": {}})),
        &["spec.strategy.canary.canaryMetadata"],
    );
    check_fields(
        canary(
            json!({"steps": [{"setWeight": 5}, {"plugin": {"name": "p"}}, {"experiment": {"templates": []}}]}),
        ),
        &[
            "spec.strategy.canary.steps[2].experiment",
            "spec.strategy.canary.steps[1].plugin",
        ],
    );
    let at = "spec.strategy.canary.trafficRouting";
    for router in ["smi", "ambassador", "appMesh", "traefik", "apisix"] {
        check_fields(routed(json!({router: {}})), &[&format!("{at}.{router}")]);
    }
    check_fields(
        routed(json!({"plugins": {"a/b": {}}})),
        &[&format!("{at}.plugins[a/b]")],
    );
    let problem = &problems(&routed(json!({"smi": {}})))[0];
    let want = "spec.strategy.canary.trafficRouting.smi: this version of Serin does not carry out SMI as a router yet: \
                route through the Gateway API (trafficRouting.gatewayAPI), or remove the router";
    assert_eq!(problem.to_string(), want);
}

#[test]
fn routes_by_header_and_mirrors_are_refused_where_the_router_cannot() {
    let check = |routing: Value, step: Value, want: &[&str]| {
        let mut routing = routing;
        routing["managedRoutes"] = json!([{"name": "beta"}]);
        let canary =
            json!({"trafficRouting": routing, "canaryService": "c", "stableService": "s", "steps": [step]});
        check_fields(json!({"strategy": {"canary": canary}}), want);
    };
    let header = || json!({"setHeaderRoute": {"name": "beta", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]}});
    let mirror = || json!({"setMirrorRoute": {"name": "beta", "match": [{"path": {"prefix": "/"}}]}});
    let at = |kind: &str| format!("spec.strategy.canary.steps[0].{kind}");
    let istio = || json!({"istio": {"virtualService": {"name": "vs"}}});
    let nginx = || json!({"nginx": {"stableIngress": "edge"}});
    let alb = || json!({"alb": {"ingress": "edge", "servicePort": 80}});
    let gateway = || json!({"gatewayAPI": {"httpRoute": "web"}});
    check(istio(), header(), &[]);
    check(istio(), mirror(), &[]);
    check(alb(), header(), &[]);
    check(alb(), mirror(), &[&at("setMirrorRoute")]);
    check(nginx(), header(), &[&at("setHeaderRoute")]);
    check(nginx(), mirror(), &[&at("setMirrorRoute")]);
    check(gateway(), header(), &[&at("setHeaderRoute")]);
    check(gateway(), mirror(), &[&at("setMirrorRoute")]);
}

#[test]
fn routers_name_their_objects_in_one_of_two_ways() {
    let check = |routing: Value, want: &[&str]| {
        let canary = json!({"trafficRouting": routing, "canaryService": "c", "stableService": "s"});
        let found = problems(&json!({"strategy": {"canary": canary}}));
        let got: Vec<String> = found
            .iter()
            .map(|problem| problem.argo().replace("spec.strategy.canary.trafficRouting.", ""))
            .collect();
        assert_eq!(got, want, "{routing}");
    };
    check(json!({"nginx": {"stableIngress": "a"}}), &[]);
    check(json!({"nginx": {"stableIngresses": ["a", "b"]}}), &[]);
    check(
        json!({"nginx": {}}),
        &[
            "nginx.stableIngress: Invalid value: \"\": Either StableIngress or StableIngresses must be configured. Neither are configured.",
        ],
    );
    check(
        json!({"alb": {"servicePort": 80}}),
        &[
            "alb.ingress: Invalid value: \"\": Either Ingress or Ingresses must be configured. Neither are configured.",
        ],
    );
    check(
        json!({"istio": {}}),
        &[
            "istio.virtualService: Invalid value: \"\": either VirtualService or VirtualServices must be configured",
        ],
    );
    check(
        json!({"nginx": {"stableIngress": "a", "stableIngresses": ["b"]}}),
        &[
            "nginx.stableIngress: Invalid value: \"a\": Either StableIngress or StableIngresses must be configured. Both are configured.",
        ],
    );
}

#[test]
fn the_gateway_api_is_carried_out_under_both_names() {
    let at = "spec.strategy.canary.trafficRouting";
    let check = |services: bool, routing: Value, want: &[&str]| {
        let mut canary = json!({"trafficRouting": routing});
        if services {
            crate::base::json::merge_apply(&mut canary, &json!({"canaryService": "c", "stableService": "s"}));
        }
        check_fields(json!({"strategy": {"canary": canary}}), want);
    };
    let plugin =
        |config: Value| json!({"plugins": {"argoproj-labs/gatewayAPI": config}, "maxTrafficWeight": 1000});
    check(true, plugin(json!({"httpRoute": "r", "namespace": "n"})), &[]);
    check(
        true,
        json!({"gatewayAPI": {"httpRoutes": [{"name": "a"}]}, "maxTrafficWeight": 1000}),
        &[],
    );
    check(
        false,
        json!({"gatewayAPI": {"httpRoute": "a"}}),
        &[
            "spec.strategy.canary.stableService",
            "spec.strategy.canary.canaryService",
        ],
    );
    let plugin_at = format!("{at}.plugins[argoproj-labs/gatewayAPI]");
    let odd = json!({"httpRoutes": [{"name": "a", "useHeaderRoutes": true}, {}], "grpcRoute": "g"});
    let (grpc, header) = (
        format!("{plugin_at}.grpcRoute"),
        format!("{plugin_at}.httpRoutes[0].useHeaderRoutes"),
    );
    check(
        true,
        plugin(odd),
        &[&grpc, &header, &format!("{plugin_at}.httpRoutes[1].name")],
    );
    check(true, plugin(json!({})), &[&plugin_at]);
    check(true, plugin(json!("x")), &[&plugin_at]);
    let both = json!({"gatewayAPI": {"httpRoute": "a"}, "plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "a"}}});
    check(true, both, &[&format!("{at}.gatewayAPI")]);
}

#[test]
fn pod_templates_are_checked_in_kubernetes_words() {
    let check = |container: Value, want: &[&str]| {
        let mut given = minimal();
        crate::base::json::merge_apply(
            &mut given["spec"]["template"]["spec"]["containers"][0],
            &container,
        );
        let given: Rollout = serde_json::from_value(given).unwrap();
        let at = "spec.template.spec.containers[0].";
        let got: Vec<String> = structural(&given)
            .iter()
            .map(|one| one.argo().replace(at, ""))
            .collect();
        assert_eq!(got, want, "{container}");
    };
    check(
        json!({"ports": [{"containerPort": 70000}]}),
        &["ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
    );
    check(
        json!({"ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]}),
        &["ports[1].name: Duplicate value: \"a\""],
    );
    check(
        json!({"imagePullPolicy": "Sometimes"}),
        &[
            "imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
        ],
    );
    check(
        json!({"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}}),
        &["resources.requests: Invalid value: \"2Gi\": must be less than or equal to memory limit of 1Gi"],
    );
    check(
        json!({"livenessProbe": {"successThreshold": 2}}),
        &[
            "livenessProbe: Required value: must specify a handler type",
            "livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ],
    );
    check(
        json!({"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
        &["env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty"],
    );
}

const NAMES: &[&str] = &[
    "metadata",
    "name",
    "labels",
    "annotations",
    "spec",
    "selector",
    "matchLabels",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "template",
    "containers",
    "initContainers",
    "image",
    "ports",
    "containerPort",
    "hostPort",
    "env",
    "valueFrom",
    "volumes",
    "volumeMounts",
    "mountPath",
    "resources",
    "limits",
    "requests",
    "memory",
    "livenessProbe",
    "httpGet",
    "port",
    "strategy",
    "canary",
    "blueGreen",
    "steps",
    "setWeight",
    "pause",
    "duration",
    "analysis",
    "templates",
    "args",
    "fieldRef",
    "fieldPath",
    "trafficRouting",
    "plugins",
    "argoproj-labs/gatewayAPI",
    "gatewayAPI",
    "httpRoutes",
    "nginx",
    "istio",
    "alb",
    "pingPong",
    "antiAffinity",
    "maxSurge",
    "maxUnavailable",
    "managedRoutes",
    "setHeaderRoute",
    "match",
    "setMirrorRoute",
    "experiment",
    "setCanaryScale",
    "replicas",
    "progressDeadlineSeconds",
    "workloadRef",
    "rollbackWindow",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-2..200i32).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        "[-+]?[0-9]{0,40}(\\.[0-9]{0,25})?(Ki|Ei|m|E|n|e-?[0-9]{1,11}|%|s|)".prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 120, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(NAMES), inner), 0..6).prop_map(|members| {
                Value::Object(
                    members
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

/// A Rollout with anything at one place, which is where most decode.
fn any_rollout() -> impl Strategy<Value = Value> {
    const PLACES: &[&str] = &[
        "/spec/template",
        "/spec/template/spec",
        "/spec/template/spec/containers/0",
        "/spec/selector",
        "/spec/strategy",
        "/spec/strategy/canary",
        "/spec/strategy/canary/steps/0",
        "/spec",
    ];
    (prop::sample::select(PLACES), any_json()).prop_map(|(place, value)| {
        let mut given = minimal();
        if let Some(target) = given.pointer_mut(place) {
            *target = value;
        }
        given
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn checks_and_hashes_never_panic(given in any_rollout()) {
        let template = given["spec"]["template"].clone();
        let hash = hash::pod_template_hash(&template, Some(-1));
        prop_assert_eq!(hash, hash::pod_template_hash(&hash::normalised(&template), Some(-1)));
        prop_assert!(hash::templates_equal(&template, &template));
        if let Ok(decoded) = serde_json::from_value::<Rollout>(given) {
            for problem in rollout(&decoded) {
                prop_assert!(!problem.field.is_empty());
                prop_assert!(!problem.argo().is_empty());
            }
        }
    }
}
