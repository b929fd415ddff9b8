//! Whether a Rollout can be carried out: its own fields, what this version does not do yet, and the objects it names.

use crate::api::check::{self, Problem};
use crate::base::gotime::Time;
use crate::base::names::{annotation, condition, label, reason};
use crate::plan::analysis::reference::validate_templates;
use crate::plan::question::Service;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::{conditions, status, traffic};
use crate::plan::{Answer, Note, Observed, Question};
use crate::route::gateway_api::{self, Backends};

const CANARY: &str = "spec.strategy.canary";

/// All problems of the Rollout's own fields.
pub fn own(seen: &Observed) -> Vec<Problem> {
    check::rollout(&seen.rollout)
}

/// All problems of the objects that the Rollout names.
pub fn references(draft: &Draft) -> Vec<Problem> {
    let mut problems = Vec::new();
    let services = [
        ("stableService", &draft.canary.stable_service),
        ("canaryService", &draft.canary.canary_service),
    ];
    for (field, name) in services.into_iter().filter(|(_, name)| !name.is_empty()) {
        problems.extend(service(draft, field, name));
    }
    problems.extend(routes(draft));
    let templates = validate_templates(&draft.rollout, &draft.seen.answers);
    problems.extend(
        templates
            .into_iter()
            .map(|(field, message)| Problem { field, message }),
    );
    problems
}

fn problem(field: String, message: String) -> Option<Problem> {
    Some(Problem { field, message })
}

fn service(draft: &Draft, field: &str, name: &str) -> Option<Problem> {
    let field = format!("{CANARY}.{field}");
    let invalid = |what: String| problem(field.clone(), format!("Invalid value: \"{name}\": {what}"));
    match draft.seen.answers.get(&Question::Service(draft.sibling(name))) {
        Some(Answer::Service(service)) => unfit(draft, service).and_then(invalid),
        Some(Answer::Unknown(why)) => invalid(why.clone()),
        _ => invalid(format!("service \"{name}\" not found")),
    }
}

/// Why a Service cannot be driven by this Rollout.
fn unfit(draft: &Draft, service: &Service) -> Option<String> {
    let (name, rollout) = (&service.metadata.name, &draft.rollout.metadata.name);
    if service
        .metadata
        .annotation(annotation::MANAGED_BY)
        .is_some_and(|owner| owner != rollout)
    {
        return Some(format!("Service \"{name}\" is managed by another Rollout"));
    }
    let template = draft.rollout.spec.template.as_ref()?;
    let labels: Vec<_> = crate::api::template::labels(template).collect();
    let mut selector = service
        .selector
        .iter()
        .filter(|(key, _)| key.as_str() != label::POD_HASH);
    let wrong = selector.find(|(key, value)| !labels.contains(&(key.as_str(), value.as_str())));
    wrong.map(|(key, _)| format!("Service \"{name}\" has unmatch label \"{key}\" in rollout"))
}

fn routes(draft: &Draft) -> Vec<Problem> {
    let field = format!("{CANARY}.trafficRouting");
    let backends = Backends {
        canary: &draft.canary.canary_service,
        stable: &draft.canary.stable_service,
    };
    let check = |key: &crate::base::object::Key| match draft
        .seen
        .answers
        .get(&Question::HttpRoute(key.clone()))
    {
        Some(Answer::Route(route)) if !gateway_api::weights(route, backends).is_empty() => None,
        Some(Answer::Route(_)) => problem(
            field.clone(),
            format!(
                "HTTPRoute \"{key}\" has no rule whose backendRefs name both \"{}\" and \"{}\": add both to the rule whose traffic \
                 the canary shall share",
                backends.stable, backends.canary
            ),
        ),
        Some(Answer::Unknown(why)) => problem(
            field.clone(),
            format!("HTTPRoute \"{key}\" cannot be read: {why}"),
        ),
        _ => problem(field.clone(), format!("HTTPRoute \"{key}\" not found")),
    };
    traffic::routes(draft).iter().filter_map(check).collect()
}

/// Marks the Rollout as invalid; nothing else is done for it.
pub fn mark(draft: &mut Draft, problems: &[Problem]) {
    let list: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.field, problem.message))
        .collect();
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
