//! Small readers of raw objects. They share no code with the controller on purpose: what both read wrongly would be seen by neither.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// Parts in a whole: shares of traffic are counted in millionths.
pub const WHOLE: i64 = 1_000_000;

/// Namespace and name.
pub type Id = (String, String);

pub fn shown(id: &Id) -> String {
    format!("{}/{}", id.0, id.1)
}

pub fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

pub fn owned(value: &Value, field: &str) -> String {
    text(value, field).to_owned()
}

pub fn number(value: &Value, field: &str) -> i64 {
    value[field].as_i64().unwrap_or(0)
}

pub fn flag(value: &Value, field: &str) -> bool {
    value[field].as_bool().unwrap_or(false)
}

pub fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

pub fn time(value: &Value) -> Option<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    Some(parsed.to_utc())
}

pub fn label<'v>(object: &'v Value, name: &str) -> &'v str {
    text(&object["metadata"]["labels"], name)
}

pub fn annotation<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object["metadata"]["annotations"][name].as_str()
}

/// Kind and uid of the controlling owner; empty without one.
pub fn controller(object: &Value) -> (&str, &str) {
    let owners = list(&object["metadata"], "ownerReferences");
    let owner = owners.iter().find(|owner| flag(owner, "controller"));
    owner.map_or(("", ""), |owner| (text(owner, "kind"), text(owner, "uid")))
}

/// An absolute number or a percentage of `total`; a text without the sign is a percentage, too.
pub fn part(value: &Value, total: i64, up: bool) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let text = value.as_str()?;
    let percent: i64 = text.strip_suffix('%').unwrap_or(text).parse().ok()?;
    let parts = percent.saturating_mul(total);
    Some(if up {
        (parts + 99).div_euclid(100)
    } else {
        parts.div_euclid(100)
    })
}

/// The length of a pause: seconds as a number or text, or a duration as Go spells it, in whole seconds.
pub fn seconds(value: &Value) -> Option<TimeDelta> {
    if let Some(number) = value.as_i64() {
        return TimeDelta::try_seconds(number);
    }
    let text = value.as_str()?;
    if let Ok(number) = text.parse::<i64>() {
        return TimeDelta::try_seconds(number);
    }
    let whole = crate::base::gotime::parse_duration(text)?;
    TimeDelta::try_seconds(whole.num_seconds())
}

/// A share as people read it.
pub fn percent(share: i64) -> String {
    let tenths = (share * 1000 + WHOLE / 2) / WHOLE;
    if tenths % 10 == 0 {
        format!("{} %", tenths / 10)
    } else {
        format!("{}.{} %", tenths / 10, tenths % 10)
    }
}

/// A length of time as people read it, with milliseconds below a second.
pub fn human(length: TimeDelta) -> String {
    if length < TimeDelta::seconds(1) {
        return format!("{} ms", length.num_milliseconds());
    }
    crate::base::gotime::human(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_and_pauses_are_read_as_the_manifest_spells_them() {
        let check = |value: Value, up, want| assert_eq!(part(&value, 5, up), want, "{value}");
        check(json!("25%"), true, Some(2));
        check(json!("25%"), false, Some(1));
        check(json!("25"), false, Some(1));
        check(json!(3), false, Some(3));
        check(json!("x"), false, None);
        let check = |value: Value, want: Option<i64>| {
            assert_eq!(seconds(&value).map(|s| s.num_seconds()), want, "{value}");
        };
        check(json!(30), Some(30));
        check(json!("30"), Some(30));
        check(json!("5m30s"), Some(330));
        check(json!("soon"), None);
    }
}
