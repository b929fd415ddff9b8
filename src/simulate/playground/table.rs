//! Objects as tables, the way an API server shows them to kubectl: columns of the built-in kinds people look at most, and the printer
//! columns of custom resources.

use crate::base::gotime::Time;
use crate::cluster::catalog::{DEFINITIONS, Resource};
use crate::cluster::request::Query;
use crate::simulate::people::Hand;
use crate::view::pod::Pod;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::sync::Arc;

/// How much of each object comes with its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    None,
    Metadata,
    Object,
}

/// Whether a table is asked for first of all, and with what.
pub(super) fn wanted(headers: &HeaderMap, query: &Query) -> Option<Include> {
    let accept = headers.get(header::ACCEPT)?.to_str().ok()?;
    let first = accept.split(',').next()?;
    if !first.contains("as=Table") {
        return None;
    }
    Some(match query.text("includeObject") {
        "None" => Include::None,
        "Object" => Include::Object,
        _ => Include::Metadata,
    })
}

/// A column.
struct Column {
    name: String,
    kind: String,
    priority: i64,
    /// What the server itself says of it; kubectl reads `name` of the first column.
    format: &'static str,
    cell: Cell,
}

enum Cell {
    Of(fn(&Value, DateTime<Utc>) -> Value),
    /// By the path of a printer column.
    Path(String),
}

/// Makes tables of answers.
pub(super) struct Tables {
    hand: Hand,
    include: Include,
}

impl Tables {
    pub(super) fn new(hand: Hand, include: Include) -> Self {
        Self { hand, include }
    }

    /// An object or a list as a table; anything else, such as a status, as it is.
    pub(super) fn answer(&self, body: &Bytes) -> Bytes {
        let Ok(answer) = serde_json::from_slice::<Value>(body) else {
            return body.clone();
        };
        let table = match answer["items"].as_array() {
            Some(items) => self.list(&answer, items),
            None => self.rows(&answer, std::slice::from_ref(&answer)),
        };
        table.map_or_else(|| body.clone(), |table| table.to_string().into())
    }

    fn list(&self, list: &Value, items: &[Value]) -> Option<Value> {
        let kind = list["kind"].as_str()?.strip_suffix("List")?;
        // Items of a list may leave out what the list says.
        let of_kind = json!({"apiVersion": list["apiVersion"], "kind": kind});
        let mut table = self.rows(&of_kind, items)?;
        table["metadata"] = list["metadata"].clone();
        Some(table)
    }

    /// A line of a watch, its object as a table.
    pub(super) fn event(&self, line: &Bytes) -> Bytes {
        let text = std::str::from_utf8(line).unwrap_or_default();
        let events = text
            .lines()
            .map(|line| self.one_event(line).unwrap_or_else(|| line.to_owned()));
        let told: String = events.map(|event| event + "\n").collect();
        told.into()
    }

    fn one_event(&self, line: &str) -> Option<String> {
        let mut event: Value = serde_json::from_str(line).ok()?;
        let object = event["object"].take();
        let items = match event["type"].as_str()? {
            "ERROR" => return None,
            "BOOKMARK" => &[][..],
            _ => std::slice::from_ref(&object),
        };
        let mut table = self.rows(&object, items)?;
        table["metadata"] = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
        event["object"] = table;
        Some(event.to_string())
    }

    fn rows(&self, like: &Value, items: &[Value]) -> Option<Value> {
        let columns = self.columns(like)?;
        let now = self.hand.stage.now();
        let row = |item: &Value| {
            let cells: Vec<Value> = columns.iter().map(|column| column.of(item, now)).collect();
            let object = match self.include {
                Include::None => Value::Null,
                Include::Object => item.clone(),
                Include::Metadata => json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                    "metadata": item["metadata"]}),
            };
            json!({"cells": cells, "object": object})
        };
        let definitions: Vec<Value> = columns.iter().map(Column::definition).collect();
        Some(
            json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
            "columnDefinitions": definitions, "rows": items.iter().map(row).collect::<Vec<_>>()}),
        )
    }

    fn columns(&self, like: &Value) -> Option<Vec<Column>> {
        let (version, kind) = (like["apiVersion"].as_str()?, like["kind"].as_str()?);
        let resource = {
            let world = self.hand.cluster.world();
            world.catalog.by_kind(version, kind).cloned()
        };
        let resource = resource?;
        let mut columns = vec![Column::text("Name", 0, |object, _| {
            object["metadata"]["name"].clone()
        })];
        columns[0].format = "name";
        match resource.custom() {
            true => columns.extend(self.printed(&resource)),
            false => columns.extend(builtin(kind)),
        }
        if !columns
            .iter()
            .any(|column| column.name == "Age" || column.name == "Last Seen")
        {
            columns.push(Column::text("Age", 0, age_of));
        }
        Some(columns)
    }

    /// The printer columns of a custom resource.
    fn printed(&self, resource: &Arc<Resource>) -> Vec<Column> {
        let Some(definition) = self.hand.get(DEFINITIONS, "", &resource.id) else {
            return Vec::new();
        };
        let versions = definition["spec"]["versions"].as_array();
        let version = versions
            .into_iter()
            .flatten()
            .find(|one| one["name"] == resource.version.as_str());
        let listed = version.and_then(|version| version["additionalPrinterColumns"].as_array());
        let column = |one: &Value| Column {
            name: one["name"].as_str().unwrap_or_default().to_owned(),
            kind: one["type"].as_str().unwrap_or("string").to_owned(),
            priority: one["priority"].as_i64().unwrap_or(0),
            format: "",
            cell: Cell::Path(one["jsonPath"].as_str().unwrap_or_default().to_owned()),
        };
        listed.into_iter().flatten().map(column).collect()
    }
}

impl Column {
    fn new(name: &str, kind: &str, priority: i64, cell: fn(&Value, DateTime<Utc>) -> Value) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            priority,
            format: "",
            cell: Cell::Of(cell),
        }
    }

    fn text(name: &str, priority: i64, cell: fn(&Value, DateTime<Utc>) -> Value) -> Self {
        Self::new(name, "string", priority, cell)
    }

    fn number(name: &str, cell: fn(&Value, DateTime<Utc>) -> Value) -> Self {
        Self::new(name, "integer", 0, cell)
    }

    fn definition(&self) -> Value {
        let kind = if self.kind == "date" { "string" } else { &self.kind };
        json!({"name": self.name, "type": kind, "format": self.format, "description": "", "priority": self.priority})
    }

    fn of(&self, object: &Value, now: DateTime<Utc>) -> Value {
        match &self.cell {
            Cell::Of(cell) => cell(object, now),
            Cell::Path(path) if self.kind == "date" => since(at(object, path), now),
            Cell::Path(path) => match at(object, path) {
                value @ (Value::Object(_) | Value::Array(_)) => value.to_string().into(),
                value => value.clone(),
            },
        }
    }
}

/// The value at a path of plain names, such as `.status.phase`, and of positions, such as `.spec.hostnames[0]`.
fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    let names = path.split(['.', '[', ']']).filter(|name| !name.is_empty());
    names.fold(object, |value, name| match name.parse::<usize>() {
        Ok(index) if value.is_array() => &value[index],
        _ => &value[name],
    })
}

fn builtin(kind: &str) -> Vec<Column> {
    match kind {
        "Pod" => vec![
            Column::text("Ready", 0, |pod, _| {
                let pod = Pod::from_json(pod);
                format!("{}/{}", pod.ready, pod.containers).into()
            }),
            Column::text("Status", 0, |pod, _| Pod::from_json(pod).state.into()),
            Column::number("Restarts", |pod, _| Pod::from_json(pod).restarts.into()),
            Column::text("Age", 0, age_of),
            Column::text("Image", 1, images),
        ],
        "ReplicaSet" => vec![
            Column::number("Desired", |set, _| number(&set["spec"]["replicas"])),
            Column::number("Current", |set, _| number(&set["status"]["replicas"])),
            Column::number("Ready", |set, _| number(&set["status"]["readyReplicas"])),
            Column::text("Age", 0, age_of),
            Column::text("Images", 1, |set, now| images(&set["spec"]["template"], now)),
        ],
        "Service" => vec![
            Column::text("Type", 0, |service, _| service["spec"]["type"].clone()),
            Column::text("Cluster-IP", 0, |service, _| service["spec"]["clusterIP"].clone()),
            Column::text("Age", 0, age_of),
            Column::text("Selector", 1, |service, _| {
                labels(&service["spec"]["selector"]).into()
            }),
        ],
        "Event" => vec![
            Column::text("Last Seen", 0, |event, now| {
                let last = [
                    &event["lastTimestamp"],
                    &event["eventTime"],
                    &event["metadata"]["creationTimestamp"],
                ];
                since(
                    last.into_iter()
                        .find(|time| time.is_string())
                        .unwrap_or(&Value::Null),
                    now,
                )
            }),
            Column::text("Type", 0, |event, _| event["type"].clone()),
            Column::text("Reason", 0, |event, _| event["reason"].clone()),
            Column::text("Object", 0, |event, _| {
                let object = either(event, "involvedObject", "regarding");
                let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
                format!("{}/{}", text(&object["kind"]), text(&object["name"])).into()
            }),
            Column::text("Message", 0, |event, _| either(event, "message", "note").clone()),
        ],
        "Namespace" => vec![Column::text("Status", 0, |space, _| {
            space["status"]["phase"].clone()
        })],
        _ => Vec::new(),
    }
}

/// A field of an event, by its name in either of their two forms.
fn either<'a>(event: &'a Value, core: &str, other: &str) -> &'a Value {
    event.get(core).unwrap_or(&event[other])
}

fn number(value: &Value) -> Value {
    value.as_i64().unwrap_or(0).into()
}

fn images(of: &Value, _: DateTime<Utc>) -> Value {
    let containers = of["spec"]["containers"].as_array();
    let images = containers
        .into_iter()
        .flatten()
        .filter_map(|one| one["image"].as_str());
    images.collect::<Vec<_>>().join(",").into()
}

fn labels(selector: &Value) -> String {
    let pairs = selector.as_object().into_iter().flatten();
    let pairs = pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    pairs.collect::<Vec<_>>().join(",")
}

fn age_of(object: &Value, now: DateTime<Utc>) -> Value {
    since(&object["metadata"]["creationTimestamp"], now)
}

fn since(time: &Value, now: DateTime<Utc>) -> Value {
    match time.as_str().and_then(Time::parse) {
        Some(time) => short(now - time.get()).into(),
        None => "<unknown>".into(),
    }
}

/// A length of time in two numbers at most, as kubectl has it.
fn short(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |one: i64, unit: &str, other: i64, lesser: &str| match other {
        0 => format!("{one}{unit}"),
        other => format!("{one}{unit}{other}{lesser}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_numbers_at_most() {
        let check = |seconds: i64, expect: &str| assert_eq!(short(TimeDelta::seconds(seconds)), expect);
        check(-5, "0s");
        check(119, "119s");
        check(120, "2m");
        check(125, "2m5s");
        check(3_600, "60m");
        check(3 * 3_600 + 60, "3h1m");
        check(10 * 3_600, "10h");
        check(49 * 3_600, "2d1h");
        check(30 * 86_400, "30d");
    }

    #[test]
    fn printer_columns_read_plain_paths() {
        let object = json!({"spec": {"hosts": ["a", "b"]}, "status": {"phase": "Healthy"}});
        assert_eq!(at(&object, ".status.phase"), "Healthy");
        assert_eq!(at(&object, ".spec.hosts[1]"), "b");
        assert_eq!(at(&object, ".spec.none.more"), &Value::Null);
    }

    #[test]
    fn a_table_is_made_only_when_it_is_asked_for_first() {
        let check = |accept: &str, query: &str, expect: Option<Include>| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(wanted(&headers, &Query::parse(query)), expect, "{accept}");
        };
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        check(table, "", Some(Include::Metadata));
        check(table, "includeObject=Object", Some(Include::Object));
        check("application/json", "", None);
        check(
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            "",
            None,
        );
    }
}
