//! The language of label selectors in a query (`app in (a,b),tier!=x,n>3`), read as Go's `labels.Parse` reads it, with its words for
//! what it cannot read.

use super::failure::Failure;

/// One requirement.
#[derive(Clone, Debug, PartialEq)]
pub enum Need {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    /// The label is a whole number greater than this.
    Greater(String, i64),
    Less(String, i64),
}

impl Need {
    /// Whether labels, looked up by `label`, meet it.
    pub fn met<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let number = |key: &str| label(key).and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::In(key, values) => label(key).is_some_and(|value| values.iter().any(|one| one == value)),
            Self::NotIn(key, values) => label(key).is_none_or(|value| values.iter().all(|one| one != value)),
            Self::Exists(key) => label(key).is_some(),
            Self::Absent(key) => label(key).is_none(),
            Self::Greater(key, than) => number(key).is_some_and(|value| value > *than),
            Self::Less(key, than) => number(key).is_some_and(|value| value < *than),
        }
    }
}

/// The requirements of a selector.
pub fn parse(text: &str) -> Result<Vec<Need>, Failure> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut parser = Parser {
        words: words(text),
        at: 0,
    };
    parser.all().map_err(Failure::bad_request)
}

/// Symbols and what stands between them and blanks; the end is an empty word.
fn words(text: &str) -> Vec<String> {
    const SYMBOLS: &str = "!()=,<>";
    let (mut words, mut letters) = (Vec::new(), text.chars().peekable());
    while let Some(letter) = letters.next() {
        if letter.is_ascii_whitespace() {
            continue;
        }
        let mut word = letter.to_string();
        if SYMBOLS.contains(letter) {
            if matches!(letter, '=' | '!') && letters.peek() == Some(&'=') {
                word.extend(letters.next());
            }
        } else {
            while let Some(&next) = letters.peek() {
                if next.is_ascii_whitespace() || SYMBOLS.contains(next) {
                    break;
                }
                word.push(next);
                letters.next();
            }
        }
        words.push(word);
    }
    words
}

struct Parser {
    words: Vec<String>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &str {
        self.words.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        let word = self.peek().to_owned();
        self.at += 1;
        word
    }

    fn all(&mut self) -> Result<Vec<Need>, String> {
        let mut needs = Vec::new();
        loop {
            match self.peek() {
                "" if needs.is_empty() => return Ok(needs),
                word if word == "!" || is_plain(word) => {
                    let need = self.need();
                    needs.push(need.map_err(|why| format!("unable to parse requirement: {why}"))?);
                }
                word => {
                    return Err(format!(
                        "found '{word}', expected: !, identifier, or 'end of string'"
                    ));
                }
            }
            match self.next().as_str() {
                "" => return Ok(needs),
                "," => {
                    let word = self.peek();
                    if word != "!" && !is_plain(word) {
                        return Err(format!("found '{word}', expected: identifier after ','"));
                    }
                }
                word => return Err(format!("found '{word}', expected: ',' or 'end of string'")),
            }
        }
    }

    fn need(&mut self) -> Result<Need, String> {
        let absent = self.peek() == "!";
        if absent {
            self.at += 1;
        }
        let key = self.next();
        if !is_plain(&key) {
            return Err(format!("found '{key}', expected: identifier"));
        }
        if absent {
            return Ok(Need::Absent(key));
        }
        if matches!(self.peek(), "" | ",") {
            return Ok(Need::Exists(key));
        }
        let operator = self.next();
        Ok(match operator.as_str() {
            "in" => Need::In(key, self.values()?),
            "notin" => Need::NotIn(key, self.values()?),
            "=" | "==" => Need::In(key, vec![self.value()?]),
            "!=" => Need::NotIn(key, vec![self.value()?]),
            ">" => Need::Greater(key, number(&self.value()?)?),
            "<" => Need::Less(key, number(&self.value()?)?),
            word => {
                return Err(format!("found '{word}', expected: in, notin, =, ==, !=, gt, lt"));
            }
        })
    }

    fn value(&mut self) -> Result<String, String> {
        if matches!(self.peek(), "" | ",") {
            return Ok(String::new());
        }
        let word = self.next();
        if is_plain(&word) {
            Ok(word)
        } else {
            Err(format!("found '{word}', expected: identifier"))
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.next();
        if open != "(" {
            return Err(format!("found '{open}' expected: '('"));
        }
        let mut values = Vec::new();
        loop {
            let word = self.peek().to_owned();
            if is_plain(&word) {
                self.at += 1;
                values.push(word);
            } else if matches!(word.as_str(), "," | ")") {
                values.push(String::new());
            } else {
                return Err(format!("found '{word}', expected: ',', ')' or identifier"));
            }
            match self.next().as_str() {
                ")" => return Ok(values),
                "," => {}
                word => return Err(format!("found '{word}', expected: ',' or ')'")),
            }
        }
    }
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| {
        format!(
            "values[0][]: Invalid value: \"{text}\": for 'Gt', 'Lt' operators, the value must be an integer"
        )
    })
}

fn is_plain(word: &str) -> bool {
    word.chars()
        .next()
        .is_some_and(|first| !"!()=,<>".contains(first))
}
