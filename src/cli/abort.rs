//! `serin abort`: send all traffic back to the stable version.

use crate::api::phase::observed;
use crate::cli::connection::{Connection, Session};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::write;
use crate::view::patches;
use crate::view::{canary, outcome};
use clap::Args;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Abort an update: all traffic goes back to the stable version
#[derive(Args, Clone, Debug)]
pub struct Abort {
    /// Names of rollouts
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub connection: Connection,
}

pub async fn run(args: Abort) -> Exit {
    let session = match write::open(&args.connection).await {
        Ok(session) => session,
        Err(failure) => return write::tell(Err(failure)),
    };
    let mut exits = Vec::new();
    for name in write::without_kind(&args.names) {
        exits.push(write::tell(abort(&session, name).await));
    }
    write::first_bad(exits)
}

/// How long a controller may take to see the newest spec: an abort that it meets together with a new template would be lost.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

async fn abort(session: &Session, name: &str) -> Result<String, Failure> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let rollout = match session.rollout(name, session.request_timeout).await {
            Ok(rollout) => rollout,
            Err(failure) if failure.exit == Exit::NotFound => return Err(failure),
            // An abort is for emergencies: it is sent even when the rollout cannot be read first.
            Err(_) => {
                write::send(session, name, &patches::abort(), "abort").await?;
                return Ok(format!("rollout '{name}' aborted"));
            }
        };
        let revision = rollout.metadata.revision();
        if canary::promoted(&rollout) && outcome::is_current(&rollout) {
            return Ok(format!(
                "rollout '{name}' has nothing to abort: revision {revision} is promoted already"
            ));
        }
        let late = Instant::now() >= give_up;
        if observed(&rollout) {
            match write::send(session, name, &patches::abort_seen(&rollout), "abort").await {
                Err(failure) if failure.conflict && !late => {}
                answer => return answer.map(|()| format!("rollout '{name}' aborted (revision {revision})")),
            }
        } else if late {
            write::send(session, name, &patches::abort(), "abort").await?;
            return Err(unseen(session, name));
        }
        sleep(PAUSE).await;
    }
}

fn unseen(session: &Session, name: &str) -> Failure {
    let why = "the controller has not seen the newest spec yet; the abort is written, but when it sees that spec it starts it all the same";
    let hint = "check that the controller runs, and abort again; or put the former template back";
    Failure::new(Exit::Failed, &session.doing("abort", name), why).hint(hint)
}
