//! One pass over one object: look, decide, act, tell. Decisions are the core's; here is only the order of things.
//!
//! Whatever goes wrong in a pass, a panic included, costs that object only.

use crate::api::rollout::Rollout;
use crate::base::clock::Clock;
use crate::base::limits;
use crate::base::names::{label, reason};
use crate::base::object::{Key, Kind};
use crate::controller::act::{Actor, Stamp};
use crate::controller::announce::Announce;
use crate::controller::caches::{Broken, Caches, Family, Kick};
use crate::controller::error::{Error, Retry};
use crate::controller::events::{Events, Involved};
use crate::controller::kinds;
use crate::controller::metrics::Metrics;
use crate::controller::probe::Prober;
use crate::controller::queue::Next;
use crate::controller::shadow::Shadow;
use crate::controller::unsure::News;
use crate::controller::watermark::{Gate, Watermark};
use crate::plan::{Action, Guard, Note, Observed, Plan, Question, Verb, rollout};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use serde::Serialize;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::time::Instant;

pub use crate::controller::memory::Memory;

/// The two decisions, so that tests can put others in their place.
#[derive(Clone, Copy)]
pub struct Core {
    pub survey: fn(&Observed) -> Vec<Question>,
    pub plan: fn(&Observed, DateTime<Utc>) -> Plan,
    pub plan_run: fn(&crate::plan::analysis::RunObserved, DateTime<Utc>) -> crate::plan::analysis::RunPlan,
}

impl Default for Core {
    fn default() -> Self {
        Self {
            survey: rollout::survey,
            plan: rollout::plan,
            plan_run: crate::plan::analysis::plan_run,
        }
    }
}

/// Everything that a pass uses.
pub struct Shell {
    pub core: Core,
    pub clock: Clock,
    pub caches: Arc<Caches>,
    pub watermark: Watermark,
    pub actor: Actor,
    pub events: Events,
    pub prober: Arc<Prober>,
    pub metrics: Arc<Metrics>,
    pub announce: Arc<dyn Announce>,
    pub instance_id: String,
    pub memory: Memory,
    /// Set when nothing may be written.
    pub shadow: Option<Shadow>,
}

/// A pass that failed.
pub struct Failed {
    pub error: Error,
    pub involved: Involved,
}

/// An object that exists already is in the cache a moment later; only when it still is not, somebody has to look.
const EXISTS_TOLD_AFTER: u32 = 3;

/// Runs one pass and says when the next is due.
pub async fn pass(shell: Arc<Shell>, subject: Kick) -> Next {
    let began = Instant::now();
    let attempt = async {
        match &subject {
            Kick::Rollout(key) => rollout_pass(&shell, key).await,
            Kick::Run(key) => super::analysis::run_pass(&shell, key).await,
            Kick::Experiment(key) => super::experiment::experiment_pass(&shell, key).await,
        }
    };
    let outcome = AssertUnwindSafe(attempt).catch_unwind().await;
    let (kind, key) = subject.object();
    shell.metrics.passes.total.with_label_values(&[kind.name()]).inc();
    if kind == Kind::Rollout {
        let labels = [key.namespace.as_str(), key.name.as_str()];
        let seconds = began.elapsed().as_secs_f64();
        shell
            .metrics
            .passes
            .rollout_seconds
            .with_label_values(&labels)
            .observe(seconds);
    }
    match outcome {
        Ok(Ok(Next::Forget)) => {
            shell.forget(&subject);
            Next::Forget
        }
        Ok(Ok(next)) => {
            shell.memory.succeeded(&subject);
            next
        }
        Ok(Err(failed)) => shell.failed(&subject, failed),
        Err(panic) => {
            let message = format!("a pass panicked: {}", panic_text(panic.as_ref()));
            shell.count_failure(&subject, "panic");
            tracing::error!(kind = kind.name(), object = %key, "{message}");
            Next::Backoff
        }
    }
}

async fn rollout_pass(shell: &Shell, key: &Key) -> Result<Next, Failed> {
    let subject = Kick::Rollout(key.clone());
    let mut family = match shell.caches.family(key) {
        None => return farewell(shell, key).await,
        Some(Err(broken)) => return Err(broken.into()),
        Some(Ok(family)) => family,
    };
    let broken = family.broken.take();
    if let Some(broken) = broken.clone().filter(|_| !family.rollout.status.abort) {
        return Err(broken.into());
    }
    if let Some(next) = shell.wait_for_caches(&subject) {
        return Ok(next);
    }
    let meta = &family.rollout.metadata;
    let involved = Involved {
        kind: Kind::Rollout,
        key: key.clone(),
        uid: meta.uid.clone(),
        version: meta.resource_version.clone(),
    };
    shell.tell_what_happened(&subject, &involved, &*family.rollout);
    let mut seen = Observed {
        create_failure: shell.memory.create_failure(&subject),
        unreadable: broken.as_ref().map(|broken| broken.message.clone()),
        ..family.observed(&shell.instance_id)
    };
    shell.ask(key, &mut seen).await;
    if shell.caches.reads_for(key) {
        // The end of the reading kicks.
        return Ok(Next::OnChange);
    }
    let plan = (shell.core.plan)(&seen, shell.clock.now());
    if let Some(due) = shell.memory.deferred_until(&subject, &plan) {
        let wake = plan.wake_at.map_or(due, |at| shell.clock.instant_of(at));
        return Ok(Next::At(due.min(wake)));
    }
    let next = shell.carry_out(&subject, involved, plan).await?;
    // What could be done without the object that cannot be read is done; it is told like any other that cannot.
    match broken {
        Some(broken) => Err(broken.into()),
        None => Ok(next),
    }
}

/// A Rollout that the caches do not hold: it is gone, or in the care of another controller. Only the first lets its Services go.
async fn farewell(shell: &Shell, key: &Key) -> Result<Next, Failed> {
    let subject = Kick::Rollout(key.clone());
    if let Some(next) = shell.wait_for_caches(&subject) {
        return Ok(next);
    }
    let managed = shell.caches.managed_by(key);
    if managed.is_empty() || shell.actor.exists(Kind::Rollout, key).await != Some(false) {
        return Ok(Next::Forget);
    }
    let involved = Involved {
        kind: Kind::Service,
        key: managed[0].metadata.key(),
        uid: managed[0].metadata.uid.clone(),
        version: managed[0].metadata.resource_version.clone(),
    };
    let plan = rollout::farewell(&managed);
    shell.carry_out(&subject, involved, plan).await?;
    Ok(Next::Forget)
}

impl Family {
    fn observed(&self, instance_id: &str) -> Observed {
        Observed {
            rollout: Rollout::clone(&self.rollout),
            replica_sets: self.replica_sets.iter().map(|rs| (**rs).clone()).collect(),
            analysis_runs: self.runs.iter().map(|run| (**run).clone()).collect(),
            managed: self.managed.clone(),
            routed: self
                .routed
                .iter()
                .map(|(kind, object)| (*kind, (**object).clone()))
                .collect(),
            instance_id: instance_id.to_owned(),
            ..Observed::default()
        }
    }
}

impl Shell {
    /// `Some` when the pass has to wait for the caches.
    pub fn wait_for_caches(&self, subject: &Kick) -> Option<Next> {
        match self.watermark.gate(subject, &self.caches) {
            Gate::Open => None,
            Gate::Wait(until) => Some(Next::At(until)),
            Gate::Overdue(behind) => {
                let (kind, key) = subject.object();
                tracing::warn!(kind = kind.name(), object = %key, behind = behind.plural(), "a cache is behind; going on without");
                self.metrics.passes.watermark_timeouts.inc();
                self.caches.doubt(behind);
                None
            }
        }
    }

    /// Adds the answers to what the core asks; answers may raise further questions.
    async fn ask(&self, key: &Key, seen: &mut Observed) {
        for _ in 0..limits::SURVEY_ROUNDS_MAX {
            let mut questions = (self.core.survey)(seen);
            questions.retain(|question| seen.answers.get(question).is_none());
            if questions.is_empty() {
                break;
            }
            let mut asked: BTreeSet<Question> = seen.answers.0.keys().cloned().collect();
            asked.extend(questions.iter().cloned());
            asked.retain(Question::cached);
            // Asked for before it is answered: a change in between must not be missed.
            self.caches.ask(key, asked);
            for question in questions {
                let answer = match &question {
                    Question::Pods(of) => self.actor.pods(of).await,
                    _ => self.caches.answer(&question),
                };
                seen.answers.0.insert(question, answer);
            }
        }
        if seen.answers.0.is_empty() {
            self.caches.ask(key, BTreeSet::new());
        }
    }

    /// Acts, remembers what was written, tells, and says when to look again.
    pub async fn carry_out(
        &self,
        subject: &Kick,
        involved: Involved,
        mut plan: Plan,
    ) -> Result<Next, Failed> {
        if let Some(shadow) = &self.shadow {
            shadow.say(subject, &plan);
            return Ok(self.next_look(plan.wake_at));
        }
        if plan.actions.iter().any(|action| adopts(action, &involved.uid)) && !self.is_alive(&involved).await
        {
            self.caches.doubt(involved.kind);
            return Ok(Next::Backoff);
        }
        let planned = plan.actions.len();
        let held = self.memory.held(subject, &plan.actions);
        plan.actions
            .truncate(held.as_ref().map_or(planned, |held| held.from));
        let done = self.actor.carry_out(&plan.actions).await;
        let held_up = self.memory.restart_held(subject, &done);
        self.tell_notes(&involved, held_up.into_iter().collect());
        self.memory.wrote(subject, &done.written);
        let written = done.written.len();
        self.watermark.wrote(subject, done.written);
        self.tell_notes(
            &involved,
            self.memory.contested(subject, &plan.actions[..written]),
        );
        let whole = done.failure.is_none() && held.is_none();
        let happened = |note: &Note| whole || note.write.is_some_and(|at| at < written);
        let (told, untold) = plan.notes.into_iter().partition(happened);
        self.tell_notes(&involved, told);
        let news = News {
            notes: untold,
            announcements: plan.announcements,
        };
        if let Some(error) = done.failure {
            self.learn_from(&error, subject, plan.actions.get(written));
            // What is left to tell is about the last write, that of the object's own status.
            let last = plan.actions.pop().filter(|_| written + 1 == planned);
            if let Some(last) =
                last.filter(|last| error.unsure() && (last.kind, &last.key) == subject.object())
            {
                self.memory.unsure(subject, |unsure| unsure.keep(last.body, news));
            }
            return Err(Failed { error, involved });
        }
        if let Some(held) = held {
            let wake = plan.wake_at.map(|at| self.clock.instant_of(at));
            return Ok(Next::At(wake.map_or(held.until, |wake| wake.min(held.until))));
        }
        self.tell(&involved, news);
        if !plan.waiting_for.is_empty() {
            tracing::debug!(kind = involved.kind.name(), object = %involved.key, "waiting for {}", plan.waiting_for);
        }
        Ok(self.next_look(plan.wake_at))
    }

    /// Without a time of its own an object is looked at again after the resync time: a lost event must not be lost for good.
    fn next_look(&self, wake_at: Option<DateTime<Utc>>) -> Next {
        let resync = self.clock.now() + limits::resync();
        Next::At(self.clock.instant_of(wake_at.unwrap_or(resync)))
    }

    /// Whether the object is still the one in the cache. What is adopted by an owner that is gone is garbage, and is collected with all
    /// its pods.
    async fn is_alive(&self, involved: &Involved) -> bool {
        self.actor.uid_of(involved.kind, &involved.key).await == Some(Some(involved.uid.clone()))
    }

    /// A conflict says that the version which the write was decided from is old.
    fn learn_from(&self, error: &Error, subject: &Kick, refused: Option<&Action>) {
        let Some((action, Error::Conflict(_))) = refused.map(|action| (action, error)) else {
            return;
        };
        if let Guard::Seen {
            uid,
            resource_version,
        } = &action.guard
        {
            let seen = Stamp {
                uid: uid.clone(),
                version: resource_version.clone(),
            };
            self.watermark.refused(subject, action.kind, &action.key, seen);
        }
    }

    fn tell_notes(&self, involved: &Involved, notes: Vec<Note>) {
        for note in notes {
            self.events.note(involved, note, &self.clock);
        }
    }

    fn tell(&self, involved: &Involved, news: News) {
        self.tell_notes(involved, news.notes);
        for announcement in news.announcements {
            let moment = format!("{:?}", announcement.moment);
            let moment = moment.split('(').next().unwrap_or_default().to_lowercase();
            self.metrics
                .announcements
                .with_label_values(&[moment.as_str()])
                .inc();
            self.announce.send(announcement);
        }
    }

    /// Tells the news of an earlier write that had no answer, when the object shows it.
    pub fn tell_what_happened(&self, subject: &Kick, involved: &Involved, object: &impl Serialize) {
        let happened = self.memory.unsure(subject, |unsure| match unsure.is_empty() {
            true => None,
            false => unsure.happened(&serde_json::to_value(object).ok()?),
        });
        if let Some(news) = happened {
            self.tell(involved, news);
        }
    }

    fn failed(&self, subject: &Kick, failed: Failed) -> Next {
        let Failed { error, involved } = failed;
        let retry = error.retry();
        let next = match retry {
            Retry::Backoff => Next::Backoff,
            Retry::After(wait) => Next::After(wait),
            Retry::OnChange => Next::OnChange,
        };
        let (kind, object) = (involved.kind.name(), involved.key.to_string());
        let message = error.to_string();
        let (repeated, in_a_row) = self.memory.failed(subject, &message);
        if in_a_row >= limits::CACHE_DOUBT_REFUSALS
            && let Some(kind) = error
                .contradicts()
                .and_then(|target| kinds::kind_of(&target.resource))
        {
            self.caches.doubt(kind);
        }
        if error.silent() {
            tracing::debug!(kind, %object, "{message}");
            return next;
        }
        self.count_failure(subject, error.category());
        if self.shadow.is_some() {
            tracing::warn!(kind, %object, "shadow: {message}");
            return next;
        }
        let told_before = repeated && retry == Retry::OnChange;
        let too_early = matches!(error, Error::AlreadyExists(_)) && in_a_row != EXISTS_TOLD_AFTER;
        if error.concerns_owner() && !told_before && !too_early {
            let complaint = complaint(&error);
            if complaint.reason == reason::REPLICA_SET_CREATE_ERROR {
                self.memory.cannot_create(subject, &complaint.message);
            }
            self.events.note(&involved, complaint, &self.clock);
        } else if !repeated {
            tracing::warn!(kind, %object, "{message}");
        }
        next
    }

    fn count_failure(&self, subject: &Kick, category: &str) {
        let (kind, key) = subject.object();
        let labels = [key.namespace.as_str(), key.name.as_str()];
        self.metrics.passes.errors.with_label_values(&[category]).inc();
        match kind {
            Kind::Rollout => self
                .metrics
                .passes
                .rollout_errors
                .with_label_values(&labels)
                .inc(),
            Kind::AnalysisRun => self.metrics.passes.run_errors.with_label_values(&labels).inc(),
            _ => {}
        }
    }

    fn forget(&self, subject: &Kick) {
        let (_, key) = subject.object();
        self.watermark.forget(subject);
        self.memory.forget(subject);
        self.shadow.iter().for_each(|shadow| shadow.forget(subject));
        self.metrics.forget(key);
        if matches!(subject, Kick::Run(_)) {
            self.prober.drop_run(key);
        }
    }
}

impl From<Box<Broken>> for Failed {
    fn from(broken: Box<Broken>) -> Self {
        let broken = *broken;
        Self {
            involved: Involved {
                kind: broken.kind,
                key: broken.key.clone(),
                uid: broken.uid,
                version: broken.version,
            },
            error: Error::Undecodable {
                kind: broken.kind,
                key: broken.key,
                message: broken.message,
            },
        }
    }
}

/// What the object's owner is told.
fn complaint(error: &Error) -> Note {
    match error {
        Error::Refused { target, .. } | Error::Forbidden { target, .. } | Error::AlreadyExists(target)
            if target.verb == "create" && target.resource == Kind::ReplicaSet.plural() =>
        {
            let name = &target.key.name;
            let mut message = format!("Failed to create new replica set \"{name}\": {error}");
            if matches!(error, Error::AlreadyExists(_)) {
                // Were it labelled it would be in the cache, and the plan would have chosen another name.
                message.push_str(&format!(
                    ", but without the label {}, so it is not known here: delete it, or give it that label",
                    label::POD_HASH
                ));
            }
            Note::warning(reason::REPLICA_SET_CREATE_ERROR, message)
        }
        Error::Undecodable { .. } => Note::warning(reason::INVALID_SPEC, error.to_string()),
        _ => Note::warning(
            "ReconciliationError",
            format!("Reconciliation failed with error: {error}"),
        ),
    }
}

/// Whether a write makes this owner responsible for an object that was nobody's.
fn adopts(action: &Action, uid: &str) -> bool {
    let owners = action.body.pointer("/metadata/ownerReferences");
    let mut owners = owners.and_then(serde_json::Value::as_array).into_iter().flatten();
    action.verb == Verb::Patch && owners.any(|owner| owner["uid"] == uid)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
