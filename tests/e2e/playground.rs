//! The playground under a real kubectl: everything that people do with one, against `serin playground` instead of a cluster.

use crate::support::plane::Plane;
use crate::support::serin::program;
use anyhow::{Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

struct Playground {
    child: Child,
    folder: PathBuf,
}

impl Playground {
    fn start(args: &[&str]) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("serin-e2e-playground-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut command = Command::new(program()?);
        command
            .arg("playground")
            .args(args)
            .arg("--kubeconfig")
            .arg(folder.join("kubeconfig"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let ready = lines
            .map_while(Result::ok)
            .any(|line| line.starts_with("export KUBECONFIG="));
        let playground = Self { child, folder };
        ensure!(ready, "the playground ended before it was ready");
        Ok(playground)
    }

    fn command(&self, line: &str) -> Result<Command> {
        let mut command = Plane::bare_kubectl()?;
        command.arg("--kubeconfig").arg(self.folder.join("kubeconfig"));
        command
            .arg("--cache-dir")
            .arg(self.folder.join("cache"))
            .args(line.split(' '));
        Ok(command)
    }

    /// Runs kubectl; what it printed. An error unless it did well and printed `part`.
    fn kubectl(&self, line: &str, part: &str) -> Result<String> {
        told(line, &self.command(line)?.output()?, part)
    }

    fn apply(&self, manifest: &str, part: &str) -> Result<String> {
        let mut command = self.command("apply -f -")?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child
            .stdin
            .take()
            .expect("it is piped")
            .write_all(manifest.as_bytes())?;
        told("apply", &child.wait_with_output()?, part)
    }
}

fn told(line: &str, output: &Output, part: &str) -> Result<String> {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(output.status.success(), "kubectl {line}: {err}");
    ensure!(
        out.contains(part),
        "kubectl {line}: {part:?} is not in\n{out}\n{err}"
    );
    Ok(out.into_owned())
}

impl Drop for Playground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn kubectl_works_with_the_playground_as_with_a_cluster() {
    let playground = Playground::start(&["--speed", "20"]).unwrap();
    work(&playground).unwrap();
}

fn work(playground: &Playground) -> Result<()> {
    let (kubectl, apply) = (
        |line: &str, part: &str| playground.kubectl(line, part),
        |manifest: &str, part: &str| playground.apply(manifest, part),
    );
    kubectl(
        "wait --for=jsonpath={.status.phase}=Healthy rollout/shop --timeout=60s",
        "condition met",
    )?;
    kubectl("api-resources", "rollouts")?;
    kubectl("get rollouts,replicasets,pods -o wide", "example.org/shop:1")?;
    kubectl("get rollout shop", "UP-TO-DATE")?;
    kubectl("get pods -A -l app=shop --no-headers", "1/1")?;
    kubectl("describe rollout shop", "RolloutCompleted")?;
    kubectl("get events", "RolloutCompleted")?;
    // apply: creates, changes, changes nothing; and takes over what the playground began with.
    let map = |value: &str| {
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{x: {value:?}}}}}")
    };
    apply(&map("1"), "configmap/a created")?;
    apply(&map("2"), "configmap/a configured")?;
    apply(&map("2"), "configmap/a unchanged")?;
    let example = std::fs::read_to_string("examples/canary-gateway.yaml")?;
    apply(&example, "rollout.argoproj.io/shop configured")?;
    let again = apply(&example, "rollout.argoproj.io/shop unchanged")?;
    ensure!(
        again.contains("service/shop-stable unchanged"),
        "applied twice: {again}"
    );
    kubectl("get configmap a -o jsonpath={.data.x}", "2")?;
    kubectl("delete configmap a", "deleted")?;
    kubectl(
        "scale rollout shop --replicas=5",
        "rollout.argoproj.io/shop scaled",
    )?;
    kubectl(
        "wait --for=jsonpath={.status.availableReplicas}=5 rollout/shop --timeout=60s",
        "condition met",
    )?;
    // A release, watched.
    let mut watch = playground.command("get rollout shop --watch --output-watch-events")?;
    let mut watch = watch.stdout(Stdio::piped()).spawn()?;
    let image = r#"[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"example.org/shop:crash-2"}]"#;
    kubectl(&format!("patch rollout shop --type json -p {image}"), "patched")?;
    let lines = BufReader::new(watch.stdout.take().expect("it is piped")).lines();
    let seen = lines
        .map_while(Result::ok)
        .any(|line| line.starts_with("MODIFIED") && line.contains("shop"));
    watch.kill()?;
    watch.wait()?;
    ensure!(seen, "the watch showed no change");
    // Its pods crash: after ten minutes, of which each takes three seconds, it is taken back.
    kubectl(
        "wait --for=jsonpath={.status.abort}=true rollout/shop --timeout=120s",
        "condition met",
    )?;
    kubectl("delete rollout shop --wait=true --timeout=60s", "deleted")?;
    Ok(())
}
