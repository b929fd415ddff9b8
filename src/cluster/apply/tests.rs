//! Owners of fields.

use super::*;
use crate::base::clock::Clock;
use crate::cluster::Cluster;
use crate::cluster::request::Query;
use chrono::DateTime;

struct Play(Cluster);

impl Play {
    fn new() -> Self {
        Self(Cluster::new(1, Clock::starting_at(DateTime::UNIX_EPOCH)))
    }

    fn ask(&self, verb: Verb, kind: &str, by: &str, body: &Value) -> Result<Value, Failure> {
        let resource = self.0.world().catalog.by_id("services").cloned().unwrap();
        self.0.request(&Call {
            caller: "test".into(),
            verb,
            resource,
            namespace: "default".to_owned(),
            name: "web".to_owned(),
            subresource: String::new(),
            query: Query::default().with("fieldManager", by),
            content_type: kind.to_owned(),
            partial: false,
            body: body.to_string().into(),
        })
    }

    fn apply(&self, by: &str, spec: Value) -> Result<Value, Failure> {
        let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec});
        self.ask(Verb::Patch, "application/apply-patch+yaml", by, &body)
    }

    fn patch(&self, by: &str, spec: Value) -> Value {
        let body = json!({"spec": spec});
        self.ask(Verb::Patch, "application/merge-patch+json", by, &body)
            .unwrap()
    }
}

#[test]
fn what_another_write_has_changed_is_a_conflict_for_the_applier() {
    let play = Play::new();
    let spec = |affinity: &str| json!({"sessionAffinity": affinity, "ports": [{"port": 80}]});
    play.apply("git", spec("None")).unwrap();
    play.patch("person", json!({"sessionAffinity": "ClientIP"}));
    let refused = play.apply("git", spec("None")).unwrap_err();
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"person\" using v1 at 1970-01-01T00:00:00Z: .spec.sessionAffinity"
    );
    // Who agrees with the other owns it too.
    play.apply("git", spec("ClientIP")).unwrap();
    play.patch("person", json!({"sessionAffinity": "None"}));
    assert_eq!(play.apply("git", spec("ClientIP")).unwrap_err().code, 409);
}

#[test]
fn items_of_lists_have_owners_of_their_own() {
    let play = Play::new();
    play.apply("one", json!({"ports": [{"port": 80, "name": "http"}]}))
        .unwrap();
    play.apply("two", json!({"ports": [{"port": 81, "name": "admin"}]}))
        .unwrap();
    let ports = |object: &Value| object["spec"]["ports"].as_array().unwrap().len();
    let both = play
        .apply("one", json!({"ports": [{"port": 80, "name": "http"}]}))
        .unwrap();
    assert_eq!(ports(&both), 2);
    let refused = play
        .apply("one", json!({"ports": [{"port": 81, "name": "other"}]}))
        .unwrap_err();
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"two\": .spec.ports[port=81].name"
    );
    let left = play.apply("one", json!({"type": "ClusterIP"})).unwrap();
    assert_eq!((ports(&left), &left["spec"]["ports"][0]["port"]), (1, &json!(81)));
}

#[test]
fn what_was_there_before_the_first_apply_belongs_to_nobody_who_applies() {
    let play = Play::new();
    let body = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "sessionAffinity": "ClientIP"}});
    let mut made = play
        .ask(Verb::Create, "application/json", "person", &body)
        .unwrap();
    assert!(made["metadata"]["managedFields"].is_null());
    let refused = play.apply("git", json!({"sessionAffinity": "None"})).unwrap_err();
    assert!(
        refused.message.contains("before-first-apply"),
        "{}",
        refused.message
    );
    made = play.apply("git", json!({"sessionAffinity": "ClientIP"})).unwrap();
    made = play
        .apply("git", json!({"publishNotReadyAddresses": true}))
        .unwrap_or(made);
    assert_eq!(made["spec"]["sessionAffinity"], "ClientIP");
    assert_eq!(made["spec"]["publishNotReadyAddresses"], true);
}
