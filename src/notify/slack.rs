//! Slack Block Kit messages.
