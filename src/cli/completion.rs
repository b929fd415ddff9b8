//! `serin completion`: scripts that complete commands and flags in a shell.

use crate::cli::exit::Exit;
use crate::cli::{Cli, printer};
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

/// Print a completion script for a shell
///
/// For example: source <(serin completion bash)
#[derive(Args, Clone, Debug)]
pub struct Completion {
    pub shell: Shell,
}

pub fn run(args: Completion) -> Exit {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "serin", &mut script);
    printer::raw(&script);
    Exit::Done
}
