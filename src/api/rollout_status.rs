//! `Rollout.status`: the controller's only memory, and what clients read. Field comments are the descriptions of the custom
//! resource.

use crate::base::gotime::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the Rollout stands. Written by the controller; `abort`, `promoteFull` and `pauseConditions` also by clients that ask for
/// an abort, a promotion or the end of a pause.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// True while the update is aborted: traffic is back on the stable version until someone retries or changes the template.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub abort: bool,
    /// When it was aborted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aborted_at: Option<Time>,
    /// Why the controller is paused, each with its beginning. A client clears the list to go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pause_conditions: Vec<PauseCondition>,
    /// True once the controller itself paused: together with an empty `pauseConditions` it means that a person resumed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub controller_pause: bool,
    /// Pod-template hash of the newest version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_pod_hash: String,
    /// Hash of the canary steps; when they change, the canary starts again at the first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_step_hash: String,
    /// Pods of all versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Pods of the newest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_replicas: Option<i32>,
    /// Ready pods: of all versions for a canary, behind the active Service for blue-green.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Pods ready for `minReadySeconds`: of all versions for a canary, behind the active Service for blue-green.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_replicas: Option<i32>,
    /// Index, from 0, of the step being carried out; the number of steps once all are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_index: Option<i32>,
    /// Counts collisions of pod-template hashes, to get past them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<i32>,
    /// The `metadata.generation` that this status is about, as a decimal string. An older one means: not seen yet.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub observed_generation: String,
    /// Findings, each true, false or unknown: `InvalidSpec`, `Available`, `Progressing`, `ReplicaFailure`, `Paused`, `Completed`,
    /// `Healthy`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// State of a canary.
    pub canary: CanaryStatus,
    /// State of a blue-green update.
    pub blue_green: BlueGreenStatus,
    /// Pods that an autoscaler should count. The `scale` subresource reads it.
    #[serde(rename = "HPAReplicas", skip_serializing_if = "Option::is_none")]
    pub hpa_replicas: Option<i32>,
    /// The selector as text, for the `scale` subresource.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// Pod-template hash of the stable version: the last that was promoted.
    #[serde(rename = "stableRS", skip_serializing_if = "String::is_empty")]
    pub stable_rs: String,
    /// The `spec.restartAt` whose restart is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<Time>,
    /// True while the update is being promoted at once, past all steps and analyses. Set by clients, cleared by the controller.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub promote_full: bool,
    /// `Healthy`, `Progressing`, `Paused` or `Degraded`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// Why the phase is what it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// With `workloadRef`: the generation of that object that this status is about, as a decimal string.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub workload_observed_generation: String,
    /// The load balancer and target groups of the last Ingress that was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alb: Option<AlbStatus>,
    /// The load balancers and target groups of every Ingress.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub albs: Vec<AlbStatus>,
    /// How long the update took, or takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<RolloutDuration>,
}

/// A reason to be paused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["reason", "startTime"]))]
pub struct PauseCondition {
    /// `CanaryPauseStep`, `BlueGreenPause`, `InconclusiveAnalysisRun` or `InconclusiveExperiment`.
    pub reason: String,
    /// When the pause began.
    pub start_time: Time,
}

/// A finding about the object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["type", "status", "lastUpdateTime", "lastTransitionTime", "reason", "message"]))]
pub struct Condition {
    /// What is found.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// When anything in the condition last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Time>,
    /// When `status` last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// Why, in one word for programs.
    pub reason: String,
    /// Why, in a sentence for people.
    pub message: String,
}

/// State of a canary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStatus {
    /// The AnalysisRun of the current step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_analysis_run_status: Option<RunStatusRef>,
    /// The AnalysisRun beside the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_background_analysis_run_status: Option<RunStatusRef>,
    /// Name of the Experiment of the current step.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_experiment: String,
    /// The weights last given to the traffic router.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<TrafficWeights>,
    /// Which of the two Services of `pingPong` is stable: `ping` or `pong`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stable_ping_pong: String,
    /// What step plugins did so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub step_plugin_statuses: Vec<StepPluginStatus>,
}

/// An AnalysisRun, as far as the Rollout needs it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "status"]))]
pub struct RunStatusRef {
    /// Name of the AnalysisRun.
    pub name: String,
    /// Its phase.
    pub status: String,
    /// Its message.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Who gets how much of the traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["canary", "stable"]))]
pub struct TrafficWeights {
    /// The new version.
    pub canary: WeightDestination,
    /// The stable version.
    pub stable: WeightDestination,
    /// Versions of an experiment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional: Vec<WeightDestination>,
    /// Whether the router was seen to have taken the weights; absent where a router cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

/// A destination of traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["weight"]))]
pub struct WeightDestination {
    /// Its share, in percent (of `maxTrafficWeight` where that is set).
    pub weight: i32,
    /// Its Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_name: String,
    /// Pod-template hash of its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_template_hash: String,
}

/// What a step plugin did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["index", "name"]))]
pub struct StepPluginStatus {
    /// Index of the step, from 0.
    pub index: i32,
    /// Name of the plugin.
    pub name: String,
    /// `Run`, `Terminate` or `Abort`.
    pub operation: String,
    /// `Running`, `Successful`, `Failed` or `Error`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// What the plugin said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the operation began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the plugin was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
    /// When the operation ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// How long to wait before asking again, for example `30s`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backoff: String,
    /// How often the plugin was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executions: Option<i32>,
    /// True if the plugin is switched off in the controller's configuration.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// The plugin's own memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Value>,
}

/// State of a blue-green update.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BlueGreenStatus {
    /// Pod-template hash that the preview Service selects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub preview_selector: String,
    /// Pod-template hash that the active Service selects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub active_selector: String,
    /// True once the preview at `previewReplicaCount` did its work and the new version may grow to full size.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub scale_up_preview_check_point: bool,
    /// The AnalysisRun before the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_promotion_analysis_run_status: Option<RunStatusRef>,
    /// The AnalysisRun after the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_promotion_analysis_run_status: Option<RunStatusRef>,
}

impl BlueGreenStatus {
    /// Whether an analysis before or after the switch is under way.
    pub fn judging(&self) -> bool {
        let runs = [
            &self.pre_promotion_analysis_run_status,
            &self.post_promotion_analysis_run_status,
        ];
        let open = |run: &RunStatusRef| !crate::api::analysis_run::completed(&run.status);
        runs.into_iter().flatten().any(open)
    }
}

/// What was found in AWS for one Ingress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AlbStatus {
    /// The load balancer.
    pub load_balancer: AwsResource,
    /// The target group of the canary.
    pub canary_target_group: AwsResource,
    /// The target group of the stable version.
    pub stable_target_group: AwsResource,
    /// Name of the Ingress.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ingress: String,
}

/// An object in AWS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "arn"]))]
pub struct AwsResource {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its name and id as CloudWatch writes them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub full_name: String,
}

/// How long an update took, or takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutDuration {
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_started_at: Option<Time>,
    /// When the pause for a person that lasts now began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manual_pause_started_at: Option<Time>,
    /// Seconds spent in earlier pauses for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_manual_pause_duration_seconds: Option<i64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// How it ended: `Promoted`, `FastPromoted`, `Aborted`, `Superseded`, `RolledBack` or `FastRolledBack`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub completion_status: String,
}
