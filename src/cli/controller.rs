//! `serin controller`: run the controller.

use crate::cli::exit::Exit;
use crate::cli::printer;
use clap::Args;

/// Run the controller
#[derive(Args, Clone, Debug)]
pub struct Controller {}

pub async fn run(_: Controller) -> Exit {
    printer::err("failed to run the controller: it is not part of this build yet");
    Exit::Failed
}
