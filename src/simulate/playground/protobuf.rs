//! As much of Kubernetes' protobuf as kubectl sends: `kubectl create namespace`, `configmap`, `secret`, `service`, `deployment`, `job` and the
//! like, and `kubectl drain`, send their objects so, and take JSON for an answer. A field that is not in the tables is an error: nothing is lost in silence.

use k8s_openapi::ByteString;
use serde_json::{Map, Value, json};

/// Before every object.
const MAGIC: &[u8] = b"k8s\0";
/// A body in it is shown to be so by this.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Why a body cannot be read.
#[derive(Debug, PartialEq)]
pub(super) struct Unreadable;

/// One field of a message: number, name, what it is. Fields that are repeated are lists.
type Field = (u64, &'static str, Is);

#[derive(Clone, Copy)]
enum Is {
    /// Empty ones, zero and false say nothing, and are left out.
    Text,
    Number,
    Flag,
    /// A number or a flag that is sent only if it was given.
    Given,
    GivenFlag,
    Texts,
    /// A map of texts, and one of bytes.
    Labels,
    Data,
    Message(&'static [Field]),
    Messages(&'static [Field]),
    IntOrString,
    /// What the server decides.
    Ignored,
}

const META: &[Field] = &[
    (1, "name", Is::Text),
    (2, "generateName", Is::Text),
    (3, "namespace", Is::Text),
    (4, "selfLink", Is::Ignored),
    (5, "uid", Is::Text),
    (6, "resourceVersion", Is::Text),
    (7, "generation", Is::Ignored),
    (8, "creationTimestamp", Is::Ignored),
    (11, "labels", Is::Labels),
    (12, "annotations", Is::Labels),
    (14, "finalizers", Is::Texts),
    (17, "managedFields", Is::Ignored),
];
const NAMESPACE: &[Field] = &[
    (1, "metadata", Is::Message(META)),
    (2, "spec", Is::Ignored),
    (3, "status", Is::Ignored),
];
const CONFIG_MAP: &[Field] = &[
    (1, "metadata", Is::Message(META)),
    (2, "data", Is::Labels),
    (3, "binaryData", Is::Data),
    (4, "immutable", Is::GivenFlag),
];
const SECRET: &[Field] = &[
    (1, "metadata", Is::Message(META)),
    (2, "data", Is::Data),
    (3, "type", Is::Text),
    (4, "stringData", Is::Labels),
    (5, "immutable", Is::GivenFlag),
];
const SERVICE_ACCOUNT: &[Field] = &[(1, "metadata", Is::Message(META))];
const SERVICE: &[Field] = &[
    (1, "metadata", Is::Message(META)),
    (2, "spec", Is::Message(SERVICE_SPEC)),
    (3, "status", Is::Ignored),
];
const SERVICE_SPEC: &[Field] = &[
    (1, "ports", Is::Messages(SERVICE_PORT)),
    (2, "selector", Is::Labels),
    (3, "clusterIP", Is::Text),
    (4, "type", Is::Text),
    (5, "externalIPs", Is::Texts),
    (7, "sessionAffinity", Is::Text),
    (8, "loadBalancerIP", Is::Text),
    (10, "externalName", Is::Text),
    (11, "externalTrafficPolicy", Is::Text),
    (12, "healthCheckNodePort", Is::Number),
    (13, "publishNotReadyAddresses", Is::Flag),
];
const SERVICE_PORT: &[Field] = &[
    (1, "name", Is::Text),
    (2, "protocol", Is::Text),
    (3, "port", Is::Number),
    (4, "targetPort", Is::IntOrString),
    (5, "nodePort", Is::Number),
    (6, "appProtocol", Is::Text),
];
const SELECTOR: &[Field] = &[(1, "matchLabels", Is::Labels)];
const TEMPLATE: &[Field] = &[
    (1, "metadata", Is::Message(META)),
    (2, "spec", Is::Message(POD_SPEC)),
];
const POD_SPEC: &[Field] = &[
    (2, "containers", Is::Messages(CONTAINER)),
    (3, "restartPolicy", Is::Text),
    (4, "terminationGracePeriodSeconds", Is::Given),
    (5, "activeDeadlineSeconds", Is::Given),
    (6, "dnsPolicy", Is::Text),
    (7, "nodeSelector", Is::Labels),
    (8, "serviceAccountName", Is::Text),
    (9, "serviceAccount", Is::Text),
    (10, "nodeName", Is::Text),
    (11, "hostNetwork", Is::Flag),
    (12, "hostPID", Is::Flag),
    (13, "hostIPC", Is::Flag),
    (16, "hostname", Is::Text),
    (17, "subdomain", Is::Text),
    (19, "schedulerName", Is::Text),
    (24, "priorityClassName", Is::Text),
];
const CONTAINER: &[Field] = &[
    (1, "name", Is::Text),
    (2, "image", Is::Text),
    (3, "command", Is::Texts),
    (4, "args", Is::Texts),
    (5, "workingDir", Is::Text),
    (6, "ports", Is::Messages(CONTAINER_PORT)),
    (7, "env", Is::Messages(ENV)),
    // Requests and limits are told in a message of their own, which is not read here.
    (8, "resources", Is::Message(&[])),
    (13, "terminationMessagePath", Is::Text),
    (14, "imagePullPolicy", Is::Text),
    (16, "stdin", Is::Flag),
    (17, "stdinOnce", Is::Flag),
    (18, "tty", Is::Flag),
    (20, "terminationMessagePolicy", Is::Text),
];
const CONTAINER_PORT: &[Field] = &[
    (1, "name", Is::Text),
    (2, "hostPort", Is::Number),
    (3, "containerPort", Is::Number),
    (4, "protocol", Is::Text),
    (5, "hostIP", Is::Text),
];
const ENV: &[Field] = &[(1, "name", Is::Text), (2, "value", Is::Text)];
const DEPLOYMENT: &[Field] = &[
    (1, "metadata", Is::Message(META)),
    (2, "spec", Is::Message(DEPLOYMENT_SPEC)),
    (3, "status", Is::Ignored),
];
const DEPLOYMENT_SPEC: &[Field] = &[
    (1, "replicas", Is::Given),
    (2, "selector", Is::Message(SELECTOR)),
    (3, "template", Is::Message(TEMPLATE)),
    (4, "strategy", Is::Message(&[(1, "type", Is::Text)])),
    (5, "minReadySeconds", Is::Number),
    (6, "revisionHistoryLimit", Is::Given),
    (7, "paused", Is::Flag),
    (9, "progressDeadlineSeconds", Is::Given),
];
const JOB: &[Field] = &[
    (1, "metadata", Is::Message(META)),
    (2, "spec", Is::Message(JOB_SPEC)),
    (3, "status", Is::Ignored),
];
const JOB_SPEC: &[Field] = &[
    (1, "parallelism", Is::Given),
    (2, "completions", Is::Given),
    (3, "activeDeadlineSeconds", Is::Given),
    (6, "template", Is::Message(TEMPLATE)),
    (7, "backoffLimit", Is::Given),
    (8, "ttlSecondsAfterFinished", Is::Given),
    (10, "suspend", Is::GivenFlag),
];
const BUDGET: &[Field] = &[
    (1, "metadata", Is::Message(META)),
    (2, "spec", Is::Message(BUDGET_SPEC)),
    (3, "status", Is::Ignored),
];
const BUDGET_SPEC: &[Field] = &[
    (1, "minAvailable", Is::IntOrString),
    (2, "selector", Is::Message(SELECTOR)),
    (3, "maxUnavailable", Is::IntOrString),
    (4, "unhealthyPodEvictionPolicy", Is::Text),
];
const EVICTION: &[Field] = &[
    (1, "metadata", Is::Message(META)),
    (2, "deleteOptions", Is::Message(DELETE_OPTIONS)),
];
const DELETE_OPTIONS: &[Field] = &[
    (1, "gracePeriodSeconds", Is::Given),
    (
        2,
        "preconditions",
        Is::Message(&[(1, "uid", Is::Text), (2, "resourceVersion", Is::Text)]),
    ),
    (3, "orphanDependents", Is::GivenFlag),
    (4, "propagationPolicy", Is::Text),
    (5, "dryRun", Is::Texts),
];
const KINDS: [(&str, &str, &[Field]); 9] = [
    ("v1", "ConfigMap", CONFIG_MAP),
    ("v1", "Namespace", NAMESPACE),
    ("v1", "Secret", SECRET),
    ("v1", "Service", SERVICE),
    ("v1", "ServiceAccount", SERVICE_ACCOUNT),
    ("apps/v1", "Deployment", DEPLOYMENT),
    ("batch/v1", "Job", JOB),
    ("policy/v1", "Eviction", EVICTION),
    ("policy/v1", "PodDisruptionBudget", BUDGET),
];

/// The object in a body, as JSON.
pub(super) fn read(body: &[u8]) -> Result<Value, Unreadable> {
    const TYPE: &[Field] = &[(1, "apiVersion", Is::Text), (2, "kind", Is::Text)];
    let body = body.strip_prefix(MAGIC).ok_or(Unreadable)?;
    let (mut said, mut raw) = (Map::new(), &[][..]);
    for part in parts(body)? {
        match part {
            (1, Wire::Bytes(bytes)) => said = message(bytes, TYPE)?,
            (2, Wire::Bytes(bytes)) => raw = bytes,
            // How it is packed; nothing packs it.
            (3 | 4, Wire::Bytes([])) => {}
            _ => return Err(Unreadable),
        }
    }
    let is = |field: &str, text: &str| said.get(field).is_some_and(|value| value == text);
    let known = KINDS
        .iter()
        .find(|(version, kind, _)| is("apiVersion", version) && is("kind", kind));
    let (_, _, fields) = known.ok_or(Unreadable)?;
    said.extend(message(raw, fields)?);
    Ok(Value::Object(said))
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Unreadable> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Unreadable)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Unreadable)
}

/// The fields of a message, by number.
fn parts(mut bytes: &[u8]) -> Result<Vec<(u64, Wire<'_>)>, Unreadable> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let wire = match tag & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).map_err(|_| Unreadable)?;
                let (inside, rest) = bytes.split_at_checked(len).ok_or(Unreadable)?;
                bytes = rest;
                Wire::Bytes(inside)
            }
            _ => return Err(Unreadable),
        };
        found.push((tag >> 3, wire));
    }
    Ok(found)
}

fn message(bytes: &[u8], fields: &[Field]) -> Result<Map<String, Value>, Unreadable> {
    let mut map = Map::new();
    for (number, wire) in parts(bytes)? {
        let known = fields.iter().find(|(own, ..)| *own == number);
        let &(_, name, is) = known.ok_or(Unreadable)?;
        put(&mut map, name, is, wire)?;
    }
    Ok(map)
}

fn put(map: &mut Map<String, Value>, name: &str, is: Is, wire: Wire<'_>) -> Result<(), Unreadable> {
    let value = match (is, wire) {
        (Is::Ignored, _) => return Ok(()),
        (Is::Number | Is::Flag, Wire::Number(0)) | (Is::Text, Wire::Bytes([])) => return Ok(()),
        (Is::Number | Is::Given, Wire::Number(number)) => json!(number as i64),
        (Is::Flag | Is::GivenFlag, Wire::Number(number)) => json!(number != 0),
        (Is::Text, Wire::Bytes(bytes)) => text(bytes)?,
        (Is::Message(fields), Wire::Bytes(bytes)) => match message(bytes, fields)? {
            empty if empty.is_empty() => return Ok(()),
            inside => inside.into(),
        },
        (Is::IntOrString, Wire::Bytes(bytes)) => int_or_string(bytes)?,
        (Is::Texts | Is::Messages(_), Wire::Bytes(bytes)) => {
            let item = match is {
                Is::Messages(fields) => message(bytes, fields)?.into(),
                _ => text(bytes)?,
            };
            let list = map.entry(name).or_insert_with(|| json!([]));
            list.as_array_mut().ok_or(Unreadable)?.push(item);
            return Ok(());
        }
        (Is::Labels | Is::Data, Wire::Bytes(bytes)) => {
            let (key, value) = entry(bytes)?;
            let inside = map.entry(name).or_insert_with(|| json!({}));
            inside[key] = match is {
                // Its JSON is base64.
                Is::Data => json!(ByteString(value.to_vec())),
                _ => text(value)?,
            };
            return Ok(());
        }
        _ => return Err(Unreadable),
    };
    map.insert(name.to_owned(), value);
    Ok(())
}

fn text(bytes: &[u8]) -> Result<Value, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable)?;
    Ok(text.into())
}

/// One entry of a map.
fn entry(bytes: &[u8]) -> Result<(String, &[u8]), Unreadable> {
    let (mut key, mut value) = (String::new(), &[][..]);
    for part in parts(bytes)? {
        match part {
            (1, Wire::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into_owned(),
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => return Err(Unreadable),
        }
    }
    Ok((key, value))
}

fn int_or_string(bytes: &[u8]) -> Result<Value, Unreadable> {
    let (mut is_text, mut number, mut said) = (false, json!(0), json!(""));
    for part in parts(bytes)? {
        match part {
            (1, Wire::Number(kind)) => is_text = kind == 1,
            (2, Wire::Number(value)) => number = json!(value as i64),
            (3, Wire::Bytes(bytes)) => said = text(bytes)?,
            _ => return Err(Unreadable),
        }
    }
    Ok(if is_text { said } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `kubectl create namespace x` sends.
    const NAMESPACE_X: &[u8] = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x19\x0a\x11\x0a\x01x\x12\0\x1a\0\"\0*\x002\x008\0B\0\x12\0\x1a\x02\x0a\0\x1a\0\"\0";

    #[test]
    fn what_kubectl_sends_is_read() {
        let want = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}});
        assert_eq!(read(NAMESPACE_X), Ok(want));
    }

    #[test]
    fn maps_and_bytes_are_read() {
        let mut body = b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x11".to_vec();
        body.extend(b"\x0a\x03\x0a\x01s\x12\x0a\x0a\x01k\x12\x05value");
        let want = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "dmFsdWU="}});
        assert_eq!(read(&body), Ok(want));
    }

    #[test]
    fn what_is_not_in_the_tables_is_refused() {
        assert_eq!(read(b"{}"), Err(Unreadable));
        assert_eq!(read(b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\0"), Err(Unreadable));
        // Cut off in the middle.
        assert_eq!(read(&NAMESPACE_X[..20]), Err(Unreadable));
    }
}
