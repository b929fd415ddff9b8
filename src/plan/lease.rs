//! Who leads: a Lease as it was seen, who asks, and how long it has not changed make a claim, or none.
//!
//! How stale a Lease is, is judged by how long *we* have seen it unchanged, never by the times in it: clocks of machines differ.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

/// What a Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Empty when it was released.
    pub holder: String,
    pub seconds: i64,
    /// RFC 3339 with microseconds, kept as it came.
    pub acquired: String,
    pub renewed: String,
    pub transitions: i64,
}

/// What to do about a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Write this, guarded by the version of the Lease that was seen.
    Write(Record),
    /// Somebody else leads.
    Wait,
}

/// The claim of `me`. `lease` is absent when there is none yet; `unchanged_for` is how long it has been seen as it is now;
/// `seconds` is how long a claim of ours lasts.
pub fn claim(
    lease: Option<&Record>,
    me: &str,
    unchanged_for: TimeDelta,
    seconds: i64,
    now: DateTime<Utc>,
) -> Claim {
    let now = micro_time(now);
    let fresh = |transitions| Record {
        holder: me.to_owned(),
        seconds,
        acquired: now.clone(),
        renewed: now.clone(),
        transitions,
    };
    match lease {
        None => Claim::Write(fresh(0)),
        Some(lease) if lease.holder == me => Claim::Write(Record {
            seconds,
            renewed: now.clone(),
            ..lease.clone()
        }),
        Some(lease)
            if lease.holder.is_empty() || unchanged_for >= TimeDelta::seconds(lease.seconds.max(1)) =>
        {
            Claim::Write(fresh(lease.transitions + 1))
        }
        Some(_) => Claim::Wait,
    }
}

/// The Lease given back, so that the next leader need not wait for it to go stale.
pub fn release(lease: &Record, now: DateTime<Utc>) -> Record {
    Record {
        holder: String::new(),
        seconds: 1,
        renewed: micro_time(now),
        ..lease.clone()
    }
}

impl Record {
    /// Reads a Lease as the API server sends it; what is absent is empty.
    pub fn from_json(lease: &Value) -> Self {
        let text = |field: &str| lease["spec"][field].as_str().unwrap_or_default().to_owned();
        let number = |field: &str| lease["spec"][field].as_i64().unwrap_or_default();
        Self {
            holder: text("holderIdentity"),
            seconds: number("leaseDurationSeconds"),
            acquired: text("acquireTime"),
            renewed: text("renewTime"),
            transitions: number("leaseTransitions"),
        }
    }

    /// The `spec` of the Lease.
    pub fn to_json(&self) -> Value {
        json!({
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.seconds,
            "acquireTime": self.acquired,
            "renewTime": self.renewed,
            "leaseTransitions": self.transitions,
        })
    }
}

fn micro_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: &str) -> Record {
        Record {
            holder: holder.into(),
            seconds: 15,
            acquired: "2026-11-21T07:00:00.000000Z".into(),
            renewed: "2026-11-21T07:59:58.000000Z".into(),
            transitions: 3,
        }
    }

    fn now() -> DateTime<Utc> {
        "2026-11-21T08:00:00Z".parse().unwrap()
    }

    const NOW: &str = "2026-11-21T08:00:00.000000Z";

    #[test]
    fn a_lease_is_claimed_only_when_it_is_free_or_stale() {
        let check = |lease: Option<Record>, unchanged_seconds: i64, want: Option<(&str, i64)>| {
            let unchanged_for = TimeDelta::seconds(unchanged_seconds);
            let got = match claim(lease.as_ref(), "me", unchanged_for, 15, now()) {
                Claim::Wait => None,
                Claim::Write(record) => {
                    assert_eq!((record.holder.as_str(), record.renewed.as_str()), ("me", NOW));
                    Some((record.acquired, record.transitions))
                }
            };
            let want = want.map(|(acquired, transitions)| (acquired.to_owned(), transitions));
            assert_eq!(got, want, "{lease:?} unchanged for {unchanged_seconds} s");
        };
        check(None, 0, Some((NOW, 0)));
        check(Some(held_by("me")), 0, Some(("2026-11-21T07:00:00.000000Z", 3)));
        check(Some(held_by("other")), 0, None);
        check(Some(held_by("other")), 14, None);
        check(Some(held_by("other")), 15, Some((NOW, 4)));
        check(Some(held_by("")), 0, Some((NOW, 4)));
    }

    #[test]
    fn clocks_of_other_machines_do_not_matter() {
        let mut lease = held_by("other");
        for renewed in [
            "1999-01-01T00:00:00.000000Z",
            "2199-01-01T00:00:00.000000Z",
            "nonsense",
        ] {
            lease.renewed = renewed.into();
            assert_eq!(
                claim(Some(&lease), "me", TimeDelta::seconds(1), 15, now()),
                Claim::Wait
            );
        }
    }

    #[test]
    fn a_released_lease_is_free_at_once_and_keeps_its_count() {
        let released = release(&held_by("me"), now());
        assert_eq!((released.holder.as_str(), released.transitions), ("", 3));
        let Claim::Write(record) = claim(Some(&released), "you", TimeDelta::zero(), 15, now()) else {
            unreachable!("a released lease is free");
        };
        assert_eq!((record.holder.as_str(), record.transitions), ("you", 4));
    }

    #[test]
    fn records_survive_the_wire() {
        let record = held_by("me");
        assert_eq!(Record::from_json(&json!({"spec": record.to_json()})), record);
        assert_eq!(Record::from_json(&json!({})), Record::default());
    }
}
