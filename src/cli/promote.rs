//! `serin promote`: go on from a pause, skip steps, or go through at once.

use crate::cli::connection::Connection;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::write;
use crate::view::patches::{self, Decision, Promotion};
use clap::Args;

/// Promote a rollout: go on from a pause, or with a flag skip what is ahead
#[derive(Args, Clone, Debug)]
pub struct Promote {
    /// Name of the rollout
    pub name: String,
    /// Skip all steps, pauses and analyses
    #[arg(long, conflicts_with_all = ["skip_step", "skip_all_steps"])]
    pub full: bool,
    /// Skip the current step
    #[arg(
        short = 'c',
        long,
        alias = "skip-current-step",
        conflicts_with = "skip_all_steps"
    )]
    pub skip_step: bool,
    /// Skip all remaining steps
    #[arg(short = 'a', long)]
    pub skip_all_steps: bool,
    #[command(flatten)]
    pub connection: Connection,
}

impl Promote {
    fn promotion(&self) -> Promotion {
        match (self.full, self.skip_all_steps, self.skip_step) {
            (true, _, _) => Promotion::Full,
            (_, true, _) => Promotion::SkipAllSteps,
            (_, _, true) => Promotion::SkipStep,
            _ => Promotion::Next,
        }
    }
}

pub async fn run(args: Promote) -> Exit {
    write::tell(promote(&args).await)
}

async fn promote(args: &Promote) -> Result<String, Failure> {
    let session = write::open(&args.connection).await?;
    let rollout = session.rollout(&args.name, session.request_timeout).await?;
    let (name, promotion) = (&args.name, args.promotion());
    match patches::promote(&rollout, promotion) {
        Decision::Write(patches) => {
            write::send(&session, name, &patches, "promote").await?;
            let fully = if promotion == Promotion::Full {
                "fully "
            } else {
                ""
            };
            Ok(format!("rollout '{name}' {fully}promoted"))
        }
        Decision::Nothing(why) => Ok(format!("rollout '{name}' has nothing to promote: {why}")),
        Decision::Refuse(why, hint) => {
            let exit = if rollout.status.abort {
                Exit::Degraded
            } else {
                Exit::Failed
            };
            Err(Failure::new(exit, &session.doing("promote", name), why).hint(hint))
        }
    }
}
