//! A world out of options: the manifests and the story that is told about them.

use super::Choice;
use crate::base::json::merge_apply;
use crate::simulate::story::Story;
use serde_json::{Map, Value, json};

/// Pods that the Rollout wants.
const REPLICAS: u64 = 5;

/// What is told of the beginning: the scenes of all options, one after the other.
struct Told<'a> {
    with: &'a [&'a Choice],
    workload: bool,
    rollout: Value,
    /// Where the first own step of each option is.
    places: Vec<Option<usize>>,
    middle: Value,
    scenes: Vec<Value>,
}

/// The Rollout of a world, and where the steps of its options begin.
struct Manifest {
    rollout: Value,
    places: Vec<Option<usize>>,
    middle: usize,
}

/// The objects of a world: what its ground and its options need, and the Rollout, which comes last.
pub fn objects(ground: &Choice, with: &[&Choice]) -> Vec<Value> {
    furnished(ground, with, manifest(ground, with).rollout)
}

/// The story of a world, in which all happens that its options say.
///
/// # Errors
/// When the catalogue says something that no story can.
pub fn story(ground: &Choice, with: &[&Choice]) -> Result<Story, String> {
    let manifest = manifest(ground, with);
    let mut told = Told {
        with,
        workload: with.iter().any(|choice| choice.workload),
        places: manifest.places.clone(),
        middle: middle(ground, with, manifest.middle),
        scenes: Vec::new(),
        rollout: manifest.rollout.clone(),
    };
    let ends = told.all();
    let scenes = told.scenes;
    read(ground, with, manifest.rollout, &scenes, &ends)
}

/// The story of a world that is refused with this field in the message.
///
/// # Errors
/// As of [`story`].
pub fn refused(ground: &Choice, with: &[&Choice], field: &str) -> Result<Story, String> {
    let ends = json!({"phase": "Degraded", "message": [field], "within": "2m",
        "conditions": {"InvalidSpec": "True"}});
    read(ground, with, manifest(ground, with).rollout, &[], &ends)
}

fn read(
    ground: &Choice,
    with: &[&Choice],
    rollout: Value,
    scenes: &[Value],
    ends: &Value,
) -> Result<Story, String> {
    let names: Vec<&str> = with.iter().map(|choice| choice.name.as_str()).collect();
    let (mut versions, mut traffic) = (Map::new(), ground.traffic.clone());
    for choice in with {
        traffic.extend(choice.traffic.clone());
        versions.extend(choice.versions.clone());
    }
    let story = json!({"title": format!("{} on {}", names.join(" and "), ground.name),
        "objects": furnished(ground, with, rollout), "traffic": traffic, "versions": versions,
        "timeline": scenes, "ends": ends});
    serde_json::from_value(story).map_err(|error| error.to_string())
}

fn furnished(ground: &Choice, with: &[&Choice], rollout: Value) -> Vec<Value> {
    let mut objects = vec![template("errors", json!(2)), template("watched", Value::Null)];
    let all = || std::iter::once(&ground).chain(with.iter());
    let mut services: Vec<&String> = all().flat_map(|choice| &choice.services).collect();
    services.sort();
    services.dedup();
    objects.extend(services.into_iter().map(|name| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
    }));
    objects.extend(all().flat_map(|choice| choice.objects.clone()));
    if with.iter().any(|choice| choice.workload) {
        objects.push(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"replicas": REPLICAS, "selector": {"matchLabels": {"app": "web"}}, "template": pods("v1")}}));
    }
    objects.push(rollout);
    objects
}

/// The share of errors of a version must not be above 5 %.
fn template(name: &str, count: Value) -> Value {
    let of = |codes: &str| {
        format!(
            "sum(rate(http_requests_total{{rollouts_pod_template_hash=\"{{{{args.hash}}}}\"{codes}}}[30s]))"
        )
    };
    let query = format!("{} / {}", of(",code=~\"5..\""), of(""));
    let mut metric = json!({"name": "error-rate", "interval": "10s", "successCondition": "result[0] <= 0.05",
        "failureLimit": 0, "consecutiveErrorLimit": 8, "provider": {"prometheus": {"query": query}}});
    if !count.is_null() {
        metric["count"] = count;
    }
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate",
        "metadata": {"name": name, "namespace": "default"}, "spec": {"args": [{"name": "hash"}], "metrics": [metric]}})
}

fn pods(tag: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": format!("shop/web:{tag}")}]}})
}

fn manifest(ground: &Choice, with: &[&Choice]) -> Manifest {
    let mut spec = json!({"replicas": REPLICAS, "progressDeadlineSeconds": 120, "revisionHistoryLimit": 3,
        "selector": {"matchLabels": {"app": "web"}}, "template": pods("v1")});
    let mut strategy = ground.strategy.clone();
    if strategy.is_null() {
        strategy = json!({});
    }
    let patch = |target: &mut Value, change: &Value| {
        if !change.is_null() {
            merge_apply(target, change);
        }
    };
    for choice in with {
        patch(&mut spec, &choice.spec);
        patch(&mut strategy, &choice.strategy);
        if ground.kind == "blueGreen" {
            patch(&mut strategy, &choice.blue_green);
        }
    }
    let (steps, places, middle) = steps(with);
    if ground.kind == "canary" && !steps.is_empty() {
        strategy["steps"] = steps.into();
    }
    spec["strategy"] = json!({&ground.kind: strategy});
    let rollout = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "default"}, "spec": spec});
    Manifest {
        rollout,
        places,
        middle,
    }
}

/// The steps of a canary, where those of each option begin, and where the pause in the middle is.
fn steps(with: &[&Choice]) -> (Vec<Value>, Vec<Option<usize>>, usize) {
    if with.iter().any(|choice| choice.bare) {
        return (Vec::new(), vec![None; with.len()], 0);
    }
    let mut steps = vec![json!({"setWeight": 20})];
    let mut places = Vec::new();
    for choice in with {
        places.push((!choice.steps.is_empty()).then_some(steps.len()));
        steps.extend(choice.steps.clone());
    }
    let middle = steps.len();
    steps.extend([json!({"pause": {"duration": "50s"}}), json!({"setWeight": 60})]);
    for choice in with {
        steps.extend(choice.last.clone());
    }
    steps.push(json!({"pause": {"duration": "15s"}}));
    (steps, places, middle)
}

/// What the scene in the middle waits for.
fn middle(ground: &Choice, with: &[&Choice], step: usize) -> Value {
    let other = with.iter().rev().find(|choice| !choice.middle.is_null());
    match other {
        Some(choice) => choice.middle.clone(),
        None if ground.kind == "canary" => json!({"when": {"step": step}, "after": "4s"}),
        None => json!({"when": {"message": "BlueGreenPause"}, "after": "4s"}),
    }
}

impl Told<'_> {
    /// Tells everything; what must be true at the end.
    fn all(&mut self) -> Value {
        let mut ends = json!({"phase": "Healthy", "stable": "v2", "available": REPLICAS, "weight": 0,
            "within": "30m", "refusedMax": 0});
        self.each(|choice| &choice.begin);
        self.scenes.push(json!({"when": "healthy", "after": "5s"}));
        self.each(|choice| &choice.before);
        self.tell(&json!({"do": {"release": "v2"}}));
        self.visits();
        self.scenes.push(self.middle.clone());
        let (decides, others): (Vec<&Choice>, Vec<&Choice>) =
            self.with.iter().partition(|choice| choice.decides);
        for choice in others.iter().filter(|choice| choice.after.is_empty()) {
            choice.during.iter().for_each(|scene| self.tell(scene));
            merge(&mut ends, &choice.ends);
        }
        let mut over = false;
        for choice in decides {
            choice.during.iter().for_each(|scene| self.tell(scene));
            merge(&mut ends, &choice.ends);
            over |= choice.over;
            if choice.repeats {
                self.again();
            }
        }
        if !over {
            self.each(|choice| &choice.finally);
        }
        let promoted = ends["stable"] == "v2" && ends["phase"] == "Healthy";
        for choice in others.iter().filter(|_| promoted) {
            self.comes_after(choice, &mut ends);
        }
        ends
    }

    /// What happens once the new version is promoted.
    fn comes_after(&mut self, choice: &Choice, ends: &mut Value) {
        if choice.after.is_empty() {
            return;
        }
        self.scenes.push(json!({"when": {"stable": "v2"}}));
        self.scenes.push(json!({"when": "healthy"}));
        choice.after.iter().for_each(|scene| self.tell(scene));
        merge(ends, &choice.ends);
        if choice.repeats {
            self.again();
            self.each(|choice| &choice.finally);
        }
    }

    /// The update starts over: its steps are reached again, and its middle where somebody waits for that.
    fn again(&mut self) {
        self.scenes.push(json!({"after": "6s"}));
        self.visits();
        if self.with.iter().any(|choice| !choice.finally.is_empty()) {
            self.scenes.push(self.middle.clone());
        }
    }

    /// What is done at the steps that options brought.
    fn visits(&mut self) {
        let early = self.with.iter().any(|choice| choice.early);
        let places: Vec<(&Choice, usize)> = (self.with.iter().zip(&self.places))
            .filter_map(|(choice, place)| Some((*choice, (*place)?)))
            .collect();
        for (choice, place) in places.into_iter().filter(|_| !early) {
            for scene in &choice.there {
                let mut scene = scene.clone();
                scene["when"] = json!({"step": place});
                self.tell(&scene);
            }
        }
    }

    fn each(&mut self, which: impl Fn(&Choice) -> &Vec<Value>) {
        for choice in self.with {
            which(choice).iter().for_each(|scene| self.tell(scene));
        }
    }

    fn tell(&mut self, scene: &Value) {
        let mut scene = scene.clone();
        if let Some(tag) = scene["do"]["release"].as_str() {
            scene["do"] = release(tag, self.workload);
        }
        if scene["do"]["apply"] == "$rollout" {
            scene["do"]["apply"] = self.rollout.clone();
        }
        self.scenes.push(scene);
    }
}

/// How a pipeline makes a release.
pub fn release(tag: &str, workload: bool) -> Value {
    match workload {
        false => json!({"setImage": tag}),
        true => json!({"patch": {"resource": "deployments.apps", "name": "web",
            "merge": {"spec": {"template": pods(tag)}}}}),
    }
}

fn merge(target: &mut Value, change: &Value) {
    if !change.is_null() {
        merge_apply(target, change);
    }
}
