//! From a Rollout's analysis to an AnalysisRun object.
//!
//! Decides what the run is called, what it measures and with which arguments; not when it is needed.

use super::field_ref::value_at;
use super::templates::{Merged, absence, merge, walk};
use crate::api::analysis::Arg;
use crate::api::analysis_run::{AnalysisRun, AnalysisRunSpec, completed};
use crate::api::rollout::Rollout;
use crate::api::strategy::{AnalysisArg, RolloutAnalysis};
use crate::base::names::{API_VERSION, annotation, label};
use crate::base::object::{Kind, Meta, OwnerRef};
use crate::plan::Answers;
use serde_json::{Value, json};

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The analysis step with this index.
    Step(i32),
    /// The analysis beside the steps.
    Background,
    /// The analysis before the active Service is switched.
    PrePromotion,
    /// The analysis after it was switched.
    PostPromotion,
}

impl Purpose {
    /// The value of the label `rollout-type`, and the word in events.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Step(_) => "Step",
            Purpose::Background => "Background",
            Purpose::PrePromotion => "PrePromotion",
            Purpose::PostPromotion => "PostPromotion",
        }
    }
}

/// A run that a Rollout wants.
#[derive(Clone, Copy, Debug)]
pub struct RunWanted<'a> {
    pub rollout: &'a Rollout,
    pub analysis: &'a RolloutAnalysis,
    pub answers: &'a Answers,
    pub purpose: Purpose,
    /// Pod-template hashes of the new and of the stable version.
    pub new_hash: &'a str,
    pub stable_hash: &'a str,
    pub revision: i64,
    /// Empty when this controller has none.
    pub instance_id: &'a str,
}

/// The name for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A run with this name is what is wanted and still open.
    Reuse(String),
    Create(String),
}

/// The name of a run before collisions: `<rollout>-<hash>-<revision>[-<step index>|-pre|-post]`.
pub fn base_name(wanted: &RunWanted) -> String {
    let RunWanted {
        rollout,
        new_hash,
        revision,
        ..
    } = wanted;
    let name = format!("{}-{new_hash}-{revision}", rollout.metadata.name);
    match wanted.purpose {
        Purpose::Step(index) => format!("{name}-{index}"),
        Purpose::Background => name,
        Purpose::PrePromotion => format!("{name}-pre"),
        Purpose::PostPromotion => format!("{name}-post"),
    }
}

/// The name for a run of this spec, given the runs that exist. A run is taken up again when it is open or one that `counts` although
/// it is over, not asked to stop, owned by the Rollout and asks for the same; otherwise the next free of `base`, `base.1`, `base.2` …
/// is used.
pub fn name_for(
    base: &str,
    owner_uid: &str,
    spec: &AnalysisRunSpec,
    existing: &[AnalysisRun],
    counts: impl Fn(&AnalysisRun) -> bool,
) -> Name {
    let name_of = |attempt: usize| {
        if attempt == 0 {
            base.to_owned()
        } else {
            format!("{base}.{attempt}")
        }
    };
    for attempt in 0..existing.len() {
        let name = name_of(attempt);
        let Some(run) = existing.iter().find(|run| run.metadata.name == name) else {
            return Name::Create(name);
        };
        // A run that was told to stop ends as a success without having measured: it must not stand for a new attempt.
        let alive = !run.spec.terminate && !run.metadata.deleting();
        let wanted = alive && (!completed(&run.status.phase) || counts(run));
        if wanted && run.metadata.controlled_by(owner_uid) && asks_the_same(&run.spec, spec) {
            return Name::Reuse(name);
        }
    }
    // As many names as there are runs are taken at most.
    Name::Create(name_of(existing.len()))
}

fn asks_the_same(one: &AnalysisRunSpec, other: &AnalysisRunSpec) -> bool {
    one.metrics == other.metrics
        && one.dry_run == other.dry_run
        && one.measurement_retention == other.measurement_retention
        && one.args == other.args
}

/// The whole object of a run, called `name`. `Err` says why the analysis cannot be carried out.
pub fn build_run(wanted: &RunWanted, name: &str) -> Result<Value, String> {
    let spec = run_spec(wanted)?;
    let mut run = json!({
        "apiVersion": API_VERSION,
        "kind": Kind::AnalysisRun.name(),
        "metadata": metadata(wanted, name),
        "spec": spec,
    });
    if let Some(spec) = run["spec"].as_object_mut() {
        // The schema requires metrics, also when there are none.
        spec.entry("metrics").or_insert_with(|| json!([]));
    }
    Ok(run)
}

/// The spec of the run: everything its templates ask for, with arguments that mean something outside the Rollout too.
pub fn run_spec(wanted: &RunWanted) -> Result<AnalysisRunSpec, String> {
    let namespace = &wanted.rollout.metadata.namespace;
    let found = walk(&wanted.analysis.templates, namespace, wanted.answers);
    if let Some(why) = found
        .iter()
        .find_map(|found| absence(found, namespace, wanted.answers))
    {
        return Err(why);
    }
    let Merged {
        metrics,
        args,
        dry_run,
        measurement_retention,
    } = merge(wanted.analysis, &found)?;
    let given = rollout_args(wanted)?;
    let args = merge_args(wanted.rollout, args, &given)?;
    Ok(AnalysisRunSpec {
        metrics,
        args,
        dry_run,
        measurement_retention,
        ..AnalysisRunSpec::default()
    })
}

/// Arguments that the Rollout gives, by name, resolved.
fn rollout_args(wanted: &RunWanted) -> Result<Vec<(String, String)>, String> {
    let args = wanted.analysis.args.iter();
    args.filter_map(|arg| Some(rollout_arg(wanted, arg)?.map(|value| (arg.name.clone(), value))))
        .collect()
}

/// `None` when the argument gives nothing.
fn rollout_arg(wanted: &RunWanted, arg: &AnalysisArg) -> Option<Result<String, String>> {
    if let Some(value) = &arg.value {
        return Some(Ok(value.clone()));
    }
    let from = arg.value_from.as_ref()?;
    if let Some(which) = &from.pod_template_hash_value {
        return Some(match which.as_str() {
            "Latest" => Ok(wanted.new_hash.to_owned()),
            "Stable" => Ok(wanted.stable_hash.to_owned()),
            other => Err(format!(
                "args.{}: podTemplateHashValue must be Latest or Stable, not {other:?}",
                arg.name
            )),
        });
    }
    let field = from.field_ref.as_ref()?;
    Some(value_at(wanted.rollout, &field.field_path))
}

/// The declared arguments with the Rollout's values. What the Rollout gives and no template declares is left out.
fn merge_args(rollout: &Rollout, declared: Vec<Arg>, given: &[(String, String)]) -> Result<Vec<Arg>, String> {
    let resolve = |mut arg: Arg| {
        let field = arg.value_from.as_ref().and_then(|from| from.field_ref.clone());
        if let Some((_, value)) = given.iter().find(|(name, _)| *name == arg.name) {
            arg.value = Some(value.clone());
        } else if let (None, Some(field)) = (&arg.value, field) {
            arg.value = Some(value_at(rollout, &field.field_path)?);
        }
        if arg.value.is_some() {
            arg.value_from = None;
        } else if arg.value_from.is_none() {
            return Err(format!("args.{} was not resolved", arg.name));
        }
        Ok(arg)
    };
    declared.into_iter().map(resolve).collect()
}

fn metadata(wanted: &RunWanted, name: &str) -> Meta {
    let owner = &wanted.rollout.metadata;
    let mut meta = Meta {
        name: name.to_owned(),
        namespace: owner.namespace.clone(),
        ..Meta::default()
    };
    let mut put = |key: &str, value: String| drop(meta.labels.insert(key.to_owned(), value));
    put(label::POD_HASH, wanted.new_hash.to_owned());
    put(label::ROLLOUT_TYPE, wanted.purpose.name().to_owned());
    if let Purpose::Step(index) = wanted.purpose {
        put(label::STEP_INDEX, index.to_string());
    }
    if !wanted.instance_id.is_empty() {
        put(label::INSTANCE_ID, wanted.instance_id.to_owned());
    }
    meta.annotations
        .insert(annotation::REVISION.to_owned(), wanted.revision.to_string());
    if let Some(extra) = &wanted.analysis.analysis_run_metadata {
        meta.labels.extend(extra.labels.clone());
        meta.annotations.extend(extra.annotations.clone());
    }
    if let Some(selector) = &wanted.rollout.spec.selector {
        meta.labels.extend(selector.match_labels.clone());
    }
    meta.owner_references = vec![OwnerRef {
        api_version: API_VERSION.to_owned(),
        kind: Kind::Rollout.name().to_owned(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: true,
        block_owner_deletion: true,
    }];
    meta
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Answer, Question};

    fn rollout() -> Rollout {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "d", "uid": "u", "labels": {"app": "x"}},
            "spec": {"selector": {"matchLabels": {"app": "web"}}}
        }))
        .unwrap()
    }

    fn answers(spec: Value) -> Answers {
        let template = serde_json::from_value(json!({"metadata": {"name": "t"}, "spec": spec})).unwrap();
        Answers([(Question::template("d", "t", false), Answer::Template(template))].into())
    }

    fn build(template: Value, analysis: Value, purpose: Purpose) -> Result<Value, String> {
        let mut whole = json!({"templates": [{"templateName": "t"}]});
        crate::base::json::merge_apply(&mut whole, &analysis);
        let (rollout, answers) = (rollout(), answers(template));
        let wanted = RunWanted {
            rollout: &rollout,
            analysis: &serde_json::from_value(whole).unwrap(),
            answers: &answers,
            purpose,
            new_hash: "newhash",
            stable_hash: "oldhash",
            revision: 2,
            instance_id: "",
        };
        build_run(&wanted, &base_name(&wanted))
    }

    /// The object that Argo Rollouts makes of the same template and Rollout.
    #[test]
    fn a_step_becomes_a_run_as_argo_makes_it() {
        let provider = json!({"prometheus": {"query": "{{args.v}}"}});
        let template = json!({
            "metrics": [{"name": "argt", "successCondition": "result == 1", "provider": provider}],
            "args": [{"name": "v"}, {"name": "d", "value": "x"}]
        });
        let analysis = json!({"args": [
            {"name": "v", "value": "1"},
            {"name": "undeclared", "valueFrom": {"podTemplateHashValue": "Latest"}}
        ]});
        let want = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AnalysisRun",
            "metadata": {
                "name": "web-newhash-2-1",
                "namespace": "d",
                "labels": {
                    "app": "web", "rollout-type": "Step", "rollouts-pod-template-hash": "newhash", "step-index": "1"
                },
                "annotations": {"rollout.argoproj.io/revision": "2"},
                "ownerReferences": [{
                    "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "u",
                    "controller": true, "blockOwnerDeletion": true
                }]
            },
            "spec": {
                "args": [{"name": "v", "value": "1"}, {"name": "d", "value": "x"}],
                "metrics": [{"name": "argt", "successCondition": "result == 1", "provider": provider}]
            }
        });
        assert_eq!(build(template, analysis, Purpose::Step(1)), Ok(want));
    }

    #[test]
    fn metadata_of_the_analysis_gives_way_to_the_selector_only() {
        let analysis = json!({"analysisRunMetadata": {
            "labels": {"app": "mine", "rollout-type": "Mine", "team": "a"},
            "annotations": {"note": "b"}
        }});
        let run = build(json!({}), analysis, Purpose::Background).unwrap();
        let labels = json!({
            "app": "web", "rollout-type": "Mine", "rollouts-pod-template-hash": "newhash", "team": "a"
        });
        assert_eq!(run["metadata"]["name"], "web-newhash-2");
        assert_eq!(run["metadata"]["labels"], labels);
        assert_eq!(
            run["metadata"]["annotations"],
            json!({"note": "b", "rollout.argoproj.io/revision": "2"})
        );
        assert_eq!(run["spec"]["metrics"], json!([]));
    }

    #[test]
    fn arguments_come_from_the_rollout_then_from_the_template() {
        let check = |declared: Value, given: Value, want: Result<Value, &str>| {
            let run = build(
                json!({"args": [declared]}),
                json!({"args": [given]}),
                Purpose::Background,
            );
            let got = run.map(|run| run["spec"]["args"][0].clone());
            assert_eq!(got, want.map_err(str::to_owned), "{declared} {given}");
        };
        let value = |text: &str| Ok(json!({"name": "x", "value": text}));
        let hash = |which: &str| json!({"name": "x", "valueFrom": {"podTemplateHashValue": which}});
        let field = |path: &str| json!({"name": "x", "valueFrom": {"fieldRef": {"fieldPath": path}}});
        let secret = json!({"name": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
        let none = json!({"name": "other"});
        check(json!({"name": "x"}), hash("Latest"), value("newhash"));
        check(json!({"name": "x"}), hash("Stable"), value("oldhash"));
        check(json!({"name": "x"}), field("metadata.namespace"), value("d"));
        check(
            json!({"name": "x", "value": "a"}),
            json!({"name": "x", "value": "b"}),
            value("b"),
        );
        check(json!({"name": "x", "value": "a"}), none.clone(), value("a"));
        check(field("metadata.name"), none.clone(), value("web"));
        check(secret.clone(), none.clone(), Ok(secret.clone()));
        check(secret, json!({"name": "x", "value": "plain"}), value("plain"));
        check(json!({"name": "x"}), none, Err("args.x was not resolved"));
        check(
            json!({"name": "x"}),
            field("spec.nothing"),
            Err("invalid path spec.nothing in rollout"),
        );
        let unknown = "args.x: podTemplateHashValue must be Latest or Stable, not \"Newest\"";
        check(json!({"name": "x"}), hash("Newest"), Err(unknown));
    }

    #[test]
    fn rules_of_rollout_and_templates_add_up() {
        let template = json!({"dryRun": [{"metricName": "b"}], "measurementRetention": [{"metricName": "b", "limit": 2}]});
        let analysis = json!({"dryRun": [{"metricName": "a"}], "measurementRetention": [{"metricName": "a", "limit": 1}]});
        let run = build(template, analysis, Purpose::Background).unwrap();
        assert_eq!(
            run["spec"]["dryRun"],
            json!([{"metricName": "a"}, {"metricName": "b"}])
        );
        assert_eq!(run["spec"]["measurementRetention"][1]["limit"], 2);
    }

    #[test]
    fn a_name_is_used_again_only_for_an_open_run_of_ours_that_asks_the_same() {
        let spec: AnalysisRunSpec =
            serde_json::from_value(json!({"args": [{"name": "a", "value": "1"}]})).unwrap();
        let run = |name: &str, owner: &str, phase: &str, change: Value| -> AnalysisRun {
            let mut run = json!({
                "metadata": {"name": name, "ownerReferences": [{"uid": owner, "controller": true}]},
                "spec": spec, "status": {"phase": phase}
            });
            crate::base::json::merge_apply(&mut run, &change);
            serde_json::from_value(run).unwrap()
        };
        let check = |existing: &[AnalysisRun], want: Name| {
            assert_eq!(name_for("r", "u", &spec, existing, |_| false), want);
        };
        let same = || json!({});
        check(&[], Name::Create("r".into()));
        check(&[run("other", "u", "Running", same())], Name::Create("r".into()));
        check(&[run("r", "u", "Running", same())], Name::Reuse("r".into()));
        check(&[run("r", "u", "", same())], Name::Reuse("r".into()));
        check(&[run("r", "u", "Failed", same())], Name::Create("r.1".into()));
        check(
            &[run("r", "someone", "Running", same())],
            Name::Create("r.1".into()),
        );
        check(
            &[run("r", "u", "Running", json!({"spec": {"terminate": true}}))],
            Name::Create("r.1".into()),
        );
        check(
            &[run("r", "u", "Running", json!({"spec": {"args": []}}))],
            Name::Create("r.1".into()),
        );
        let two = [run("r", "u", "Failed", same()), run("r.1", "u", "Failed", same())];
        check(&two, Name::Create("r.2".into()));
        let open = [
            run("r", "u", "Failed", same()),
            run("r.1", "u", "Running", same()),
        ];
        check(&open, Name::Reuse("r.1".into()));
    }
}
