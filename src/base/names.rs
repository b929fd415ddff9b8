//! Labels, annotations, condition types and reasons: every string that is part of the wire format.
// flat table

pub const GROUP: &str = "argoproj.io";
pub const VERSION: &str = "v1alpha1";
pub const API_VERSION: &str = "argoproj.io/v1alpha1";

/// Our field manager and the component in Events: Argo's component name, so that dashboards filtering on it keep working.
pub const FIELD_MANAGER: &str = "serin";
pub const EVENT_COMPONENT: &str = "rollouts-controller";

pub mod label {
    pub const POD_HASH: &str = "rollouts-pod-template-hash";
    pub const INSTANCE_ID: &str = "argo-rollouts.argoproj.io/controller-instance-id";
    pub const ROLLOUT_TYPE: &str = "rollout-type";
    pub const STEP_INDEX: &str = "step-index";
    /// The AnalysisRun of a Job and of its pods.
    pub const RUN_UID: &str = "analysisrun.argoproj.io/uid";
}

pub mod annotation {
    pub const REVISION: &str = "rollout.argoproj.io/revision";
    pub const REVISION_HISTORY: &str = "rollout.argoproj.io/revision-history";
    pub const DESIRED_REPLICAS: &str = "rollout.argoproj.io/desired-replicas";
    pub const WORKLOAD_GENERATION: &str = "rollout.argoproj.io/workload-generation";
    pub const EPHEMERAL_METADATA: &str = "rollout.argoproj.io/ephemeral-metadata";
    pub const SCALE_DOWN_DEADLINE: &str = "scale-down-deadline";
    pub const MANAGED_BY: &str = "argo-rollouts.argoproj.io/managed-by-rollouts";
    pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    pub const NOTIFIED: &str = "notified.notifications.argoproj.io";
    /// On a Job: the AnalysisRun and the metric that it measures.
    pub const RUN_NAME: &str = "analysisrun.argoproj.io/name";
    pub const RUN_NAMESPACE: &str = "analysisrun.argoproj.io/namespace";
    pub const RUN_METRIC: &str = "analysisrun.argoproj.io/metric-name";
    /// What the annotations that subscribe to Argo Rollouts' notifications begin with.
    pub const NOTIFICATIONS: &str = "notifications.argoproj.io/";
    /// Slack channel (id or name) for this Rollout's thread; ours.
    pub const SLACK_CHANNEL: &str = "serin.dev/slack-channel";
}

pub mod condition {
    pub const INVALID_SPEC: &str = "InvalidSpec";
    pub const AVAILABLE: &str = "Available";
    pub const PROGRESSING: &str = "Progressing";
    pub const REPLICA_FAILURE: &str = "ReplicaFailure";
    pub const PAUSED: &str = "Paused";
    pub const COMPLETED: &str = "Completed";
    pub const HEALTHY: &str = "Healthy";
    /// Ours: see the reasons of the same names.
    pub const ROUTE_REFUSED: &str = "RouteRefused";
    pub const NOTIFICATIONS_IGNORED: &str = "NotificationsIgnored";
}

pub mod reason {
    pub const INVALID_SPEC: &str = "InvalidSpec";
    pub const AVAILABLE: &str = "AvailableReason";
    pub const ROLLOUT_HEALTHY: &str = "RolloutHealthy";
    pub const ROLLOUT_COMPLETED: &str = "RolloutCompleted";
    pub const ROLLOUT_NOT_COMPLETED: &str = "RolloutNotCompleted";
    pub const ROLLOUT_ABORTED: &str = "RolloutAborted";
    pub const ROLLOUT_RETRY: &str = "RolloutRetry";
    pub const ROLLOUT_PAUSED: &str = "RolloutPaused";
    pub const ROLLOUT_RESUMED: &str = "RolloutResumed";
    pub const ROLLOUT_UPDATED: &str = "RolloutUpdated";
    pub const NEW_REPLICA_SET: &str = "NewReplicaSetCreated";
    pub const NEW_REPLICA_SET_AVAILABLE: &str = "NewReplicaSetAvailable";
    pub const REPLICA_SET_CREATE_ERROR: &str = "ReplicaSetCreateError";
    pub const REPLICA_SET_UPDATED: &str = "ReplicaSetUpdated";
    pub const REPLICA_SET_NOT_AVAILABLE: &str = "ReplicaSetNotAvailable";
    pub const PROGRESS_DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
    pub const SCALING_REPLICA_SET: &str = "ScalingReplicaSet";
    pub const STEP_COMPLETED: &str = "RolloutStepCompleted";
    pub const SKIP_STEPS: &str = "SkipSteps";
    pub const SWITCH_SERVICE: &str = "SwitchService";
    /// Ours: a metric whose limits forgive every measurement.
    pub const LIMITS_FORGIVE_ALL: &str = "LimitsForgiveAll";
    pub const EXPERIMENT_ERROR: &str = "ExperimentError";
    /// Ours: no Gateway serves the route that carries the weights.
    pub const ROUTE_REFUSED: &str = "RouteRefused";
    /// Ours: annotations of Argo Rollouts' notifications, which nobody reads here.
    pub const NOTIFICATIONS_IGNORED: &str = "NotificationsIgnored";
    /// Ours: a disruption budget does not let a restart go on.
    pub const RESTART_HELD: &str = "RestartHeld";
    pub const WEIGHT_UPDATED: &str = "TrafficWeightUpdated";
}

pub mod pause {
    pub const CANARY_STEP: &str = "CanaryPauseStep";
    pub const INCONCLUSIVE_ANALYSIS: &str = "InconclusiveAnalysisRun";
    pub const BLUE_GREEN: &str = "BlueGreenPause";
}

pub mod phase {
    pub const HEALTHY: &str = "Healthy";
    pub const DEGRADED: &str = "Degraded";
    pub const PROGRESSING: &str = "Progressing";
    pub const PAUSED: &str = "Paused";
}

/// The plugin name under which Argo's users configure the Gateway API; Serin carries it out natively.
pub const GATEWAY_API_PLUGIN: &str = "argoproj-labs/gatewayAPI";
