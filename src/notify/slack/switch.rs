//! The plan of a blue-green update, in the order in which things happen.

use super::text::code;
use crate::api::strategy::{BlueGreenStrategy, RolloutAnalysis};
use crate::base::gotime::human;
use chrono::TimeDelta;

/// One line for each thing that happens.
pub fn plan(strategy: &BlueGreenStrategy) -> Vec<String> {
    let preview = strategy
        .preview_service
        .as_deref()
        .filter(|name| !name.is_empty());
    let pods = match strategy.preview_replica_count {
        Some(count) => format!("{count} pods of the new version"),
        None => "all pods of the new version".into(),
    };
    let place = preview.map_or_else(String::new, |name| format!(" behind {}", code(name, 253)));
    let mut lines = vec![format!("{pods}{place}")];
    lines.extend(strategy.pre_promotion_analysis.as_ref().map(analysis));
    let seconds = |seconds: i32| human(TimeDelta::seconds(seconds.into()));
    match (strategy.auto_promotion_enabled, strategy.auto_promotion_seconds) {
        (Some(false), _) => lines.push("wait until a person promotes".into()),
        (_, Some(wait)) if wait > 0 => lines.push(format!("wait {}", seconds(wait))),
        _ => {}
    }
    if strategy.preview_replica_count.is_some() {
        lines.push("all pods of the new version".into());
    }
    lines.push(format!(
        "all requests of {} to it",
        code(&strategy.active_service, 253)
    ));
    lines.extend(strategy.post_promotion_analysis.as_ref().map(analysis));
    let numbered = lines.iter().enumerate();
    numbered
        .map(|(index, line)| format!("{}. {line}", index + 1))
        .collect()
}

fn analysis(analysis: &RolloutAnalysis) -> String {
    let names = analysis
        .templates
        .iter()
        .map(|template| code(&template.template_name, 80));
    format!("analysis {}", names.collect::<Vec<_>>().join(", "))
}
