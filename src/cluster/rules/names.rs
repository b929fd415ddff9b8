//! How names, labels and keys may be spelt, and what the API server says of those that are not. Read by hand, letter by letter: every
//! write comes here.

const NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
    character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and \
    end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
    and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
const PART_LEN_MAX: usize = 63;
const SUBDOMAIN_LEN_MAX: usize = 253;

/// Letters and digits at both ends, between them those and `inner`.
fn framed(text: &str, plain: impl Fn(u8) -> bool, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    plain(first) && plain(last) && bytes.iter().all(|&byte| plain(byte) || inner.contains(&byte))
}

fn word(text: &str) -> bool {
    framed(text, |byte| byte.is_ascii_alphanumeric(), b"-_.")
}

/// What is wrong with the name of an object.
pub fn subdomain(text: &str) -> Option<&'static str> {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = text.len() <= SUBDOMAIN_LEN_MAX && text.split('.').all(|part| framed(part, lower, b"-"));
    (!fits).then_some(SUBDOMAIN)
}

/// What is wrong with the value of a label.
pub fn label(text: &str) -> Option<&'static str> {
    if text.len() > PART_LEN_MAX {
        return Some("must be no more than 63 bytes");
    }
    (!text.is_empty() && !word(text)).then_some(LABEL)
}

/// What is wrong with the key of a label or an annotation, or with the name of a finalizer.
pub fn qualified(text: &str) -> Option<String> {
    let (prefix, name) = match text.split_once('/') {
        None => (None, text),
        Some((_, name)) if name.contains('/') => return Some(QUALIFIED.to_owned()),
        Some((prefix, name)) => (Some(prefix), name),
    };
    match prefix {
        Some("") => return Some("prefix part must be non-empty".to_owned()),
        Some(prefix) if subdomain(prefix).is_some() => return Some(format!("prefix part {SUBDOMAIN}")),
        _ => {}
    }
    match name {
        "" => Some("name part must be non-empty".to_owned()),
        name if name.len() > PART_LEN_MAX => Some("name part must be no more than 63 bytes".to_owned()),
        name => (!word(name)).then(|| NAME.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_labels_and_keys_are_spelt_as_kubernetes_wants_it() {
        for good in ["a", "a-b.c1", "0a"] {
            assert_eq!(subdomain(good), None, "{good}");
        }
        for bad in ["", "A", "a_b", "-a", "a-", "a..b", "a.-b"] {
            assert!(subdomain(bad).is_some(), "{bad}");
        }
        for good in ["", "A", "a_b.C-d", "1"] {
            assert_eq!(label(good), None, "{good}");
        }
        for bad in ["bad value!", "-a", "a.", "\u{e9}"] {
            assert!(label(bad).is_some(), "{bad}");
        }
        for good in ["a", "serin.dev/A_b", "Key"] {
            assert_eq!(qualified(good), None, "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "Up.case/a", "bad key!"] {
            assert!(qualified(bad).is_some(), "{bad}");
        }
    }
}
