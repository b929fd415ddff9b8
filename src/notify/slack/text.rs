//! Text as Slack reads it: escaping, code spans, cutting, numbers for people.
//!
//! Decides that nothing from a manifest or a metric can become a mention, a link or a broken code span.

/// Escapes what Slack's markup reads, and cuts to `chars` characters *after* escaping, never inside an entity.
///
/// Control characters and marks that reorder text vanish. `@here` and its kin get an invisible break after the `@`.
pub fn escape_clipped(text: &str, chars: usize) -> String {
    let mut pieces: Vec<&str> = Vec::new();
    let mut used = 0;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (piece, tail) = rest.split_at(first.len_utf8());
        let piece = escaped(piece, first, tail);
        let length = piece.chars().count();
        if used + length > chars {
            return cut(pieces, used, chars);
        }
        pieces.push(piece);
        used += length;
        rest = tail;
    }
    pieces.concat()
}

fn cut(mut pieces: Vec<&str>, mut used: usize, chars: usize) -> String {
    while used + 1 > chars {
        match pieces.pop() {
            Some(piece) => used -= piece.chars().count(),
            None => return String::new(),
        }
    }
    pieces.push("…");
    pieces.concat()
}

fn escaped<'a>(piece: &'a str, first: char, tail: &str) -> &'a str {
    match first {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '@' if ["here", "channel", "everyone"]
            .iter()
            .any(|name| starts_with(tail, name)) =>
        {
            "@\u{200b}"
        }
        '\n' => piece,
        _ if first.is_control() || reorders(first) => "",
        _ => piece,
    }
}

fn starts_with(text: &str, name: &str) -> bool {
    text.get(..name.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(name))
}

/// Marks with which text can be made to read differently from what it says.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Line breaks and runs of white space become one space: text from elsewhere cannot fake lines of ours.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A code span. Slack has no way to write a backtick inside one, so it becomes an apostrophe.
pub fn code(text: &str, chars: usize) -> String {
    let inside = one_line(text).replace('`', "'");
    if inside.is_empty() {
        return "–".into();
    }
    format!("`{}`", escape_clipped(&inside, chars))
}

/// A number for people: up to four significant digits, whole digits never lost, no trailing zeros.
pub fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 {
            "infinite".into()
        } else {
            "-infinite".into()
        };
    }
    if value == 0.0 {
        return "0".into();
    }
    let magnitude = value.abs().log10().floor();
    if !(-6.0..15.0).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    // Inside the range above, the number of decimals is between 0 and 9.
    let decimals = (3.0 - magnitude).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_mentions_are_escaped() {
        let check = |text: &str, want: &str| assert_eq!(escape_clipped(text, 100), want, "{text}");
        check("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d");
        check("<!channel> <@U123>", "&lt;!channel&gt; &lt;@U123&gt;");
        check(
            "ping @here and @Channel",
            "ping @\u{200b}here and @\u{200b}Channel",
        );
        check("repo@sha256:ab", "repo@sha256:ab");
        check("a\u{202e}b\u{7}c", "abc");
    }

    #[test]
    fn a_cut_never_splits_an_entity() {
        let check = |chars: usize, want: &str| assert_eq!(escape_clipped("ab<c", chars), want, "{chars}");
        check(7, "ab&lt;c");
        check(6, "ab…");
        check(3, "ab…");
        check(2, "a…");
        check(0, "");
    }

    #[test]
    fn a_code_span_cannot_be_left() {
        assert_eq!(code("a`b`\nc", 50), "`a'b' c`");
        assert_eq!(code("  ", 50), "–");
    }

    #[test]
    fn numbers_keep_four_significant_digits() {
        let check = |value: f64, want: &str| assert_eq!(number(value), want, "{value}");
        check(0.0312, "0.0312");
        check(0.031_234_567, "0.03123");
        check(512.345_6, "512.3");
        check(123_456.7, "123457");
        check(5.0, "5");
        check(0.5, "0.5");
        check(-0.25, "-0.25");
        check(0.0, "0");
        check(1e-9, "1.000e-9");
        check(f64::INFINITY, "infinite");
        check(9_999.96, "10000");
    }
}
