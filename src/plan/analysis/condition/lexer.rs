//! Text to tokens. Knows the alphabet of the language, nothing of its grammar.

use super::error::{Error, fail};
use super::literal;

/// One token and the character (counted from 1) where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Name(String),
    /// A number as written.
    Number(String),
    /// A string with its escapes resolved.
    Text(String),
    /// An operator, a bracket or a word that acts as an operator.
    Op(&'static str),
    End,
}

/// Operators, longest first, so that the first match is the right one.
const SYMBOLS: [&str; 35] = [
    "&&", "||", "==", "!=", "<=", ">=", "**", "??", "?.", "..", "::", "##", "(", ")", "[", "]", "{", "}",
    ",", ";", ":", "?", ".", "|", "&", "!", "=", "<", ">", "+", "-", "*", "/", "%", "^",
];
const WORDS: [&str; 11] = [
    "not",
    "in",
    "or",
    "and",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "let",
    "if",
    "else",
];

/// All tokens of `source`, the last one being `End`.
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let at = source[..lexer.at].chars().count() + 1;
        if lexer.rest().is_empty() {
            tokens.push(Token { kind: Kind::End, at });
            return Ok(tokens);
        }
        let kind = lexer.next()?;
        let pointer = kind == Kind::Op("#");
        tokens.push(Token { kind, at });
        if pointer {
            // `#acc`: whatever touches the sign is a name, even a word such as `in`.
            let name = lexer.take_while(alphanumeric);
            if !name.is_empty() {
                let kind = Kind::Name(name.to_owned());
                tokens.push(Token { kind, at: at + 1 });
            }
        }
    }
}

pub(super) fn alphabetic(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphabetic()
}

fn alphanumeric(c: char) -> bool {
    alphabetic(c) || c.is_numeric()
}

struct Lexer<'a> {
    source: &'a str,
    /// Byte offset of what comes next.
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn accept(&mut self, wanted: &[char]) -> bool {
        let found = self.peek().filter(|c| wanted.contains(c));
        self.at += found.map_or(0, char::len_utf8);
        found.is_some()
    }

    fn skip_blanks(&mut self) -> Result<(), Error> {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if let Some(comment) = self.rest().strip_prefix("/*") {
                let Some(end) = comment.find("*/") else {
                    return fail!("unclosed comment");
                };
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Kind, Error> {
        let rest = self.rest();
        let mut chars = rest.chars();
        let (first, second) = (chars.next().unwrap_or('\0'), chars.next().unwrap_or('\0'));
        match first {
            '\'' | '"' => self.quoted(first),
            '`' => self.raw(),
            'b' | 'B' if matches!(second, '\'' | '"') => {
                fail!("byte strings are not supported in conditions")
            }
            '0'..='9' => self.number(),
            '.' if second.is_ascii_digit() => self.number(),
            '#' => {
                self.at += 1;
                Ok(Kind::Op("#"))
            }
            c if alphanumeric(c) => Ok(self.word()),
            c => match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
                Some(symbol) => {
                    self.at += symbol.len();
                    Ok(Kind::Op(symbol))
                }
                None => fail!("unrecognized character {c:?}"),
            },
        }
    }

    fn word(&mut self) -> Kind {
        let word = self.take_while(alphanumeric);
        match WORDS.iter().find(|operator| **operator == word) {
            Some(operator) => Kind::Op(operator),
            None => Kind::Name(word.to_owned()),
        }
    }

    fn number(&mut self) -> Result<Kind, Error> {
        let start = self.at;
        let mut digits: fn(char) -> bool = |c| c.is_ascii_digit() || c == '_';
        if self.accept(&['0']) && self.accept(&['x', 'X', 'o', 'O', 'b', 'B']) {
            digits = |c| c.is_ascii_hexdigit() || c == '_';
        }
        self.take_while(digits);
        // Two dots are the range operator: `1..2`.
        if self.rest().starts_with('.') && !self.rest().starts_with("..") {
            self.at += 1;
            self.take_while(digits);
        }
        if self.accept(&['e', 'E']) {
            self.accept(&['+', '-']);
            self.take_while(digits);
        }
        if self.peek().is_some_and(alphanumeric) {
            self.take_while(alphanumeric);
            return fail!("bad number syntax: {:?}", &self.source[start..self.at]);
        }
        Ok(Kind::Number(self.source[start..self.at].to_owned()))
    }

    fn quoted(&mut self, quote: char) -> Result<Kind, Error> {
        let body = &self.rest()[1..];
        let mut escaped = false;
        for (offset, c) in body.char_indices() {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    self.at += offset + 2;
                    return literal::unescape(&body[..offset], quote).map(Kind::Text);
                }
                _ => {}
            }
        }
        fail!("literal not terminated")
    }

    /// A string in backquotes: no escapes, a doubled backquote stands for one.
    fn raw(&mut self) -> Result<Kind, Error> {
        let body = &self.rest()[1..];
        let mut from = 0;
        while let Some(found) = body[from..].find('`') {
            let end = from + found;
            if body[end + 1..].starts_with('`') {
                from = end + 2;
                continue;
            }
            self.at += end + 2;
            return Ok(Kind::Text(body[..end].replace("``", "`")));
        }
        fail!("literal not terminated")
    }
}
