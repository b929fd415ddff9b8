//! Job metrics: the Job that a measurement is.

use crate::api::analysis::JobMetric;
use crate::api::hash;
use crate::base::names::{API_VERSION, annotation, label};
use crate::base::object::{Key, Kind, OwnerRef};
use crate::base::reading::Reading;
use crate::plan::analysis::jobs::{JOB_NAME, JOB_NAMESPACE};
use crate::plan::{Action, Guard, Verb};
use serde_json::{Value, json};

/// Characters of a Job's name, which becomes a label of its pods.
const NAME_CHARS_MAX: usize = 63;

/// The write that begins the measurement number `attempt` of a metric.
pub fn create(run: &Key, run_uid: &str, metric: &str, job: &JobMetric, attempt: i32) -> Action {
    let key = Key::new(&run.namespace, name(run_uid, metric, attempt));
    let given = job.metadata.clone().unwrap_or_default();
    let mut labels = given.labels;
    labels.insert(label::RUN_UID.into(), run_uid.into());
    let mut annotations = given.annotations;
    annotations.insert(annotation::RUN_NAME.into(), run.name.clone());
    annotations.insert(annotation::RUN_NAMESPACE.into(), run.namespace.clone());
    annotations.insert(annotation::RUN_METRIC.into(), metric.into());
    let owner = OwnerRef {
        api_version: API_VERSION.into(),
        kind: Kind::AnalysisRun.name().into(),
        name: run.name.clone(),
        uid: run_uid.into(),
        controller: true,
        block_owner_deletion: true,
    };
    let metadata = json!({"name": key.name, "namespace": key.namespace, "labels": labels, "annotations": annotations,
        "ownerReferences": [owner]});
    let body = json!({
        "apiVersion": Kind::Job.api_version(),
        "kind": Kind::Job.name(),
        "metadata": metadata,
        "spec": spec(job, run_uid),
    });
    Action {
        verb: Verb::Create,
        kind: Kind::Job,
        key,
        guard: Guard::Absent,
        body,
    }
}

/// `<uid of the run>.<metric>.<number>`, with the metric cut so that it fits.
fn name(run_uid: &str, metric: &str, attempt: i32) -> String {
    let rest = run_uid.len() + attempt.to_string().len() + 2;
    let metric: String = metric.chars().take(NAME_CHARS_MAX.saturating_sub(rest)).collect();
    format!("{run_uid}.{metric}.{attempt}")
}

/// The given spec with the uid on its pods. Whatever stands where an object should be could not be read either.
fn spec(job: &JobMetric, run_uid: &str) -> Value {
    let object = |value: Option<&Value>| value.filter(|value| value.is_object()).cloned();
    let mut spec = object(job.spec.as_ref()).unwrap_or_else(|| json!({}));
    let template = object(spec.get("template")).unwrap_or_else(|| json!({}));
    let mut template = hash::canonical(&template);
    let mut metadata = object(template.get("metadata")).unwrap_or_else(|| json!({}));
    let mut labels = object(metadata.get("labels")).unwrap_or_else(|| json!({}));
    labels[label::RUN_UID] = json!(run_uid);
    metadata["labels"] = labels;
    template["metadata"] = metadata;
    spec["template"] = template;
    spec
}

/// What is known of a measurement once its Job is there.
pub fn begun(job: &Key) -> Reading {
    let metadata = [(JOB_NAME, &job.name), (JOB_NAMESPACE, &job.namespace)];
    Reading {
        begun: true,
        metadata: metadata
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .into(),
        ..Reading::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0f6a2c9e-1111-4222-8333-444455556666";

    fn job() -> JobMetric {
        let template = json!({"metadata": {"labels": {"app": "smoke"}}, "spec": {"restartPolicy": "Never", "containers": [
            {"name": "c", "image": "smoke:1", "resources": {"limits": {"cpu": 0.5}}}]}});
        let job = json!({"metadata": {"labels": {"team": "shop"}, "annotations": {"note": "x"}},
            "spec": {"backoffLimit": 0, "template": template}});
        serde_json::from_value(job).unwrap()
    }

    #[test]
    fn the_job_carries_argos_names_labels_and_owner() {
        let create = create(&Key::new("shop", "web-1"), UID, "smoke", &job(), 2);
        assert_eq!(create.key, Key::new("shop", format!("{UID}.smoke.2")));
        let metadata = &create.body["metadata"];
        assert_eq!(
            metadata["labels"],
            json!({"team": "shop", "analysisrun.argoproj.io/uid": UID})
        );
        assert_eq!(
            metadata["annotations"],
            json!({"note": "x", "analysisrun.argoproj.io/name": "web-1", "analysisrun.argoproj.io/namespace": "shop",
                "analysisrun.argoproj.io/metric-name": "smoke"})
        );
        assert_eq!(
            metadata["ownerReferences"],
            json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "name": "web-1", "uid": UID,
                "controller": true, "blockOwnerDeletion": true}])
        );
        let spec = &create.body["spec"];
        assert_eq!(spec["backoffLimit"], 0);
        let template = &spec["template"];
        assert_eq!(
            template["metadata"]["labels"],
            json!({"app": "smoke", "analysisrun.argoproj.io/uid": UID})
        );
        let limits = &template["spec"]["containers"][0]["resources"]["limits"];
        assert_eq!(limits["cpu"], "500m");
    }

    #[test]
    fn a_long_metric_is_cut_so_that_the_name_fits_a_label() {
        let name = name(UID, &"m".repeat(80), 12);
        assert_eq!((name.len(), name.ends_with("m.12")), (63, true));
    }

    #[test]
    fn a_job_without_a_template_is_left_for_the_api_server_to_refuse() {
        let create = create(&Key::new("shop", "r"), UID, "m", &JobMetric::default(), 1);
        assert!(create.body["spec"]["template"]["spec"].is_null());
    }
}
