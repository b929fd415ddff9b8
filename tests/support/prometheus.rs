//! A real Prometheus that scrapes every second, so that real `PromQL` answers an analysis.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use super::plane::install_tls;
use super::plane::parts::tool_path;
use super::process::{Process, Scratch, free_port};
use super::wait::within;

const READY: Duration = Duration::from_secs(60);

/// How often targets are scraped and rules evaluated.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// A running Prometheus. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Prometheus {
    process: Option<Process>,
    binary: PathBuf,
    port: u16,
    http: reqwest::Client,
    scratch: Scratch,
}

impl Prometheus {
    /// Starts one that scrapes `targets` and evaluates `rules`: whole recording-rule files, as YAML.
    pub async fn start(targets: &[SocketAddr], rules: &[&str]) -> Result<Self> {
        let binary = match std::env::var_os("SERIN_PROMETHEUS") {
            Some(path) => PathBuf::from(path),
            None => tool_path("prometheus.sh")?,
        };
        if !binary.exists() {
            bail!(
                "there is no Prometheus for tests ({} is missing). Run: make cluster-tools",
                binary.display()
            );
        }
        install_tls();
        let scratch = Scratch::new("prometheus")?;
        write_config(&scratch, targets, rules)?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()?;
        let mut prometheus = Self {
            process: None,
            binary,
            port: free_port()?,
            http,
            scratch,
        };
        prometheus.restart().await?;
        Ok(prometheus)
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills it. Until [`Prometheus::restart`] every connection is refused.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same port and data, and waits until it answers.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = None;
        let args = [
            format!("--config.file={}", self.scratch.join("prometheus.yml").display()),
            format!("--storage.tsdb.path={}", self.scratch.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{}", self.port),
            "--storage.tsdb.retention.time=6h".to_owned(),
            "--log.level=warn".to_owned(),
        ];
        let log = self.scratch.join("prometheus.log");
        let mut process = Process::start("prometheus", &self.binary, &args, &log)?;
        let (http, url) = (&self.http, format!("{}/-/ready", self.url()));
        let ready = within(READY, || {
            let alive = process.check_alive();
            let url = &url;
            async move {
                match alive {
                    Err(dead) => Ok(Err(dead)),
                    Ok(()) => http.get(url).send().await?.error_for_status().map(|_| Ok(())),
                }
            }
        });
        ready
            .await
            .map_err(|missing| anyhow!("prometheus was not ready after {READY:?}: {missing}"))??;
        self.process = Some(process);
        Ok(())
    }

    /// Status and whole answer of a path below `/api/v1/`.
    pub async fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Result<(u16, Value)> {
        let url = format!("{}/api/v1/{path}", self.url());
        let answer = self.http.get(url).query(parameters).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// The answer to an instant query: its `data.result`.
    pub async fn query(&self, promql: &str) -> Result<Vec<Value>> {
        let url = format!("{}/api/v1/query", self.url());
        let answer: Value = self
            .http
            .get(url)
            .query(&[("query", promql)])
            .send()
            .await?
            .json()
            .await?;
        match &answer["data"]["result"] {
            Value::Array(rows) if answer["status"] == "success" => Ok(rows.clone()),
            _ => bail!("{promql}: {answer}"),
        }
    }

    /// The value of a query that gives one number; none if it gives no data.
    pub async fn value(&self, promql: &str) -> Result<Option<f64>> {
        let rows = self.query(promql).await?;
        match rows.as_slice() {
            [] => Ok(None),
            [row] => {
                let text = row["value"][1].as_str().context("the result is not a vector")?;
                Ok(Some(
                    text.parse().with_context(|| format!("{text} is not a number"))?,
                ))
            }
            more => bail!("{promql} gives {} series", more.len()),
        }
    }

    /// Resident memory in MiB, for reports.
    pub fn memory_mib(&self) -> Option<u64> {
        self.process.as_ref()?.memory_mib()
    }
}

fn write_config(scratch: &Scratch, targets: &[SocketAddr], rules: &[&str]) -> Result<()> {
    let mut files = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        let file = scratch.join(&format!("rules-{number}.yml"));
        std::fs::write(&file, rule)?;
        files.push(file.display().to_string());
    }
    let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let every = format!("{}s", INTERVAL.as_secs());
    // JSON is YAML.
    let config = serde_json::json!({
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": files,
        "scrape_configs": [{
            "job_name": "pods",
            // The traffic model answers for all pods: its labels are the pods' own.
            "honor_labels": true,
            "static_configs": [{"targets": targets}],
        }],
    });
    std::fs::write(scratch.join("prometheus.yml"), config.to_string())?;
    Ok(())
}
