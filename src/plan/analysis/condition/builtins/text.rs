//! Builtins over text.

use super::super::datum::{Datum, Held};
use super::super::error::{Error, fail};
use super::super::eval::whole;
use super::super::machine::{Evaluated, Machine};
use super::as_text;
use regex::{Regex, RegexBuilder};
use std::rc::Rc;

/// Compiled patterns are at most this large.
const PATTERN_BYTES_MAX: usize = 1 << 20;

pub(in super::super) fn pattern(pattern: &str) -> Result<Regex, Error> {
    match RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build() {
        Ok(pattern) => Ok(pattern),
        Err(_) => fail!("{pattern:?} is not a regular expression that can be used"),
    }
}

impl Machine<'_> {
    pub(super) fn text_function(&mut self, name: &str, args: &[Datum]) -> Evaluated {
        if name == "join" {
            return self.join(args);
        }
        let Some(first) = args.first() else {
            return super::wrong_arguments(name);
        };
        let text = as_text(first, name)?;
        self.spend(text.len() / 16 + 1)?;
        if name == "repeat" {
            return self.repeat(&text, args);
        }
        let count = args
            .get(if name == "replace" { 3 } else { 2 })
            .map(whole)
            .transpose()?;
        let others = args.iter().skip(1).take(if name == "replace" { 2 } else { 1 });
        let others = others
            .map(|other| as_text(other, name))
            .collect::<Result<Vec<_>, _>>()?;
        let with: Vec<&str> = others.iter().map(|other| &**other).collect();
        match (name, with.as_slice()) {
            ("split" | "splitAfter", [by]) => self.split(name, &text, by, count),
            ("replace", [from, to]) => self.replace(&text, from, to, count),
            ("indexOf", [part]) => Ok(position(text.find(part))),
            ("lastIndexOf", [part]) => Ok(position(text.rfind(part))),
            ("hasPrefix", [part]) => Ok(Datum::Bool(text.starts_with(part))),
            ("hasSuffix", [part]) => Ok(Datum::Bool(text.ends_with(part))),
            ("toBase64", _) => self.text(encode_base64(text.as_bytes())),
            ("fromBase64", _) => match decode_base64(&text).and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(text) => self.text(text),
                None => fail!("fromBase64: the text is not base64 of a text"),
            },
            _ => match shaped(name, &text, with.first().copied()) {
                Some(shaped) => self.text(shaped),
                None => super::wrong_arguments(name),
            },
        }
    }

    fn join(&mut self, args: &[Datum]) -> Evaluated {
        let [list, glue @ ..] = args else {
            return super::wrong_arguments("join");
        };
        let glue = glue
            .first()
            .map(|glue| as_text(glue, "join"))
            .transpose()?
            .unwrap_or_else(|| "".into());
        let parts = super::lists::texts(list)?;
        let bytes: usize = parts.iter().map(|part| part.len() + glue.len()).sum();
        self.reserve_text(bytes)?;
        let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
        Ok(Datum::Text(parts.join(&glue).into()))
    }

    fn repeat(&mut self, text: &Rc<str>, args: &[Datum]) -> Evaluated {
        let count = args.get(1).map_or(Ok(0), whole)?;
        let Ok(count) = usize::try_from(count) else {
            return fail!("invalid argument for repeat (expected positive integer, got {count})");
        };
        self.reserve_text(text.len().saturating_mul(count))?;
        Ok(Datum::Text(text.repeat(count).into()))
    }

    /// At most `count` parts; a negative count means all, zero means none.
    fn split(&mut self, name: &str, text: &str, by: &str, count: Option<i64>) -> Evaluated {
        let most = usize::try_from(count.unwrap_or(-1)).unwrap_or(usize::MAX);
        let after = name == "splitAfter";
        let mut parts: Vec<&str> = Vec::new();
        let mut rest = text;
        while parts.len() + 1 < most && !rest.is_empty() {
            let found = if by.is_empty() {
                rest.chars().next().map(char::len_utf8)
            } else {
                rest.find(by)
            };
            let Some(found) = found.filter(|found| !by.is_empty() || *found < rest.len()) else {
                break;
            };
            let end = if after && !by.is_empty() {
                found + by.len()
            } else {
                found
            };
            parts.push(&rest[..end]);
            rest = &rest[found + by.len()..];
        }
        if most > 0 && !(by.is_empty() && text.is_empty()) {
            parts.push(rest);
        }
        self.reserve_text(text.len() + parts.len() * 16)?;
        let parts = parts.into_iter().map(|part| Datum::Text(part.into())).collect();
        self.list_of(parts, Held::Texts)
    }

    fn replace(&mut self, text: &str, from: &str, to: &str, count: Option<i64>) -> Evaluated {
        let most = usize::try_from(count.unwrap_or(-1)).unwrap_or(usize::MAX);
        let found = text.matches(from).count().min(most);
        self.reserve_text(text.len() + found.saturating_mul(to.len()))?;
        Ok(Datum::Text(text.replacen(from, to, most).into()))
    }
}

fn shaped(name: &str, text: &str, with: Option<&str>) -> Option<String> {
    Some(match (name, with) {
        ("trim", None) => text.trim().to_owned(),
        ("trim", Some(cut)) => text.trim_matches(|c| cut.contains(c)).to_owned(),
        ("trimPrefix", cut) => text.strip_prefix(cut.unwrap_or(" ")).unwrap_or(text).to_owned(),
        ("trimSuffix", cut) => text.strip_suffix(cut.unwrap_or(" ")).unwrap_or(text).to_owned(),
        ("upper", None) => text.to_uppercase(),
        ("lower", None) => text.to_lowercase(),
        _ => return None,
    })
}

fn position(found: Option<usize>) -> Datum {
    found.map_or(Datum::Int(-1), super::int)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = BASE64[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let unpadded = text
        .strip_suffix(b"==")
        .or(text.strip_suffix(b"="))
        .unwrap_or(&text);
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::new();
    for chunk in unpadded.chunks(4) {
        let mut group = 0;
        for byte in chunk {
            let digit = BASE64.iter().position(|known| known == byte)?;
            group = group << 6 | u32::try_from(digit).ok()?;
        }
        group <<= 6 * (4 - chunk.len());
        bytes.extend(&group.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}
