//! Times and durations. There is no clock: `now()` is the instant that the evaluation was given.

use super::super::datum::{Datum, nanos};
use super::super::error::{Error, fail};
use super::super::machine::Evaluated;
use super::super::types::Type;
use super::as_text;
use crate::base::gotime::parse_duration;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

pub(super) fn function(name: &str, args: &[Datum], now: DateTime<Utc>) -> Evaluated {
    match (name, args) {
        ("now", []) => Ok(Datum::Time(now)),
        ("duration", [text]) => {
            let text = as_text(text, name)?;
            match parse_duration(&text) {
                Some(length) => Ok(Datum::Duration(nanos(length))),
                None => fail!("duration: {text:?} is not a duration such as \"5m\" or \"1h30m\""),
            }
        }
        ("date", [text]) => date(&as_text(text, name)?),
        ("date", _) => fail!("date with a layout or a time zone is not supported in conditions"),
        _ => fail!("{name} is not supported in conditions"),
    }
}

fn date(text: &str) -> Evaluated {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .map(|day| day.and_time(NaiveTime::MIN));
    let moment = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok();
    let hour = || {
        NaiveTime::parse_from_str(text, "%H:%M:%S")
            .ok()
            .and_then(year_zero)
    };
    let rfc3339 = || DateTime::parse_from_rfc3339(text).ok().map(|at| at.naive_utc());
    let rfc2822 = || DateTime::parse_from_rfc2822(text).ok().map(|at| at.naive_utc());
    match day
        .or_else(moment)
        .or_else(hour)
        .or_else(rfc3339)
        .or_else(rfc2822)
    {
        Some(at) => Ok(Datum::Time(at.and_utc())),
        None => fail!("invalid date {text}"),
    }
}

fn year_zero(time: NaiveTime) -> Option<NaiveDateTime> {
    NaiveDate::from_ymd_opt(0, 1, 1).map(|day| day.and_time(time))
}

/// The type that a method gives; `None` when a value of type `base` has no such method.
pub(in super::super) fn method_type(base: &Type, name: &str, args: usize) -> Option<Type> {
    Some(match (base, name, args) {
        (Type::Unknown, _, _) => Type::Unknown,
        (Type::Time, "Unix" | "UnixMilli" | "UnixNano", 0) => Type::Int,
        (Type::Time, "Year" | "Day" | "YearDay" | "Hour" | "Minute" | "Second", 0) => Type::Int,
        (Type::Time, "Add", 1) => Type::Time,
        (Type::Time, "Sub", 1) => Type::Duration,
        (Type::Time, "Before" | "After" | "Equal", 1) => Type::Bool,
        (Type::Duration, "Hours" | "Minutes" | "Seconds", 0) => Type::Float,
        (Type::Duration, "Milliseconds" | "Microseconds" | "Nanoseconds", 0) => Type::Int,
        (Type::Duration, "String", 0) => Type::Text,
        _ => return None,
    })
}

pub(in super::super) fn method(base: &Datum, name: &str, args: &[Datum]) -> Evaluated {
    match base {
        Datum::Time(at) => of_time(*at, name, args),
        Datum::Duration(nanos) => of_duration(*nanos, name, args),
        other => fail!("cannot fetch {name} from {}", other.type_name()),
    }
}

fn of_time(at: DateTime<Utc>, name: &str, args: &[Datum]) -> Evaluated {
    let number = match (name, args) {
        ("Add", [Datum::Duration(length)]) => {
            return match at.checked_add_signed(TimeDelta::nanoseconds(*length)) {
                Some(at) => Ok(Datum::Time(at)),
                None => fail!("the time is out of range"),
            };
        }
        ("Sub", [Datum::Time(other)]) => {
            return Ok(Datum::Duration(nanos(at.signed_duration_since(*other))));
        }
        ("Before", [Datum::Time(other)]) => return Ok(Datum::Bool(at < *other)),
        ("After", [Datum::Time(other)]) => return Ok(Datum::Bool(at > *other)),
        ("Equal", [Datum::Time(other)]) => return Ok(Datum::Bool(at == *other)),
        ("Unix", []) => at.timestamp(),
        ("UnixMilli", []) => at.timestamp_millis(),
        ("UnixNano", []) => at.timestamp_nanos_opt().unwrap_or_default(),
        ("Year", []) => at.year().into(),
        ("Day", []) => at.day().into(),
        ("YearDay", []) => at.ordinal().into(),
        ("Hour", []) => at.hour().into(),
        ("Minute", []) => at.minute().into(),
        ("Second", []) => at.second().into(),
        _ => return no_method("time.Time", name),
    };
    Ok(Datum::Int(number))
}

fn of_duration(length: i64, name: &str, args: &[Datum]) -> Evaluated {
    if !args.is_empty() {
        return no_method("time.Duration", name);
    }
    let unit = |nanos: f64| Ok(Datum::Float(length as f64 / nanos));
    match name {
        "Hours" => unit(3.6e12),
        "Minutes" => unit(6e10),
        "Seconds" => unit(1e9),
        "Milliseconds" => Ok(Datum::Int(length / 1_000_000)),
        "Microseconds" => Ok(Datum::Int(length / 1_000)),
        "Nanoseconds" => Ok(Datum::Int(length)),
        "String" => Ok(Datum::Text(go_duration(length).into())),
        _ => no_method("time.Duration", name),
    }
}

fn no_method<A>(kind: &str, name: &str) -> Result<A, Error> {
    fail!("type {kind} has no method {name} with these arguments")
}

/// A duration as Go prints it: `1h30m0s`, `1.5s`, `200ms`.
pub(super) fn go_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let scaled = |unit: u64| {
        let fraction = format!("{:09}", nanos % unit * (1_000_000_000 / unit));
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() { "" } else { "." };
        format!("{}{dot}{fraction}", nanos / unit)
    };
    let text = match nanos {
        0 => return "0s".into(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", scaled(1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", scaled(1_000_000)),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds = scaled(1_000_000_000);
            let (_, fraction) = seconds.split_once('.').unwrap_or((&seconds, ""));
            let dot = if fraction.is_empty() { "" } else { "." };
            let seconds = format!("{}{dot}{fraction}s", nanos / 1_000_000_000 % 60);
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}
