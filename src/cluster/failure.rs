//! Refusals, in the words and with the codes of the API server. Decides how an error looks; never whether there is one.

use serde_json::{Value, json};

/// Why a request was refused: becomes a `metav1.Status`.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    pub details: Option<Value>,
    /// Goes out as the header `Retry-After` too.
    pub retry_after_seconds: Option<u64>,
    /// A fresh token, where a list can go on without being consistent.
    pub continue_token: Option<String>,
    /// Answers of the server's outermost layer are not a Status at all.
    pub plain: bool,
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    pub reason: &'static str,
    pub message: String,
    pub field: String,
}

impl Cause {
    /// `shown` is the value as JSON.
    pub fn invalid(
        field: impl Into<String>,
        shown: impl std::fmt::Display,
        why: impl std::fmt::Display,
    ) -> Self {
        Self::new(
            "FieldValueInvalid",
            format!("Invalid value: {shown}: {why}"),
            field,
        )
    }

    pub fn type_invalid(
        field: impl Into<String>,
        shown: impl std::fmt::Display,
        why: impl std::fmt::Display,
    ) -> Self {
        Self::new(
            "FieldValueTypeInvalid",
            format!("Invalid value: {shown}: {why}"),
            field,
        )
    }

    pub fn required(field: impl Into<String>, why: &str) -> Self {
        let message = if why.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {why}")
        };
        Self::new("FieldValueRequired", message, field)
    }

    pub fn duplicate(field: impl Into<String>, shown: impl std::fmt::Display) -> Self {
        Self::new("FieldValueDuplicate", format!("Duplicate value: {shown}"), field)
    }

    pub fn unsupported(field: impl Into<String>, shown: impl std::fmt::Display, known: &[String]) -> Self {
        let message = format!(
            "Unsupported value: {shown}: supported values: {}",
            known.join(", ")
        );
        Self::new("FieldValueNotSupported", message, field)
    }

    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self::new("FieldValueForbidden", format!("Forbidden: {why}"), field)
    }

    pub fn new(reason: &'static str, message: String, field: impl Into<String>) -> Self {
        Self {
            reason,
            message,
            field: field.into(),
        }
    }
}

/// `plural.group`, or `plural` in the core group.
pub fn qualified(group: &str, word: &str) -> String {
    if group.is_empty() {
        word.to_owned()
    } else {
        format!("{word}.{group}")
    }
}

fn details(group: &str, kind: &str, name: &str) -> Value {
    let mut details = json!({});
    for (field, text) in [("name", name), ("group", group), ("kind", kind)] {
        if !text.is_empty() {
            details[field] = text.into();
        }
    }
    details
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
            retry_after_seconds: None,
            continue_token: None,
            plain: false,
        }
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        self.details = Some(details(group, kind, name));
        self
    }

    pub fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", qualified(group, plural));
        Self::new(404, "NotFound", message).about(group, plural, name)
    }

    /// The path is a resource's, but no such resource is served.
    pub fn no_resource() -> Self {
        Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
        .about("", "", "")
    }

    /// The path means nothing.
    pub fn no_page() -> Self {
        Self {
            plain: true,
            ..Self::new(404, "NotFound", "404 page not found\n")
        }
    }

    pub fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", qualified(group, plural));
        Self::new(409, "AlreadyExists", message).about(group, plural, name)
    }

    pub fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let what = qualified(group, plural);
        let message = format!("Operation cannot be fulfilled on {what} \"{name}\": {why}");
        Self::new(409, "Conflict", message).about(group, plural, name)
    }

    /// Fields belong to others than who applies.
    pub fn apply_conflict(message: &str, causes: &[Cause]) -> Self {
        let mut failure = Self::new(409, "Conflict", message);
        let causes = causes
            .iter()
            .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}));
        failure.details = Some(json!({"causes": causes.collect::<Vec<_>>()}));
        failure
    }

    pub fn modified(group: &str, plural: &str, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, plural, name, why)
    }

    pub fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        // What is found twice is told once, and stands twice among the causes.
        let mut told: Vec<String> = Vec::with_capacity(causes.len());
        for cause in causes {
            let text = format!("{}: {}", cause.field, cause.message);
            if !told.contains(&text) {
                told.push(text);
            }
        }
        let told = if told.len() == 1 {
            told[0].clone()
        } else {
            format!("[{}]", told.join(", "))
        };
        let what = qualified(group, kind);
        let mut failure = Self::new(422, "Invalid", format!("{what} \"{name}\" is invalid: {told}"))
            .about(group, kind, name);
        let causes = causes
            .iter()
            .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}));
        if let Some(details) = &mut failure.details {
            details["causes"] = causes.collect();
        }
        failure
    }

    /// Options of a request that may not be so: `kind` is that of the options.
    pub fn options(kind: &str, cause: Cause) -> Self {
        Self::invalid("meta.k8s.io", kind, "", &[cause])
    }

    /// A patch that does not fit the object.
    pub fn unprocessable() -> Self {
        Self::new(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        )
        .about("", "", "")
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// The server itself is at fault, or says so.
    pub fn internal_error(why: &str) -> Self {
        let mut failure = Self::new(500, "InternalError", format!("Internal error occurred: {why}"));
        failure.details = Some(json!({"causes": [{"message": why}]}));
        failure
    }

    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", qualified(group, plural));
        Self::new(403, "Forbidden", message).about(group, plural, name)
    }

    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message).about("", "", "")
    }

    /// `accepted`: the media types; none for built-in resources, whose answer does not name them.
    pub fn media_type(accepted: Option<&str>) -> Self {
        match accepted {
            None => Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type").about("", "", ""),
            Some(accepted) => {
                let message = format!(
                    "the body of the request was in an unknown format - accepted media types include: {accepted}"
                );
                Self::new(415, "UnsupportedMediaType", message)
            }
        }
    }

    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// A version that the server has not reached.
    pub fn too_large_version(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut failure = Self::new(504, "Timeout", message);
        failure.retry_after_seconds = Some(1);
        let causes = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        failure.details = Some(json!({"causes": causes}));
        failure
    }

    /// The server asks the caller to come back.
    pub fn too_many_requests(seconds: u64) -> Self {
        let message = "the server has received too many requests and has asked us to try again later";
        let mut failure = Self::new(429, "TooManyRequests", message).about("", "", "");
        failure.retry_after_seconds = Some(seconds);
        failure
    }

    /// The answer's body.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if let Some(token) = &self.continue_token {
            status["metadata"]["continue"] = token.as_str().into();
        }
        let mut details = self.details.clone();
        if let Some(seconds) = self.retry_after_seconds {
            details.get_or_insert_with(|| json!({}))["retryAfterSeconds"] = seconds.into();
        }
        if let Some(details) = details {
            status["details"] = details;
        }
        status
    }
}
