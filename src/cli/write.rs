//! Sends the patches of a request and tells how it went: shared by promote, abort and retry.

use crate::cli::connection::{Connection, Session};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::printer;
use crate::cli::session::Part;
use crate::view::patches::Patches;
use tokio::time::Instant;

/// Opens the cluster within the time that one request may take.
pub async fn open(connection: &Connection) -> Result<Session, Failure> {
    connection.open(Instant::now() + connection.request_timeout).await
}

/// Sends the status patch, then the spec patch. Where Rollouts have no status subresource, both go as one.
pub async fn send(session: &Session, name: &str, patches: &Patches, verb: &str) -> Result<(), Failure> {
    let doing = session.doing(verb, name);
    if let Some(status) = &patches.status {
        match session.patch(name, Part::Status, status, &doing).await {
            Err(failure) if failure.exit == Exit::NotFound => {
                return session.patch(name, Part::Main, &patches.unified(), &doing).await;
            }
            answer => answer?,
        }
    }
    match &patches.spec {
        Some(spec) => session.patch(name, Part::Main, spec, &doing).await,
        None => Ok(()),
    }
}

/// Prints what a command came to: its line, or why not.
pub fn tell(result: Result<String, Failure>) -> Exit {
    match result {
        Ok(line) => {
            printer::out(&line);
            Exit::Done
        }
        Err(failure) => {
            printer::err(&failure.text);
            if let Some(hint) = &failure.hint {
                printer::err(&format!("hint: {hint}"));
            }
            failure.exit
        }
    }
}

/// The worst of several exits: the first that is not `Done`.
pub fn first_bad(exits: impl IntoIterator<Item = Exit>) -> Exit {
    exits
        .into_iter()
        .find(|exit| *exit != Exit::Done)
        .unwrap_or(Exit::Done)
}

/// Leaves out a leading `rollout`, which people used to `kubectl` type.
pub fn without_kind(names: &[String]) -> &[String] {
    match names {
        [kind, rest @ ..] if !rest.is_empty() && matches!(kind.as_str(), "rollout" | "ro" | "rollouts") => {
            rest
        }
        names => names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_kind_is_no_name() {
        let check = |words: &str, want: &str| {
            let names: Vec<String> = words.split(' ').map(str::to_owned).collect();
            assert_eq!(without_kind(&names).join(" "), want);
        };
        check("rollout web", "web");
        check("ro web api", "web api");
        check("rollout", "rollout");
        check("web rollout", "web rollout");
    }
}
