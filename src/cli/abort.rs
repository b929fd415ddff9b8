//! `serin abort`: send all traffic back to the stable version.

use crate::cli::connection::{Connection, Session};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::write;
use crate::view::patches;
use crate::view::{canary, outcome};
use clap::Args;

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

async fn abort(session: &Session, name: &str) -> Result<String, Failure> {
    // An abort is for emergencies: it is sent even when the rollout cannot be read first.
    match session.rollout(name, session.request_timeout).await {
        Ok(rollout) if canary::promoted(&rollout) && outcome::is_current(&rollout) => {
            let revision = rollout.metadata.revision();
            return Ok(format!(
                "rollout '{name}' has nothing to abort: revision {revision} is promoted already"
            ));
        }
        Err(failure) if failure.exit == Exit::NotFound => return Err(failure),
        _ => write::send(session, name, &patches::abort(), "abort").await?,
    }
    Ok(format!("rollout '{name}' aborted"))
}
