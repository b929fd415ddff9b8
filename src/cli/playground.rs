//! `serin playground`: the cluster in memory as an API endpoint on loopback, until Ctrl-C. Writes the kubeconfig and takes it away again.

use crate::cli::exit::Exit;
use crate::cli::printer;
use crate::cli::simulate::{apart, flags, refuse};
use crate::simulate::playground::{Playground, Settings};
use crate::simulate::rehearsal::given::{Set, check_all};
use crate::simulate::{example, manifests};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// Serve a small Kubernetes in memory on loopback, with the controller inside, for kubectl and the Argo plugin to play with
///
/// Nothing is installed and no cluster is needed. Pods, users, Prometheus and Slack are models: an image's tag says how it behaves (see
/// below). Without -f the application of examples/ is there, the Rollout `shop`.
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub struct Play {
    /// Manifests that are there at the beginning: a file, a folder, or - for standard input; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Begin with an empty cluster
    #[arg(long, conflicts_with = "files")]
    pub empty: bool,
    /// Port on loopback; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// Virtual seconds in a real one
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = flags::positive)]
    pub speed: f64,
    /// Requests of users per second, to each Rollout
    #[arg(long, value_name = "PER SECOND", default_value_t = 100.0, value_parser = flags::positive)]
    pub rate: f64,
    /// Where to write the kubeconfig; the default is a file in the temporary folder
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Number that everything random comes from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

const HELP: &str = "\
Examples:
  serin playground                                     then, in another terminal, with the KUBECONFIG that it prints:
  kubectl get rollouts,pods
  kubectl patch rollout shop --type json -p '[{\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/image\", \"value\": \"example.org/shop:2\"}]'
  serin status shop --watch
  serin playground -f deploy/ --speed 20

Image tags: one with `errors` answers 8 % of its requests with 5xx (`errors30`: 30 %), with `slow` has a P99 of 1.5 s, with `silent`
reports no metrics; one that begins with `bad` never becomes ready, with `crash` crashes again and again. All others are good.

The pace can be changed while it runs, and Prometheus asked:
  curl http://127.0.0.1:PORT/playground/speed/20
  curl http://127.0.0.1:PORT/playground/skip/5m
  curl 'http://127.0.0.1:PORT/prometheus/api/v1/query?query=up'";

pub async fn run(args: Play) -> Exit {
    let set = match set(&args).await {
        Ok(set) => set,
        Err(exit) => return exit,
    };
    let notes = set.notes.clone();
    let settings = Settings {
        port: args.port,
        speed: args.speed,
        set,
        per_second: args.rate,
        seed: args.seed,
    };
    // Listened to from the beginning, so that an early Ctrl-C ends it in order, too.
    let ended = ended();
    let playground = match Playground::start(settings) {
        Ok(playground) => playground,
        Err(error) => {
            printer::err(&format!("failed to start on port {}: {error}", args.port));
            return Exit::Failed;
        }
    };
    let address = playground.address();
    let path = args.kubeconfig.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("serin-playground-{}.kubeconfig", address.port()))
    });
    if let Err(error) = write_new(&path, &playground.kubeconfig()) {
        printer::err(&format!("failed to write {}: {error}", path.display()));
        printer::err("hint: name another file with --kubeconfig; one that exists is not overwritten");
        return Exit::Failed;
    }
    printer::out(&format!(
        "a cluster in memory answers at http://{address}, at {} times real time; Ctrl-C ends it",
        args.speed
    ));
    notes.iter().for_each(|note| printer::out(note));
    printer::out(&format!("export KUBECONFIG={}", path.display()));
    let exit = match ended.await {
        Ok(()) => Exit::Done,
        Err(error) => {
            printer::err(&format!("failed to listen to signals: {error}"));
            Exit::Failed
        }
    };
    let removed = std::fs::remove_file(&path);
    // Its thread may be in the middle of something.
    let _ = apart(move || drop(playground)).await;
    match removed {
        Ok(()) => exit,
        Err(error) => {
            printer::err(&format!("failed to remove {}: {error}", path.display()));
            Exit::Failed
        }
    }
}

async fn set(args: &Play) -> Result<Set, Exit> {
    if args.empty {
        return Ok(Set::default());
    }
    let files = args.files.clone();
    let read = move || match files.is_empty() {
        true => example::shop().map_err(|problem| vec![problem]),
        false => manifests::read(&files),
    };
    match apart(move || read().and_then(check_all)).await {
        Some(Ok(set)) => Ok(set),
        Some(Err(problems)) => Err(refuse(&problems)),
        None => Err(Exit::Failed),
    }
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::File::create_new(path)?;
    file.write_all(text.as_bytes())
}

/// Ctrl-C, or SIGTERM.
fn ended() -> impl Future<Output = std::io::Result<()>> {
    let signals = signal(SignalKind::interrupt()).and_then(|one| Ok((one, signal(SignalKind::terminate())?)));
    async move {
        let (mut interrupt, mut terminate) = signals?;
        tokio::select! {
            biased;
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    }
}
