//! `serin simulate`: a release of a user's own Rollout, played in memory on virtual time before it is shipped; a story; or a seed of the
//! swarm once more. Reads files and prints; what happens is the simulator's.

pub(super) mod flags;
mod replay;
mod report;
mod tell;

use crate::cli::connection::duration;
use crate::cli::exit::Exit;
use crate::cli::printer;
use crate::simulate::manifests::{self, Manifest};
use crate::simulate::play;
use crate::simulate::rehearsal::given::{self, Given};
use crate::simulate::rehearsal::{self, Expected, Profile, Staging, Strike};
use crate::simulate::story::Story;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Play a release of your own manifests in memory, before you ship it: how it goes, how long it takes, who suffers
///
/// Nothing is asked of any cluster. The real controller runs on virtual time over a Kubernetes in memory, with a model of pods and
/// traffic and a stand-in for Prometheus that answers the queries of your AnalysisTemplates. Your manifests are checked first; what
/// the Rollout needs and they do not hold (Services, the HTTPRoute, a namespace) is made, and said so.
#[derive(Args, Clone, Debug)]
#[command(after_help = flags::help(), after_long_help = flags::long_help())]
pub struct Simulate {
    /// Manifests: a file, a folder, or - for standard input; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The Rollout to release, where the manifests hold several
    #[arg(long, value_name = "NAME", default_value = "")]
    pub rollout: String,
    /// How the new version answers
    #[arg(long, value_enum, default_value = "good", conflicts_with = "story")]
    pub profile: Profile,
    /// How the release should end; by default promoted when the profile is good, held when the traffic is low, else aborted
    #[arg(long, value_enum, conflicts_with = "story")]
    pub expect: Option<Expected>,
    /// Play this story instead of one release; with -f about those objects
    #[arg(long, value_name = "FILE")]
    pub story: Option<PathBuf>,
    /// Requests of users per second
    #[arg(long, value_name = "PER SECOND", default_value_t = 100.0, value_parser = flags::positive)]
    pub rate: f64,
    /// A fault from the catalogue during the release, for example prometheus-hangs,at=1m,for=3m; may be given several times
    #[arg(long = "fault", value_name = "NAME[,at=TIME][,for=TIME]", value_parser = flags::strike)]
    pub faults: Vec<Strike>,
    /// List the catalogue of faults
    #[arg(long)]
    pub list_faults: bool,
    /// Number that everything random comes from: equal seeds tell equal stories. Alone: replays this seed of the swarm
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Tell it at so many times real time, instead of at once
    #[arg(long, value_name = "N", value_parser = flags::positive)]
    pub speed: Option<f64>,
    /// The longest that the release may take, in virtual time
    #[arg(long, value_name = "DURATION", default_value = "12h", value_parser = duration)]
    pub within: Duration,
    /// Format of the answer
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: Format,
}

/// Formats of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}

const SEED: u64 = 1;

pub async fn run(args: Simulate) -> Exit {
    if args.list_faults {
        printer::out(flags::catalogue().trim_end());
        return Exit::Done;
    }
    match (&args.story, args.files.is_empty(), args.seed) {
        (Some(story), _, _) => play_story(story.clone(), &args).await,
        (None, false, _) => rehearse(&args).await,
        (None, true, Some(seed)) => replay::run(seed, args.output).await,
        (None, true, None) => {
            printer::err("failed to read the command line: nothing to play");
            printer::err(
                "hint: give manifests with -f, a story with --story, or a seed of the swarm with --seed",
            );
            Exit::Usage
        }
    }
}

/// A world has a runtime of its own, which needs a thread without one.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(panic) => {
            printer::err(&format!("failed to simulate: {panic}"));
            None
        }
    }
}

/// The manifests, checked; all problems are printed.
async fn checked(args: &Simulate) -> Result<Given, Exit> {
    let (files, wanted) = (args.files.clone(), args.rollout.clone());
    let work = move || manifests::read(&files).and_then(|read| given::check(read, &wanted));
    match apart(work).await {
        Some(Ok(given)) => Ok(given),
        Some(Err(problems)) => Err(refuse(&problems)),
        None => Err(Exit::Failed),
    }
}

pub(super) fn refuse(problems: &[String]) -> Exit {
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    printer::err(&format!("failed to read the manifests: {count}"));
    problems
        .iter()
        .for_each(|problem| printer::err(&format!("  {problem}")));
    Exit::Failed
}

async fn rehearse(args: &Simulate) -> Exit {
    let given = match checked(args).await {
        Ok(given) => given,
        Err(exit) => return exit,
    };
    let staging = Staging {
        profile: args.profile,
        seed: args.seed.unwrap_or(SEED),
        per_second: args.rate,
        faults: args.faults.clone(),
        within: args.within,
    };
    let (for_play, for_stage) = (given.clone(), staging.clone());
    let Some(played) = apart(move || rehearsal::play(&for_play, &for_stage)).await else {
        return Exit::Failed;
    };
    let expected = args.expect.unwrap_or(args.profile.expected());
    let report = report::Report::new(&given, &staging, expected, &played);
    match args.output {
        Format::Json => printer::out(&report.json()),
        Format::Text => report.tell(args.speed).await,
    }
    report.exit()
}

async fn play_story(path: PathBuf, args: &Simulate) -> Exit {
    let (files, seed, strikes) = (args.files.clone(), args.seed.unwrap_or(SEED), args.faults.clone());
    let read = move || {
        let given = manifests::read(&files)?;
        let objects = given.into_iter().map(|Manifest { object, .. }| object).collect();
        Story::read_with(&path, objects).map_err(|error| vec![error.to_string()])
    };
    let story = match apart(read).await {
        Some(Ok(story)) => story,
        Some(Err(problems)) => return refuse(&problems),
        None => return Exit::Failed,
    };
    let for_play = story.clone();
    let work = move || {
        let mut staging = play::Staging::new(seed);
        staging.faults = flags::struck(&strikes);
        play::play(&for_play, staging)
    };
    let Some(played) = apart(work).await else {
        return Exit::Failed;
    };
    report::story(&story, &played, args.output, args.speed).await
}
