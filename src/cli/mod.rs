//! The command line: one file per command, typed exit codes, one place that prints.
//!
//! Commands act with the caller's own credentials and never need the controller to be reachable.

pub mod abort;
pub mod completion;
pub mod connection;
pub mod controller;
pub mod exit;
pub mod failure;
pub mod follow;
pub mod get;
#[cfg(feature = "simulate")]
pub mod playground;
pub mod printer;
pub mod promote;
pub mod retry;
pub mod session;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod status;
pub mod version;
pub mod write;

use clap::{Parser, Subcommand};
use exit::Exit;

/// Progressive delivery for Kubernetes, speaking Argo Rollouts' API
#[derive(Clone, Debug, Parser)]
#[command(
    name = "serin",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    Status(status::Status),
    Get(get::Get),
    Promote(promote::Promote),
    Abort(abort::Abort),
    Retry(retry::Retry),
    Controller(crate::controller::Options),
    #[cfg(feature = "simulate")]
    Simulate(Box<simulate::Simulate>),
    #[cfg(feature = "simulate")]
    Playground(playground::Play),
    Version(version::Version),
    Completion(completion::Completion),
}

impl Command {
    /// True for the one command that lives long and does much at a time.
    pub fn is_server(&self) -> bool {
        matches!(self, Command::Controller(_))
    }

    pub async fn run(self) -> Exit {
        match self {
            Command::Status(args) => status::run(args).await,
            Command::Get(args) => get::run(args).await,
            Command::Promote(args) => promote::run(args).await,
            Command::Abort(args) => abort::run(args).await,
            Command::Retry(args) => retry::run(args).await,
            Command::Controller(args) => controller::run(args).await,
            #[cfg(feature = "simulate")]
            Command::Simulate(args) => simulate::run(*args).await,
            #[cfg(feature = "simulate")]
            Command::Playground(args) => playground::run(args).await,
            Command::Version(args) => version::run(args),
            Command::Completion(args) => completion::run(args),
        }
    }
}

/// Reads the command line. `Err` when there is nothing left to do: help was asked for, or the line was wrong.
pub fn parse() -> Result<Command, Exit> {
    Cli::try_parse().map(|cli| cli.command).map_err(|message| {
        let text = message.render().to_string();
        if message.use_stderr() {
            printer::err(text.trim_end());
            return Exit::Usage;
        }
        printer::out(text.trim_end());
        Exit::Done
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_status_lists_every_exit_code() {
        let mut command = Cli::command();
        let status = command.find_subcommand_mut("status").unwrap();
        let help = status.render_long_help().to_string();
        for (_, code, word, meaning) in Exit::ALL {
            assert!(
                help.contains(&format!("{code}  {word}")) && help.contains(meaning),
                "{word}:\n{help}"
            );
        }
    }
}
