//! `serin controller`: run the controller.

use crate::cli::exit::Exit;
use crate::cli::printer;
use crate::controller::{self, Options};

pub async fn run(options: Options) -> Exit {
    match controller::run(options).await {
        Ok(()) => Exit::Done,
        Err(error) => {
            printer::err(&format!("failed to run the controller: {error:#}"));
            Exit::Failed
        }
    }
}
