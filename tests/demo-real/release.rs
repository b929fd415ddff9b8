//! One release: how it is made, how it must end, and what is counted on the way.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::manifests::{self, Pace};
use crate::scene::Scene;
use crate::stage::{NAMESPACE, Stage};
use crate::support::manifest::apply_one;
use crate::support::traffic::Load;
use crate::support::traffic::profile::Profile;
use crate::tell::Tell;
use crate::watch::Watch;

/// The Rollout of the example.
pub const ROLLOUT: &str = "shop";

/// How often Prometheus is asked whether a bad value is visible.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How a release must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Installed,
    Promoted,
    /// By this metric of the template, whose bound is this argument.
    Aborted {
        metric: &'static str,
        bound: &'static str,
    },
}

/// One release.
#[derive(Debug, Clone, Copy)]
pub struct Release {
    pub tag: &'static str,
    pub what: &'static str,
    pub ending: Ending,
}

/// The story.
pub const RELEASES: [Release; 4] = [
    Release {
        tag: "1",
        what: "the first: nothing to compare with, so it is installed at once",
        ending: Ending::Installed,
    },
    Release {
        tag: "2",
        what: "a good one, to be promoted step by step",
        ending: Ending::Promoted,
    },
    Release {
        tag: "3-errors",
        what: "answers 8 % of its requests with 5xx, to be aborted",
        ending: Ending::Aborted {
            metric: "error-rate",
            bound: "error-rate-max",
        },
    },
    Release {
        tag: "4-slow",
        what: "as correct as 2, but its P99 is 1.5 s, to be aborted",
        ending: Ending::Aborted {
            metric: "p99-latency-ms",
            bound: "p99-ms-max",
        },
    },
];

/// What came of a release.
#[derive(Debug, Default)]
pub struct Account {
    /// Requests that its pods answered, and how many of those badly.
    pub carried: f64,
    pub bad: f64,
    /// From the first bad value in Prometheus until the route had no weight for it.
    pub detected_in: Option<Duration>,
    pub took: Duration,
}

/// The parts that a release is made with.
pub struct Play<'a> {
    pub stage: &'a Stage,
    pub watch: &'a Watch,
    pub tell: Tell,
    pub pace: Pace,
}

impl Play<'_> {
    /// Makes a release and waits until it has ended as it must.
    pub async fn release(&self, release: Release, load: Option<&Load>) -> Result<Account> {
        let began = Instant::now();
        let served_before = served(load);
        self.make(release).await?;
        let (code, visible) = self.wait_and_look(release.ending).await?;
        let hash = self.watch.with(|scene| scene.status("currentPodHash").to_owned());
        let mut account = Account::default();
        match release.ending {
            Ending::Installed => self.check_code(code, 0)?,
            Ending::Promoted => {
                self.check_code(code, 0)?;
                self.check_promoted(release).await?;
                self.told("Promoted", release).await?;
            }
            Ending::Aborted { metric, .. } => {
                self.check_code(code, 3)?;
                let visible = visible.context("no bad value was ever visible in Prometheus")?;
                let until = self.check_aborted(&hash, metric, visible).await?;
                account.detected_in = Some(until);
                self.told("Aborted", release).await?;
            }
        }
        account.carried = served(load).get(&hash).copied().unwrap_or_default()
            - served_before.get(&hash).copied().unwrap_or_default();
        account.bad = bad(release.tag, account.carried);
        account.took = began.elapsed();
        Ok(account)
    }

    async fn told(&self, word: &str, release: Release) -> Result<()> {
        self.watch
            .until_posted(&self.stage.slack, word, release.tag)
            .await
    }

    async fn make(&self, release: Release) -> Result<()> {
        let image = format!("example.org/shop:{}", release.tag);
        if release.ending == Ending::Installed {
            self.tell.line("$ kubectl apply -f examples/canary-gateway.yaml");
            for document in manifests::application(self.pace)? {
                apply_one(&self.stage.client, NAMESPACE, &document).await?;
            }
        } else {
            let patch = format!(
                r#"[{{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "{image}"}}]"#
            );
            self.tell.line(&format!(
                "$ kubectl patch rollout {ROLLOUT} --type json -p '{patch}'"
            ));
            let args = [
                "patch", "rollout", ROLLOUT, "-n", NAMESPACE, "--type", "json", "-p", &patch,
            ];
            self.stage.kubectl(&args).await?;
        }
        Ok(())
    }

    /// The exit code of `serin status --watch`, and when a bad value was first visible until then.
    async fn wait_and_look(&self, ending: Ending) -> Result<(i32, Option<Instant>)> {
        let mut visible = Ok(None);
        let look = async {
            visible = self.see_bad_value(ending).await;
            std::future::pending::<()>().await;
        };
        let code = tokio::select! {
            code = self.wait() => code?,
            () = look => bail!("what never ends has ended"),
        };
        Ok((code, visible?))
    }

    /// Waits as a CI job does, by `serin status --watch`; its exit code.
    async fn wait(&self) -> Result<i32> {
        let timeout = format!("{}s", self.pace.patience.as_secs());
        let args = [
            "status",
            ROLLOUT,
            "-n",
            NAMESPACE,
            "--watch",
            "--timeout",
            &timeout,
        ];
        self.tell.line(&format!("$ serin {}", args.join(" ")));
        let mut child = self
            .stage
            .serin(&args)?
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let out = self.tell_lines(child.stdout.take());
        let err = self.tell_lines(child.stderr.take());
        let ((), (), status) = tokio::join!(out, err, child.wait());
        let code = status?.code().unwrap_or(-1);
        self.tell
            .line(&format!("serin status ended with exit code {code}"));
        Ok(code)
    }

    async fn tell_lines(&self, from: Option<impl tokio::io::AsyncRead + Unpin>) {
        let Some(from) = from else { return };
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            self.tell.line(&format!("serin status: {line}"));
        }
    }

    fn check_code(&self, code: i32, wanted: i32) -> Result<()> {
        if code == wanted {
            return Ok(());
        }
        let rollout = self.watch.with(|scene| scene.rollout["status"].clone());
        bail!(
            "serin status ended with exit code {code} instead of {wanted}; the Rollout's status is {rollout:#}"
        )
    }

    async fn check_promoted(&self, release: Release) -> Result<()> {
        let is_stable = |scene: &Scene| {
            !scene.status("stableRS").is_empty() && scene.status("stableRS") == scene.status("currentPodHash")
        };
        self.watch
            .until(
                self.pace.patience,
                "the new version is not the stable one",
                is_stable,
            )
            .await?;
        self.watch
            .until(
                Duration::from_secs(10),
                "the canary's weight does not return to 0",
                |scene| scene.weight() == Some(0),
            )
            .await?;
        let weights: Vec<i64> = self
            .watch
            .with(|scene| scene.weights.iter().map(|(_, weight)| *weight).collect());
        let steps = [0, 5, 25, 50, 100, 0];
        if weights != steps {
            bail!(
                "release {} saw the weights {weights:?} instead of {steps:?}",
                release.tag
            );
        }
        Ok(())
    }

    /// The time from `visible` until the route had no weight for the canary. An error unless the abort is what
    /// it must be: in time, by the right metric, without weight, and with the pods gone.
    async fn check_aborted(&self, hash: &str, metric: &str, visible: Instant) -> Result<Duration> {
        let stable = self.watch.with(|scene| scene.status("stableRS").to_owned());
        if stable == hash || stable.is_empty() {
            bail!("the bad version {hash} became the stable one");
        }
        self.watch
            .until(self.pace.interval, "the canary still has weight", |scene| {
                scene.weight() == Some(0)
            })
            .await?;
        let at = self.watch.with(|scene| scene.weights.last().map(|(at, _)| *at));
        let until = at
            .context("no weights were seen")?
            .saturating_duration_since(visible);
        self.tell.line(&format!(
            "the bad value was visible in Prometheus for {:.1} s when the canary lost its traffic (at most one interval: {} s)",
            until.as_secs_f64(),
            self.pace.interval.as_secs()
        ));
        if until > self.pace.interval {
            bail!("that is later than one interval");
        }
        let message = self.watch.with(|scene| scene.status("message").to_owned());
        if !message.contains(&format!("\"{metric}\"")) {
            bail!("{metric} should have decided, but the Rollout says: {message}");
        }
        if metric == "error-rate" {
            // Once is enough to show the command.
            let args = ["get", ROLLOUT, "-n", NAMESPACE];
            self.stage.show(&args, self.tell).await?;
        }
        let gone = |scene: &Scene| scene.pods_of(hash) == 0;
        self.watch
            .until(Duration::from_secs(90), "the canary's pods are not gone", gone)
            .await?;
        Ok(until)
    }

    /// When Prometheus first answers the metric's own query with a value that breaks its rule.
    async fn see_bad_value(&self, ending: Ending) -> Result<Option<Instant>> {
        let Ending::Aborted { metric, bound } = ending else {
            return Ok(None);
        };
        let bound = manifests::argument(&self.stage.template, bound)?;
        let end = Instant::now() + self.pace.patience;
        while Instant::now() < end {
            let (canary, stable) = self.watch.with(|scene| {
                (
                    scene.status("currentPodHash").to_owned(),
                    scene.status("stableRS").to_owned(),
                )
            });
            if canary != stable {
                let given = [
                    ("namespace", NAMESPACE),
                    ("canary-hash", &canary),
                    ("stable-hash", &stable),
                ];
                let query = manifests::query(&self.stage.template, metric, &given)?;
                let value = self.stage.prometheus.value(&query).await?;
                if value.is_some_and(|value| value >= bound) {
                    let value = value.unwrap_or_default();
                    self.tell.line(&format!("Prometheus shows {metric} {value:.4} of the canary, bound {bound}: from here it counts"));
                    return Ok(Some(Instant::now()));
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(anyhow!(
            "{metric} of the canary was never at or above {bound} in Prometheus"
        ))
    }
}

fn served(load: Option<&Load>) -> BTreeMap<String, f64> {
    load.map(Load::served).unwrap_or_default()
}

/// How many of `requests` a version with this tag answered badly: with 5xx, or after more than 500 ms.
fn bad(tag: &str, requests: f64) -> f64 {
    let profile = Profile::of_tag(tag);
    let requests = requests as u64;
    let within_half_a_second = profile.buckets_of(requests)[6];
    let slow = requests - within_half_a_second;
    (profile.errors_of(requests) + slow) as f64
}
