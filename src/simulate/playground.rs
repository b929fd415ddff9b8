//! The cluster in memory as a real API endpoint on loopback, with everything around it running: the controller, nodes, users, Prometheus,
//! Slack. One thread of its own, whose virtual clock follows the real one at an adjustable speed. Not deterministic: people act on it.

mod front;
mod openapi;
mod pace;
mod protobuf;
mod table;
mod users;

use crate::base::clock::Clock;
use crate::base::names::annotation;
use crate::simulate::rehearsal::given::Set;
use crate::simulate::world::{Setup, World};
use serde_json::Value;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How a playground is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port on loopback; 0 for any that is free.
    pub port: u16,
    /// Virtual seconds in a real one.
    pub speed: f64,
    /// What is there at the beginning.
    pub set: Set,
    /// Requests of users per second, to each Rollout.
    pub per_second: f64,
    pub seed: u64,
}

/// What can be said to a running playground.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Control {
    Speed(f64),
    /// This much virtual time passes at once.
    Skip(Duration),
    End,
}

/// A running playground. Ends when it is dropped.
#[derive(Debug)]
pub struct Playground {
    address: SocketAddr,
    control: Sender<Control>,
    thread: Option<JoinHandle<()>>,
}

impl Playground {
    /// Starts one; it answers from now on.
    ///
    /// # Errors
    /// When the port is taken, or a thread or a runtime cannot be had.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (control, heard) = channel();
        let for_pages = control.clone();
        // Its clock stands still by itself: the pace lets it run.
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build()?;
        let thread = std::thread::Builder::new()
            .name("playground".into())
            .spawn(move || {
                runtime.block_on(live(settings, listener, for_pages, heard));
                runtime.shutdown_background();
            })?;
        Ok(Self {
            address,
            control,
            thread: Some(thread),
        })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Virtual seconds in a real one, from now on.
    pub fn set_speed(&self, speed: f64) {
        self.say(Control::Speed(speed));
    }

    /// Lets this much virtual time pass at once.
    pub fn skip(&self, time: Duration) {
        self.say(Control::Skip(time));
    }

    fn say(&self, control: Control) {
        // One that has ended hears nothing more.
        let _ = self.control.send(control);
    }

    /// A kubeconfig that leads to it.
    pub fn kubeconfig(&self) -> String {
        let address = self.address;
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: playground\n\
             clusters: [{{name: playground, cluster: {{server: \"http://{address}\"}}}}]\n\
             users: [{{name: you, user: {{}}}}]\n\
             contexts: [{{name: playground, context: {{cluster: playground, user: you, namespace: default}}}}]\n"
        )
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        self.say(Control::End);
        if let Some(thread) = self.thread.take() {
            // A playground that panicked has nothing more to end.
            let _ = thread.join();
        }
    }
}

async fn live(settings: Settings, listener: TcpListener, control: Sender<Control>, heard: Receiver<Control>) {
    let mut setup = Setup::new(settings.seed);
    // People compare ages with their own clocks.
    setup.begins = Clock::Wall.now();
    setup.objects = settings.set.objects.into_iter().map(applied).collect();
    setup.rules = settings.set.rules;
    let world = World::begin(setup);
    tokio::spawn(users::follow(world.hand.clone(), settings.per_second));
    let front = front::serve(listener, &world, control);
    tokio::select! {
        biased;
        () = pace::keep(settings.speed, heard) => {}
        () = front => {}
    }
    drop(world.end());
}

/// As `kubectl apply` leaves an object, so that it can go on from there.
fn applied(mut object: Value) -> Value {
    let last = object.to_string();
    let annotations = &mut object["metadata"]["annotations"];
    if annotations[annotation::LAST_APPLIED].is_null() {
        annotations[annotation::LAST_APPLIED] = last.into();
    }
    object
}
