//! Child processes that cannot outlive the one that started them, scratch folders that clean up after
//! themselves, and free ports. Portable shell only: no unsafe code, no Linux-only calls.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

/// Becomes the program it is given, and leaves a watcher behind that kills it when standard input ends: the
/// other end of that pipe is ours, and the kernel closes it even when we are killed.
const UNTIL_STDIN_ENDS: &str =
    r#"exec 3<&0; (read -r _ <&3; kill -9 $$) >/dev/null 2>&1 & exec "$@" </dev/null 3<&-"#;

/// Removes a folder once standard input has ended and its processes had a moment to die.
const REMOVE_AFTER_STDIN_ENDS: &str = r#"read -r _; sleep 1; rm -rf -- "$1""#;

/// A running program. Dropping it kills it (SIGKILL), and so does the death of this process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with `args`; what it writes goes to `log`, which is appended to.
    pub fn start(name: &str, program: &Path, args: &[String], log: &Path) -> Result<Self> {
        Self::start_with_env(name, program, args, &[], log)
    }

    /// As [`Process::start`], with environment variables on top of ours.
    pub fn start_with_env(
        name: &str,
        program: &Path,
        args: &[String],
        env: &[(String, String)],
        log: &Path,
    ) -> Result<Self> {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("failed to open the log {}", log.display()))?;
        let child = Command::new("sh")
            .args(["-c", UNTIL_STDIN_ENDS, "sh"])
            .arg(program)
            .args(args)
            .envs(env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// The process id: that of the program itself, not of a shell around it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Asks the program to end (SIGTERM), as Kubernetes does with a pod. Does not wait.
    pub fn terminate(&self) -> Result<()> {
        let told = Command::new("kill")
            .arg("-TERM")
            .arg(self.id().to_string())
            .status()?;
        if told.success() {
            Ok(())
        } else {
            bail!("{} is not running any more", self.name)
        }
    }

    /// Kills the program (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        // Closing the pipe lets the watcher do the killing, so that none is left waiting. The program cannot
        // have been replaced by another with its id: it stays a zombie until the `wait` below.
        drop(self.child.stdin.take());
        let _gone = self.child.wait();
    }

    /// The exit code if the program has ended by itself, -1 if by a signal.
    pub fn exited(&mut self) -> Option<i32> {
        self.child
            .try_wait()
            .ok()
            .flatten()
            .map(|status| status.code().unwrap_or(-1))
    }

    /// An error with the end of the log if the program is not running any more.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.exited() {
            None => Ok(()),
            Some(code) => {
                bail!(
                    "{} ended with exit code {code}:\n{}",
                    self.name,
                    tail(&self.log, 20)
                )
            }
        }
    }

    /// Resident memory in MiB, where the system tells (`ps`).
    pub fn memory_mib(&self) -> Option<u64> {
        let out = Command::new("ps")
            .args(["-o", "rss=", "-p", &self.id().to_string()])
            .output()
            .ok()?;
        String::from_utf8_lossy(&out.stdout)
            .trim()
            .parse::<u64>()
            .ok()
            .map(|kib| kib / 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last `lines` lines of a text file, for error messages.
pub fn tail(file: &Path, lines: usize) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// A folder for one run. It is removed when this process ends, however it ends, unless `SERIN_E2E_KEEP` is
/// set: then it stays, with the logs of every part.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _remover: Option<Child>,
}

impl Scratch {
    pub fn new(name: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("serin-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("failed to make {}", path.display()))?;
        let remover = match std::env::var_os("SERIN_E2E_KEEP") {
            Some(_) => None,
            None => Some(
                Command::new("sh")
                    .args(["-c", REMOVE_AFTER_STDIN_ENDS, "sh"])
                    .arg(&path)
                    .stdin(Stdio::piped())
                    .spawn()?,
            ),
        };
        Ok(Self {
            path,
            _remover: remover,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file or folder in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// A port of 127.0.0.1 on which nobody listens.
///
/// Taken from below the range from which systems hand out ports to outgoing connections (32768 on Linux,
/// 49152 on macOS), so that none of those can take it before its server binds it.
pub fn free_port() -> Result<u16> {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + start.wrapping_add(step) % COUNT) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {} on 127.0.0.1", FIRST + COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_a_process_kills_it() {
        let scratch = Scratch::new("process").unwrap();
        let args = ["600".to_owned()];
        let process = Process::start("sleep", Path::new("sleep"), &args, &scratch.join("log")).unwrap();
        let id = process.id().to_string();
        drop(process);
        let alive = Command::new("kill")
            .args(["-0", &id])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(!alive.success(), "process {id} is still there");
    }

    #[test]
    fn a_program_that_ends_early_is_reported_with_its_last_words() {
        let scratch = Scratch::new("process").unwrap();
        let args = ["-c".to_owned(), "echo no such flag; exit 3".to_owned()];
        let mut process = Process::start("part", Path::new("sh"), &args, &scratch.join("log")).unwrap();
        // Not `wait`: that closes the pipe and has it killed.
        let error = loop {
            match process.check_alive() {
                Ok(()) => std::thread::yield_now(),
                Err(error) => break error.to_string(),
            }
        };
        assert!(
            error.contains("exit code 3") && error.contains("no such flag"),
            "{error}"
        );
    }

    #[test]
    fn free_ports_are_not_handed_out_twice() {
        assert_ne!(free_port().unwrap(), free_port().unwrap());
    }
}
