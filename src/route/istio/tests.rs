use super::*;
use crate::api::strategy::CanaryStrategy;
use crate::base::json;
use crate::base::object::Meta;
use crate::route::{Backends, Special};

/// A VirtualService `vs`, seen by the router of a Rollout `web` with this Istio configuration.
struct Scene {
    meta: Meta,
    canary: CanaryStrategy,
    service: Value,
    rule: Value,
}

fn scene(istio: Value, spec: Value) -> Scene {
    let routing = json!({"istio": istio, "managedRoutes": [{"name": "beta"}, {"name": "copy"}]});
    let canary = json!({"canaryService": "canary", "stableService": "stable", "trafficRouting": routing});
    Scene {
        meta: Meta {
            name: "web".into(),
            namespace: "shop".into(),
            ..Meta::default()
        },
        canary: serde_json::from_value(canary).unwrap(),
        service: json!({"metadata": {"name": "vs"}, "spec": spec}),
        rule: json!({"spec": {"host": "web", "subsets": [
            {"name": "c", "labels": {"app": "web"}}, {"name": "s"}, {"name": "mine", "labels": {"v": "0"}}]}}),
    }
}

fn to(host: &str, weight: i64) -> Value {
    json!({"destination": {"host": host}, "weight": weight})
}

fn route(name: &str, canary: i64) -> Value {
    json!({"name": name, "timeout": "5s", "route": [to("stable.shop.svc.cluster.local", 100 - canary), to("canary", canary)]})
}

fn one() -> Value {
    json!({"virtualService": {"name": "vs", "routes": ["main"]}})
}

impl Scene {
    fn ask<T>(&self, what: impl FnOnce(&VirtualServices, Look) -> T) -> T {
        let routing = self.canary.traffic_routing.as_ref().unwrap();
        let of = Subject {
            rollout: &self.meta,
            canary: &self.canary,
            routing,
            backends: Backends {
                canary: &self.canary.canary_service,
                stable: &self.canary.stable_service,
            },
            weight_max: 100,
        };
        let router = VirtualServices::new(of, routing.istio.as_ref().unwrap());
        what(&router, &|kind, _| {
            Some(if kind == Kind::DestinationRule {
                &self.rule
            } else {
                &self.service
            })
        })
    }

    fn writes(&self, canary: i64, specials: &[Special]) -> Vec<Write> {
        let weights = Weights {
            canary,
            stable: 100 - canary,
        };
        let wanted = Wanted {
            weights,
            specials: specials.to_vec(),
        };
        self.ask(|router, look| router.writes(look, &wanted))
    }

    /// The `spec` once the router serves this.
    fn served(&mut self, canary: i64, specials: &[Special]) -> Value {
        for write in self.writes(canary, specials) {
            json::merge_apply(&mut self.service, &write.body);
        }
        assert_eq!(self.writes(canary, specials), [], "written once");
        self.service["spec"].clone()
    }

    fn seen(&self) -> Vec<Option<Weights>> {
        self.ask(|router, look| router.weights(look))
    }

    fn problems(&self) -> Vec<String> {
        self.ask(|router, look| router.problems(look))
    }
}

fn weights(canary: i64, stable: i64) -> Option<Weights> {
    Some(Weights { canary, stable })
}

#[test]
fn the_named_routes_get_the_weights_and_keep_every_other_field() {
    let mut scene = scene(
        one(),
        json!({"hosts": ["x"], "http": [route("main", 0), route("other", 0)]}),
    );
    assert_eq!(scene.seen(), [weights(0, 100)]);
    let told = scene.writes(5, &[]).remove(0).told.unwrap();
    assert_eq!(told.0, "Updated VirtualService");
    assert_eq!(told.1, "VirtualService `vs` set to desiredWeight '5'");
    let spec = scene.served(5, &[]);
    assert_eq!(
        spec,
        json!({"hosts": ["x"], "http": [route("main", 5), route("other", 0)]})
    );
    assert_eq!(scene.seen(), [weights(5, 95)]);
}

#[test]
fn destinations_of_others_keep_their_weight_and_stable_gives_it() {
    let mut route = route("main", 0);
    route["route"].as_array_mut().unwrap().push(to("third", 10));
    route["route"][0]["weight"] = json!(90);
    let mut scene = scene(one(), json!({"http": [route]}));
    let spec = scene.served(20, &[]);
    let got: Vec<_> = spec["http"][0]["route"]
        .as_array()
        .unwrap()
        .iter()
        .map(weight)
        .collect();
    assert_eq!(got, [70, 20, 10]);
}

#[test]
fn without_a_list_the_only_route_is_meant() {
    let name = || json!({"virtualService": {"name": "vs"}});
    assert_eq!(
        scene(name(), json!({"http": [route("any", 0)]})).problems(),
        Vec::<String>::new()
    );
    let several = scene(name(), json!({"http": [route("a", 0), route("b", 0)]}));
    assert!(several.problems()[0].contains("must have exactly one route when omitting"));
    let with_ours = scene(name(), json!({"http": [route("beta", 0), route("b", 7)]}));
    assert_eq!(with_ours.problems(), Vec::<String>::new());
    assert_eq!(with_ours.seen(), [weights(7, 93)]);
}

#[test]
fn tls_and_tcp_routes_are_found_by_port_and_names() {
    let istio = json!({"virtualService": {"name": "vs", "tlsRoutes": [{"port": 443, "sniHosts": ["a", "b"]}],
        "tcpRoutes": [{"port": 3306}]}});
    let of = |extra: Value, hosts: Value| {
        let mut one = json!({"match": [{"port": extra, "sniHosts": hosts}], "route": [to("stable", 100), to("canary", 0)]});
        if one["match"][0]["sniHosts"].is_null() {
            one["match"][0].as_object_mut().unwrap().remove("sniHosts");
        }
        one
    };
    let spec = json!({"tls": [of(json!(443), json!(["a"])), of(json!(443), json!(["b", "a"]))],
        "tcp": [of(json!(80), Value::Null), of(json!(3306), Value::Null)]});
    let mut scene = scene(istio, spec);
    let spec = scene.served(30, &[]);
    let canary = |pointer: &str| spec.pointer(pointer).unwrap()["route"][1]["weight"].clone();
    assert_eq!(
        [
            canary("/tls/0"),
            canary("/tls/1"),
            canary("/tcp/0"),
            canary("/tcp/1")
        ],
        [0, 30, 0, 30]
    );
    scene.service["spec"]["tcp"] = json!([]);
    assert!(scene.problems()[0].ends_with("No matching TCP routes found in the defined Virtual Service."));
}

#[test]
fn what_is_wrong_is_said_in_argos_words() {
    let check = |spec: Value, want: &str| {
        let problems = scene(one(), spec).problems();
        assert_eq!(problems, [format!("VirtualService \"shop/vs\": {want}")]);
    };
    check(
        json!({"http": [route("x", 0)]}),
        "HTTP Route 'main' is not found in the defined Virtual Service.",
    );
    let half = |host: &str| json!({"http": [{"name": "main", "route": [to(host, 100)]}]});
    check(
        half("stable"),
        "Istio VirtualService has invalid HTTP routes. Error: Canary Service 'canary' not found in route",
    );
    check(
        half("canary"),
        "Istio VirtualService has invalid HTTP routes. Error: Stable Service 'stable' not found in route",
    );
    let none = scene(json!({"virtualService": {"name": "vs"}}), json!({}));
    assert!(none.problems()[0].contains("Unable to get any of the HTTP, TCP or TLS routes"));
}

fn header(value: Value) -> crate::api::steps::SetHeaderRoute {
    serde_json::from_value(json!({"name": "beta", "match": [{"headerName": "x-beta", "headerValue": value}]}))
        .unwrap()
}

#[test]
fn header_and_mirror_routes_come_first_and_go_when_no_longer_wanted() {
    let mut main = route("main", 0);
    main["route"][0]["destination"]["port"] = json!({"number": 8080});
    let mut scene = scene(one(), json!({"http": [main, route("other", 0)]}));
    let header = header(json!({"prefix": "y"}));
    let mirror = json!({"name": "copy", "percentage": 35, "match": [{"method": {"exact": "GET"}, "path": {"prefix": "/"},
        "headers": {"x-a": {"regex": "a.*"}}}]});
    let mirror: crate::api::steps::SetMirrorRoute = serde_json::from_value(mirror).unwrap();
    let spec = scene.served(5, &[Special::Header(&header), Special::Mirror(&mirror)]);
    let canary = json!({"host": "canary", "port": {"number": 8080}});
    let http = spec["http"].as_array().unwrap();
    assert_eq!(
        http[0],
        json!({"name": "beta", "match": [{"headers": {"x-beta": {"prefix": "y"}}}],
            "route": [{"destination": canary, "weight": 100}]})
    );
    assert_eq!(
        http[1],
        json!({"name": "copy", "match": [{"method": {"exact": "GET"}, "uri": {"prefix": "/"},
                "headers": {"x-a": {"regex": "a.*"}}}],
            "route": http[2]["route"], "mirror": canary, "mirrorPercentage": {"value": 35}})
    );
    assert_eq!(http[2]["route"][1]["weight"], 5);
    assert!(scene.ask(|router, look| router.pinned(look)));
    let spec = scene.served(0, &[]);
    let names: Vec<_> = spec["http"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(names, ["main", "other"]);
    assert!(!scene.ask(|router, look| router.pinned(look)));
}

fn by_subset() -> Scene {
    let istio = json!({"virtualService": {"name": "vs"},
        "destinationRule": {"name": "dr", "canarySubsetName": "c", "stableSubsetName": "s"}});
    let part = |subset: &str, weight: i64| json!({"destination": {"host": "web", "subset": subset}, "weight": weight});
    scene(
        istio,
        json!({"http": [{"route": [part("s", 90), part("c", 0), part("mine", 10)]}]}),
    )
}

#[test]
fn subsets_tell_the_sides_apart() {
    let mut scene = by_subset();
    assert_eq!(scene.problems(), Vec::<String>::new());
    let header = header(json!({"exact": "1"}));
    let spec = scene.served(20, &[Special::Header(&header)]);
    let target = &spec["http"][0]["route"][0]["destination"];
    assert_eq!(*target, json!({"host": "web", "subset": "c"}));
    assert_eq!(scene.seen(), [weights(20, 70)]);
    scene.rule["spec"]["subsets"][0]["name"] = json!("x");
    assert!(scene.problems()[0].starts_with("DestinationRule \"dr\" has no subset \"c\""));
}

#[test]
fn a_subset_is_led_to_a_version_and_the_others_stay() {
    let rule = by_subset().rule;
    assert_eq!(subset::hash(&rule, "c"), Some(""));
    assert_eq!(subset::hash(&rule, "none"), None);
    let moves = [("c", "h2".to_owned()), ("s", "h1".to_owned())];
    let patch = subset::lead(&rule, &moves, "web").unwrap();
    let mut led = rule.clone();
    json::merge_apply(&mut led, &patch);
    assert_eq!(subset::hash(&led, "c"), Some("h2"));
    assert_eq!(subset::hash(&led, "s"), Some("h1"));
    assert_eq!(led["spec"]["subsets"][2], rule["spec"]["subsets"][2]);
    assert_eq!(subset::manager(&led), Some("web"));
    assert_eq!(subset::lead(&led, &moves, "web"), None);
    let mut free = led.clone();
    json::merge_apply(&mut free, &subset::let_go(&led));
    assert_eq!(subset::hash(&free, "c"), Some(""));
    assert_eq!(free["spec"]["subsets"][0], rule["spec"]["subsets"][0]);
}

#[test]
fn a_virtual_service_elsewhere_is_named_with_its_namespace() {
    assert_eq!(key("vs", "shop"), Key::new("shop", "vs"));
    assert_eq!(key("vs.mesh", "shop"), Key::new("mesh", "vs"));
    assert_eq!(key("vs.mesh.svc.cluster.local", "shop"), Key::new("mesh", "vs"));
}
