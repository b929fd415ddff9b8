//! Numbers and strings as people write them.

use super::error::{Error, fail};

/// A number as written: whole (decimal, `0x`, `0o`, `0b`) or with a fraction.
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

pub(super) fn number(written: &str) -> Result<Number, Error> {
    let text = written.replace('_', "").to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0b", 2), ("0o", 8)] {
        let Some(digits) = text.strip_prefix(prefix) else {
            continue;
        };
        return match i64::from_str_radix(digits, radix) {
            Ok(number) => Ok(Number::Int(number)),
            Err(_) => fail!("invalid number {written:?}"),
        };
    }
    if text.contains(['.', 'e']) {
        return match text.parse() {
            Ok(number) if f64::is_finite(number) => Ok(Number::Float(number)),
            _ => fail!("invalid number {written:?}"),
        };
    }
    match text.parse() {
        Ok(number) => Ok(Number::Int(number)),
        Err(_) => fail!("invalid number {written:?}: whole numbers go up to {}", i64::MAX),
    }
}

/// A float as Go's `ParseFloat` reads it: also `inf`, `infinity` and `nan`; a number too large for a float is refused.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let named = text
        .trim_start_matches(['+', '-'])
        .to_ascii_lowercase()
        .starts_with("inf");
    (named || !number.is_infinite()).then_some(number)
}

/// Resolves the escapes of a string that stood between two `quote`s.
pub(super) fn unescape(body: &str, quote: char) -> Result<String, Error> {
    let body = body.replace("\r\n", "\n").replace('\r', "\n");
    let mut text = String::with_capacity(body.len());
    let mut rest = body.as_str();
    while let Some(start) = rest.find('\\') {
        text.push_str(&rest[..start]);
        let (c, after) = escape(&rest[start + 1..], quote)?;
        text.push(c);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// The character of the escape that `text` begins with (after the backslash), and what follows it.
fn escape(text: &str, quote: char) -> Result<(char, &str), Error> {
    let Some(letter) = text.chars().next() else {
        return fail!("invalid char escape");
    };
    let rest = &text[letter.len_utf8()..];
    let simple = match letter {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        c if c == quote => c,
        'x' => return coded(rest, 2, 16),
        'u' => return braced(rest).unwrap_or_else(|| coded(rest, 4, 16)),
        'U' => return coded(rest, 8, 16),
        '0'..='3' => return coded(text, 3, 8),
        _ => return fail!("invalid char escape \\{letter}"),
    };
    Ok((simple, rest))
}

/// `\u{1F600}`: one to six digits between braces.
fn braced(text: &str) -> Option<Result<(char, &str), Error>> {
    let inside = text.strip_prefix('{')?;
    let Some((digits, after)) = inside.split_once('}') else {
        return Some(fail!("invalid char escape"));
    };
    if digits.is_empty() || digits.len() > 6 {
        return Some(fail!("invalid char escape"));
    }
    Some(coded(digits, digits.len(), 16).map(|(c, _)| (c, after)))
}

fn coded(text: &str, digits: usize, radix: u32) -> Result<(char, &str), Error> {
    let written = text
        .get(..digits)
        .filter(|written| written.chars().all(|c| c.is_digit(radix)));
    let code = written.and_then(|written| u32::from_str_radix(written, radix).ok());
    match code {
        // Half of a surrogate pair is no character: the replacement character stands for it, as in Go.
        Some(code @ 0..=0x10_FFFF) => {
            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            Ok((c, &text[digits..]))
        }
        _ => fail!("invalid char escape"),
    }
}
