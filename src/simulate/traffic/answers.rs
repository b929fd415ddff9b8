//! How versions answer beside what their image tag says: for whom, when, and what becomes different. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::known::Pod;
use super::profile::Profile;

/// Whom an [`Override`] is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Everyone,
    /// Pods with an image tag that contains this.
    Tag(String),
    /// Pods of the version with this pod-template hash.
    Hash(String),
    /// The pod of this name.
    Pod(String),
}

/// When an [`Override`] holds: from `from` until `until`, while the pod is at least `age_min` and younger than `age_max`. The age
/// counts from the last start of its containers. A bound that is absent does not bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    pub age_min: Option<TimeDelta>,
    pub age_max: Option<TimeDelta>,
}

impl When {
    pub const ALWAYS: Self = Self {
        from: None,
        until: None,
        age_min: None,
        age_max: None,
    };

    pub fn from(from: DateTime<Utc>) -> Self {
        Self {
            from: Some(from),
            ..Self::ALWAYS
        }
    }

    /// A leak: it shows when the pod is that old.
    pub fn at_age(age_min: TimeDelta) -> Self {
        Self {
            age_min: Some(age_min),
            ..Self::ALWAYS
        }
    }

    /// A slow start: it is over when the pod is that old.
    pub fn until_age(age_max: TimeDelta) -> Self {
        Self {
            age_max: Some(age_max),
            ..Self::ALWAYS
        }
    }

    /// The times at which it begins or ends for a pod that started at `since`.
    fn turns(&self, since: DateTime<Utc>) -> [Option<DateTime<Utc>>; 4] {
        let at_age = |age: Option<TimeDelta>| age.and_then(|age| since.checked_add_signed(age));
        [self.from, self.until, at_age(self.age_min), at_age(self.age_max)]
    }

    fn holds(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let [from, until, old, young] = self.turns(since);
        from.is_none_or(|from| now >= from)
            && until.is_none_or(|until| now < until)
            && old.is_none_or(|old| now >= old)
            && young.is_none_or(|young| now < young)
    }
}

/// Answers that differ from those of the image tag. Fields that are none stay as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    pub who: Who,
    pub when: When,
    /// The share of 5xx answers, from 0 to 1.
    pub errors: Option<f64>,
    /// The share of answers within each bound: see [`Profile::within`].
    pub within: Option<[f64; 11]>,
    pub silent: Option<bool>,
}

impl Override {
    /// One that changes nothing yet.
    pub fn new(who: Who, when: When) -> Self {
        Self {
            who,
            when,
            errors: None,
            within: None,
            silent: None,
        }
    }

    pub fn errors(mut self, share: f64) -> Self {
        self.errors = Some(share.clamp(0.0, 1.0));
        self
    }

    /// A latency with this median and 99th percentile, in seconds.
    pub fn latency(mut self, median: f64, p99: f64) -> Self {
        self.within = Some(Profile::latency(median, p99));
        self
    }

    pub fn silent(mut self) -> Self {
        self.silent = Some(true);
        self
    }

    fn is_for(&self, name: &str, pod: &Pod) -> bool {
        match &self.who {
            Who::Everyone => true,
            Who::Tag(part) => pod.tag.contains(part.as_str()),
            Who::Hash(hash) => pod.hash() == hash,
            Who::Pod(wanted) => name == wanted,
        }
    }
}

/// How a pod answers now. Later overrides win over earlier ones.
pub(super) fn profile(overrides: &[Override], name: &str, pod: &Pod, now: DateTime<Utc>) -> Profile {
    let mut profile = Profile::of_tag(&pod.tag);
    let holding = overrides
        .iter()
        .filter(|one| one.when.holds(pod.since, now) && one.is_for(name, pod));
    for one in holding {
        profile.errors = one.errors.unwrap_or(profile.errors);
        profile.within = one.within.unwrap_or(profile.within);
        profile.silent = one.silent.unwrap_or(profile.silent);
    }
    profile
}

/// When the pod's answers may be others next.
pub(super) fn next_turn(
    overrides: &[Override],
    name: &str,
    pod: &Pod,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let ours = overrides.iter().filter(|one| one.is_for(name, pod));
    ours.flat_map(|one| one.when.turns(pod.since))
        .flatten()
        .filter(|turn| *turn > now)
        .min()
}
