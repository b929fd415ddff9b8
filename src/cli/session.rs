//! The few requests that the commands make, each bounded in time and each failing in words.

use crate::api::analysis_run::AnalysisRun;
use crate::api::rollout::Rollout;
use crate::base::names::{self, label};
use crate::cli::connection::Session;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::plan::ReplicaSet;
use crate::view::pod::Pod;
use crate::view::tree::Family;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// Where a merge patch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Main,
    Status,
}

impl Session {
    pub fn rollouts(&self) -> Api<DynamicObject> {
        self.api(names::GROUP, names::VERSION, "Rollout", "rollouts")
    }

    fn api(&self, group: &str, version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// The Rollout `name`, waiting at most `limit`.
    pub async fn rollout(&self, name: &str, limit: Duration) -> Result<Rollout, Failure> {
        let doing = self.doing("read", name);
        let object = bounded(self.rollouts().get(name), &doing, limit).await?;
        read_rollout(&object, &doing)
    }

    pub fn doing(&self, verb: &str, name: &str) -> String {
        format!("{verb} rollout '{name}' in namespace '{}'", self.namespace)
    }

    /// Merge-patches the Rollout `name`.
    pub async fn patch(&self, name: &str, part: Part, body: &Value, doing: &str) -> Result<(), Failure> {
        let (api, params) = (self.rollouts(), PatchParams::default());
        let patch = Patch::Merge(body);
        match part {
            Part::Main => bounded(api.patch(name, &params, &patch), doing, self.request_timeout).await,
            Part::Status => {
                bounded(
                    api.patch_status(name, &params, &patch),
                    doing,
                    self.request_timeout,
                )
                .await
            }
        }
        .map(drop)
    }

    /// ReplicaSets of the Rollout. What cannot be read as a ReplicaSet is left out: it is shown, not decided upon.
    pub async fn replica_sets(&self, owner: &str, limit: Duration) -> Result<Vec<ReplicaSet>, Failure> {
        let objects = self
            .list(("apps", "v1", "ReplicaSet", "replicasets"), limit)
            .await?;
        let sets = objects
            .into_iter()
            .filter_map(|object| ReplicaSet::from_json(object).ok());
        Ok(sets.filter(|rs| rs.metadata.controlled_by(owner)).collect())
    }

    /// AnalysisRuns of the Rollout.
    pub async fn analysis_runs(&self, owner: &str, limit: Duration) -> Result<Vec<AnalysisRun>, Failure> {
        let kind = (names::GROUP, names::VERSION, "AnalysisRun", "analysisruns");
        let objects = self.list(kind, limit).await?;
        let runs = objects
            .into_iter()
            .filter_map(|object| serde_json::from_value::<AnalysisRun>(object).ok());
        Ok(runs.filter(|run| run.metadata.controlled_by(owner)).collect())
    }

    /// The Rollout and everything beneath it, and why some of that is missing.
    pub async fn family(&self, name: &str) -> Result<(Family, Vec<Failure>), Failure> {
        let limit = self.request_timeout;
        let rollout = self.rollout(name, limit).await?;
        let owner = &rollout.metadata.uid;
        let (replica_sets, runs, pods) = tokio::join!(
            self.replica_sets(owner, limit),
            self.analysis_runs(owner, limit),
            self.list(("", "v1", "Pod", "pods"), limit),
        );
        let mut missing = Vec::new();
        let replica_sets = part(replica_sets, &mut missing);
        let runs = part(runs, &mut missing);
        let pods = part(pods, &mut missing).iter().map(Pod::from_json).collect();
        let family = Family {
            rollout,
            replica_sets,
            pods,
            runs,
        };
        Ok((family, missing))
    }

    /// Objects that carry a pod-template hash, whoever owns them.
    async fn list(&self, kind: (&str, &str, &str, &str), limit: Duration) -> Result<Vec<Value>, Failure> {
        let (group, version, kind, plural) = kind;
        let doing = format!("list {plural} in namespace '{}'", self.namespace);
        let api = self.api(group, version, kind, plural);
        let objects = bounded(
            api.list(&ListParams::default().labels(label::POD_HASH)),
            &doing,
            limit,
        )
        .await?;
        Ok(objects
            .items
            .iter()
            .filter_map(|object| serde_json::to_value(object).ok())
            .collect())
    }
}

fn part<T>(listed: Result<Vec<T>, Failure>, missing: &mut Vec<Failure>) -> Vec<T> {
    listed.unwrap_or_else(|failure| {
        missing.push(failure);
        Vec::new()
    })
}

/// Decodes a Rollout; the failure names the field that cannot be read.
pub fn read_rollout(object: &DynamicObject, doing: &str) -> Result<Rollout, Failure> {
    let decoded = serde_json::to_value(object).and_then(serde_json::from_value);
    decoded.map_err(|e| {
        Failure::new(
            Exit::Failed,
            doing,
            format!("the stored object cannot be understood: {e}"),
        )
    })
}

/// One request, waiting at most `limit` for its answer.
pub async fn bounded<T>(
    request: impl Future<Output = kube::Result<T>>,
    doing: &str,
    limit: Duration,
) -> Result<T, Failure> {
    match timeout(limit, request).await {
        Ok(answer) => answer.map_err(|e| Failure::of_kube(e, doing)),
        Err(_) => Err(Failure::no_answer(doing, limit)),
    }
}
