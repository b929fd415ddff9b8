//! Whether a Rollout can be carried out: its own fields, what this version does not do yet, and the objects it names.

use crate::api::check::references::ServiceFound;
use crate::api::check::{self, Problem};
use crate::base::gotime::Time;
use crate::base::limits;
use crate::base::names::{annotation, condition, reason};
use crate::plan::analysis::reference::validate_templates;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::{conditions, status, traffic};
use crate::plan::{Answer, Note, Observed, Question};
use chrono::{DateTime, TimeDelta, Utc};

const CANARY: &str = "spec.strategy.canary";
const BLUE_GREEN: &str = "spec.strategy.blueGreen";

/// All problems of the Rollout's own fields.
pub fn own(seen: &Observed) -> Vec<Problem> {
    check::rollout(&seen.rollout)
}

/// All problems of the objects that the Rollout names.
pub fn references(draft: &Draft) -> Vec<Problem> {
    let mut problems = Vec::new();
    let of_canary = [
        ("stableService", &draft.canary.stable_service),
        ("canaryService", &draft.canary.canary_service),
    ];
    for (field, name) in of_canary.into_iter().filter(|(_, name)| !name.is_empty()) {
        problems.extend(service(draft, format!("{CANARY}.{field}"), name));
    }
    if let Some(pair) = &draft.canary.ping_pong {
        let (ping, pong) = (&pair.ping_service, &pair.pong_service);
        problems.extend(service(draft, format!("{CANARY}.pingPong.pingService"), ping));
        problems.extend(service(draft, format!("{CANARY}.pingPong.pongService"), pong));
    }
    if let Some(strategy) = draft.blue_green {
        let active = &strategy.active_service;
        problems.extend(service(draft, format!("{BLUE_GREEN}.activeService"), active));
        let preview = strategy.preview_service.iter().filter(|name| !name.is_empty());
        problems
            .extend(preview.flat_map(|name| service(draft, format!("{BLUE_GREEN}.previewService"), name)));
    }
    problems.extend(routes(draft));
    if draft.rollout.status.abort {
        // An abort needs no analysis: a template that is gone must not keep the traffic on the canary.
        return problems;
    }
    let templates = validate_templates(&draft.rollout, &draft.seen.answers);
    problems.extend(
        templates
            .into_iter()
            .map(|(field, message)| Problem::new(field, message)),
    );
    problems
}

/// Until when a Rollout that was just created may wait for what it names, instead of being called invalid.
pub fn grace_until(draft: &Draft) -> Option<DateTime<Utc>> {
    let created = draft.rollout.metadata.creation_timestamp?.get();
    let until = created + TimeDelta::seconds(limits::REFERENCES_GRACE_SECONDS);
    let unseen = draft.rollout.status.observed_generation.is_empty();
    // By a clock that is behind it would be young for as long as the clock is behind.
    let apart = TimeDelta::seconds(limits::CLOCKS_APART_SECONDS_MAX);
    (unseen && draft.now < until && created <= draft.now + apart).then_some(until)
}

fn service(draft: &Draft, field: String, name: &str) -> Vec<Problem> {
    let found = match draft.seen.answers.get(&Question::Service(draft.sibling(name))) {
        Some(Answer::Unknown(why)) => {
            return vec![Problem::new(
                field,
                format!("Service \"{name}\" cannot be read: {why}"),
            )];
        }
        Some(Answer::Service(service)) => Some(ServiceFound {
            selector: &service.selector,
            managed_by: service.metadata.annotation(annotation::MANAGED_BY),
        }),
        _ => None,
    };
    let labels = draft
        .rollout
        .spec
        .template
        .as_ref()
        .map(|template| crate::api::template::labels(template).collect());
    check::references::service(
        &field,
        name,
        found,
        &draft.rollout.metadata.name,
        &labels.unwrap_or_default(),
    )
}

/// All problems of the routers' objects: those that cannot be read, those that are missing, and those that do not fit.
fn routes(draft: &Draft) -> Vec<Problem> {
    let look = traffic::look(draft);
    let mut found = Vec::new();
    for router in traffic::routers(draft) {
        for object in router.objects() {
            let (name, key) = (object.kind.name(), &object.key);
            match draft.seen.answers.get(&Question::Route(object.kind, key.clone())) {
                Some(Answer::Route(_)) => {}
                Some(Answer::Unknown(why)) => found.push(format!("{name} \"{key}\" cannot be read: {why}")),
                _ if object.must_exist => found.push(format!("{name} \"{key}\" not found")),
                _ => {}
            }
        }
        found.extend(router.problems(&look));
    }
    let field = format!("{CANARY}.trafficRouting");
    let problem = |message| Problem::new(field.clone(), message);
    found.into_iter().map(problem).collect()
}

/// Marks the Rollout as invalid; nothing else is done for it.
pub fn mark(draft: &mut Draft, problems: &[Problem]) {
    let list: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let name = &draft.rollout.metadata.name;
    let message = format!("The Rollout \"{name}\" is invalid: {}", list.join("; "));
    let now = Time::new(draft.now);
    let mut next = draft.rollout.status.clone();
    let known = conditions::get(&next, condition::INVALID_SPEC).is_some_and(|known| known.message == message);
    if !known {
        conditions::replace(
            &mut next,
            now,
            condition::INVALID_SPEC,
            "True",
            reason::INVALID_SPEC,
            &message,
        );
        draft.note(Note::warning(reason::INVALID_SPEC, message));
    }
    status::seal(draft, &mut next);
    draft.rollout.status = next;
}
