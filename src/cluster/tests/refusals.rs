// flat table
//! Requests and the refusals that they get, word by word.

use super::*;

#[tokio::test(start_paused = true)]
async fn refusals_are_those_of_the_server() {
    let all = cluster();
    let map = |name: &str| json!({"metadata": {"name": name}, "data": {"a": "b"}});
    let (code, made) = ask(&all, "POST", MAPS, map("a"), JSON).await;
    assert_eq!(code, 201, "{made}");
    let uid = made["metadata"]["uid"].as_str().unwrap();
    let at = &format!("{MAPS}/a");
    let strict = &format!("{MAPS}?fieldValidation=Strict");
    let modified = "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again";
    let other_uid = format!(
        "Operation cannot be fulfilled on configmaps \"a\": StorageError: invalid object, Code: 4, Key: /registry/configmaps/default/a, \
         ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: x-y, UID in object meta: {uid}"
    );
    let deleted_uid = format!(
        "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (x) does not match the UID in record ({uid}). \
         The object might have been deleted and then recreated"
    );
    #[expect(clippy::type_complexity, reason = "a table, read row by row")]
    let rows: Vec<(&str, &str, Value, &str, (u16, &str, &str))> = vec![
        (
            "POST",
            MAPS,
            map("a"),
            JSON,
            (409, "AlreadyExists", "configmaps \"a\" already exists"),
        ),
        (
            "GET",
            "/api/v1/namespaces/default/configmaps/x",
            Value::Null,
            JSON,
            (404, "NotFound", "configmaps \"x\" not found"),
        ),
        (
            "GET",
            "/apis/apps/v1/namespaces/default/replicasets/x",
            Value::Null,
            JSON,
            (404, "NotFound", "replicasets.apps \"x\" not found"),
        ),
        (
            "GET",
            "/api/v1/nope",
            Value::Null,
            JSON,
            (
                404,
                "NotFound",
                "the server could not find the requested resource",
            ),
        ),
        (
            "POST",
            MAPS,
            json!({"metadata": {"name": "q", "resourceVersion": "3"}}),
            JSON,
            (
                500,
                "",
                "resourceVersion should not be set on objects to be created",
            ),
        ),
        (
            "POST",
            MAPS,
            json!({"metadata": {}}),
            JSON,
            (
                422,
                "Invalid",
                "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required",
            ),
        ),
        (
            "POST",
            MAPS,
            json!({"metadata": {"name": "q", "namespace": "other"}}),
            JSON,
            (
                400,
                "BadRequest",
                "the namespace of the provided object does not match the namespace sent on the request",
            ),
        ),
        (
            "POST",
            "/api/v1/namespaces/nonesuch/configmaps",
            map("q"),
            JSON,
            (404, "NotFound", "namespaces \"nonesuch\" not found"),
        ),
        (
            "POST",
            strict,
            json!({"metadata": {"name": "q"}, "dta": {"a": 1}, "x": 1}),
            JSON,
            (
                400,
                "BadRequest",
                "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"dta\", unknown field \"x\"",
            ),
        ),
        (
            "PUT",
            at,
            json!({"metadata": {"name": "a", "resourceVersion": "1"}}),
            JSON,
            (409, "Conflict", modified),
        ),
        (
            "PUT",
            at,
            map("b"),
            JSON,
            (
                400,
                "BadRequest",
                "the name of the object (b) does not match the name on the URL (a)",
            ),
        ),
        (
            "PUT",
            at,
            json!({"metadata": {"name": "a", "uid": "x-y"}}),
            JSON,
            (409, "Conflict", &other_uid),
        ),
        (
            "PATCH",
            at,
            json!({"metadata": {"uid": "x"}}),
            MERGE,
            (
                422,
                "Invalid",
                "ConfigMap \"a\" is invalid: metadata.uid: Invalid value: \"x\": field is immutable",
            ),
        ),
        (
            "PATCH",
            at,
            json!({"metadata": {"resourceVersion": "1"}}),
            MERGE,
            (409, "Conflict", modified),
        ),
        (
            "PATCH",
            at,
            json!([{"op": "test", "path": "/data/a", "value": "c"}]),
            "application/json-patch+json",
            (
                422,
                "Invalid",
                "the server rejected our request due to an error in our request",
            ),
        ),
        (
            "PATCH",
            at,
            json!({"a": 1}),
            JSON,
            (415, "UnsupportedMediaType", "415: Unsupported Media Type"),
        ),
        (
            "DELETE",
            at,
            json!({"preconditions": {"uid": "x"}}),
            JSON,
            (409, "Conflict", &deleted_uid),
        ),
        (
            "PUT",
            MAPS,
            json!({}),
            JSON,
            (
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            ),
        ),
        (
            "POST",
            SETS,
            json!({"metadata": {"name": "r"}, "spec": {"replicas": -1, "selector": {}, "template": {"spec": {"containers": []}}}}),
            JSON,
            (
                422,
                "Invalid",
                "ReplicaSet.apps \"r\" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, spec.selector: Required value, spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`, spec.template.spec.containers: Required value]",
            ),
        ),
    ];
    for (method, path, body, kind, want) in rows {
        refused(&all, method, path, body, kind, want).await;
    }
    let future = format!(
        "Timeout: Too large resource version: 99999, current: {}",
        all.world().store.version()
    );
    refused(
        &all,
        "GET",
        &[MAPS, "?resourceVersion=99999"].concat(),
        Value::Null,
        JSON,
        (504, "Timeout", &future),
    )
    .await;
}
