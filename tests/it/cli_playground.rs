//! `serin playground` as a process: an API endpoint over TCP with a kubeconfig, until it is told to end.

use futures::StreamExt;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind, WatchEvent};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    child: Child,
    kubeconfig: PathBuf,
    address: String,
}

impl Running {
    fn start(name: &str, args: &[&str]) -> Self {
        let kubeconfig = std::env::temp_dir().join(format!("serin-{}-{name}.kubeconfig", std::process::id()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_serin"));
        command
            .arg("playground")
            .args(args)
            .arg("--kubeconfig")
            .arg(&kubeconfig);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first
            .split("http://")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap()
            .to_owned();
        let last = lines
            .map(Result::unwrap)
            .find(|line| line.starts_with("export KUBECONFIG="))
            .unwrap();
        assert_eq!(last, format!("export KUBECONFIG={}", kubeconfig.display()));
        Self {
            child,
            kubeconfig,
            address,
        }
    }

    async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap();
        Client::try_from(config).unwrap()
    }

    /// Asks one of its own pages.
    async fn get(&self, path: &str, accept: &str) -> String {
        let client = reqwest::Client::new();
        let request = client
            .get(format!("http://{}{path}", self.address))
            .header("accept", accept);
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Sends what `kubectl create namespace shop` does.
    async fn create_in_protobuf(&self) -> Value {
        const SHOP: &[u8] =
            b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x1c\x0a\x14\x0a\x04shop\x12\0\x1a\0\"\0*\x002\x008\0B\0\x12\0\x1a\x02\x0a\0\x1a\0\"\0";
        let kind = "application/vnd.kubernetes.protobuf";
        let client = reqwest::Client::new();
        let request = client
            .post(format!("http://{}/api/v1/namespaces", self.address))
            .header("accept", format!("{kind},application/json"))
            .header("content-type", kind)
            .body(SHOP);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json");
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    fn interrupt(&mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rollouts(client: Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Rollout");
    Api::default_namespaced_with(client, &ApiResource::from_gvk(&kind))
}

/// Watches the Rollout until it is so.
async fn until(api: &Api<DynamicObject>, what: &str, done: impl Fn(&Value) -> bool) {
    let watch = async {
        loop {
            let mut events = api.watch(&WatchParams::default(), "0").await.unwrap().boxed();
            while let Some(Ok(event)) = events.next().await {
                let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else {
                    continue;
                };
                if done(&serde_json::to_value(&object).unwrap()) {
                    return;
                }
            }
        }
    };
    assert!(
        timeout(PATIENCE, watch).await.is_ok(),
        "{what}: not within {PATIENCE:?}"
    );
}

#[tokio::test]
async fn a_release_is_made_over_tcp_and_all_is_gone_after_ctrl_c() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut running = Running::start("release", &["--speed", "100"]);
    let api = rollouts(running.client().await);
    until(&api, "the first version is healthy", |one| {
        one["status"]["phase"] == "Healthy"
    })
    .await;
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 1);
    let image = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "example.org/shop:2-errors"}]);
    let image: json_patch::Patch = serde_json::from_value(image).unwrap();
    api.patch("shop", &PatchParams::default(), &Patch::<()>::Json(image))
        .await
        .unwrap();
    // Six minutes of traffic are wanted before; the pace is 100 times real time.
    until(&api, "the bad release is taken back", |one| {
        let message = one["status"]["message"].as_str().unwrap_or_default();
        one["status"]["phase"] == "Degraded" && message.contains("error-rate")
    })
    .await;
    let kubeconfig = running.kubeconfig.clone();
    assert_eq!(running.interrupt(), 0);
    assert!(!kubeconfig.exists());
}

#[tokio::test]
async fn tables_paces_and_prometheus_are_for_people() {
    let mut running = Running::start("pages", &["--empty"]);
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let spaces: Value = serde_json::from_str(&running.get("/api/v1/namespaces", table).await).unwrap();
    assert_eq!(spaces["kind"], "Table");
    assert_eq!(spaces["rows"][0]["cells"][0], "default");
    assert_eq!(spaces["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let none: Value =
        serde_json::from_str(&running.get("/apis/argoproj.io/v1alpha1/rollouts", table).await).unwrap();
    assert_eq!(none["columnDefinitions"][1]["name"], "Desired");
    let missing: Value = serde_json::from_str(&running.get("/api/v1/namespaces/none", table).await).unwrap();
    assert_eq!(missing["reason"], "NotFound");
    let protobuf = "application/vnd.kubernetes.protobuf";
    let either = running
        .get("/api/v1/namespaces", &format!("{protobuf},application/json"))
        .await;
    assert!(either.contains("\"NamespaceList\""), "{either}");
    let refused = running.get("/api/v1/namespaces", protobuf).await;
    assert!(refused.contains("\"code\":406"), "{refused}");
    assert_eq!(running.create_in_protobuf().await["metadata"]["name"], "shop");
    assert_eq!(running.get("/playground/speed/20", "*/*").await, "done\n");
    assert_eq!(running.get("/playground/skip/5m", "*/*").await, "done\n");
    assert!(
        running
            .get("/playground/fast", "*/*")
            .await
            .contains("/playground/speed/20")
    );
    let sum: Value =
        serde_json::from_str(&running.get("/prometheus/api/v1/query?query=1%2B1", "*/*").await).unwrap();
    assert_eq!(sum["data"]["result"][1], "2", "{sum}");
    assert_eq!(running.interrupt(), 0);
}

#[test]
fn a_kubeconfig_that_exists_is_not_overwritten() {
    let path = std::env::temp_dir().join(format!("serin-{}-mine.kubeconfig", std::process::id()));
    std::fs::write(&path, "mine").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_serin"));
    command.args(["playground", "--empty", "--kubeconfig"]).arg(&path);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("one that exists is not overwritten"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    std::fs::remove_file(&path).unwrap();
}
