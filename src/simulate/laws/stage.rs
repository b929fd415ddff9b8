//! A small stage for the tests of the laws: a store, a true clock, and short words for what happens. Histories are made by hand; no
//! controller runs.

use super::{Broken, End, Facts, Laws};
use crate::base::names::GATEWAY_API_PLUGIN;
use crate::cluster::request::Verb;
use crate::cluster::store::{Key, Store};
use crate::simulate::record::{Asked, Moment, Record, ReplicaEvent, Requested, Sent, What};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::sync::Arc;

pub const A: &str = "serin-a";
pub const B: &str = "serin-b";

pub struct Stage {
    pub store: Store,
    pub laws: Laws,
    pub now: DateTime<Utc>,
    pub broken: Vec<Broken>,
}

/// `plural.group` of a plural.
fn resource(plural: &str) -> Arc<str> {
    let group = match plural {
        "rollouts" | "analysisruns" => ".argoproj.io",
        "replicasets" => ".apps",
        "httproutes" => ".gateway.networking.k8s.io",
        "endpointslices" => ".discovery.k8s.io",
        "leases" => ".coordination.k8s.io",
        "ingresses" => ".networking.k8s.io",
        "virtualservices" | "destinationrules" => ".networking.istio.io",
        _ => "",
    };
    format!("{plural}{group}").into()
}

fn key(plural: &str, name: &str) -> Key {
    Key::new(&resource(plural), "shop", name)
}

impl Stage {
    /// A Rollout `web` with four replicas and a router: version `old` is stable with four pods, `new` is the canary with one pod at
    /// step 1 of `setWeight 20, pause 60 s, setWeight 50, analysis`, all weight on stable.
    pub fn new() -> Self {
        Self::with(Facts::default())
    }

    pub fn with(facts: Facts) -> Self {
        Self::behind(facts, rollout(), &[("httproutes", "web", route(0))])
    }

    /// The same behind another router: the Rollout, and the router's objects.
    pub fn behind(facts: Facts, rollout: Value, routers: &[(&str, &str, Value)]) -> Self {
        let mut stage = Self {
            store: Store::default(),
            laws: Laws::all(facts),
            now: DateTime::UNIX_EPOCH + TimeDelta::hours(8),
            broken: Vec::new(),
        };
        stage.put("rollouts", "web", rollout);
        stage.put("replicasets", "web-old", set("old", 4));
        stage.put("replicasets", "web-new", set("new", 1));
        stage.put("services", "web-stable", service("old"));
        stage.put("services", "web-canary", service("new"));
        for (plural, name, object) in routers {
            stage.put(plural, name, object.clone());
        }
        stage.replica(A, ReplicaEvent::Started);
        stage.pass(120);
        stage
    }

    /// Puts an object there before anything happens, or behind everybody's back.
    pub fn put(&mut self, plural: &str, name: &str, mut object: Value) {
        object["metadata"]["name"] = json!(name);
        object["metadata"]["namespace"] = json!("shop");
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{name}"));
        }
        self.store.put(&key(plural, name), object);
    }

    pub fn pass(&mut self, seconds: i64) -> &mut Self {
        self.now += TimeDelta::seconds(seconds);
        self
    }

    pub fn tell(&mut self, what: What) -> &mut Self {
        let record = Record { at: self.now, what };
        let moment = Moment {
            record: &record,
            store: &self.store,
        };
        self.broken.extend(self.laws.look(&moment));
        self
    }

    pub fn replica(&mut self, name: &str, what: ReplicaEvent) -> &mut Self {
        self.tell(What::Replica {
            name: name.into(),
            what,
        })
    }

    pub fn fault(&mut self, name: &'static str, detail: &str) -> &mut Self {
        self.tell(What::Fault {
            name,
            detail: detail.to_owned(),
        })
    }

    pub fn log(&mut self, line: &str) -> &mut Self {
        self.tell(What::Log {
            replica: A.into(),
            line: line.to_owned(),
        })
    }

    pub fn slack(&mut self, id: &str, text: &str) -> &mut Self {
        let (replica, channel) = (A.into(), "C1".to_owned());
        let sent = Sent {
            replica,
            channel,
            thread: None,
            id: id.to_owned(),
            text: text.to_owned(),
            whole: text.to_owned(),
        };
        self.tell(What::Slack(Box::new(sent)))
    }

    pub fn asked(&mut self, query: &str, answer: Result<&str, &str>) -> &mut Self {
        let answer = answer.map(|body| (200, body.to_owned())).map_err(str::to_owned);
        let asked = Asked {
            replica: A.into(),
            query: query.to_owned(),
            answer,
        };
        self.tell(What::Asked(Box::new(asked)))
    }

    /// Whether an object is there.
    pub fn get(&self, plural: &str, name: &str) -> Value {
        self.store
            .get(&key(plural, name))
            .map_or(Value::Null, |object| Value::clone(object))
    }

    /// The world changes an object with a merge patch.
    pub fn world(&mut self, plural: &str, name: &str, patch: Value) -> &mut Self {
        let version = self.store.version();
        self.merge(plural, name, &patch);
        let changes = self.store.changes_after(version);
        self.tell(What::Changed(changes))
    }

    fn merge(&mut self, plural: &str, name: &str, patch: &Value) {
        let mut object = self.get(plural, name);
        let spec = object["spec"].clone();
        crate::base::json::merge_apply(&mut object, patch);
        if object["spec"] != spec && plural == "rollouts" {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        self.put(plural, name, object);
    }

    /// A guarded merge patch, half a second after what happened before.
    pub fn patch(&mut self, caller: &str, plural: &str, name: &str, mut patch: Value) -> &mut Self {
        let meta = self.get(plural, name)["metadata"].clone();
        patch["metadata"]["uid"] = meta["uid"].clone();
        patch["metadata"]["resourceVersion"] = meta["resourceVersion"].clone();
        self.request(caller, Verb::Patch, plural, name, patch)
    }

    /// A request as it stands.
    pub fn request(
        &mut self,
        caller: &str,
        verb: Verb,
        plural: &str,
        name: &str,
        mut body: Value,
    ) -> &mut Self {
        self.now += TimeDelta::milliseconds(500);
        let version = self.store.version();
        match verb {
            Verb::Patch | Verb::Update => self.merge(plural, name, &body),
            Verb::Create => {
                if body["metadata"]["generateName"].is_null() {
                    body["metadata"]["name"] = json!(name);
                }
                self.put(plural, name, body.clone());
            }
            Verb::Delete => drop(self.store.remove(&key(plural, name))),
            _ => {}
        }
        let changes = self.store.changes_after(version);
        let name = if verb == Verb::Create { "" } else { name };
        let (subresource, namespace) = (String::new(), "shop".to_owned());
        let request = Requested {
            caller: caller.into(),
            verb,
            resource: resource(plural),
            namespace,
            name: name.to_owned(),
            subresource,
            body,
            code: 200,
            changes,
        };
        self.tell(What::Request(Box::new(request)))
    }

    /// The controller sets the canary's weight.
    pub fn weight(&mut self, canary: i64) -> &mut Self {
        self.patch(A, "httproutes", "web", json!({"spec": route(canary)["spec"]}))
    }

    pub fn status(&mut self, caller: &str, status: Value) -> &mut Self {
        self.patch(caller, "rollouts", "web", json!({"status": status}))
    }

    pub fn available(&mut self, version: &str, pods: i64) -> &mut Self {
        let patch = json!({"status": {"availableReplicas": pods, "readyReplicas": pods}});
        self.world("replicasets", &format!("web-{version}"), patch)
    }

    pub fn size(&mut self, caller: &str, version: &str, pods: i64) -> &mut Self {
        self.patch(
            caller,
            "replicasets",
            &format!("web-{version}"),
            json!({"spec": {"replicas": pods}}),
        )
    }

    pub fn end(&mut self, healed_at: Option<DateTime<Utc>>) -> &mut Self {
        let end = End {
            at: self.now,
            store: &self.store,
            healed_at,
            twin: None,
        };
        self.broken.extend(self.laws.end(&end));
        self
    }

    /// Exactly this law was broken, and its evidence has these words.
    pub fn breaks(&self, law: &str, words: &[&str]) {
        let laws: Vec<&str> = self.broken.iter().map(|broken| broken.law).collect();
        assert!(
            laws.contains(&law),
            "{law} should be broken, broken are: {:#?}",
            self.broken
        );
        let of_law = self.broken.iter().filter(|broken| broken.law == law);
        let evidence: String = of_law.map(ToString::to_string).collect();
        for word in words {
            assert!(evidence.contains(word), "{word:?} is not in: {evidence}");
        }
    }

    /// This law holds.
    pub fn keeps(&self, law: &str) {
        let of_law: Vec<&Broken> = self.broken.iter().filter(|broken| broken.law == law).collect();
        assert!(of_law.is_empty(), "{of_law:#?}");
    }
}

pub fn rollout() -> Value {
    let steps = json!([
        {"setWeight": 20}, {"pause": {"duration": "60s"}}, {"setWeight": 50},
        {"analysis": {"templates": [{"templateName": "errors"}]}}
    ]);
    let plugin = json!({"httpRoute": "web"});
    json!({
        "metadata": {"uid": "uid-web", "generation": 2, "annotations": {"rollout.argoproj.io/revision": "2"}},
        "spec": {"replicas": 4, "strategy": {"canary": {
            "steps": steps, "stableService": "web-stable", "canaryService": "web-canary",
            "trafficRouting": {"plugins": {GATEWAY_API_PLUGIN: plugin}}
        }}},
        "status": {
            "stableRS": "old", "currentPodHash": "new", "currentStepHash": "s", "currentStepIndex": 0, "observedGeneration": "2",
            "phase": "Progressing", "message": "more replicas need to be updated"
        }
    })
}

pub fn owner() -> Value {
    json!([{"kind": "Rollout", "name": "web", "uid": "uid-web", "controller": true}])
}

pub fn set(hash: &str, pods: i64) -> Value {
    json!({
        "metadata": {
            "labels": {"rollouts-pod-template-hash": hash}, "ownerReferences": owner(),
            "annotations": {"rollout.argoproj.io/desired-replicas": "4"}
        },
        "spec": {"replicas": pods},
        "status": {"replicas": pods, "readyReplicas": pods, "availableReplicas": pods}
    })
}

pub fn service(hash: &str) -> Value {
    json!({"spec": {"selector": {"app": "web", "rollouts-pod-template-hash": hash}}})
}

pub fn route(canary: i64) -> Value {
    json!({"spec": {"rules": [{"backendRefs": [
        {"name": "web-stable", "port": 80, "weight": 100 - canary}, {"name": "web-canary", "port": 80, "weight": canary}
    ]}]}})
}
