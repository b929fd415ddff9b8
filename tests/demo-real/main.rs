//! `make demo-real`: four releases of an application on a real control plane, judged by a real Prometheus. One is
//! installed, one promoted, two are aborted; anything else is a failure of the demo, and its exit code says so.
//!
//! Decides nothing about releases: it applies the files of `examples/`, watches, and compares.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the stand-ins are test code, and the demo lives in real time and on the terminal"
)]

#[path = "../support/mod.rs"]
mod support;

mod manifests;
mod release;
mod scene;
mod stage;
mod tell;
mod watch;

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};

use manifests::Pace;
use release::{Account, Ending, Play, RELEASES};
use stage::{NAMESPACE, Stage};
use support::traffic::{Load, Target};
use tell::Tell;
use watch::Watch;

const USAGE: &str = "usage: demo-real [--real-intervals]
  --real-intervals   the examples' own times: every 60 s for 10 minutes over a window of 5 minutes (about 25 minutes)";

/// Requests per second. Enough for several in every window of even a small share.
const RATE: f64 = 6_000.0;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let pace = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Pace::SHORT,
        ["--real-intervals"] => Pace::REAL,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("demo: {error}");
            return ExitCode::FAILURE;
        }
    };
    let tell = Tell::new();
    let code = runtime.block_on(async {
        tokio::select! {
            code = told(pace, tell) => code,
            signal = interrupted() => {
                tell.line(&format!("{signal}: cleaning up"));
                ExitCode::from(130)
            }
        }
    });
    runtime.shutdown_background();
    code
}

/// The demo, its end in words, and its exit code.
async fn told(pace: Pace, tell: Tell) -> ExitCode {
    match demo(pace, tell).await {
        Ok(()) => {
            tell.line("everything is cleaned up; every release ended as it must");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tell.heading(&format!("the demo FAILED: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() -> &'static str {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "interrupted",
        _ = terminate.recv() => "terminated",
    }
}

async fn demo(pace: Pace, tell: Tell) -> Result<()> {
    tell.line(&format!(
        "Serin's demo: a canary of 5 % is measured every {} s, {} times, over a window of {}",
        pace.interval.as_secs(),
        pace.count,
        pace.window
    ));
    let mut stage = Stage::set(pace, tell).await?;
    let told = play(&stage, pace, tell).await;
    if told.is_err() {
        tell.line("the end of the controller's log:");
        tell.under(&stage.log());
    }
    told?;
    stage.stop_controller().await?;
    tell.line("serin controller stopped within its grace period, exit code 0");
    Ok(())
}

async fn play(stage: &Stage, pace: Pace, tell: Tell) -> Result<()> {
    let watch = Watch::start(&stage.client, NAMESPACE, stage.slack.clone(), tell);
    let play = Play {
        stage,
        watch: &watch,
        tell,
        pace,
    };
    let mut load: Option<Load> = None;
    let mut accounts = Vec::new();
    for (number, release) in (1..).zip(RELEASES) {
        tell.heading(&format!(
            "release {number}, example.org/shop:{}: {}",
            release.tag, release.what
        ));
        let account = play.release(release, load.as_ref()).await?;
        tell.line(&format!(
            "{} {}",
            ending_text(release.ending),
            account_text(&account)
        ));
        accounts.push(account);
        if load.is_none() {
            let route = Target::Route(release::ROLLOUT.into());
            load = Some(stage.traffic.drive(&stage.client, NAMESPACE, route, RATE).await?);
            tell.line(&format!("traffic flows: {RATE} requests/s through the HTTPRoute"));
            stage.wait_for_numbers().await?;
            tell.line("Prometheus has numbers of it");
        }
    }
    let load = load.expect("the first release started it");
    summary(stage, &load, &accounts, tell).await
}

fn account_text(account: &Account) -> String {
    let detected = account
        .detected_in
        .map(|time| format!(", {:.1} s after the bad value was visible", time.as_secs_f64()));
    let requests = match account.carried {
        0.0 => "before any traffic".to_owned(),
        carried => format!(
            "its pods answered {carried:.0} requests, {:.0} of them badly (5xx or slower than 500 ms)",
            account.bad
        ),
    };
    format!(
        "in {:.1} s{}; {requests}",
        account.took.as_secs_f64(),
        detected.unwrap_or_default()
    )
}

fn ending_text(ending: Ending) -> String {
    match ending {
        Ending::Installed => "installed".to_owned(),
        Ending::Promoted => "promoted".to_owned(),
        Ending::Aborted { metric, .. } => format!("aborted by {metric}"),
    }
}

/// The account of the whole, and the last checks.
async fn summary(stage: &Stage, load: &Load, accounts: &[Account], tell: Tell) -> Result<()> {
    tell.heading("summary");
    for (release, account) in RELEASES.iter().zip(accounts) {
        let (tag, ending) = (release.tag, ending_text(release.ending));
        tell.under(&format!("shop:{tag:<9} {ending} {}", account_text(account)));
    }
    let total: f64 = load.served().values().sum();
    let violations = load.violations(&stage.client).await?;
    let refused = load.refused();
    let (requests, writes) = stage.requests()?;
    tell.under(&format!(
        "{total:.0} requests in all, {refused:.0} of them sent to a Service that could not carry them\n\
         the controller made {requests} requests to the API server, {writes} of them writes, watches counted once"
    ));
    if !violations.is_empty() || refused > 0.0 {
        bail!("requests went where nobody could carry them: {refused:.0} requests, {violations:?}");
    }
    let forbidden = stage.forbidden()?;
    ensure!(forbidden.is_empty(), "RBAC refused the controller: {forbidden:?}");
    check_slack(stage)
}

/// One thread per update, and in it how it ended, once.
fn check_slack(stage: &Stage) -> Result<()> {
    let posted = stage.slack.messages();
    let of = |word: &str| posted.iter().filter(|one| one.text.starts_with(word)).count();
    let ended = |ending: &dyn Fn(Ending) -> bool| RELEASES.iter().filter(|one| ending(one.ending)).count();
    let threads = posted.iter().filter(|one| one.thread_ts.is_none()).count();
    let promoted = ended(&|ending| ending == Ending::Promoted);
    let aborted = ended(&|ending| matches!(ending, Ending::Aborted { .. }));
    let (found, wanted) = (
        (of("Promoted"), of("Aborted"), threads),
        (promoted, aborted, promoted + aborted),
    );
    ensure!(
        found == wanted,
        "Slack has (promoted, aborted, threads) {found:?} instead of {wanted:?}"
    );
    Ok(())
}
