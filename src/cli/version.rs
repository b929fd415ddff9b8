//! `serin version`.

use crate::cli::exit::Exit;
use crate::cli::printer;
use clap::Args;

/// Print the version
#[derive(Args, Clone, Debug)]
pub struct Version {
    /// Print the number only
    #[arg(long)]
    pub short: bool,
}

pub fn run(args: Version) -> Exit {
    let number = env!("CARGO_PKG_VERSION");
    match args.short {
        true => printer::out(number),
        false => printer::out(&format!(
            "serin: {number}\n  Platform: {}/{}",
            std::env::consts::OS,
            std::env::consts::ARCH
        )),
    }
    Exit::Done
}
