// flat table
//! What Argo's schema accepts but this version of Serin does not carry out: nothing is ever silently skipped.
//!
//! One row per feature; a row goes when its feature comes.

use crate::api::check::problem::Problem;
use crate::api::rollout::Rollout;
use crate::api::strategy::{BlueGreenStrategy, CanaryStep, CanaryStrategy};
use crate::api::traffic::TrafficRouting;
use crate::base::names;

struct Row {
    /// The paths at which a Rollout uses the feature.
    uses: fn(&Rollout) -> Vec<String>,
    /// What it is, in a few words.
    feature: &'static str,
    /// What to do until it comes.
    instead: &'static str,
}

const ELSEWHERE: &str = "leave this Rollout to Argo Rollouts until it does";
const GATEWAY: &str = "route through the Gateway API (trafficRouting.gatewayAPI), or remove the router";

const ROWS: &[Row] = &[
    Row {
        uses: |rollout| {
            blue_green(rollout, "antiAffinity", |strategy| {
                strategy.anti_affinity.is_some()
            })
        },
        feature: "injected anti-affinity",
        instead: "write the affinity into spec.template",
    },
    Row {
        uses: |rollout| {
            blue_green(rollout, "previewMetadata", |strategy| {
                strategy.preview_metadata.is_some()
            })
        },
        feature: "metadata that comes and goes with a role",
        instead: "write the labels and annotations into spec.template, and tell versions apart by their \
                  rollouts-pod-template-hash label",
    },
    Row {
        uses: |rollout| {
            blue_green(rollout, "activeMetadata", |strategy| {
                strategy.active_metadata.is_some()
            })
        },
        feature: "metadata that comes and goes with a role",
        instead: "write the labels and annotations into spec.template, and tell versions apart by their \
                  rollouts-pod-template-hash label",
    },
    Row {
        uses: |rollout| one(rollout.spec.workload_ref.is_some(), "spec.workloadRef"),
        feature: "references to workloads",
        instead: "copy the pod template into spec.template",
    },
    Row {
        uses: |rollout| one(rollout.spec.restart_at.is_some(), "spec.restartAt"),
        feature: "restarts",
        instead: "change an annotation in spec.template to replace the pods, and remove restartAt",
    },
    Row {
        uses: |rollout| canary(rollout, "antiAffinity", |canary| canary.anti_affinity.is_some()),
        feature: "injected anti-affinity",
        instead: "write the affinity into spec.template",
    },
    Row {
        uses: |rollout| {
            canary(rollout, "canaryMetadata", |canary| {
                canary.canary_metadata.is_some()
            })
        },
        feature: "metadata that comes and goes with a role",
        instead: "write the labels and annotations into spec.template, and tell versions apart by their \
                  rollouts-pod-template-hash label",
    },
    Row {
        uses: |rollout| {
            canary(rollout, "stableMetadata", |canary| {
                canary.stable_metadata.is_some()
            })
        },
        feature: "metadata that comes and goes with a role",
        instead: "write the labels and annotations into spec.template, and tell versions apart by their \
                  rollouts-pod-template-hash label",
    },
    Row {
        uses: |rollout| {
            canary(rollout, "dynamicStableScale", |canary| {
                canary.dynamic_stable_scale
            })
        },
        feature: "shrinking stable while the canary grows",
        instead: "remove the field: stable keeps its full size during the update",
    },
    Row {
        uses: |rollout| steps(rollout, "experiment", |step| step.experiment.is_some()),
        feature: "experiments",
        instead: "use an analysis step, which can compare canary and stable by pod-template hash",
    },
    Row {
        uses: |rollout| by_gateway(rollout, "setHeaderRoute", |step| step.set_header_route.is_some()),
        feature: "routing by header through the Gateway API",
        instead: "remove the step",
    },
    Row {
        uses: |rollout| by_gateway(rollout, "setMirrorRoute", |step| step.set_mirror_route.is_some()),
        feature: "mirrored traffic through the Gateway API",
        instead: "remove the step",
    },
    Row {
        uses: |rollout| steps(rollout, "plugin", |step| step.plugin.is_some()),
        feature: "step plugins",
        instead: ELSEWHERE,
    },
    Row {
        uses: |rollout| router(rollout, "smi", |routing| routing.smi.is_some()),
        feature: "SMI as a router",
        instead: GATEWAY,
    },
    Row {
        uses: |rollout| router(rollout, "ambassador", |routing| routing.ambassador.is_some()),
        feature: "Ambassador as a router",
        instead: GATEWAY,
    },
    Row {
        uses: |rollout| router(rollout, "appMesh", |routing| routing.app_mesh.is_some()),
        feature: "App Mesh as a router",
        instead: GATEWAY,
    },
    Row {
        uses: |rollout| router(rollout, "traefik", |routing| routing.traefik.is_some()),
        feature: "Traefik as a router",
        instead: GATEWAY,
    },
    Row {
        uses: |rollout| router(rollout, "apisix", |routing| routing.apisix.is_some()),
        feature: "APISIX as a router",
        instead: GATEWAY,
    },
    Row {
        uses: foreign_plugins,
        feature: "this traffic router plugin",
        instead: GATEWAY,
    },
];

/// Every field of the Rollout that this version of Serin would otherwise have to skip.
pub fn unsupported(rollout: &Rollout) -> Vec<Problem> {
    let problems = ROWS.iter().flat_map(|row| {
        let message = format!(
            "this version of Serin does not carry out {} yet: {}",
            row.feature, row.instead
        );
        (row.uses)(rollout)
            .into_iter()
            .map(move |field| Problem::new(field, message.clone()))
    });
    problems.collect()
}

fn one(used: bool, field: &str) -> Vec<String> {
    used.then(|| field.to_owned()).into_iter().collect()
}

fn blue_green(rollout: &Rollout, field: &str, used: fn(&BlueGreenStrategy) -> bool) -> Vec<String> {
    let used = rollout.spec.strategy.blue_green.as_ref().is_some_and(used);
    one(used, &format!("spec.strategy.blueGreen.{field}"))
}

fn canary(rollout: &Rollout, field: &str, used: fn(&CanaryStrategy) -> bool) -> Vec<String> {
    let used = rollout.spec.strategy.canary.as_ref().is_some_and(used);
    one(used, &format!("spec.strategy.canary.{field}"))
}

fn steps(rollout: &Rollout, kind: &str, used: fn(&CanaryStep) -> bool) -> Vec<String> {
    let steps = rollout
        .spec
        .strategy
        .canary
        .iter()
        .flat_map(|canary| &canary.steps)
        .enumerate();
    let users = steps.filter(|(_, step)| used(step));
    users
        .map(|(index, _)| format!("spec.strategy.canary.steps[{index}].{kind}"))
        .collect()
}

/// Steps of a Rollout that the Gateway API routes.
fn by_gateway(rollout: &Rollout, kind: &str, used: fn(&CanaryStep) -> bool) -> Vec<String> {
    let gateway = |routing: &TrafficRouting| {
        routing.gateway_api.is_some() || routing.plugins.contains_key(names::GATEWAY_API_PLUGIN)
    };
    match routing(rollout).is_some_and(gateway) {
        true => steps(rollout, kind, used),
        false => Vec::new(),
    }
}

fn routing(rollout: &Rollout) -> Option<&TrafficRouting> {
    rollout.spec.strategy.canary.as_ref()?.traffic_routing.as_ref()
}

fn router(rollout: &Rollout, name: &str, used: fn(&TrafficRouting) -> bool) -> Vec<String> {
    let used = routing(rollout).is_some_and(used);
    one(used, &format!("spec.strategy.canary.trafficRouting.{name}"))
}

fn foreign_plugins(rollout: &Rollout) -> Vec<String> {
    let plugins = routing(rollout)
        .into_iter()
        .flat_map(|routing| routing.plugins.keys());
    let foreign = plugins.filter(|name| *name != names::GATEWAY_API_PLUGIN);
    foreign
        .map(|name| format!("spec.strategy.canary.trafficRouting.plugins[{name}]"))
        .collect()
}
