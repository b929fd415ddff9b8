//! S16: no secret shows up anywhere. The world plants strings in its Secrets; none of them may be in what the controller writes to the
//! cluster, logs, or tells people.

use super::{Found, Law, Sight, write};
use crate::simulate::record::What;
use serde_json::Value;

/// See the module's description.
#[derive(Default)]
pub struct NoSecrets;

impl Law for NoSecrets {
    fn id(&self) -> &'static str {
        "S16"
    }

    fn says(&self) -> &'static str {
        "no byte of a secret is in a status, an event, a log or a message"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let secrets = &sight.facts.secrets;
        if secrets.is_empty() {
            return None;
        }
        let leaked = |text: &str| secrets.iter().position(|secret| text.contains(secret.as_str()));
        match &sight.record.what {
            What::Request(request) if write::of_ours(request, sight.facts) && write::is_write(request) => {
                let (secret, path) = inside(&request.body, "", &leaked)?;
                let evidence = format!(
                    "{}: planted secret {secret} is in its body at {path}",
                    write::told(request)
                );
                Some(Found::new(evidence, [write::object(request)]))
            }
            What::Slack(sent) => {
                let secret = leaked(&sent.text)?;
                let evidence = format!(
                    "{} told {} planted secret {secret}, in message {}",
                    sent.replica, sent.channel, sent.id
                );
                Some(Found::new(evidence, [format!("message {}", sent.id)]))
            }
            What::Log { replica, line } => {
                let secret = leaked(line)?;
                let shown: String = line.chars().take(40).collect();
                let evidence =
                    format!("{replica} logged planted secret {secret}, in a line that begins {shown:?}");
                Some(Found::new(evidence, ["the log".to_owned()]))
            }
            _ => None,
        }
    }
}

/// The first text in a value that holds a secret: which, and where.
fn inside(value: &Value, path: &str, leaked: &impl Fn(&str) -> Option<usize>) -> Option<(usize, String)> {
    match value {
        Value::String(text) => leaked(text).map(|secret| (secret, path.to_owned())),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(index, item)| inside(item, &format!("{path}/{index}"), leaked))
        }
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let path = format!("{path}/{name}");
            leaked(name)
                .map(|secret| (secret, path.clone()))
                .or_else(|| inside(member, &path, leaked))
        }),
        _ => None,
    }
}
