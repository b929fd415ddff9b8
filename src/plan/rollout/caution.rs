//! What people must know although the Rollout is valid: annotations that nobody reads here, and a route that nobody serves. Each is a
//! condition for as long as it is so, and an Event whenever its words change.
//!
//! Unlike an Event a condition is still there for whoever takes the Rollout over later, and it is what remembers that it was told.

use crate::base::gotime::Time;
use crate::base::names::{annotation, condition, reason};
use crate::plan::Note;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::{conditions, traffic};

pub fn tell(draft: &mut Draft) {
    if draft.rollout.status.observed_generation.is_empty() {
        return;
    }
    let refusal = traffic::refusal(draft);
    if let Some(why) = refusal.as_ref().filter(|_| draft.waiting_for.is_empty()) {
        draft.waiting_for = format!("a Gateway that serves the route: {why}");
    }
    let notifications = notifications(draft);
    keep(draft, condition::ROUTE_REFUSED, reason::ROUTE_REFUSED, refusal);
    keep(
        draft,
        condition::NOTIFICATIONS_IGNORED,
        reason::NOTIFICATIONS_IGNORED,
        notifications,
    );
}

/// Annotations of Argo Rollouts' notifications.
fn notifications(draft: &Draft) -> Option<String> {
    let annotations = draft.rollout.metadata.annotations.keys();
    let ignored: Vec<&str> = annotations
        .map(String::as_str)
        .filter(|name| name.starts_with(annotation::NOTIFICATIONS))
        .collect();
    let message = format!(
        "nobody is notified: {} is not carried out by this version of Serin; its own Slack messages are turned on at the controller, \
         and {} chooses their channel",
        ignored.join(", "),
        annotation::SLACK_CHANNEL
    );
    (!ignored.is_empty()).then_some(message)
}

/// The condition is there, with this message, exactly while there is one.
fn keep(draft: &mut Draft, type_: &str, reason: &str, message: Option<String>) {
    let Some(message) = message else {
        conditions::remove(&mut draft.rollout.status, type_);
        return;
    };
    let known = conditions::get(&draft.rollout.status, type_);
    if known.is_some_and(|known| known.message == message) {
        return;
    }
    let (now, status) = (Time::new(draft.now), &mut draft.rollout.status);
    conditions::replace(status, now, type_, "True", reason, &message);
    draft.note(Note::warning(reason, message));
}

#[cfg(test)]
mod tests {
    use crate::api::rollout::Rollout;
    use crate::base::json::merge_apply;
    use crate::plan::{Observed, Plan, rollout};
    use serde_json::{Value, json};

    const SLACK: &str = "notifications.argoproj.io/subscribe.on-rollout-completed.slack";

    fn plan(annotations: Value, conditions: &Value) -> Plan {
        let rollout = json!({
            "metadata": {"name": "web", "namespace": "shop", "generation": 2, "annotations": annotations},
            "spec": {"replicas": 0, "strategy": {"canary": {}}, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
            "status": {"observedGeneration": "2", "conditions": conditions},
        });
        let seen = Observed {
            rollout: serde_json::from_value::<Rollout>(rollout).unwrap(),
            ..Observed::default()
        };
        rollout::plan(&seen, chrono::DateTime::UNIX_EPOCH)
    }

    fn conditions_of(plan: &Plan) -> Value {
        let mut object = json!({});
        merge_apply(&mut object, &plan.actions.last().unwrap().body);
        let all = object["status"]["conditions"].as_array().cloned();
        let ours = |condition: &Value| condition["type"] == "NotificationsIgnored";
        all.unwrap_or_default().into_iter().filter(ours).collect()
    }

    #[test]
    fn notification_annotations_are_named_once_in_a_condition_and_an_event() {
        let first = plan(json!({SLACK: "releases"}), &json!([]));
        let told = |plan: &Plan| {
            let about = |note: &&crate::plan::Note| note.reason == "NotificationsIgnored" && note.warning;
            plan.notes.iter().filter(about).count()
        };
        assert_eq!(told(&first), 1);
        let conditions = conditions_of(&first);
        assert!(conditions[0]["message"].as_str().unwrap().contains(SLACK));
        assert_eq!(
            told(&plan(json!({SLACK: "releases"}), &conditions)),
            0,
            "told before"
        );
        let more = json!({SLACK: "releases", "notifications.argoproj.io/subscriptions": "[]"});
        assert_eq!(told(&plan(more, &conditions)), 1, "another annotation");
        let gone = plan(json!({"serin.dev/slack-channel": "C1"}), &conditions);
        assert_eq!((told(&gone), conditions_of(&gone)), (0, json!([])));
    }
}
