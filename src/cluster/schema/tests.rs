use super::*;
use crate::cluster::failure::Failure;
use serde_json::json;

fn widget() -> Value {
    json!({"type": "object", "required": ["spec"], "properties": {
    "spec": {"type": "object", "required": ["size"], "properties": {
        "size": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 9},
        "name": {"type": "string", "pattern": "^a+$", "minLength": 2, "maxLength": 4},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "port": {"x-kubernetes-int-or-string": true},
        "list": {"type": "array", "minItems": 1, "maxItems": 3, "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object", "required": ["name"],
            "properties": {"name": {"type": "string"}, "v": {"type": "boolean"}}}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "fix": {"type": "string", "x-kubernetes-validations": [
            {"rule": "self == oldSelf", "message": "fix is immutable"}]},
        "num": {"type": "number"}, "nul": {"type": "string", "nullable": true},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }}}})
}

fn told(spec: Value, old: Option<Value>) -> Vec<String> {
    let object =
        |spec| json!({"apiVersion": "test.io/v1", "kind": "Widget", "metadata": {"name": "b"}, "spec": spec});
    let schema = widget();
    let checked = Checked {
        schema: &schema,
        part: None,
        ruled: true,
        blocked: false,
    };
    let causes = validate(&checked, &object(spec), old.map(object).as_ref());
    causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect()
}

const UNCHECKED: &str = "<nil>: Invalid value: null: some validation rules were not checked because the object was \
    invalid; correct the existing errors to complete validation";

/// The words were recorded from kube-apiserver 1.36.
#[test]
fn messages_are_those_of_the_server() {
    let check = |spec: Value, want: &[&str]| assert_eq!(told(spec.clone(), None), want, "{spec}");
    check(json!({"size": 1}), &[]);
    check(
        json!({"size": 2, "port": "http", "num": 1, "nul": null, "map": {"a": "b"}}),
        &[],
    );
    check(json!({}), &["spec.size: Required value", UNCHECKED]);
    check(
        json!({"size": "1"}),
        &[
            "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
            UNCHECKED,
        ],
    );
    check(
        json!({"size": 10, "port": true}),
        &[
            "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"",
            "spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9",
            UNCHECKED,
        ],
    );
    check(
        json!({"size": 0, "color": "x"}),
        &[
            "spec.color: Unsupported value: \"x\": supported values: \"red\", \"blue\"",
            "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
            UNCHECKED,
        ],
    );
    check(
        json!({"size": 1, "name": "aaaaaaa", "list": []}),
        &[
            "spec.list: Invalid value: 0: spec.list in body should have at least 1 items",
            "spec.name: Too long: may not be more than 4 bytes",
            UNCHECKED,
        ],
    );
    check(
        json!({"size": 1, "name": "b"}),
        &["spec.name: Invalid value: \"b\": spec.name in body should be at least 2 chars long"],
    );
    check(
        json!({"size": 1, "list": [{"name": "a"}, {"name": "a"}], "set": ["a", "a"]}),
        &[
            "spec.list[1]: Duplicate value: {\"name\":\"a\"}",
            "spec.set[1]: Duplicate value: \"a\"",
        ],
    );
    check(
        json!({"size": 1, "map": {"k": 1}, "list": [{"v": 1}]}),
        &[
            "spec.list[0].name: Required value",
            "spec.list[0].v: Invalid value: \"integer\": spec.list[0].v in body must be of type boolean: \"integer\"",
            "spec.map.k: Invalid value: \"integer\": spec.map.k in body must be of type string: \"integer\"",
            UNCHECKED,
        ],
    );
}

#[test]
fn an_immutable_field_may_be_set_once_and_removed_but_not_changed() {
    let check = |old: Value, new: Value, want: &[&str]| assert_eq!(told(new, Some(old)), want);
    let changed = "spec.fix: Invalid value: \"g\": fix is immutable";
    check(
        json!({"size": 1, "fix": "f"}),
        json!({"size": 2, "fix": "f"}),
        &[],
    );
    check(
        json!({"size": 1, "fix": "f"}),
        json!({"size": 1, "fix": "g"}),
        &[changed],
    );
    check(json!({"size": 1}), json!({"size": 1, "fix": "g"}), &[]);
    check(json!({"size": 1, "fix": "f"}), json!({"size": 1}), &[]);
}

#[test]
fn unknown_fields_are_pruned_except_where_they_are_preserved() {
    let mut object = json!({"kind": "Widget", "metadata": {"name": "b"}, "x": 1, "spec": {
        "size": 1, "unk": 1, "list": [{"name": "n", "z": 1}], "free": {"any": {"thing": 1}}, "map": {"k": "v"}}});
    let mut dropped = Vec::new();
    prune(&widget(), &mut object, &mut dropped);
    let kept = json!({"kind": "Widget", "metadata": {"name": "b"}, "spec": {
        "size": 1, "list": [{"name": "n"}], "free": {"any": {"thing": 1}}, "map": {"k": "v"}}});
    assert_eq!(object, kept);
    assert_eq!(dropped, ["spec.list[0].z", "spec.unk", "x"]);
}

#[test]
fn defaults_fill_what_is_absent_or_a_null_that_is_not_allowed() {
    let check = |mut spec: Value, want: Value| {
        default(&widget()["properties"]["spec"], &mut spec);
        assert_eq!(spec, want);
    };
    check(json!({}), json!({"color": "red"}));
    check(json!({"color": null}), json!({"color": "red"}));
    check(
        json!({"color": "blue", "fix": null, "nul": null}),
        json!({"color": "blue", "nul": null}),
    );
}

#[test]
fn a_rule_that_is_not_understood_is_refused() {
    assert!(refuse_unknown_rules(&widget()).is_ok());
    let rule = json!({"properties": {"a": {"items": {"x-kubernetes-validations": [{"rule": "self > 1"}]}}}});
    let cause = refuse_unknown_rules(&rule).unwrap_err();
    let failure = Failure::invalid("g", "K", "n", &[*cause]);
    assert!(
        failure
            .message
            .contains("openAPIV3Schema.properties[a].items.x-kubernetes-validations"),
        "{}",
        failure.message
    );
}
