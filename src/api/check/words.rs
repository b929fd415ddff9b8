//! Kubernetes' rules for names, and the words in which it refuses them. Every function gives all complaints, in order.

const NAME_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;
const PORT_NAME_MAX: usize = 15;

const QUALIFIED: Rule = Rule {
    text: "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    pattern: "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]",
    examples: &["MyName", "my.name", "123-abc"],
};
const LABEL_VALUE: Rule = Rule {
    text: "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end \
           with an alphanumeric character",
    pattern: "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
    examples: &["MyValue", "my_value", "12345"],
};
const DNS_LABEL: Rule = Rule {
    text: "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an \
           alphanumeric character",
    pattern: "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
    examples: &["my-name", "123-abc"],
};
const DNS_SUBDOMAIN: Rule = Rule {
    text: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end \
           with an alphanumeric character",
    pattern: "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
    examples: &["example.com"],
};

const ENV_NAME: Rule = Rule {
    text: "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start \
           with a digit",
    pattern: "[-._a-zA-Z][-._a-zA-Z0-9]*",
    examples: &["my.env-name", "MY_ENV.NAME", "MyEnvName1"],
};

struct Rule {
    text: &'static str,
    pattern: &'static str,
    examples: &'static [&'static str],
}

impl Rule {
    fn complaint(&self) -> String {
        // Two spaces before "or": so does the original.
        let examples: Vec<String> = self
            .examples
            .iter()
            .map(|example| format!("'{example}', "))
            .collect();
        format!(
            "{} (e.g. {}regex used for validation is '{}')",
            self.text,
            examples.join(" or "),
            self.pattern
        )
    }
}

fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

fn is_qualified(text: &str) -> bool {
    framed(
        text,
        |byte| byte.is_ascii_alphanumeric(),
        |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte),
    )
}

fn is_dns_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    framed(text, plain, |byte| plain(byte) || byte == b'-')
}

fn is_dns_subdomain(text: &str) -> bool {
    text.split('.').all(is_dns_label)
}

/// Not empty, `edge` at both ends, `inner` everywhere.
fn framed(text: &str, edge: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let ends = [text.bytes().next(), text.bytes().last()];
    ends.iter().all(|end| end.is_some_and(&edge)) && text.bytes().all(inner)
}

/// A label's or annotation's name: `name` or `prefix.dns/name`.
pub(super) fn qualified_name(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>()[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                complaints.push("prefix part must be non-empty".to_owned());
            } else {
                complaints.extend(
                    dns_subdomain(prefix)
                        .iter()
                        .map(|complaint| format!("prefix part {complaint}")),
                );
            }
            name
        }
        _ => {
            let example = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a qualified name {} {example}", QUALIFIED.complaint())];
        }
    };
    if name.is_empty() {
        complaints.push("name part must be non-empty".to_owned());
    } else if name.len() > NAME_MAX {
        complaints.push(format!("name part {}", too_long(NAME_MAX)));
    }
    if !is_qualified(name) {
        complaints.push(format!("name part {}", QUALIFIED.complaint()));
    }
    complaints
}

pub(super) fn label_value(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if text.len() > NAME_MAX {
        complaints.push(too_long(NAME_MAX));
    }
    if !text.is_empty() && !is_qualified(text) {
        complaints.push(LABEL_VALUE.complaint());
    }
    complaints
}

pub(super) fn dns_label(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if text.len() > NAME_MAX {
        complaints.push(too_long(NAME_MAX));
    }
    if !is_dns_label(text) {
        let dots_only = is_dns_subdomain(text);
        complaints.push(if dots_only {
            "must not contain dots".to_owned()
        } else {
            DNS_LABEL.complaint()
        });
    }
    complaints
}

pub(super) fn dns_subdomain(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        complaints.push(too_long(SUBDOMAIN_MAX));
    }
    if !is_dns_subdomain(text) {
        complaints.push(DNS_SUBDOMAIN.complaint());
    }
    complaints
}

pub(super) fn port_name(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |wrong: bool, complaint: &str| {
        if wrong {
            complaints.push(complaint.to_owned());
        }
    };
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    complain(text.len() > PORT_NAME_MAX, &too_long(PORT_NAME_MAX));
    complain(
        text.is_empty() || !text.bytes().all(allowed),
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    );
    complain(
        !text.bytes().any(|byte| byte.is_ascii_lowercase()),
        "must contain at least one letter (a-z)",
    );
    complain(text.contains("--"), "must not contain consecutive hyphens");
    complain(
        text.starts_with('-') || text.ends_with('-'),
        "must not begin or end with a hyphen",
    );
    complaints
}

/// The strict rule: API servers accept more since Kubernetes 1.30, Argo Rollouts does not.
pub(super) fn env_name(text: &str) -> Vec<String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let digit_first = text.starts_with(|letter: char| letter.is_ascii_digit());
    let mut complaints = Vec::new();
    if text.is_empty() || digit_first || !text.bytes().all(inner) {
        complaints.push(ENV_NAME.complaint());
    }
    match text {
        "." | ".." => complaints.push(format!("must not be '{text}'")),
        _ if text.starts_with("..") => complaints.push("must not start with '..'".to_owned()),
        _ => {}
    }
    complaints
}

pub(super) fn port_number(number: i64) -> Option<&'static str> {
    (!(1..=65535).contains(&number)).then_some("must be between 1 and 65535, inclusive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_kubernetes_does() {
        let check = |complaints: Vec<String>, start: &str| match complaints.first() {
            Some(complaint) => assert!(!start.is_empty() && complaint.starts_with(start), "{complaint}"),
            None => assert_eq!(start, ""),
        };
        check(qualified_name("app.kubernetes.io/name"), "");
        check(qualified_name("a b"), "name part must consist");
        check(qualified_name("/b"), "prefix part must be non-empty");
        check(
            qualified_name("A/b"),
            "prefix part a lowercase RFC 1123 subdomain",
        );
        check(qualified_name("a/b/c"), "a qualified name must consist");
        check(qualified_name("a/"), "name part must be non-empty");
        check(label_value(""), "");
        check(label_value(&"x".repeat(64)), "must be no more than 63 characters");
        check(label_value("-x"), "a valid label must be");
        check(dns_label("a.b"), "must not contain dots");
        check(dns_label("a-"), "a lowercase RFC 1123 label");
        check(port_name("http"), "");
        check(port_name("80"), "must contain at least one letter");
        check(port_name("a--b"), "must not contain consecutive hyphens");
        check(env_name("my-var.1"), "");
        check(env_name(".."), "must not be '..'");
        check(env_name("a=b"), "a valid environment variable name");
    }
}
