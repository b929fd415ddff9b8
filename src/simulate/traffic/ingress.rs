//! Where Ingresses lead requests, as the proxies that read them do: NGINX with a canary Ingress beside a primary one, and AWS load
//! balancers with actions in annotations. Pure, on the objects' JSON.
//!
//! A Service without endpoints answers nobody, whichever proxy it is. NGINX itself would ask the primary Service for a canary that has
//! none; whoever counts on that is found out here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::split::Rules;

/// The class of an Ingress in the days before `ingressClassName`.
const CLASS: &str = "kubernetes.io/ingress.class";
/// The name of a port that means: an annotation says where this path leads.
const USE_ANNOTATION: &str = "use-annotation";
/// What weights are parts of when a canary Ingress does not say.
const TOTAL_DEFAULT: i64 = 100;

/// An Ingress as its proxy knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ingress {
    class: String,
    /// Its weight and what that is a part of, if it is a canary beside another Ingress.
    canary: Option<(i64, i64)>,
    paths: Vec<Path>,
}

#[derive(Clone, Debug, PartialEq)]
struct Path {
    host: String,
    path: String,
    backends: BTreeMap<String, i64>,
}

impl Ingress {
    pub fn read(object: &Value) -> Self {
        let rules = list(&object["spec"]["rules"]).iter();
        let paths = rules.flat_map(|rule| {
            let host = text(&rule["host"]);
            let paths = list(&rule["http"]["paths"]).iter();
            paths.filter_map(move |path| {
                Some(Path {
                    host: host.clone(),
                    path: text(&path["path"]),
                    backends: backends(object, &path["backend"]["service"])?,
                })
            })
        });
        let annotations = &object["metadata"]["annotations"];
        let class = match &object["spec"]["ingressClassName"] {
            Value::Null => text(&annotations[CLASS]),
            class => text(class),
        };
        Self {
            class,
            canary: canary(annotations),
            paths: paths.collect(),
        }
    }

    /// Where ordinary requests go that come by this Ingress: every path as its own rule, shared with the canary beside it, if there is
    /// one. A canary Ingress alone serves nobody.
    pub fn rules<'a>(&self, others: impl Iterator<Item = &'a Ingress> + Clone) -> Rules {
        if self.canary.is_some() {
            return Rules::new();
        }
        let canaries = others.filter(|one| one.canary.is_some() && one.class == self.class);
        let rule = |path: &Path| {
            let beside = canaries.clone().find_map(|canary| {
                let same = |one: &&Path| one.host == path.host && one.path == path.path;
                Some((canary.canary?, canary.paths.iter().find(same)?))
            });
            match beside {
                Some(((weight, total), canary)) => shared(&path.backends, &canary.backends, weight, total),
                None => path.backends.clone(),
            }
        };
        self.paths.iter().map(rule).collect()
    }
}

/// Weights of both sides, where the canary's gets `weight` of `total`. NGINX has one Service on each.
fn shared(
    primary: &BTreeMap<String, i64>,
    canary: &BTreeMap<String, i64>,
    weight: i64,
    total: i64,
) -> BTreeMap<String, i64> {
    let sides = [(primary, total - weight), (canary, weight)];
    let mut sums = BTreeMap::new();
    for (side, weight) in sides {
        for service in side.keys() {
            *sums.entry(service.clone()).or_insert(0) += weight;
        }
    }
    sums
}

/// Weight and total of a canary Ingress, whatever prefix its proxy looks for. Requests with a header or a cookie are no ordinary ones.
fn canary(annotations: &Value) -> Option<(i64, i64)> {
    let all = annotations.as_object()?;
    let prefix = all.iter().find_map(|(name, value)| {
        let prefix = name.strip_suffix("/canary")?;
        (value == "true").then_some(prefix)
    })?;
    let number = |name: &str| -> Option<i64> {
        let text = all.get(&format!("{prefix}/{name}"))?.as_str()?;
        text.parse().ok()
    };
    let total = number("canary-weight-total").unwrap_or(TOTAL_DEFAULT).max(1);
    let weight = number("canary-weight").unwrap_or(0).clamp(0, total);
    Some((weight, total))
}

/// The Services of a path with their weights; `None` for one that no ordinary request takes.
fn backends(ingress: &Value, service: &Value) -> Option<BTreeMap<String, i64>> {
    let name = text(&service["name"]);
    if service["port"]["name"] != USE_ANNOTATION {
        return Some(BTreeMap::from([(name, 1)]));
    }
    let said = |sort: &str| {
        let end = format!("/{sort}.{name}");
        let all = ingress["metadata"]["annotations"].as_object()?;
        let (_, value) = all.iter().find(|(name, _)| name.ends_with(&end))?;
        serde_json::from_str::<Value>(value.as_str()?).ok()
    };
    let wants_headers = said("conditions").is_some_and(|all| {
        let sort = |one: &Value| text(member(one, "field"));
        list(&all).iter().any(|one| sort(one) == "http-header")
    });
    if wants_headers {
        return None;
    }
    // A load balancer is not told of a path whose action is missing: it goes on to ask the Service.
    let Some(action) = said("actions") else {
        return Some(BTreeMap::from([(name, 1)]));
    };
    let groups = list(member(member(&action, "forwardConfig"), "targetGroups"));
    let mut weights = BTreeMap::new();
    for group in groups {
        let weight = member(group, "weight").as_i64().unwrap_or(1);
        *weights.entry(text(member(group, "serviceName"))).or_insert(0) += weight;
    }
    // Redirects and fixed answers lead to no pods.
    (!weights.is_empty()).then_some(weights)
}

/// A member of an action, in whichever case it is written.
fn member<'v>(value: &'v Value, name: &str) -> &'v Value {
    let members = value.as_object();
    let found = members.and_then(|all| all.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)));
    found.map_or(&Value::Null, |(_, value)| value)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(service: &str, port: Value) -> Value {
        json!({"path": "/", "backend": {"service": {"name": service, "port": port}}})
    }

    fn ingress(host: &str, annotations: Value, paths: Value) -> Ingress {
        Ingress::read(&json!({"metadata": {"annotations": annotations},
            "spec": {"rules": [{"host": host, "http": {"paths": paths}}]}}))
    }

    fn nginx(host: &str, annotations: Value, service: &str) -> Ingress {
        ingress(host, annotations, json!([path(service, json!({"number": 80}))]))
    }

    fn check(primary: &Ingress, others: &[Ingress], expect: &[&[(&str, i64)]]) {
        let rules = primary.rules(others.iter());
        let got: Vec<Vec<(&str, i64)>> = rules
            .iter()
            .map(|rule| {
                rule.iter()
                    .map(|(name, weight)| (name.as_str(), *weight))
                    .collect()
            })
            .collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn a_canary_ingress_takes_its_weight_from_the_primary_one_of_the_same_host_and_path() {
        let primary = nginx("x", json!({}), "stable");
        let of = |host: &str, annotations: Value| nginx(host, annotations, "canary");
        check(&primary, &[], &[&[("stable", 1)]]);
        let weight = json!({"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "20"});
        check(
            &primary,
            &[of("x", weight.clone())],
            &[&[("canary", 20), ("stable", 80)]],
        );
        check(&primary, &[of("y", weight.clone())], &[&[("stable", 1)]]);
        check(&of("x", weight.clone()), &[], &[]);
        let off = json!({"nginx.ingress.kubernetes.io/canary": "false", "nginx.ingress.kubernetes.io/canary-weight": "20"});
        check(&primary, &[of("x", off)], &[&[("stable", 1)]]);
        let parts =
            json!({"a.org/canary": "true", "a.org/canary-weight": "20", "a.org/canary-weight-total": "1000"});
        check(&primary, &[of("x", parts)], &[&[("canary", 20), ("stable", 980)]]);
        let header = json!({"a.org/canary": "true", "a.org/canary-by-header": "x-beta"});
        check(&primary, &[of("x", header)], &[&[("canary", 0), ("stable", 100)]]);
    }

    #[test]
    fn an_action_says_where_a_path_of_a_load_balancer_leads() {
        let paths = json!([path("root", json!({"name": "use-annotation"}))]);
        check(&ingress("x", json!({}), paths.clone()), &[], &[&[("root", 1)]]);
        let spelled = [
            r#"{"Type":"forward","ForwardConfig":{"TargetGroups":[{"ServiceName":"a","ServicePort":"80","Weight":5},{"ServiceName":"b","Weight":95}]}}"#,
            r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"a","servicePort":"80","weight":5},{"serviceName":"b","weight":95}]}}"#,
        ];
        for action in spelled {
            let annotations = json!({"alb.ingress.kubernetes.io/actions.root": action});
            check(
                &ingress("x", annotations, paths.clone()),
                &[],
                &[&[("a", 5), ("b", 95)]],
            );
        }
        let redirect = json!({"alb.ingress.kubernetes.io/actions.root": r#"{"type":"redirect"}"#});
        check(&ingress("x", redirect, paths), &[], &[]);
    }

    #[test]
    fn a_path_of_a_load_balancer_that_asks_for_headers_takes_no_ordinary_request() {
        let use_annotation = json!({"name": "use-annotation"});
        let paths = json!([path("beta", use_annotation.clone()), path("root", use_annotation)]);
        let annotations = json!({
            "alb.ingress.kubernetes.io/conditions.beta": r#"[{"Field":"http-header","HttpHeaderConfig":{"HttpHeaderName":"x","Values":["1"]}}]"#,
            "alb.ingress.kubernetes.io/conditions.root": r#"[{"field":"host-header"}]"#,
        });
        check(&ingress("x", annotations, paths), &[], &[&[("root", 1)]]);
    }
}
