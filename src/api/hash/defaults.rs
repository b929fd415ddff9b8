// flat table
//! The defaults that an API server fills into a pod template, and their application to normalised JSON.

use serde_json::{Map, Value};

/// A value that is filled in when the member is absent.
#[derive(Clone, Copy)]
enum Fill {
    Text(&'static str),
    Number(i64),
    False,
    Empty,
}

use Fill::{Empty, False, Number, Text};

/// Parent (members separated by dots, `[]` for every item of a list), member, default.
type Row = (&'static str, &'static str, Fill);

const POD: &[Row] = &[
    ("", "dnsPolicy", Text("ClusterFirst")),
    ("", "restartPolicy", Text("Always")),
    ("", "securityContext", Empty),
    ("", "terminationGracePeriodSeconds", Number(30)),
    ("", "schedulerName", Text("default-scheduler")),
    ("volumes[].hostPath", "type", Text("")),
    ("volumes[].secret", "defaultMode", Number(420)),
    ("volumes[].configMap", "defaultMode", Number(420)),
    ("volumes[].downwardAPI", "defaultMode", Number(420)),
    ("volumes[].downwardAPI.items[].fieldRef", "apiVersion", Text("v1")),
    ("volumes[].projected", "defaultMode", Number(420)),
    (
        "volumes[].projected.sources[].downwardAPI.items[].fieldRef",
        "apiVersion",
        Text("v1"),
    ),
    (
        "volumes[].projected.sources[].serviceAccountToken",
        "expirationSeconds",
        Number(3600),
    ),
    ("volumes[].iscsi", "iscsiInterface", Text("default")),
    ("volumes[].rbd", "pool", Text("rbd")),
    ("volumes[].rbd", "user", Text("admin")),
    ("volumes[].rbd", "keyring", Text("/etc/ceph/keyring")),
    ("volumes[].azureDisk", "cachingMode", Text("ReadWrite")),
    ("volumes[].azureDisk", "fsType", Text("ext4")),
    ("volumes[].azureDisk", "readOnly", False),
    ("volumes[].azureDisk", "kind", Text("Shared")),
    ("volumes[].scaleIO", "storageMode", Text("ThinProvisioned")),
    ("volumes[].scaleIO", "fsType", Text("xfs")),
    (
        "volumes[].ephemeral.volumeClaimTemplate.spec",
        "volumeMode",
        Text("Filesystem"),
    ),
];

const CONTAINER: &[Row] = &[
    ("", "terminationMessagePath", Text("/dev/termination-log")),
    ("", "terminationMessagePolicy", Text("File")),
    ("ports[]", "protocol", Text("TCP")),
    ("env[].valueFrom.fieldRef", "apiVersion", Text("v1")),
    ("env[].valueFrom.fileKeyRef", "optional", False),
    ("lifecycle.postStart.httpGet", "path", Text("/")),
    ("lifecycle.postStart.httpGet", "scheme", Text("HTTP")),
    ("lifecycle.preStop.httpGet", "path", Text("/")),
    ("lifecycle.preStop.httpGet", "scheme", Text("HTTP")),
];

const PROBE: &[Row] = &[
    ("", "timeoutSeconds", Number(1)),
    ("", "periodSeconds", Number(10)),
    ("", "successThreshold", Number(1)),
    ("", "failureThreshold", Number(3)),
    ("httpGet", "path", Text("/")),
    ("httpGet", "scheme", Text("HTTP")),
    ("grpc", "service", Text("")),
];

/// Fills the defaults into a normalised template.
pub(super) fn apply(template: &mut Value) {
    let Some(spec) = template.get_mut("spec") else {
        return;
    };
    fill(spec, POD);
    visit(spec, "volumes[]", &mut |volume| {
        if volume.len() == 1 && volume.contains_key("name") {
            volume.insert("emptyDir".to_owned(), Value::Object(Map::new()));
        }
        if let Some(image) = volume.get_mut("image").and_then(Value::as_object_mut) {
            pull_policy(image, "reference", "pullPolicy");
        }
    });
    for containers in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec
            .get_mut(containers)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            fill(container, CONTAINER);
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if let Some(probe) = container.get_mut(probe) {
                    fill(probe, PROBE);
                }
            }
            if let Some(container) = container.as_object_mut() {
                pull_policy(container, "image", "imagePullPolicy");
            }
        }
    }
}

/// `Always` for an image that may change under its name: tagged `latest`, or without tag and digest.
fn pull_policy(holder: &mut Map<String, Value>, image: &str, policy: &str) {
    if holder.contains_key(policy) {
        return;
    }
    let image = holder.get(image).and_then(Value::as_str).unwrap_or_default();
    let (name, digest) = image
        .split_once('@')
        .map_or((image, ""), |(name, digest)| (name, digest));
    let tag = name
        .rsplit('/')
        .next()
        .and_then(|last| last.split_once(':'))
        .map(|(_, tag)| tag);
    let moving = tag == Some("latest") || (tag.is_none() && digest.is_empty());
    let value = if moving { "Always" } else { "IfNotPresent" };
    holder.insert(policy.to_owned(), Value::from(value));
}

fn fill(value: &mut Value, rows: &[Row]) {
    for (parent, member, default) in rows {
        visit(value, parent, &mut |object| {
            if object.get(*member).is_none_or(Value::is_null) {
                object.insert((*member).to_owned(), default.value());
            }
        });
    }
}

/// Calls `change` for every object at `path` below `value`.
fn visit(value: &mut Value, path: &str, change: &mut dyn FnMut(&mut Map<String, Value>)) {
    if path.is_empty() {
        value.as_object_mut().map(change);
        return;
    }
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let (member, list) = step
        .strip_suffix("[]")
        .map_or((step, false), |member| (member, true));
    let Some(child) = value.get_mut(member) else {
        return;
    };
    if !list {
        return visit(child, rest, change);
    }
    for item in child.as_array_mut().into_iter().flatten() {
        visit(item, rest, change);
    }
}

impl Fill {
    fn value(self) -> Value {
        match self {
            Text(text) => Value::from(text),
            Number(number) => Value::from(number),
            False => Value::from(false),
            Empty => Value::Object(Map::new()),
        }
    }
}
