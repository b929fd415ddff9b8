//! What the documents must be: structural, complete, small, and equal to the files.

mod fields;
mod round_trip;

use super::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// All documents of both variants, built once for all tests.
static BUILT: LazyLock<Vec<(Variant, &'static str, Value)>> = LazyLock::new(|| {
    let build = |variant| {
        documents(variant)
            .into_iter()
            .map(move |(file, document)| (variant, file, document))
    };
    Variant::ALL.into_iter().flat_map(build).collect()
});

fn built(variant: Variant) -> impl Iterator<Item = (&'static str, &'static Value)> {
    BUILT
        .iter()
        .filter(move |(of, ..)| *of == variant)
        .map(|(_, file, document)| (*file, document))
}

fn document(variant: Variant, file: &str) -> &'static Value {
    let (_, document) = built(variant)
        .find(|(name, _)| *name == file)
        .expect("one of the five");
    document
}

fn schema(variant: Variant, file: &str) -> &'static Value {
    &document(variant, file)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// The schema at a path like `spec.metrics[].provider`.
fn at<'a>(root: &'a Value, path: &str) -> &'a Value {
    let steps = path.replace("[]", ".[]").replace("{}", ".{}");
    steps.split('.').fold(root, |schema, step| match step {
        "[]" => &schema["items"],
        "{}" => &schema["additionalProperties"],
        name => &schema["properties"][name],
    })
}

/// Calls `visit` with every schema below `schema`, itself included, and its path.
fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), child, visit);
    }
    for (keyword, sign) in [("items", "[]"), ("additionalProperties", "{}")] {
        if !schema[keyword].is_null() {
            walk(&format!("{path}{sign}"), &schema[keyword], visit);
        }
    }
}

#[test]
fn crds_are_generated() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for variant in Variant::ALL {
        for (file, document) in built(variant) {
            let path = root.join(variant.folder()).join(file);
            let found = fs::read_to_string(&path).unwrap_or_default();
            let expected = print(document).expect("plain JSON");
            assert!(
                found == expected,
                "{} is out of date: run `make crds`",
                path.display()
            );
        }
    }
}

#[test]
fn printed_documents_read_back_the_same() {
    for (file, document) in built(Variant::Full) {
        let text = print(document).expect("plain JSON");
        let read: Value = serde_saphyr::from_str(&text).expect("YAML");
        assert!(read == *document, "{file}");
    }
}

#[test]
fn schemas_are_structural() {
    for variant in Variant::ALL {
        for (file, _) in built(variant) {
            walk(file, schema(variant, file), &mut structural_node);
        }
    }
}

fn structural_node(path: &str, node: &Value) {
    let object = node
        .as_object()
        .unwrap_or_else(|| panic!("{path} is not a schema: {node}"));
    let has = |key: &str| object.contains_key(key);
    let allowed = [
        "type",
        "format",
        "description",
        "properties",
        "required",
        "items",
        "additionalProperties",
        "default",
        "enum",
    ];
    for key in object.keys() {
        assert!(
            allowed.contains(&key.as_str()) || key.starts_with("x-kubernetes-"),
            "{path} has {key}"
        );
    }
    assert!(
        has("type") || node[structural::INT_OR_STRING] == true || node[structural::PRESERVE] == true,
        "{path} has no type"
    );
    assert!(
        !(has("type") && has(structural::INT_OR_STRING)),
        "{path} has two types"
    );
    assert!(
        !(has("properties") && has("additionalProperties")),
        "{path} is both a map and an object"
    );
    assert_eq!(
        node["type"] == "array",
        has("items"),
        "{path}: items and arrays go together"
    );
    let format = node["format"].as_str().unwrap_or_default();
    assert!(
        ["", "int32", "int64", "double", "date-time"].contains(&format),
        "{path} has format {format}"
    );
    for required in node["required"].as_array().into_iter().flatten() {
        let name = required.as_str().expect("a name");
        assert!(
            !node["properties"][name].is_null(),
            "{path} requires {name}, which it has not"
        );
    }
    list_map_keys_are_always_there(path, node);
}

fn list_map_keys_are_always_there(path: &str, node: &Value) {
    for key in node["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let key = key.as_str().expect("a name");
        let items = &node["items"];
        let required = items["required"]
            .as_array()
            .is_some_and(|names| names.iter().any(|name| name == key));
        assert!(
            required || !items["properties"][key]["default"].is_null(),
            "{path}: {key} may be absent"
        );
    }
}

/// The field's type in the notation of the tables.
fn type_of(node: &Value) -> &'static str {
    let texts = |child: &str| node[child]["type"] == "string";
    match (node["type"].as_str(), node["format"].as_str()) {
        (Some("string"), Some("date-time")) => "t",
        (Some("string"), _) => "s",
        (Some("boolean"), _) => "b",
        (Some("integer"), Some("int32")) => "i",
        (Some("integer"), Some("int64")) => "l",
        (Some("array"), _) if texts("items") => "ss",
        (Some("array"), _) if node["items"]["type"] == "object" => "os",
        (Some("object"), _) if texts("additionalProperties") => "m",
        (Some("object"), _) if node[structural::PRESERVE] == true => "any-o",
        (Some("object"), _) => "o",
        (None, _) if node[structural::INT_OR_STRING] == true => "x",
        (None, _) if node[structural::PRESERVE] == true => "any",
        _ => "?",
    }
}

fn fields_of(node: &Value) -> BTreeSet<String> {
    let required: Vec<&str> = node["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = node["properties"].as_object().into_iter().flatten();
    let line = |(name, child): (&String, &Value)| {
        let star = if required.contains(&name.as_str()) {
            "*"
        } else {
            ""
        };
        format!("{name}:{}{star}", type_of(child))
    };
    properties.map(line).collect()
}

#[test]
fn every_field_is_there_with_its_type() {
    let check = |file: &str, table: &[(&str, &str)]| {
        let root = schema(Variant::Full, file);
        for (path, fields) in table {
            let expected: BTreeSet<String> = fields.split_whitespace().map(str::to_owned).collect();
            assert_eq!(fields_of(at(root, path)), expected, "{file}: {path}");
        }
    };
    check("rollout.yaml", fields::ROLLOUT);
    check("experiment.yaml", fields::EXPERIMENT);
    check("analysis-run.yaml", fields::ANALYSIS_RUN);
    check("analysis-run.yaml", fields::METRICS);
    for file in ["analysis-template.yaml", "cluster-analysis-template.yaml"] {
        check(file, fields::ANALYSIS_TEMPLATE);
        check(file, fields::METRICS);
    }
}

/// Outside pod templates; those are Kubernetes' own, and `kubectl explain pod` explains them.
#[test]
fn every_field_of_ours_is_explained() {
    for (file, _) in built(Variant::Slim) {
        walk(file, schema(Variant::Slim, file), &mut |path, node| {
            let explained = node["description"]
                .as_str()
                .is_some_and(|text| text.ends_with(['.', ':']));
            let plain = path.ends_with(".metadata") && path.matches('.').count() == 2;
            let anonymous = path.ends_with("{}") || path.ends_with("[]");
            assert!(explained || plain || anonymous, "{path} has no sentence about it");
        });
    }
}

/// Printer columns as `Name=jsonPath`, in order.
fn columns(version: &Value) -> String {
    let columns = version["additionalPrinterColumns"]
        .as_array()
        .into_iter()
        .flatten();
    let text = |column: &Value, member: &str| column[member].as_str().unwrap_or_default().to_owned();
    let columns = columns.map(|column| format!("{}={}", text(column, "name"), text(column, "jsonPath")));
    columns.collect::<Vec<_>>().join(" ")
}

#[test]
fn envelopes_are_what_clients_expect() {
    let check = |file: &str, names: [&str; 3], scope: &str, wanted: &str| {
        let [kind, plural, short] = names;
        let document = document(Variant::Full, file);
        let (spec, version) = (&document["spec"], &document["spec"]["versions"][0]);
        assert_eq!(document["metadata"]["name"], format!("{plural}.argoproj.io"));
        assert_eq!(spec["names"]["kind"], kind);
        assert_eq!(spec["names"]["plural"], plural);
        assert_eq!(spec["names"]["shortNames"], json!([short]));
        assert_eq!(spec["scope"], scope);
        assert_eq!(
            (&version["served"], &version["storage"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(columns(version), wanted);
    };
    let (age, phase) = ("Age=.metadata.creationTimestamp", "Status=.status.phase");
    let counts = "Desired=.spec.replicas Current=.status.replicas Up-to-date=.status.updatedReplicas \
                  Available=.status.availableReplicas";
    let (counted, phased) = (format!("{counts} {age}"), format!("{phase} {age}"));
    let cluster_template = ["ClusterAnalysisTemplate", "clusteranalysistemplates", "cat"];
    check(
        "rollout.yaml",
        ["Rollout", "rollouts", "ro"],
        "Namespaced",
        &counted,
    );
    check(
        "analysis-template.yaml",
        ["AnalysisTemplate", "analysistemplates", "at"],
        "Namespaced",
        age,
    );
    check("cluster-analysis-template.yaml", cluster_template, "Cluster", age);
    check(
        "analysis-run.yaml",
        ["AnalysisRun", "analysisruns", "ar"],
        "Namespaced",
        &phased,
    );
    check(
        "experiment.yaml",
        ["Experiment", "experiments", "exp"],
        "Namespaced",
        &phased,
    );
}

#[test]
fn only_rollouts_have_subresources() {
    for (file, document) in built(Variant::Full) {
        let subresources = &document["spec"]["versions"][0]["subresources"];
        if file != "rollout.yaml" {
            assert!(
                subresources.is_null(),
                "{file}: clients patch its status through the object itself"
            );
            continue;
        }
        assert_eq!(subresources["status"], json!({}));
        let scale = &subresources["scale"];
        assert_eq!(scale["specReplicasPath"], ".spec.replicas");
        assert_eq!(scale["statusReplicasPath"], ".status.HPAReplicas");
        assert_eq!(scale["labelSelectorPath"], ".status.selector");
    }
}

#[test]
fn selector_of_a_rollout_cannot_change() {
    let root = schema(Variant::Full, "rollout.yaml");
    assert_eq!(
        at(root, "spec.selector")["x-kubernetes-validations"][0]["rule"],
        "self == oldSelf"
    );
}

#[test]
fn pod_templates_are_checked_but_for_quantities_volumes_and_metadata() {
    let check = |file: &str, path: &str| {
        let root = schema(Variant::Full, file);
        let template = at(root, path);
        let keep = json!({PRESERVE: true});
        assert_eq!(
            fields_of(at(template, "metadata")),
            BTreeSet::from(["annotations:m".into(), "labels:m".into()])
        );
        assert_eq!(at(template, "spec.volumes")["items"], keep);
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            for field in ["limits", "requests"] {
                assert_eq!(*at(template, &format!("spec.{list}[].resources.{field}")), keep);
            }
            assert_eq!(
                at(template, &format!("spec.{list}[].ports[].protocol"))["default"],
                "TCP"
            );
            assert_eq!(at(template, &format!("spec.{list}[].image"))["type"], "string");
        }
        let keys = |path: &str| at(template, path)["x-kubernetes-list-map-keys"].clone();
        assert_eq!(keys("spec.containers"), json!(["name"]));
        assert_eq!(
            keys("spec.containers[].ports"),
            json!(["containerPort", "protocol"])
        );
        assert_eq!(keys("spec.containers[].env"), json!(["name"]));
        assert_eq!(
            keys("spec.topologySpreadConstraints"),
            json!(["topologyKey", "whenUnsatisfiable"])
        );
    };
    check("rollout.yaml", "spec.template");
    check("experiment.yaml", "spec.templates[].template");
    for file in [
        "analysis-template.yaml",
        "cluster-analysis-template.yaml",
        "analysis-run.yaml",
    ] {
        check(file, "spec.metrics[].provider.job.spec.template");
    }
}

#[test]
fn slim_documents_take_any_pod_template() {
    let check = |file: &str, path: &str| {
        let root = schema(Variant::Slim, file);
        assert_eq!(type_of(at(root, path)), "any-o", "{file}");
    };
    check("rollout.yaml", "spec.template");
    check("experiment.yaml", "spec.templates[].template");
    check("analysis-run.yaml", "spec.metrics[].provider.job.spec");
}

/// `kubectl apply` keeps the whole document in an annotation, and annotations are bounded.
#[test]
fn documents_fit_into_the_annotation_of_kubectl_apply() {
    for (file, document) in built(Variant::Full) {
        let size = document.to_string().len();
        assert!(size < 200_000, "{file}: {size} bytes");
    }
}

/// Who asks Datadog without saying more means these, and reads them back from the API server.
#[test]
fn datadog_defaults_are_filled_in() {
    let root = schema(Variant::Full, "analysis-template.yaml");
    let datadog = at(root, "spec.metrics[].provider.datadog");
    assert_eq!(at(datadog, "interval")["default"], "5m");
    assert_eq!(at(datadog, "apiVersion")["default"], "v1");
}
