//! What Slack's refusals mean for the operator: cause and mend.

use super::wire::NO_TOKEN;

/// One sentence with cause and mend for an error code of Slack.
pub fn mend(code: &str) -> &'static str {
    match code {
        NO_TOKEN => {
            "the Secret named for Slack has no token: put the bot's token (xoxb-…) under the configured key"
        }
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            "Slack does not accept the token: put a valid bot token (xoxb-…) into the Secret"
        }
        "missing_scope" | "no_permission" => {
            "the app may not post: add the scope chat:write and reinstall it"
        }
        "channel_not_found" => {
            "no such channel, or a private one without the app: mend the annotation serin.dev/slack-channel or the default, or invite the app"
        }
        "not_in_channel" => {
            "the app is not in the channel: invite it there, or add the scope chat:write.public"
        }
        "is_archived" => {
            "the channel is archived: name another one in the annotation serin.dev/slack-channel or as the default"
        }
        "msg_too_long" | "msg_blocks_too_long" | "invalid_blocks" | "invalid_blocks_format" => {
            "Slack does not take the message's form: this is a defect of Serin, please report it"
        }
        code if code.starts_with("restricted_action") => {
            "a setting of the workspace forbids the app to post there: ask its admins"
        }
        _ => "Slack refuses the message: its documentation of chat.postMessage explains the code",
    }
}

/// Whether a refusal only says that the message to reply to is not there.
pub fn is_about_the_thread(code: &str) -> bool {
    matches!(
        code,
        "thread_not_found"
            | "message_not_found"
            | "invalid_thread_ts"
            | "cannot_reply_to_message"
            | "restricted_action_non_threadable_channel"
    )
}
