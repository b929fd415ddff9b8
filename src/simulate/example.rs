//! The application of `examples/`, built in: what a playground begins with and the demo releases.

use crate::simulate::manifests::{Manifest, parse};
use std::path::Path;

const FILES: [(&str, &str); 3] = [
    (
        "examples/canary-gateway.yaml",
        include_str!("../../examples/canary-gateway.yaml"),
    ),
    (
        "examples/analysis/canary-vs-stable.yaml",
        include_str!("../../examples/analysis/canary-vs-stable.yaml"),
    ),
    (
        "examples/analysis/recording-rules.yaml",
        include_str!("../../examples/analysis/recording-rules.yaml"),
    ),
];

/// The Rollout `shop` behind the Gateway API with its Services and its route, the house's AnalysisTemplate, and the recording rules.
///
/// # Errors
/// None is known: the files are compiled in, and tests read them.
pub fn shop() -> Result<Vec<Manifest>, String> {
    let read = FILES.iter().map(|(name, text)| parse(text, Path::new(name)));
    read.collect::<Result<Vec<_>, _>>().map(|read| read.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::rehearsal::given::check;

    #[test]
    fn the_example_needs_nothing_else() {
        let given = check(shop().unwrap(), "").unwrap();
        assert_eq!((given.name.as_str(), given.set.notes), ("shop", Vec::new()));
    }
}
