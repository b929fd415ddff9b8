//! Parses the command line, builds the runtime, dispatches, exits.

use serin::cli::{self, Command};
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    // Kubernetes, Slack and Prometheus clients share one TLS provider; it must be there before the first of them is built.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exit = match cli::parse() {
        Ok(command) => run(command),
        Err(exit) => exit,
    };
    ExitCode::from(exit.code())
}

fn run(command: Command) -> cli::exit::Exit {
    let runtime = match runtime(&command) {
        Ok(runtime) => runtime,
        Err(e) => {
            cli::printer::err(&format!("failed to start the runtime: {e}"));
            return cli::exit::Exit::Failed;
        }
    };
    let exit = runtime.block_on(command.run());
    // A credential plugin that hangs must not keep the process alive after its time is up.
    runtime.shutdown_background();
    exit
}

fn runtime(command: &Command) -> std::io::Result<Runtime> {
    match command.is_server() {
        true => Builder::new_multi_thread().enable_all().build(),
        false => Builder::new_current_thread().enable_all().build(),
    }
}
