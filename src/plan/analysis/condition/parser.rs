//! Tokens to a syntax tree, by precedence climbing. Knows the grammar, not what names mean or which types fit.

use super::error::{Error, fail};
use super::lexer::{self, Kind as T, Token};
use super::syntax::{Kind, Node};
use crate::base::limits;

/// The tree of a whole condition.
pub(super) fn parse(source: &str) -> Result<Node, Error> {
    if source.len() > limits::CONDITION_BYTES_MAX {
        return fail!(
            "the condition is longer than {} bytes",
            limits::CONDITION_BYTES_MAX
        );
    }
    let tokens = lexer::tokens(source)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        nodes: 0,
        closures: 0,
        nesting: 0,
    };
    let node = parser.sequence()?;
    match parser.current() {
        T::End => Ok(node),
        _ => parser.unexpected(),
    }
}

pub(super) type Parsed = Result<Node, Error>;

pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    nodes: usize,
    /// How many closures surround the current token: `#` means something only inside one.
    pub(super) closures: usize,
    nesting: usize,
}

/// Binding strength of binary operators; a higher number binds tighter.
fn strength(operator: &str) -> Option<u16> {
    Some(match operator {
        "|" => 0,
        "or" | "||" => 10,
        "and" | "&&" => 15,
        "==" | "!=" | "<" | ">" | ">=" | "<=" => 20,
        "in" | "matches" | "contains" | "startsWith" | "endsWith" => 20,
        ".." => 25,
        "+" | "-" => 30,
        "*" | "/" | "%" => 60,
        "**" | "^" => 100,
        "??" => 500,
        _ => return None,
    })
}

impl Parser {
    pub(super) fn current(&self) -> &T {
        // The last token is `End` and is never consumed.
        &self.tokens[self.at].kind
    }

    pub(super) fn is(&self, operator: &str) -> bool {
        matches!(self.current(), T::Op(found) if *found == operator)
    }

    pub(super) fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    pub(super) fn accept(&mut self, operator: &str) -> bool {
        let found = self.is(operator);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect(&mut self, operator: &str) -> Result<(), Error> {
        if self.accept(operator) {
            Ok(())
        } else {
            self.unexpected()
        }
    }

    pub(super) fn name(&mut self) -> Result<String, Error> {
        let T::Name(name) = self.current() else {
            return self.unexpected();
        };
        let name = name.clone();
        self.advance();
        Ok(name)
    }

    pub(super) fn unexpected<A>(&self) -> Result<A, Error> {
        let token = &self.tokens[self.at];
        match &token.kind {
            T::End => fail!("unexpected end of the condition"),
            T::Op(text) => fail!("unexpected {text:?} at character {}", token.at),
            T::Name(text) | T::Number(text) => fail!("unexpected {text:?} at character {}", token.at),
            T::Text(text) => fail!("unexpected text {text:?} at character {}", token.at),
        }
    }

    pub(super) fn node(&mut self, kind: Kind) -> Parsed {
        self.nodes += 1;
        if self.nodes > limits::CONDITION_NODES_MAX {
            return fail!(
                "the condition has more than {} parts",
                limits::CONDITION_NODES_MAX
            );
        }
        Node::new(kind)
    }

    /// Expressions separated by `;`: the last one is the value.
    pub(super) fn sequence(&mut self) -> Parsed {
        let first = self.expression(0)?;
        if !self.is(";") {
            return Ok(first);
        }
        let mut nodes = vec![first];
        while self.accept(";") && *self.current() != T::End {
            nodes.push(self.expression(0)?);
        }
        match nodes.len() {
            1 => Ok(nodes.remove(0)),
            _ => self.node(Kind::Sequence(nodes)),
        }
    }

    /// An expression whose operators bind at least as tightly as `floor`.
    pub(super) fn expression(&mut self, floor: u16) -> Parsed {
        self.nesting += 1;
        if self.nesting > limits::CONDITION_DEPTH_MAX {
            return fail!(
                "the condition is nested more than {} levels deep",
                limits::CONDITION_DEPTH_MAX
            );
        }
        let parsed = match self.current() {
            T::Op("let") if floor == 0 => self.declaration(),
            T::Op("if") if floor == 0 => self.choice_by_if(),
            _ => self.operation(floor),
        };
        self.nesting -= 1;
        parsed
    }

    fn operation(&mut self, floor: u16) -> Parsed {
        let mut left = self.primary()?;
        let mut previous = "";
        while let Some((operator, negated)) = self.operator(floor)? {
            if previous == "??" && !matches!(operator, "??" | "|") {
                return fail!("?? and {operator} cannot be mixed: put one of them in parentheses");
            }
            left = match operator {
                "|" => self.pipe(left)?,
                "<" | ">" | "<=" | ">=" => self.comparison(left, operator)?,
                _ => self.binary(left, operator)?,
            };
            if negated {
                left = self.node(Kind::Not(left))?;
            }
            previous = operator;
        }
        if floor > 0 {
            return Ok(left);
        }
        while self.accept("?") {
            left = self.ternary(left)?;
        }
        Ok(left)
    }

    /// Consumes the operator that comes next, if it binds tightly enough; true when `not` stood before it.
    fn operator(&mut self, floor: u16) -> Result<Option<(&'static str, bool)>, Error> {
        let T::Op(mut operator) = *self.current() else {
            return Ok(None);
        };
        let negated = operator == "not";
        if negated {
            operator = match self.tokens.get(self.at + 1).map(|token| &token.kind) {
                Some(T::Op(word @ ("in" | "matches" | "contains" | "startsWith" | "endsWith"))) => word,
                _ => return self.unexpected(),
            };
        }
        if strength(operator).is_none_or(|strength| strength < floor) {
            return Ok(None);
        }
        self.at += 1 + usize::from(negated);
        Ok(Some((operator, negated)))
    }

    fn binary(&mut self, left: Node, operator: &'static str) -> Parsed {
        let strength = strength(operator).unwrap_or_default();
        let right_associative = matches!(operator, "**" | "^");
        let right = self.expression(strength + u16::from(!right_associative))?;
        let pair = [left, right];
        self.node(match operator {
            "and" | "&&" => Kind::And(pair),
            "or" | "||" => Kind::Or(pair),
            "??" => Kind::Coalesce(pair),
            "^" => Kind::Binary("**", pair),
            _ => Kind::Binary(operator, pair),
        })
    }

    fn comparison(&mut self, left: Node, operator: &'static str) -> Parsed {
        let mut others = vec![(operator, self.expression(21)?)];
        while let T::Op(next @ ("<" | ">" | "<=" | ">=")) = *self.current() {
            self.advance();
            others.push((next, self.expression(21)?));
        }
        self.node(Kind::Compare(left, others))
    }

    /// What follows `|`: a call that takes the left side as its first argument.
    fn pipe(&mut self, left: Node) -> Parsed {
        let name = self.name()?;
        self.call(name, vec![left])
    }

    fn ternary(&mut self, condition: Node) -> Parsed {
        let then = if self.is(":") {
            condition.clone()
        } else {
            self.expression(0)?
        };
        self.expect(":")?;
        let otherwise = self.expression(0)?;
        self.node(Kind::Choice([condition, then, otherwise]))
    }

    fn declaration(&mut self) -> Parsed {
        self.expect("let")?;
        let name = self.name()?;
        self.expect("=")?;
        let value = self.expression(0)?;
        self.expect(";")?;
        let body = self.nested(Self::sequence)?;
        self.node(Kind::Let(name, [value, body]))
    }

    pub(super) fn choice_by_if(&mut self) -> Parsed {
        self.expect("if")?;
        let condition = self.expression(0)?;
        let then = self.block()?;
        self.expect("else")?;
        let otherwise = if self.is("if") {
            self.nested(Self::choice_by_if)?
        } else {
            self.block()?
        };
        self.node(Kind::Choice([condition, then, otherwise]))
    }

    fn nested(&mut self, parse: fn(&mut Self) -> Parsed) -> Parsed {
        self.nesting += 1;
        if self.nesting > limits::CONDITION_DEPTH_MAX {
            return fail!(
                "the condition is nested more than {} levels deep",
                limits::CONDITION_DEPTH_MAX
            );
        }
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    pub(super) fn block(&mut self) -> Parsed {
        self.expect("{")?;
        let body = self.sequence()?;
        self.expect("}")?;
        Ok(body)
    }
}
