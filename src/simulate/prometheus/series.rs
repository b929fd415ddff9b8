//! Series and their samples, found by metric name, for a bounded time. Knows neither where samples come from nor how they are asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::labels::{Labels, NAME};

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Milliseconds since 1970.
    pub at: i64,
    pub value: f64,
    /// Everything that was lost by falls of the value so far, so that `rate` need not look at what lies between two samples.
    pub lost: f64,
}

/// Appends a sample and keeps the account of falls.
pub fn push(points: &mut Vec<Point>, at: i64, value: f64) {
    let lost = points.last().map_or(0.0, |last| {
        last.lost + if value < last.value { last.value } else { 0.0 }
    });
    points.push(Point { at, value, lost });
}

#[derive(Clone, Debug)]
pub struct Series {
    pub labels: Labels,
    /// The labels without the metric's name.
    pub bare: Labels,
    points: Vec<Point>,
    /// When the series was found to be gone, each time.
    gone: Vec<i64>,
}

impl Series {
    /// The samples from `from` until `to`, both included.
    pub fn points(&self, from: i64, to: i64) -> &[Point] {
        let start = self.points.partition_point(|point| point.at < from);
        let end = self.points.partition_point(|point| point.at <= to);
        self.points.get(start..end).unwrap_or_default()
    }

    /// The last sample from `from` until `to`, unless the series was gone after it.
    pub fn last(&self, from: i64, to: i64) -> Option<Point> {
        let end = self.points.partition_point(|point| point.at <= to);
        let last = self.points[..end].last().filter(|point| point.at >= from)?;
        let gone = self.gone.iter().any(|gone| (last.at..=to).contains(gone));
        (!gone).then_some(*last)
    }

    fn trim(&mut self, before: i64) {
        let old = self.points.partition_point(|point| point.at < before);
        self.points.drain(..old);
        self.gone.retain(|gone| *gone >= before);
    }
}

/// All series. Ids are never used twice.
#[derive(Clone, Debug, Default)]
pub struct SeriesStore {
    series: Vec<Series>,
    by_labels: BTreeMap<Labels, usize>,
    by_name: BTreeMap<Arc<str>, Vec<usize>>,
}

impl SeriesStore {
    /// The series with these labels, new if need be.
    pub fn id(&mut self, labels: &Labels) -> usize {
        if let Some(id) = self.by_labels.get(labels) {
            return *id;
        }
        let id = self.series.len();
        self.series.push(Series {
            labels: labels.clone(),
            bare: labels.without_name(),
            points: Vec::new(),
            gone: Vec::new(),
        });
        self.by_labels.insert(labels.clone(), id);
        self.by_name
            .entry(Arc::from(labels.get(NAME)))
            .or_default()
            .push(id);
        id
    }

    /// Adds a sample, which must be later than those that are there: others are dropped, as Prometheus does.
    pub fn append(&mut self, id: usize, at: i64, value: f64) {
        if let Some(series) = self.series.get_mut(id) {
            let in_order = series.points.last().is_none_or(|last| last.at < at);
            if in_order {
                push(&mut series.points, at, value);
            }
        }
    }

    /// Marks a series as gone since `at`.
    pub fn end(&mut self, id: usize, at: i64) {
        if let Some(series) = self.series.get_mut(id) {
            series.gone.push(at);
        }
    }

    /// The series of one metric, in the order in which they came.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Series> {
        let ids = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.series.get(*id))
    }

    /// All series, metric by metric.
    pub fn all(&self) -> impl Iterator<Item = &Series> {
        let ids = self.by_name.values().flatten();
        ids.filter_map(|id| self.series.get(*id))
    }

    /// Forgets what is older, and the series that have nothing younger.
    pub fn trim(&mut self, before: i64) {
        for series in &mut self.series {
            series.trim(before);
        }
        let series = &self.series;
        let alive = |id: usize| series.get(id).is_some_and(|one| !one.points.is_empty());
        self.by_labels.retain(|_, id| alive(*id));
        for ids in self.by_name.values_mut() {
            ids.retain(|id| alive(*id));
        }
        self.by_name.retain(|_, ids| !ids.is_empty());
    }
}
