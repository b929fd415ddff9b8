//! Reads a path.

use super::{Compare, Filter, Node, Operand};
use serde_json::Value;

/// Bytes of a path, and brackets within brackets.
const BYTES_MAX: usize = 4096;
const DEPTH_MAX: usize = 16;

/// The paths in a template's braces.
pub(super) fn template(text: &str) -> Result<Vec<Vec<Node>>, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("a path has at most {BYTES_MAX} bytes"));
    }
    let mut paths = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some(inside) = rest.strip_prefix('{') else {
            // Argo Rollouts takes text outside braces for the result itself, so that conditions judge the same text for ever.
            return Err("a path stands in braces, for example {$.value}".into());
        };
        let mut reader = Reader {
            text: inside,
            at: 0,
            depth: 0,
        };
        let path = reader.path("}")?;
        reader.expect('}')?;
        paths.push(path);
        rest = &inside[reader.at..];
    }
    match paths.is_empty() {
        true => Err("the path is empty: write {$} for the whole answer".into()),
        false => Ok(paths),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        let is = self.rest().starts_with(token);
        self.at += if is { token.len() } else { 0 };
        is
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        self.blanks();
        match self.take(wanted.encode_utf8(&mut [0; 4])) {
            true => Ok(()),
            false => Err(self.wrong(&format!("{wanted:?} is missing"))),
        }
    }

    fn wrong(&self, what: &str) -> String {
        match self.peek() {
            Some(_) => format!("{what} before {:?}", crate::base::limits::clip(self.rest(), 20)),
            None => format!("{what} at the end of the path"),
        }
    }

    fn word(&mut self, until: &str) -> Result<String, String> {
        let mut word = String::new();
        while let Some(letter) = self.peek().filter(|letter| !until.contains(*letter)) {
            self.at += letter.len_utf8();
            if letter != '\\' {
                word.push(letter);
                continue;
            }
            // `\.` is a dot in a name.
            let Some(next) = self.peek() else {
                return Err(self.wrong("a letter is missing"));
            };
            self.at += next.len_utf8();
            word.push(next);
        }
        Ok(word)
    }

    /// Steps until one of the letters of `end`, which is left.
    fn path(&mut self, end: &str) -> Result<Vec<Node>, String> {
        self.blanks();
        let mut nodes = Vec::new();
        // The root, or the element in a filter: where every path begins.
        if !self.take("$") {
            self.take("@");
        }
        loop {
            self.blanks();
            match self.peek() {
                Some(letter) if end.contains(letter) => return Ok(nodes),
                Some('.') => self.dot(&mut nodes)?,
                Some('[') => nodes.push(self.bracket()?),
                Some('*') if nodes.is_empty() => {
                    self.take("*");
                    nodes.push(Node::Wildcard);
                }
                Some(letter) if nodes.is_empty() && (letter.is_alphabetic() || letter == '_') => {
                    return Err(match self.word(" .[}")?.as_str() {
                        word @ ("range" | "end") => format!("{word:?} is not supported"),
                        word => self.wrong(&format!("write .{word} for the member {word:?}")),
                    });
                }
                None => return Err(self.wrong("a closing brace or bracket is missing")),
                _ => return Err(self.wrong("a path goes on with a dot or a bracket, or ends")),
            }
        }
    }

    fn dot(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        self.take(".");
        if self.take(".") {
            nodes.push(Node::Recursive);
            if matches!(self.peek(), Some('[' | '.')) {
                return Ok(());
            }
        }
        if self.take("*") {
            nodes.push(Node::Wildcard);
            return Ok(());
        }
        let name = self.word(" \t\n.[](){}|,'\"=<>!&+@$*?")?;
        match (name.is_empty(), self.peek()) {
            (false, _) => nodes.push(Node::Field(name)),
            // `{.}` is the root, as `{$}` is.
            (true, Some('}' | '[')) if nodes.is_empty() => {}
            (true, _) => return Err(self.wrong("a name is missing")),
        }
        Ok(())
    }

    fn bracket(&mut self) -> Result<Node, String> {
        self.take("[");
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("too many brackets within brackets".into());
        }
        self.blanks();
        let node = if self.take("?") {
            self.filter()?
        } else {
            let mut choices = vec![self.choice()?];
            self.blanks();
            while self.take(",") {
                choices.push(self.choice()?);
                self.blanks();
            }
            match (choices.len(), choices.pop()) {
                (1, Some(only)) => only,
                (_, last) => Node::Union(choices.into_iter().chain(last).map(|node| vec![node]).collect()),
            }
        };
        self.expect(']')?;
        self.depth -= 1;
        Ok(node)
    }

    /// A name in quotes, an index, a slice or a star.
    fn choice(&mut self) -> Result<Node, String> {
        self.blanks();
        match self.peek() {
            Some('\'' | '"') => self.quoted().map(Node::Field),
            Some('*') => {
                self.take("*");
                Ok(Node::Wildcard)
            }
            _ => self.numbers(),
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let quote = if self.take("'") { "'" } else { "\"" };
        self.take("\"");
        let text = self.word(quote)?;
        match self.take(quote) {
            true => Ok(text),
            false => Err(self.wrong("a quote is missing")),
        }
    }

    fn numbers(&mut self) -> Result<Node, String> {
        let mut parts = vec![self.number()?];
        while parts.len() < 3 && self.take(":") {
            parts.push(self.number()?);
        }
        match parts[..] {
            [Some(index)] => Ok(Node::Index(index)),
            [start, end] => Ok(Node::Slice(start, end, None)),
            [start, end, step] => Ok(Node::Slice(start, end, step)),
            _ => Err(self.wrong("an index, a name in quotes or * is missing")),
        }
    }

    fn number(&mut self) -> Result<Option<i64>, String> {
        self.blanks();
        let len = self.rest().find(|c: char| !c.is_ascii_digit() && c != '-');
        let digits = &self.rest()[..len.unwrap_or(self.rest().len())];
        let (len, number) = (digits.len(), digits.parse::<i64>());
        if len == 0 {
            return Ok(None);
        }
        let number = number.map_err(|_| self.wrong("an index is no whole number"))?;
        self.at += len;
        self.blanks();
        Ok(Some(number))
    }

    fn filter(&mut self) -> Result<Node, String> {
        self.expect('(')?;
        let left = self.operand()?;
        self.blanks();
        const COMPARES: [(&str, Compare); 6] = [
            ("==", Compare::Equal),
            ("!=", Compare::Unequal),
            ("<=", Compare::LessOrEqual),
            (">=", Compare::GreaterOrEqual),
            ("<", Compare::Less),
            (">", Compare::Greater),
        ];
        let compare = COMPARES.into_iter().find(|(sign, _)| self.take(sign));
        let test = match compare {
            Some((_, compare)) => Some((compare, self.operand()?)),
            None => None,
        };
        self.expect(')')?;
        Ok(Node::Filter(Box::new(Filter { left, test })))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.blanks();
        match self.peek() {
            Some('@' | '.' | '[') => self.path("=!<>)").map(Operand::Path),
            Some('\'' | '"') => Ok(Operand::Literal(Value::from(self.quoted()?))),
            _ => {
                let word = self.word(" =!<>)")?;
                let literal = serde_json::from_str::<Value>(&word).ok();
                let literal = literal.filter(|value| value.is_number() || value.is_boolean());
                literal.map(Operand::Literal).ok_or_else(|| {
                    self.wrong("a filter compares @… with a number, true, false or a text in quotes")
                })
            }
        }
    }
}
