//! What is to be done, and when: each task at most once. Knows no tasks and reads no clock.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// Tasks by the time they are due; equal times in the order in which they were added.
#[derive(Debug)]
pub struct Agenda<T> {
    due: BTreeMap<(DateTime<Utc>, u64), T>,
    tasks: BTreeMap<T, (DateTime<Utc>, u64)>,
    count: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            tasks: BTreeMap::new(),
            count: 0,
        }
    }
}

impl<T: Ord + Clone> Agenda<T> {
    /// Adds a task; of one that is there already, the earlier time counts.
    pub fn add(&mut self, task: T, at: DateTime<Utc>) {
        if let Some(known) = self.tasks.get(&task) {
            if known.0 <= at {
                return;
            }
            self.due.remove(known);
        }
        self.count += 1;
        self.due.insert((at, self.count), task.clone());
        self.tasks.insert(task, (at, self.count));
    }

    /// Takes the next task that is due by now.
    pub fn pop(&mut self, now: DateTime<Utc>) -> Option<T> {
        let first = self.due.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let task = first.remove();
        self.tasks.remove(&task);
        Some(task)
    }

    /// When the next task is due.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_task_is_done_once_at_its_earliest_time() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let mut agenda = Agenda::default();
        agenda.add("late", at(9));
        agenda.add("b", at(5));
        agenda.add("a", at(5));
        agenda.add("late", at(3));
        agenda.add("late", at(7));
        assert_eq!(agenda.next(), Some(at(3)));
        assert_eq!(agenda.pop(at(2)), None);
        let order: Vec<_> = std::iter::from_fn(|| agenda.pop(at(9))).collect();
        assert_eq!(order, ["late", "b", "a"]);
        assert_eq!(agenda.next(), None);
    }
}
