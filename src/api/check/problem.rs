//! What a check found, in Argo's words and in a user's.

use std::fmt;

/// Something wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field, for example `spec.strategy.canary.steps[1].setWeight`.
    pub field: String,
    /// What is wrong. In Argo's words where Argo has them.
    pub message: String,
    /// What to write instead; empty where the message says it.
    pub mend: &'static str,
    /// The field as Argo names it, where that is not its path.
    peer_field: Option<String>,
}

impl Problem {
    /// A problem that Argo Rollouts has no words for.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            mend: "",
            peer_field: None,
        }
    }

    /// The text that Argo Rollouts prints for the problem, exactly.
    pub fn argo(&self) -> String {
        match self.peer_field.as_deref().unwrap_or(&self.field) {
            "" => self.message.clone(),
            field => format!("{field}: {}", self.message),
        }
    }

    /// The same with the path that a user finds in the manifest, where Argo names another one.
    pub(super) fn at(mut self, field: impl Into<String>) -> Self {
        let field = field.into();
        if field != self.field {
            let peer_field = std::mem::replace(&mut self.field, field);
            self.peer_field.get_or_insert(peer_field);
        }
        self
    }

    /// The field has a value that breaks the rule `detail`.
    pub(super) fn invalid(field: impl Into<String>, value: impl Shown, detail: &str) -> Self {
        Self::new(field, body("Invalid value", Some(value.shown()), detail))
    }

    pub(super) fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, body("Required value", None, detail))
    }

    pub(super) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, body("Forbidden", None, detail))
    }

    pub(super) fn internal(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, body("Internal error", None, detail))
    }

    pub(super) fn duplicate(field: impl Into<String>, value: &str) -> Self {
        Self::new(field, body("Duplicate value", Some(value.shown()), ""))
    }

    pub(super) fn not_found(field: impl Into<String>, value: &str) -> Self {
        Self::new(field, body("Not found", Some(value.shown()), ""))
    }

    pub(super) fn unsupported(field: impl Into<String>, value: &str, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|value| quoted(value)).collect();
        let detail = format!("supported values: {}", supported.join(", "));
        Self::new(field, body("Unsupported value", Some(value.shown()), &detail))
    }
}

/// The mend follows in brackets: `spec.selector: Invalid value: {}: … (select the pods by at least one label)`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if self.mend.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.mend)
    }
}

fn body(kind: &str, value: Option<String>, detail: &str) -> String {
    let mut text = kind.to_owned();
    for part in value
        .iter()
        .map(String::as_str)
        .chain([detail])
        .filter(|part| !part.is_empty())
    {
        text.push_str(": ");
        text.push_str(part);
    }
    text
}

/// A value as Go's field errors print it.
pub(super) trait Shown {
    fn shown(&self) -> String;
}

/// JSON text, printed as it is.
pub(super) struct Json(pub(super) String);

impl Shown for Json {
    fn shown(&self) -> String {
        self.0.clone()
    }
}

impl Shown for &str {
    fn shown(&self) -> String {
        quoted(self)
    }
}

impl Shown for &String {
    fn shown(&self) -> String {
        quoted(self)
    }
}

impl Shown for i32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for i64 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for bool {
    fn shown(&self) -> String {
        self.to_string()
    }
}

/// Go's `%q`: control characters, line separators and the like as escapes, everything printable as it is.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            _ if letter == ' ' || !(letter.is_control() || letter.is_whitespace()) => out.push(letter),
            _ if u32::from(letter) < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(letter))),
            _ => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_print_for_argo_and_for_people() {
        let mut problem = Problem::invalid("spec.strategy.stableService", "a\"b", "is wrong")
            .at("spec.strategy.canary.stableService");
        assert_eq!(
            problem.argo(),
            "spec.strategy.stableService: Invalid value: \"a\\\"b\": is wrong"
        );
        problem.mend = "write c";
        assert_eq!(
            problem.to_string(),
            "spec.strategy.canary.stableService: Invalid value: \"a\\\"b\": is wrong (write c)"
        );
        assert_eq!(
            Problem::new("", "no metrics specified").argo(),
            "no metrics specified"
        );
        assert_eq!(Problem::required("a", "").to_string(), "a: Required value");
    }

    #[test]
    fn text_is_quoted_as_go_does() {
        assert_eq!(quoted("é\u{2028}\u{1}\t\u{7f} '"), "\"é\\u2028\\x01\\t\\x7f '\"");
    }
}
