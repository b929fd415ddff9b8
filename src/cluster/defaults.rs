//! What the API server adds to built-in objects that leave it out. Knows nothing of custom resources.

use serde_json::{Map, Value, json};

use super::golang;
use super::world::World;

/// Adds the defaults of a kind. `creating`: addresses and generated labels are given only then.
pub fn fill(world: &mut World, resource: &str, object: &mut Value, creating: bool) {
    match resource {
        "pods" => pod(object),
        "services" => service(world, object),
        "replicasets.apps" | "deployments.apps" | "statefulsets.apps" | "daemonsets.apps" => {
            workload(resource, object);
        }
        "jobs.batch" => job(object, creating),
        "namespaces" if creating => {
            let name = object["metadata"]["name"].clone();
            ensure(&mut object["metadata"], "labels", json!({}));
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        "secrets" => secret(object),
        _ => {}
    }
}

/// Keeps what the server has decided about an object and an update leaves out.
pub fn keep(resource: &str, old: &Value, new: &mut Value) {
    if resource != "services" || new["spec"]["type"] == "ExternalName" {
        return;
    }
    if new["spec"]["clusterIP"].as_str().is_none_or(str::is_empty) {
        for field in ["clusterIP", "clusterIPs"] {
            if !old["spec"][field].is_null() {
                new["spec"][field] = old["spec"][field].clone();
            }
        }
    }
}

/// Plain text is kept encoded.
fn secret(object: &mut Value) {
    ensure(object, "type", json!("Opaque"));
    let Value::Object(map) = object else {
        return;
    };
    if let Some(Value::Object(plain)) = map.remove("stringData") {
        let data = map.entry("data").or_insert_with(|| json!({}));
        for (key, value) in plain {
            data[key] = golang::base64(value.as_str().unwrap_or_default().as_bytes()).into();
        }
    }
}

/// Sets a field that is absent or null.
fn ensure(object: &mut Value, field: &str, value: Value) {
    if object.is_null() {
        *object = json!({});
    }
    if let Value::Object(map) = object
        && map.get(field).is_none_or(Value::is_null)
    {
        map.insert(field.to_owned(), value);
    }
}

fn each(list: &mut Value, mut work: impl FnMut(&mut Value)) {
    for one in list.as_array_mut().into_iter().flatten() {
        work(one);
    }
}

/// The pod template's or the pod's own spec.
fn pod_spec(spec: &mut Value, restart: &str) {
    for (field, value) in [
        ("restartPolicy", json!(restart)),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
    ] {
        ensure(spec, field, value);
    }
    for containers in ["initContainers", "containers"] {
        if spec.get(containers).is_some() {
            each(&mut spec[containers], container);
        }
    }
    if spec.get("volumes").is_some() {
        each(&mut spec["volumes"], volume);
    }
}

fn volume(volume: &mut Value) {
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if volume.get(source).is_some() {
            ensure(&mut volume[source], "defaultMode", json!(0o644));
        }
    }
}

fn container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let pull = if !last.contains('@') && (!last.contains(':') || last.ends_with(":latest")) {
        "Always"
    } else {
        "IfNotPresent"
    };
    for (field, value) in [
        ("imagePullPolicy", json!(pull)),
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
    ] {
        ensure(container, field, value);
    }
    if container.get("ports").is_some() {
        each(&mut container["ports"], |port| {
            ensure(port, "protocol", json!("TCP"));
        });
    }
    if container.get("env").is_some() {
        each(&mut container["env"], |one| {
            if one["valueFrom"]["fieldRef"].is_object() {
                ensure(&mut one["valueFrom"]["fieldRef"], "apiVersion", json!("v1"));
            }
        });
    }
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        if !container[probe].is_object() {
            continue;
        }
        for (field, value) in [
            ("timeoutSeconds", 1),
            ("periodSeconds", 10),
            ("successThreshold", 1),
            ("failureThreshold", 3),
        ] {
            ensure(&mut container[probe], field, value.into());
        }
        if container[probe]["httpGet"].is_object() {
            ensure(&mut container[probe]["httpGet"], "scheme", json!("HTTP"));
            ensure(&mut container[probe]["httpGet"], "path", json!("/"));
        }
    }
}

fn pod(object: &mut Value) {
    pod_spec(&mut object["spec"], "Always");
    for containers in ["initContainers", "containers"] {
        if object["spec"].get(containers).is_some() {
            each(&mut object["spec"][containers], requests);
        }
    }
    tolerations(&mut object["spec"]);
    for (field, value) in [
        ("enableServiceLinks", json!(true)),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
        ("priority", json!(0)),
    ] {
        ensure(&mut object["spec"], field, value);
    }
    ensure(object, "status", json!({}));
    ensure(&mut object["status"], "phase", json!("Pending"));
    ensure(&mut object["status"], "qosClass", json!("BestEffort"));
    if object["status"].get("conditions").is_some() {
        each(&mut object["status"]["conditions"], |condition| {
            // Go prints times that were never given.
            for field in ["lastProbeTime", "lastTransitionTime"] {
                ensure(condition, field, Value::Null);
            }
        });
    }
}

/// What a container is limited to it also asks for.
fn requests(container: &mut Value) {
    let Some(Value::Object(limits)) = container["resources"].get("limits").cloned() else {
        return;
    };
    ensure(&mut container["resources"], "requests", json!({}));
    for (name, limit) in limits {
        ensure(&mut container["resources"]["requests"], &name, limit);
    }
}

/// Admission lets every pod stay for five minutes on a node that is in trouble.
fn tolerations(spec: &mut Value) {
    ensure(spec, "tolerations", json!([]));
    let Some(list) = spec["tolerations"].as_array_mut() else {
        return;
    };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let known = |one: &Value| {
            let effect = one["effect"]
                .as_str()
                .is_none_or(|effect| matches!(effect, "" | "NoExecute"));
            effect && one["key"].as_str().is_none_or(|own| own.is_empty() || own == key)
        };
        if !list.iter().any(known) {
            list.push(
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}),
            );
        }
    }
}

fn workload(resource: &str, object: &mut Value) {
    let spec = &mut object["spec"];
    if resource != "daemonsets.apps" {
        ensure(spec, "replicas", json!(1));
    }
    if resource == "deployments.apps" {
        ensure(spec, "revisionHistoryLimit", json!(10));
        ensure(spec, "progressDeadlineSeconds", json!(600));
        ensure(spec, "strategy", json!({}));
        ensure(&mut spec["strategy"], "type", json!("RollingUpdate"));
        if spec["strategy"]["type"] == "RollingUpdate" {
            ensure(&mut spec["strategy"], "rollingUpdate", json!({}));
            for field in ["maxSurge", "maxUnavailable"] {
                ensure(&mut spec["strategy"]["rollingUpdate"], field, json!("25%"));
            }
        }
    }
    if spec["template"].is_object() {
        pod_spec(&mut spec["template"]["spec"], "Always");
    }
    ensure(object, "status", json!({}));
    if matches!(resource, "replicasets.apps" | "statefulsets.apps") {
        ensure(&mut object["status"], "replicas", json!(0));
    }
}

fn service(world: &mut World, object: &mut Value) {
    let spec = &mut object["spec"];
    for (field, value) in [
        ("type", json!("ClusterIP")),
        ("sessionAffinity", json!("None")),
        ("internalTrafficPolicy", json!("Cluster")),
        ("ipFamilies", json!(["IPv4"])),
        ("ipFamilyPolicy", json!("SingleStack")),
    ] {
        ensure(spec, field, value);
    }
    if spec["clusterIP"].as_str().is_none_or(str::is_empty) && spec["type"] != "ExternalName" {
        spec["clusterIP"] = world.service_address().into();
    }
    if spec["clusterIP"].is_string() {
        let address = spec["clusterIP"].clone();
        ensure(spec, "clusterIPs", json!([address]));
    }
    if spec.get("ports").is_some() {
        each(&mut spec["ports"], |port| {
            ensure(port, "protocol", json!("TCP"));
            let number = port["port"].clone();
            ensure(port, "targetPort", number);
        });
    }
    ensure(object, "status", json!({"loadBalancer": {}}));
}

fn job(object: &mut Value, creating: bool) {
    let uid = object["metadata"]["uid"].clone();
    let name = object["metadata"]["name"].clone();
    let spec = &mut object["spec"];
    for (field, value) in [
        ("parallelism", json!(1)),
        ("completions", json!(1)),
        ("backoffLimit", json!(6)),
        ("completionMode", json!("NonIndexed")),
        ("suspend", json!(false)),
        ("manualSelector", json!(false)),
        ("podReplacementPolicy", json!("TerminatingOrFailed")),
    ] {
        ensure(spec, field, value);
    }
    if creating && spec["manualSelector"] == false {
        let labels = Map::from_iter([
            ("batch.kubernetes.io/controller-uid".to_owned(), uid.clone()),
            ("batch.kubernetes.io/job-name".to_owned(), name.clone()),
            ("controller-uid".to_owned(), uid.clone()),
            ("job-name".to_owned(), name),
        ]);
        ensure(&mut spec["template"], "metadata", json!({}));
        ensure(&mut spec["template"]["metadata"], "labels", json!({}));
        for (key, value) in labels {
            spec["template"]["metadata"]["labels"][key] = value;
        }
        spec["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    }
    pod_spec(&mut spec["template"]["spec"], "Never");
    ensure(object, "status", json!({}));
}
