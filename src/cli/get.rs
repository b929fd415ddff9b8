//! `serin get`: the rollout and everything beneath it, as a tree.

use crate::base::clock::Clock;
use crate::cli::connection::Connection;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{printer, write};
use crate::view::text;
use clap::Args;

/// Show a rollout as a tree: revisions, ReplicaSets, pods, analyses and what they measured
#[derive(Args, Clone, Debug)]
pub struct Get {
    /// Name of the rollout; the word `rollout` before it may be left out
    #[arg(required = true, num_args = 1..=2, value_name = "NAME")]
    pub name: Vec<String>,
    #[command(flatten)]
    pub connection: Connection,
}

pub async fn run(args: Get) -> Exit {
    write::tell(get(&args).await)
}

async fn get(args: &Get) -> Result<String, Failure> {
    let [name] = write::without_kind(&args.name) else {
        let why = format!("{} is no kind that can be shown", args.name.join(" "));
        return Err(Failure::new(Exit::Usage, "read the command line", why).hint("write serin get NAME"));
    };
    let session = write::open(&args.connection).await?;
    let (family, missing) = session.family(name).await?;
    for failure in missing {
        printer::err(&format!("{}: the tree is not complete", failure.text));
    }
    Ok(text::lines(&family, Clock::Wall.now()).join("\n"))
}
