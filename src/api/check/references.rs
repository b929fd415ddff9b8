//! What a Rollout refers to, compared with what was found: plain data in, problems out.

use crate::api::check::problem::Problem;
use crate::base::names::label;
use std::collections::BTreeMap;

/// A Service as far as it is compared.
#[derive(Clone, Copy, Debug)]
pub struct ServiceFound<'a> {
    /// `spec.selector`
    pub selector: &'a BTreeMap<String, String>,
    /// The annotation `argo-rollouts.argoproj.io/managed-by-rollouts`, when there is one.
    pub managed_by: Option<&'a str>,
}

/// Problems with the Service `name` that the Rollout names at `field`; `found` is `None` when it does not exist.
///
/// `labels` are those of the Rollout's pod template.
pub fn service(
    field: &str,
    name: &str,
    found: Option<ServiceFound<'_>>,
    rollout: &str,
    labels: &BTreeMap<&str, &str>,
) -> Vec<Problem> {
    let Some(service) = found else {
        return vec![mended(
            Problem::invalid(field, name, &format!("service {name:?} not found")),
            "create the Service in the Rollout's namespace, or correct the name",
        )];
    };
    let mut problems = Vec::new();
    for (key, value) in service.selector.iter().filter(|(key, _)| *key != label::POD_HASH) {
        if labels.get(key.as_str()) != Some(&value.as_str()) {
            let detail = format!("Service {name:?} has unmatch label {key:?} in rollout");
            let mend = "let the Service select only labels that spec.template.metadata.labels has, with the same values";
            problems.push(mended(Problem::invalid(field, name, &detail), mend));
        }
    }
    if service.managed_by.is_some_and(|other| other != rollout) {
        let detail = format!("Service {name:?} is managed by another Rollout");
        let mend = "give each Rollout Services of its own";
        problems.push(mended(Problem::invalid(field, name, &detail), mend));
    }
    problems
}

/// The template named at `field` (for example `spec.strategy.canary.steps[1].analysis.templates`) does not exist.
pub fn template_missing(field: &str, name: &str, cluster_scope: bool) -> Problem {
    let kind = if cluster_scope {
        "ClusterAnalysisTemplate"
    } else {
        "AnalysisTemplate"
    };
    let mend = if cluster_scope {
        "create it, or correct the name"
    } else {
        "create it in the Rollout's namespace, or correct the name (clusterScope: true means a ClusterAnalysisTemplate)"
    };
    mended(
        Problem::invalid(field, name, &format!("{kind} '{name}' not found")),
        mend,
    )
}

/// The templates at `field` cannot become one AnalysisRun; `reason` is the merge's own message, for example
/// `args.service was not resolved` or `two metrics have the same name 'errors'`.
pub fn templates_refused(field: &str, names: &[&str], reason: &str) -> Problem {
    let value = format!("templateNames: [{}]", names.join(" "));
    Problem::invalid(field, value.as_str(), reason)
}

/// A metric of an analysis that must end never ends. `count` is the metric's count as written, if any.
pub fn metric_endless(field: &str, template: &str, metric: &str, count: Option<&str>) -> Problem {
    let count = count.unwrap_or("<nil>");
    let detail = format!(
        "AnalysisTemplate {template} has metric {metric} which runs indefinitely. Invalid value for count: {count}"
    );
    mended(
        Problem::invalid(field, template, &detail),
        "give the metric a count, or use it in the background analysis",
    )
}

fn mended(mut problem: Problem, mend: &'static str) -> Problem {
    problem.mend = mend;
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_service_must_exist_match_and_be_free() {
        let labels = BTreeMap::from([("app", "a")]);
        let check = |selector: &[(&str, &str)], managed_by: Option<&str>, want: &[&str]| {
            let selector = map(selector);
            let found = ServiceFound {
                selector: &selector,
                managed_by,
            };
            let got = service(
                "spec.strategy.canary.stableService",
                "s",
                Some(found),
                "r",
                &labels,
            );
            let got: Vec<&str> = got.iter().map(|problem| problem.message.as_str()).collect();
            assert_eq!(got, want);
        };
        check(
            &[("app", "a"), ("rollouts-pod-template-hash", "x")],
            Some("r"),
            &[],
        );
        check(
            &[("app", "b"), ("tier", "web")],
            None,
            &[
                "Invalid value: \"s\": Service \"s\" has unmatch label \"app\" in rollout",
                "Invalid value: \"s\": Service \"s\" has unmatch label \"tier\" in rollout",
            ],
        );
        check(
            &[],
            Some("other"),
            &["Invalid value: \"s\": Service \"s\" is managed by another Rollout"],
        );
        let missing = service("spec.strategy.canary.stableService", "s", None, "r", &labels);
        let want = "spec.strategy.canary.stableService: Invalid value: \"s\": service \"s\" not found";
        assert_eq!(missing[0].argo(), want);
    }

    #[test]
    fn templates_are_refused_in_argos_words() {
        let field = "spec.strategy.canary.steps[1].analysis.templates";
        let missing = template_missing(field, "nope", false).argo();
        assert_eq!(
            missing,
            format!("{field}: Invalid value: \"nope\": AnalysisTemplate 'nope' not found")
        );
        let refused = templates_refused(field, &["a", "b"], "args.x was not resolved").argo();
        assert_eq!(
            refused,
            format!("{field}: Invalid value: \"templateNames: [a b]\": args.x was not resolved")
        );
        let endless = metric_endless(field, "t", "m", None).message;
        assert!(
            endless.ends_with("which runs indefinitely. Invalid value for count: <nil>"),
            "{endless}"
        );
    }
}
