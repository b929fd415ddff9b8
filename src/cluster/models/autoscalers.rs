//! The horizontal autoscaler: every 15 s, as many replicas as bring the measured value to its target.
//!
//! Real: any kind with a scale subresource, tolerance, bounds, stabilization windows, policies of the behaviour and the
//! default ones, the conditions, and that nothing is scaled that stands at zero. The value is the one that
//! [`super::metrics`] was given, an average over the pods. Absent: several metrics, pods left out because they are not
//! ready, Events.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::pods::status::set_condition;
use super::{Models, Task, reading};
use crate::cluster::catalog::Resource;
use crate::cluster::request::{Call, Query, Verb};
use crate::cluster::store::Key;
use crate::cluster::world::World;
use crate::cluster::write;

const TOLERANCE: f64 = 0.1;
const WINDOW_DOWN_SECONDS: i64 = 300;
/// Without a behaviour it grows to twice the size at most, or to this.
const RISE_LEAST: i64 = 4;

/// What an autoscaler remembers.
#[derive(Debug, Default)]
pub struct Memory {
    /// What it would have wanted, when.
    wishes: Vec<(DateTime<Utc>, i64)>,
    /// By how much it scaled, when.
    steps: Vec<(DateTime<Utc>, i64)>,
    looks: u64,
}

/// A condition: type, whether it holds, reason, message.
type Told = (&'static str, bool, &'static str, String);

/// What came of one look.
struct Outcome {
    current: i64,
    desired: i64,
    conditions: Vec<Told>,
    measured: Option<Value>,
    scaled: bool,
}

impl Models {
    pub(super) fn enqueue_autoscaler(&mut self, key: &Key, after: Option<&Value>, now: DateTime<Utc>) {
        if after.is_some() {
            self.agenda.add(
                Task::Autoscaler(key.clone()),
                now + self.settings.autoscaler_period,
            );
        } else {
            self.autoscalers.remove(key);
        }
    }

    pub(super) fn sync_autoscaler(&mut self, world: &mut World, key: &Key, now: DateTime<Utc>) {
        let Some(scaler) = world.store.get(key).cloned() else {
            return;
        };
        self.agenda.add(
            Task::Autoscaler(key.clone()),
            now + self.settings.autoscaler_period,
        );
        if self.switches.autoscalers_paused || reading::deleting(&scaler) {
            return;
        }
        let mut memory = self.autoscalers.remove(key).unwrap_or_default();
        memory.looks += 1;
        let outcome = self.look(world, key, &scaler, &mut memory, now);
        self.autoscalers.insert(key.clone(), memory);
        self.write_status(world, key, status(&scaler, outcome, now));
    }

    fn look(
        &self,
        world: &mut World,
        key: &Key,
        scaler: &Value,
        memory: &mut Memory,
        now: DateTime<Utc>,
    ) -> Outcome {
        let spec = &scaler["spec"];
        let Some(target) = Target::find(world, &key.namespace, &spec["scaleTargetRef"]) else {
            let why = "the HPA controller was unable to get the target's current scale";
            return Outcome::stays(0, told("AbleToScale", false, "FailedGetScale", why));
        };
        let current = target.replicas;
        let (min, max) = bounds(spec);
        if current == 0 && min != 0 {
            let why = "scaling is disabled since the replica count of the target is zero";
            return Outcome::stays(0, told("ScalingActive", false, "ScalingDisabled", why));
        }
        if memory.wishes.is_empty() {
            memory.wishes.push((now, current));
        }
        let measured = self.settings.metrics.get(&key.namespace, &key.name);
        let mut conditions = Vec::new();
        let desired = if current > max {
            max
        } else if current < min {
            min
        } else {
            let Some(value) = measured else {
                let why = "the HPA was unable to compute the replica count: no metrics returned";
                return Outcome::stays(
                    current,
                    told("ScalingActive", false, "FailedGetResourceMetric", why),
                );
            };
            let why = "the HPA was able to successfully calculate a replica count";
            conditions.push(told("ScalingActive", true, "ValidMetricFound", why));
            memory.decide(
                spec,
                current,
                wish(current, value, aim(spec)),
                now,
                &mut conditions,
            )
        };
        let desired = self.flapped(memory, desired, min, max);
        if self.switches.autoscalers_flap_by != 0 {
            // Or it would hold on to the highest of its own leaps.
            memory.wishes.clear();
        }
        let scaled = desired != current && target.scale_to(world, desired);
        if scaled {
            memory.steps.push((now, desired - current));
        }
        conditions.push(able(current, desired, scaled));
        Outcome {
            current,
            desired,
            conditions,
            measured: measured.and_then(|value| shown(spec, value)),
            scaled,
        }
    }

    /// What the switch makes of a wish: more at one look, less at the next.
    fn flapped(&self, memory: &Memory, desired: i64, min: i64, max: i64) -> i64 {
        match self.switches.autoscalers_flap_by {
            0 => desired,
            by if memory.looks % 2 == 1 => (desired + by).clamp(min, max.max(min)),
            by => (desired - by).clamp(min, max.max(min)),
        }
    }
}

impl Outcome {
    fn stays(current: i64, why: Told) -> Self {
        Self {
            current,
            desired: current,
            conditions: vec![why],
            measured: None,
            scaled: false,
        }
    }
}

fn told(kind: &'static str, holds: bool, reason: &'static str, message: impl Into<String>) -> Told {
    (kind, holds, reason, message.into())
}

fn able(current: i64, desired: i64, scaled: bool) -> Told {
    if desired == current {
        let why = "recommended size matches current size";
        return told("AbleToScale", true, "ReadyForNewScale", why);
    }
    if scaled {
        let why = format!("the HPA controller was able to update the target scale to {desired}");
        return told("AbleToScale", true, "SucceededRescale", why);
    }
    let why = "the HPA controller was unable to update the target scale";
    told("AbleToScale", false, "FailedUpdateScale", why)
}

/// The least and the most replicas.
fn bounds(spec: &Value) -> (i64, i64) {
    let least = spec["minReplicas"].as_i64().unwrap_or(1);
    (least, spec["maxReplicas"].as_i64().unwrap_or(1))
}

/// The object that is scaled, as its scale subresource shows it.
struct Target {
    resource: Arc<Resource>,
    namespace: String,
    name: String,
    scale: Value,
    replicas: i64,
}

impl Target {
    fn find(world: &World, namespace: &str, reference: &Value) -> Option<Self> {
        let text = |field: &str| reference[field].as_str();
        let resource = Arc::clone(world.catalog.by_kind(text("apiVersion")?, text("kind")?)?);
        resource.scale.as_ref()?;
        let name = text("name")?.to_owned();
        let object = world.get(&resource, namespace, &name).ok()?;
        let scale = write::scale(&resource, &object).ok()?;
        Some(Self {
            namespace: namespace.to_owned(),
            replicas: scale["spec"]["replicas"].as_i64().unwrap_or(0),
            resource,
            name,
            scale,
        })
    }

    /// Writes the scale as a request would; whether it was accepted.
    fn scale_to(&self, world: &mut World, replicas: i64) -> bool {
        let mut scale = self.scale.clone();
        scale["spec"]["replicas"] = replicas.into();
        let call = Call {
            caller: "horizontal-pod-autoscaler".into(),
            verb: Verb::Update,
            resource: Arc::clone(&self.resource),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            subresource: "scale".to_owned(),
            query: Query::default(),
            content_type: "application/json".to_owned(),
            partial: false,
            body: scale.to_string().into(),
        };
        write::update(world, &call).is_ok()
    }
}

/// The kind of the first metric, and its target.
fn metric(spec: &Value) -> (&str, &Value) {
    let first = reading::list(&spec["metrics"]).first().unwrap_or(&Value::Null);
    for kind in ["resource", "containerResource", "pods", "object", "external"] {
        if first[kind].is_object() {
            return (kind, &first[kind]["target"]);
        }
    }
    ("", &Value::Null)
}

/// The value to keep; 80 % of the requested processor time unless told otherwise.
fn aim(spec: &Value) -> f64 {
    let target = metric(spec).1;
    let given = ["averageUtilization", "averageValue", "value"]
        .into_iter()
        .find_map(|field| quantity(&target[field]));
    given.filter(|&aim| aim > 0.0).unwrap_or(80.0)
}

/// A quantity with the suffixes that metrics use.
fn quantity(value: &Value) -> Option<f64> {
    if let Some(number) = value.as_f64() {
        return Some(number);
    }
    let text = value.as_str()?;
    let (digits, factor) = match text.char_indices().next_back()? {
        (at, 'm') => (&text[..at], 0.001),
        (at, 'k') => (&text[..at], 1_000.0),
        (at, 'M') => (&text[..at], 1_000_000.0),
        (at, 'G') => (&text[..at], 1_000_000_000.0),
        _ => (text, 1.0),
    };
    Some(digits.parse::<f64>().ok()? * factor)
}

fn wish(current: i64, value: f64, aim: f64) -> i64 {
    let ratio = value / aim;
    if (ratio - 1.0).abs() <= TOLERANCE {
        return current;
    }
    // Rounded first: 3 × 1.1 is a little more than 3.3.
    let wanted = (current as f64 * ratio * 1e9).round() / 1e9;
    wanted.ceil() as i64
}

impl Memory {
    /// What becomes of a raw wish: first it is held back as long as the window says, then kept to the policies and bounds.
    fn decide(
        &mut self,
        spec: &Value,
        current: i64,
        raw: i64,
        now: DateTime<Utc>,
        conditions: &mut Vec<Told>,
    ) -> i64 {
        let (up, down) = (&spec["behavior"]["scaleUp"], &spec["behavior"]["scaleDown"]);
        let window = |rules: &Value, default| {
            TimeDelta::seconds(rules["stabilizationWindowSeconds"].as_i64().unwrap_or(default))
        };
        let (up_window, down_window) = (window(up, 0), window(down, WINDOW_DOWN_SECONDS));
        let longest = up_window.max(down_window);
        self.wishes.retain(|(at, _)| *at + longest > now);
        let within = |span: TimeDelta| {
            self.wishes
                .iter()
                .filter(move |(at, _)| *at + span > now)
                .map(|(_, wish)| *wish)
        };
        let lowest = within(up_window).chain([raw]).min().unwrap_or(raw);
        let highest = within(down_window).chain([raw]).max().unwrap_or(raw);
        self.wishes.push((now, raw));
        let stable = match spec["behavior"].is_object() {
            // Without a behaviour the highest wish of the window counts, even one that was held back.
            false => highest,
            true if current < lowest => lowest,
            true => current.min(highest),
        };
        let (desired, reason, text) = self.bounded(spec, current, stable, now);
        conditions.push(("ScalingLimited", desired != stable, reason, text.to_owned()));
        desired
    }

    /// As much of a wish as the bounds and the policies allow now, with the reason.
    fn bounded(
        &self,
        spec: &Value,
        current: i64,
        wish: i64,
        now: DateTime<Utc>,
    ) -> (i64, &'static str, &'static str) {
        const WITHIN: &str = "the desired count is within the acceptable range";
        const RISES: &str = "the desired replica count is increasing faster than the maximum scale rate";
        const FALLS: &str = "the desired replica count is decreasing faster than the maximum scale rate";
        const MORE: &str = "the desired replica count is more than the maximum replica count";
        const LESS: &str = "the desired replica count is less than the minimum replica count";
        let (min, max) = bounds(spec);
        let rules = &spec["behavior"];
        let (rise, fall) = match rules.is_object() {
            true => (
                self.limit(&rules["scaleUp"], current, true, now).max(current),
                self.limit(&rules["scaleDown"], current, false, now).min(current),
            ),
            false => ((2 * current).max(RISE_LEAST), min),
        };
        let (most, least) = (max.min(rise), min.max(fall));
        match () {
            () if wish > current && wish > most && max > rise => (most, "ScaleUpLimit", RISES),
            () if wish > current && wish > most => (most, "TooManyReplicas", MORE),
            () if wish < current && wish < least && min < fall => (least, "ScaleDownLimit", FALLS),
            () if wish < current && wish < least => (least, "TooFewReplicas", LESS),
            () => (wish, "DesiredWithinRange", WITHIN),
        }
    }

    /// How far the policies let it go now.
    fn limit(&self, rules: &Value, current: i64, up: bool, now: DateTime<Utc>) -> i64 {
        let sign = if up { 1 } else { -1 };
        if rules["selectPolicy"] == "Disabled" {
            return current;
        }
        let fallback = if up {
            json!([{"type": "Percent", "value": 100, "periodSeconds": 15}, {"type": "Pods", "value": 4, "periodSeconds": 15}])
        } else {
            json!([{"type": "Percent", "value": 100, "periodSeconds": 15}])
        };
        let given = rules["policies"].as_array().filter(|list| !list.is_empty());
        let policies = given.map_or_else(|| reading::list(&fallback), Vec::as_slice);
        let bounds = policies.iter().map(|policy| {
            let period = TimeDelta::seconds(policy["periodSeconds"].as_i64().unwrap_or(15));
            // Both what was added and what was taken away within the period is undone.
            let recent = self.steps.iter().filter(|(at, _)| *at + period > now);
            let start = current - recent.map(|(_, by)| by).sum::<i64>();
            let value = policy["value"].as_i64().unwrap_or(0);
            if policy["type"] == "Pods" {
                return start + sign * value;
            }
            let share = value as f64 / 100.0;
            // Growth is rounded up, or it might never begin; the rest is cut off.
            if up {
                (start as f64 * (1.0 + share)).ceil() as i64
            } else {
                (start as f64 * (1.0 - share)) as i64
            }
        });
        let widest = (rules["selectPolicy"] == "Min") != up;
        let bound = if widest { bounds.max() } else { bounds.min() };
        bound.unwrap_or(current)
    }
}

/// The metric as the status shows it.
fn shown(spec: &Value, value: f64) -> Option<Value> {
    let (kind, target) = metric(spec);
    let first = reading::list(&spec["metrics"]).first()?;
    if kind != "resource" {
        return None;
    }
    let mut current = json!({"averageValue": format!("{}", value.round())});
    if target["averageUtilization"].is_i64() {
        current["averageUtilization"] = (value.round() as i64).into();
    }
    Some(json!({"type": first["type"], "resource": {"name": first["resource"]["name"], "current": current}}))
}

fn status(scaler: &Value, outcome: Outcome, now: DateTime<Utc>) -> Value {
    let old = &scaler["status"];
    let mut status = json!({"currentReplicas": outcome.current, "desiredReplicas": outcome.desired});
    if outcome.scaled {
        status["lastScaleTime"] = reading::stamp(now);
    } else if old["lastScaleTime"].is_string() {
        status["lastScaleTime"] = old["lastScaleTime"].clone();
    }
    if let Some(measured) = outcome.measured {
        status["currentMetrics"] = json!([measured]);
    }
    if old["conditions"].is_array() {
        status["conditions"] = old["conditions"].clone();
    }
    let known: BTreeMap<&str, &Value> = reading::list(&old["conditions"])
        .iter()
        .filter_map(|one| Some((one["type"].as_str()?, one)))
        .collect();
    for (kind, holds, reason, message) in outcome.conditions {
        let holds = if holds { "True" } else { "False" };
        let same = known.get(kind).filter(|one| one["status"] == holds);
        let since = same.map_or_else(|| reading::stamp(now), |one| one["lastTransitionTime"].clone());
        let condition = json!({"type": kind, "status": holds, "reason": reason, "message": message, "lastTransitionTime": since});
        set_condition(&mut status, &condition);
    }
    status
}
