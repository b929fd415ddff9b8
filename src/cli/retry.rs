//! `serin retry`: start an aborted update over.

use crate::cli::connection::{Connection, Session};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::write;
use crate::view::patches;
use clap::Args;

/// Retry an aborted update from its first step
#[derive(Args, Clone, Debug)]
pub struct Retry {
    /// Names of rollouts
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub connection: Connection,
}

pub async fn run(args: Retry) -> Exit {
    let session = match write::open(&args.connection).await {
        Ok(session) => session,
        Err(failure) => return write::tell(Err(failure)),
    };
    let mut exits = Vec::new();
    for name in write::without_kind(&args.names) {
        exits.push(write::tell(retry(&session, name).await));
    }
    write::first_bad(exits)
}

async fn retry(session: &Session, name: &str) -> Result<String, Failure> {
    let rollout = session.rollout(name, session.request_timeout).await?;
    if !rollout.status.abort {
        return Ok(format!(
            "rollout '{name}' has nothing to retry: it is not aborted"
        ));
    }
    write::send(session, name, &patches::retry(), "retry").await?;
    Ok(format!("rollout '{name}' retried"))
}
