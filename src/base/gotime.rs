//! Times as Kubernetes prints them and durations as Go spells them.
//!
//! `metav1.Time` is RFC 3339 in UTC to the second; Go durations are `1h2m3.5s`. Knows no clock.

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;

/// A point in time with the precision of `metav1.Time`: whole seconds, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(DateTime<Utc>);

impl Time {
    /// Cuts `at` to whole seconds, as the wire format does.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self(at.trunc_subsecs(0))
    }

    /// The next whole second, unless `at` is one: what lasts from then on lasts no shorter than from `at`.
    pub fn ceil(at: DateTime<Utc>) -> Self {
        let cut = Self::new(at);
        match cut.0 < at {
            true => Self(cut.0 + TimeDelta::seconds(1)),
            false => cut,
        }
    }

    pub fn get(self) -> DateTime<Utc> {
        self.0
    }

    /// RFC 3339, for example `2026-11-21T08:00:00Z`.
    pub fn rfc3339(self) -> String {
        self.0.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| Self::new(at.to_utc()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("{text:?} is not an RFC 3339 time")))
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// Parses a Go duration (`5m30s`, `1.5h`, `100ms`, `-3s`, `0`). `None` for anything Go's `time.ParseDuration` refuses.
pub fn parse_duration(text: &str) -> Option<TimeDelta> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(TimeDelta::zero());
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (nanos, after) = parse_component(rest)?;
        total = total.checked_add(nanos)?;
        rest = after;
    }
    let nanos = i64::try_from(if negative { -total } else { total }).ok()?;
    Some(TimeDelta::nanoseconds(nanos))
}

/// One `<number><unit>` of a Go duration: its nanoseconds and what follows it.
fn parse_component(text: &str) -> Option<(i128, &str)> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, mut rest) = text.split_at(digits_end);
    let mut fraction = "";
    if let Some(after_dot) = rest.strip_prefix('.') {
        let end = after_dot
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after_dot.len());
        (fraction, rest) = after_dot.split_at(end);
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let scale = unit_nanos(unit)?;
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.bytes().take(18) {
        // One decimal place more each turn; integer division truncates as Go does.
        place /= 10;
        nanos = nanos.checked_add(i128::from(digit - b'0') * place)?;
    }
    Some((nanos, rest))
}

fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Prints whole seconds the way people say them: `45s`, `5m`, `1h30m`.
pub fn human(duration: TimeDelta) -> String {
    let seconds = duration.num_seconds().max(0);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    for (amount, unit) in [(hours, "h"), (minutes, "m"), (seconds, "s")] {
        if amount > 0 {
            text.push_str(&format!("{amount}{unit}"));
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_parse_as_go_does() {
        let check = |text: &str, want: Option<i64>| {
            assert_eq!(parse_duration(text).map(|d| d.num_milliseconds()), want, "{text}");
        };
        check("5m30s", Some(330_000));
        check("1.5h", Some(5_400_000));
        check("100ms", Some(100));
        check("-5m", Some(-300_000));
        check("0", Some(0));
        check(".5s", Some(500));
        for refused in ["", "30", "2d", "1h30", "1m 5s", "5 minutes", "s", "-", ".s"] {
            check(refused, None);
        }
    }

    #[test]
    fn times_print_whole_seconds_in_utc() {
        let time = Time::parse("2026-11-21T10:00:00.75+02:00").map(Time::rfc3339);
        assert_eq!(time.as_deref(), Some("2026-11-21T08:00:00Z"));
    }

    #[test]
    fn human_durations_drop_empty_units() {
        assert_eq!(human(TimeDelta::seconds(5400)), "1h30m");
        assert_eq!(human(TimeDelta::seconds(45)), "45s");
        assert_eq!(human(TimeDelta::zero()), "0s");
    }
}
