//! One test's application: a namespace, a record of everything that happens in it, and the commands of a person
//! who releases. The controller is the one that all tests share, unless a test brings its own.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::record::Record;
use crate::support::serin::{self, Options, Serin, program};
use crate::support::traffic::{Load, Target};
use crate::support::wait::eventually;
use crate::support::world::{Space, World, world};

/// The deadline of what takes a few seconds on an idle machine; test machines are shared.
pub const SOON: Duration = Duration::from_secs(60);

/// See the module's description.
pub struct Case {
    pub world: &'static World,
    pub space: Space,
    pub record: Record,
    /// How the controller in charge was started, as far as that matters here.
    pub options: Options,
    serin: Controller,
}

enum Controller {
    Shared(&'static Serin),
    Own(Box<Serin>),
}

impl From<Serin> for Controller {
    fn from(serin: Serin) -> Self {
        Self::Own(Box::new(serin))
    }
}

/// What a command of `serin` said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    /// Shown when an assertion fails.
    pub err: String,
}

/// Starts something once, on a thread of its own: it outlives the runtime of the test that happens to be first.
async fn once<T: Send + Sync + 'static, F: Future<Output = anyhow::Result<T>>>(
    cell: &'static OnceLock<T>,
    start: impl FnOnce() -> F + Send + 'static,
) -> &'static T {
    let block = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let started = runtime
            .map_err(Into::into)
            .and_then(|runtime| runtime.block_on(start()));
        started.unwrap_or_else(|error| panic!("{error:#}"))
    };
    let get = move || cell.get_or_init(block);
    tokio::task::spawn_blocking(get)
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// The shared world with Serin's roles in it.
async fn installed() -> &'static World {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let world = world().await;
    once(&INSTALLED, move || serin::install(&world.plane)).await;
    world
}

/// The controller that tests share.
async fn shared(world: &'static World) -> &'static Serin {
    static SHARED: OnceLock<Serin> = OnceLock::new();
    let options = Options {
        prometheus: Some(world.prometheus.url()),
        ..Options::default()
    };
    once(&SHARED, move || async move {
        Serin::start(&world.plane, &options).await
    })
    .await
}

impl Case {
    /// A namespace that the shared controller looks after.
    pub async fn new(name: &str) -> Self {
        let world = installed().await;
        let serin = Controller::Shared(shared(world).await);
        Self::with(world.space(name).await, world, Options::default(), serin)
    }

    /// A namespace with a controller of its own, told apart by an instance id; `options` without one get one.
    pub async fn own(name: &str, mut options: Options) -> Self {
        let world = installed().await;
        if options.instance_id.is_empty() {
            options.instance_id = format!("own-{name}");
        }
        let serin = Serin::start(&world.plane, &options).await.unwrap();
        Self::with(world.space(name).await, world, options, serin.into())
    }

    /// A namespace with a controller of its own that may see nothing else, under the roles of `deploy/namespaced`.
    pub async fn alone(name: &str) -> Self {
        let world = installed().await;
        let space = world.space(name).await;
        let options = Options {
            instance_id: format!("alone-{name}"),
            namespaced: Some(space.namespace.clone()),
            prometheus: Some(world.prometheus.url()),
            ..Options::default()
        };
        serin::install_namespaced(&world.plane, &space.namespace)
            .await
            .unwrap();
        let serin = Serin::start(&world.plane, &options).await.unwrap();
        Self::with(space, world, options, serin.into())
    }

    fn with(space: Space, world: &'static World, options: Options, serin: Controller) -> Self {
        Self {
            world,
            record: Record::start(&space.client, &space.namespace),
            space,
            options,
            serin,
        }
    }

    /// The API of a kind here.
    pub fn api(&self, group_version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        Api::namespaced_with(self.space.client.clone(), &self.space.namespace, &resource)
    }

    pub fn rollouts(&self) -> Api<DynamicObject> {
        self.api("argoproj.io/v1alpha1", "Rollout", "rollouts")
    }

    /// Applies objects; those of ours get the label of the controller in charge.
    pub async fn apply(&self, objects: impl IntoIterator<Item = Value>) {
        for mut object in objects {
            let ours = object["apiVersion"] == "argoproj.io/v1alpha1";
            if ours && !self.options.instance_id.is_empty() {
                object["metadata"]["labels"]["argo-rollouts.argoproj.io/controller-instance-id"] =
                    json!(self.options.instance_id);
            }
            self.space.apply(&object.to_string()).await;
        }
    }

    /// A merge patch of the Rollout `web`, as with `kubectl patch`.
    pub async fn patch(&self, patch: Value) {
        let patch = Patch::Merge(patch);
        self.rollouts()
            .patch("web", &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Pushes a new image.
    pub async fn release(&self, tag: &str) {
        let containers = json!([{"name": "web", "image": format!("shop/web:{tag}")}]);
        self.patch(json!({"spec": {"template": {"spec": {"containers": containers}}}}))
            .await;
    }

    /// Lets requests flow through the HTTPRoute `web`, and waits until Prometheus knows the present version by them.
    pub async fn drive_route(&self) -> Load {
        self.drive(Target::Route("web".into())).await
    }

    /// The same through any target.
    pub async fn drive(&self, target: Target) -> Load {
        let (client, namespace) = (&self.space.client, &self.space.namespace);
        let driven = self.world.traffic.drive(client, namespace, target, 1_000.0).await;
        let query = &format!(r#"sum(rate(http_requests_total{{namespace="{namespace}"}}[5s]))"#);
        eventually(SOON, "Prometheus sees the traffic", || async move {
            match self.world.prometheus.value(query).await {
                Ok(Some(rate)) if rate > 500.0 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        driven.unwrap()
    }

    /// Waits until the Rollout `web` looks as `check` wants it; `Err` says what is still missing.
    pub async fn until(&self, what: &str, check: impl FnMut(&Value) -> Result<(), String>) -> Value {
        self.until_within(SOON, what, check).await
    }

    pub async fn until_within(
        &self,
        deadline: Duration,
        what: &str,
        mut check: impl FnMut(&Value) -> Result<(), String>,
    ) -> Value {
        let found = self
            .record
            .until(deadline, |seen| {
                let web = seen.get("Rollout", "web").ok_or("there is no Rollout yet")?;
                check(web).map(|()| web.clone())
            })
            .await;
        found.unwrap_or_else(|missing| panic!("{what}: not within {deadline:?}; {missing}"))
    }

    /// Waits until the version with this tag is promoted and healthy.
    pub async fn until_healthy(&self, tag: &str) -> Value {
        let image = format!("shop/web:{tag}");
        let what = format!("{tag} is stable and healthy");
        let found = self.until(&what, |web| {
            let newest = web["spec"]["template"]["spec"]["containers"][0]["image"] == image.as_str();
            match (newest, promoted(web), phase(web)) {
                (true, true, "Healthy") => Ok(()),
                _ => Err(look(web)),
            }
        });
        found.await
    }

    /// Waits until the Rollout is in `phase` for its newest spec, with `words` in its message.
    pub async fn until_phase(&self, wanted: &str, words: &str) -> Value {
        let what = format!("{wanted} with '{words}'");
        let found = self.until(&what, |web| {
            let message = web["status"]["message"].as_str().unwrap_or_default();
            match current(web) && phase(web) == wanted && message.contains(words) {
                true => Ok(()),
                false => Err(look(web)),
            }
        });
        found.await
    }

    /// Runs a command of the real program as the cluster's administrator, in this namespace.
    pub async fn serin(&self, args: &[&str]) -> Said {
        let kubeconfig = self.world.plane.admin_kubeconfig();
        let output = Command::new(program().unwrap())
            .args(args)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["-n", &self.space.namespace])
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command that must succeed.
    pub async fn serin_ok(&self, args: &[&str]) -> String {
        let said = self.serin(args).await;
        assert_eq!(said.code, 0, "serin {args:?}: {said:?}");
        said.out
    }

    /// Everything that a controller of the test's own has logged.
    pub fn own_log(&self) -> String {
        match &self.serin {
            Controller::Shared(_) => panic!("this controller is shared: its log says more than this test"),
            Controller::Own(serin) => serin.log_about("", usize::MAX),
        }
    }

    /// The controller's log, as far as it names this namespace.
    fn log(&self) -> String {
        match &self.serin {
            Controller::Shared(serin) => serin.log_about(&self.space.namespace, 60),
            Controller::Own(serin) => serin.log_about("", 60),
        }
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut story = format!("--- what happened in {}\n", self.space.namespace);
        story += &self.record.story();
        let _ = writeln!(story, "--- the controller's log\n{}", self.log());
        // Captured with the test's other output.
        eprintln!("{story}");
    }
}

pub fn phase(web: &Value) -> &str {
    web["status"]["phase"].as_str().unwrap_or_default()
}

/// Whether the status speaks of the newest spec.
pub fn current(web: &Value) -> bool {
    let generation = web["metadata"]["generation"]
        .as_i64()
        .unwrap_or_default()
        .to_string();
    web["status"]["observedGeneration"] == generation.as_str()
}

/// Whether the newest version is the stable one.
pub fn promoted(web: &Value) -> bool {
    let status = &web["status"];
    current(web) && status["stableRS"].is_string() && status["stableRS"] == status["currentPodHash"]
}

/// The line of a failure.
pub fn look(web: &Value) -> String {
    let mut status = web["status"].clone();
    for noise in ["conditions", "selector"] {
        if let Some(map) = status.as_object_mut() {
            map.remove(noise);
        }
    }
    format!("generation {}, status {status}", web["metadata"]["generation"])
}
