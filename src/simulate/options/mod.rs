//! The catalogue of what a Rollout can ask for and what people do with it, one entry for each option: what it changes in the manifest, what
//! else it needs, what happens in time because of it, and what it cannot be combined with. Makes worlds of them; runs nothing.

pub mod compose;
pub mod pairs;

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// One option.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Choice {
    pub name: String,
    /// What it is, in one line.
    pub about: String,
    /// Of a ground only: `canary` or `blueGreen`.
    #[serde(default)]
    pub kind: String,
    /// The grounds that suit it: their names, `canary` or `routed` for all of these; every ground when empty.
    #[serde(default)]
    pub on: Vec<String>,
    /// Merged into the Rollout's spec.
    #[serde(default)]
    pub spec: Value,
    /// Merged into the strategy, whichever it is; `canary` and `blue_green` into one of them.
    #[serde(default)]
    pub strategy: Value,
    #[serde(default)]
    pub blue_green: Value,
    /// Names of Services that select all pods.
    #[serde(default)]
    pub services: Vec<String>,
    #[serde(default)]
    pub objects: Vec<Value>,
    #[serde(default)]
    pub traffic: Vec<Value>,
    #[serde(default)]
    pub versions: BTreeMap<String, Value>,
    /// The template comes from a Deployment: that is where releases are made.
    #[serde(default)]
    pub workload: bool,
    /// Steps of a canary before the pause in the middle.
    #[serde(default)]
    pub steps: Vec<Value>,
    /// Steps of a canary after it.
    #[serde(default)]
    pub last: Vec<Value>,
    /// No steps at all.
    #[serde(default)]
    pub bare: bool,
    /// Scenes of a story: from the first moment on,
    #[serde(default)]
    pub begin: Vec<Value>,
    /// when the first version is healthy,
    #[serde(default)]
    pub before: Vec<Value>,
    /// when the first of its own steps is reached,
    #[serde(default)]
    pub there: Vec<Value>,
    /// in the middle of the update,
    #[serde(default)]
    pub during: Vec<Value>,
    /// at last in the middle, if nothing else decided how the update goes on,
    #[serde(default)]
    pub finally: Vec<Value>,
    /// and after the promotion; where nothing is promoted, left out together with `ends`.
    #[serde(default)]
    pub after: Vec<Value>,
    /// What the scene in the middle waits for instead of the pause.
    #[serde(default)]
    pub middle: Value,
    /// It decides how the update ends: no two of these are combined.
    #[serde(default)]
    pub decides: bool,
    /// Nothing is left to do in the middle once it was done.
    #[serde(default)]
    pub over: bool,
    /// The update starts over: what is done at its steps is done again.
    #[serde(default)]
    pub repeats: bool,
    /// The middle comes before any step is passed.
    #[serde(default)]
    pub early: bool,
    /// Merged into what is told of the end.
    #[serde(default)]
    pub ends: Value,
    /// Options that it is not combined with, and why.
    #[serde(default)]
    pub apart: BTreeMap<String, String>,
    /// Options (grounds, too) with which it is InvalidSpec, and the field that the message names.
    #[serde(default)]
    pub refused: BTreeMap<String, String>,
}

impl Choice {
    /// Whether it is a way for users to get to the pods.
    pub fn is_ground(&self) -> bool {
        !self.kind.is_empty()
    }

    /// Whether this ground suits it.
    pub fn suits(&self, ground: &Choice) -> bool {
        let named = |word: &String| match word.as_str() {
            "canary" => ground.kind == "canary",
            "routed" => ground.kind == "canary" && ground.name != "no-router",
            name => ground.name == name,
        };
        self.on.is_empty() || self.on.iter().any(named)
    }
}

/// All options, the grounds first.
pub fn catalogue() -> &'static [Choice] {
    static ALL: OnceLock<Vec<Choice>> = OnceLock::new();
    ALL.get_or_init(|| {
        let files = [
            include_str!("grounds.yaml"),
            include_str!("canary.yaml"),
            include_str!("blue_green.yaml"),
            include_str!("around.yaml"),
        ];
        let read = |text: &str| serde_saphyr::from_str::<Vec<Choice>>(text);
        let files: Result<Vec<_>, _> = files.into_iter().map(read).collect();
        files
            .expect("the catalogue is a part of this program, and a test reads it")
            .concat()
    })
}

/// The ways for users to get to the pods.
pub fn grounds() -> impl Iterator<Item = &'static Choice> {
    catalogue().iter().filter(|choice| choice.is_ground())
}

pub fn named(name: &str) -> Option<&'static Choice> {
    catalogue().iter().find(|choice| choice.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_in_the_catalogue_is_that_of_an_option_and_is_there_once() {
        let names: BTreeSet<&str> = catalogue().iter().map(|choice| choice.name.as_str()).collect();
        assert_eq!(names.len(), catalogue().len());
        for choice in catalogue() {
            let others = choice.apart.keys().chain(choice.refused.keys());
            for other in others {
                assert!(
                    names.contains(other.as_str()),
                    "{}: no option {other}",
                    choice.name
                );
                assert_ne!(*other, choice.name);
            }
            for word in &choice.on {
                let group = word == "canary" || word == "routed";
                let ground = named(word).is_some_and(Choice::is_ground);
                assert!(group || ground, "{}: no ground {word}", choice.name);
            }
            assert!(
                !choice.is_ground() || !choice.traffic.is_empty(),
                "{}",
                choice.name
            );
        }
    }
}
