//! Tokens to a syntax tree, by precedence climbing. Knows the grammar, not what names mean or which types fit.

use super::builtins::table;
use super::error::{Error, fail};
use super::lexer::{self, Kind as T, Token};
use super::literal::{self, Number};
use super::syntax::{Kind, Node, Pointer};
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

type Parsed = Result<Node, Error>;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    nodes: usize,
    /// How many closures surround the current token: `#` means something only inside one.
    closures: usize,
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
    fn current(&self) -> &T {
        // The last token is `End` and is never consumed.
        &self.tokens[self.at].kind
    }

    fn is(&self, operator: &str) -> bool {
        matches!(self.current(), T::Op(found) if *found == operator)
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn accept(&mut self, operator: &str) -> bool {
        let found = self.is(operator);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, operator: &str) -> Result<(), Error> {
        if self.accept(operator) {
            Ok(())
        } else {
            self.unexpected()
        }
    }

    fn name(&mut self) -> Result<String, Error> {
        let T::Name(name) = self.current() else {
            return self.unexpected();
        };
        let name = name.clone();
        self.advance();
        Ok(name)
    }

    fn unexpected<A>(&self) -> Result<A, Error> {
        let token = &self.tokens[self.at];
        match &token.kind {
            T::End => fail!("unexpected end of the condition"),
            T::Op(text) => fail!("unexpected {text:?} at character {}", token.at),
            T::Name(text) | T::Number(text) => fail!("unexpected {text:?} at character {}", token.at),
            T::Text(text) => fail!("unexpected text {text:?} at character {}", token.at),
        }
    }

    fn node(&mut self, kind: Kind) -> Parsed {
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
    fn sequence(&mut self) -> Parsed {
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
    fn expression(&mut self, floor: u16) -> Parsed {
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
                left = self.node(Kind::Not(Box::new(left)))?;
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
        let pair = Box::new([left, right]);
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
        self.node(Kind::Compare(Box::new(left), others))
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
        self.node(Kind::Choice(Box::new([condition, then, otherwise])))
    }

    fn declaration(&mut self) -> Parsed {
        self.expect("let")?;
        let name = self.name()?;
        self.expect("=")?;
        let value = self.expression(0)?;
        self.expect(";")?;
        let body = self.nested(Self::sequence)?;
        self.node(Kind::Let(name, Box::new([value, body])))
    }

    fn choice_by_if(&mut self) -> Parsed {
        self.expect("if")?;
        let condition = self.expression(0)?;
        let then = self.block()?;
        self.expect("else")?;
        let otherwise = if self.is("if") {
            self.nested(Self::choice_by_if)?
        } else {
            self.block()?
        };
        self.node(Kind::Choice(Box::new([condition, then, otherwise])))
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

    fn block(&mut self) -> Parsed {
        self.expect("{")?;
        let body = self.sequence()?;
        self.expect("}")?;
        Ok(body)
    }

    // The functions on the way from one nested expression to the next are kept small: their frames decide how much stack a
    // nested condition takes.
    fn primary(&mut self) -> Parsed {
        match self.current() {
            T::Op("not" | "!") => self.not(),
            T::Op("-" | "+") => self.sign(),
            T::Op("(") => self.parenthesised(),
            T::Op("#" | ".") if self.closures > 0 => self.pointer(),
            T::Op("::") => self.rooted_call(),
            T::Op("[") => self.list(),
            T::Op("{") => self.map(),
            T::Op(_) | T::End => self.unexpected(),
            T::Text(_) | T::Number(_) => self.literal(),
            T::Name(_) => self.named(),
        }
    }

    fn not(&mut self) -> Parsed {
        self.advance();
        let node = self.expression(50)?;
        let node = self.node(Kind::Not(Box::new(node)))?;
        self.postfix(node)
    }

    fn sign(&mut self) -> Parsed {
        let minus = self.is("-");
        self.advance();
        let node = Box::new(self.expression(90)?);
        let node = self.node(if minus {
            Kind::Minus(node)
        } else {
            Kind::Plus(node)
        })?;
        self.postfix(node)
    }

    fn parenthesised(&mut self) -> Parsed {
        self.advance();
        let node = self.sequence()?;
        self.expect(")")?;
        self.postfix(node)
    }

    /// `::len(x)`: a call that only builtins can answer. No name of ours hides a builtin, so it is an ordinary call.
    fn rooted_call(&mut self) -> Parsed {
        self.advance();
        let name = self.name()?;
        let node = self.call(name, Vec::new())?;
        self.postfix(node)
    }

    fn literal(&mut self) -> Parsed {
        let kind = match self.current() {
            T::Text(text) => Kind::Text(text.clone()),
            T::Number(written) => match literal::number(written)? {
                Number::Int(number) => Kind::Int(number),
                Number::Float(number) => Kind::Float(number),
            },
            _ => return self.unexpected(),
        };
        self.advance();
        let text = matches!(kind, Kind::Text(_));
        let node = self.node(kind)?;
        // Nothing can follow a number: `1.field` and `1[0]` mean nothing.
        if text { self.postfix(node) } else { Ok(node) }
    }

    fn named(&mut self) -> Parsed {
        let name = self.name()?;
        let node = match name.as_str() {
            "true" => return self.node(Kind::Bool(true)),
            "false" => return self.node(Kind::Bool(false)),
            "nil" => return self.node(Kind::Nil),
            _ if self.is("(") => self.call(name, Vec::new())?,
            _ => self.node(Kind::Name(name))?,
        };
        self.postfix(node)
    }

    /// `#`, `#acc`, `#index`, or nothing at all before a dot: `.field` is short for `#.field`.
    fn pointer(&mut self) -> Parsed {
        let mut pointer = Pointer::Item;
        if self.accept("#")
            && let T::Name(name) = self.current()
        {
            pointer = match name.as_str() {
                "index" => Pointer::Index,
                "acc" => Pointer::Acc,
                name => return fail!("unknown pointer #{name}"),
            };
            self.advance();
        }
        let node = self.node(Kind::Pointer(pointer))?;
        self.postfix(node)
    }

    fn list(&mut self) -> Parsed {
        let items = self.arguments("[", "]", Vec::new())?;
        let node = self.node(Kind::List(items))?;
        self.postfix(node)
    }

    fn map(&mut self) -> Parsed {
        self.expect("{")?;
        let mut pairs = Vec::new();
        while !self.is("}") {
            if !pairs.is_empty() {
                self.expect(",")?;
                if self.is("}") {
                    break;
                }
            }
            let key = match self.current().clone() {
                T::Name(text) | T::Number(text) | T::Text(text) => {
                    self.advance();
                    self.node(Kind::Text(text))?
                }
                T::Op("(") => self.expression(0)?,
                _ => return self.unexpected(),
            };
            self.expect(":")?;
            let value = self.expression(0)?;
            pairs.push((key, value));
        }
        self.expect("}")?;
        let node = self.node(Kind::Map(pairs))?;
        self.postfix(node)
    }

    /// Expressions between brackets, separated by commas; a comma may follow the last one.
    fn arguments(&mut self, open: &str, close: &str, mut nodes: Vec<Node>) -> Result<Vec<Node>, Error> {
        let given = nodes.len();
        self.expect(open)?;
        while !self.is(close) {
            if nodes.len() > given {
                self.expect(",")?;
                if self.is(close) {
                    break;
                }
            }
            nodes.push(self.expression(0)?);
        }
        self.expect(close)?;
        Ok(nodes)
    }

    /// The arguments of a call to `name`; `given` holds those that came through a pipe.
    fn call(&mut self, name: String, given: Vec<Node>) -> Parsed {
        if let Some((name, shape)) = table::closure(&name) {
            return self.closure_call(name, shape, given);
        }
        let args = self.arguments("(", ")", given)?;
        self.node(match table::function(&name) {
            Some(function) => Kind::Builtin(function.name, args),
            None => Kind::Call(name, args),
        })
    }

    /// A builtin that takes a closure: `all(list, # > 1)`, `reduce(list, #acc + #, 0)`.
    fn closure_call(&mut self, name: &'static str, shape: table::Shape, mut args: Vec<Node>) -> Parsed {
        self.expect("(")?;
        let given = args.len();
        for position in given..shape.args {
            let optional = position >= shape.required;
            if self.is(")") && optional {
                break;
            }
            if self.is(")") {
                return fail!(
                    "not enough arguments to call {name} (expected at least {})",
                    shape.required
                );
            }
            if position > given {
                self.expect(",")?;
            }
            args.push(if position == 1 {
                self.closure()?
            } else {
                self.expression(0)?
            });
        }
        self.accept(",");
        self.expect(")")?;
        self.node(Kind::Builtin(name, args))
    }

    fn closure(&mut self) -> Parsed {
        self.closures += 1;
        let body = if self.is("{") {
            self.block()?
        } else {
            self.expression(0)?
        };
        self.closures -= 1;
        Ok(body)
    }

    fn postfix(&mut self, mut node: Node) -> Parsed {
        loop {
            if self.accept(".") {
                node = self.field(node, false)?;
            } else if self.accept("?.") {
                node = if self.accept("[") {
                    self.index(node, true)?
                } else {
                    self.field(node, true)?
                };
            } else if self.accept("[") {
                node = self.index(node, false)?;
            } else {
                return Ok(node);
            }
        }
    }

    /// What follows a dot. A chain of optional members goes on through further dots.
    fn field(&mut self, node: Node, optional: bool) -> Parsed {
        let name = match self.current() {
            T::Name(name) => name.clone(),
            T::Op(word) if word.starts_with(lexer::alphabetic) => (*word).to_owned(),
            _ => return self.unexpected(),
        };
        self.advance();
        let (base, chained) = match node.kind {
            Kind::Chain(inner) => (*inner, true),
            _ => (node, false),
        };
        let node = if self.is("(") {
            let args = self.arguments("(", ")", Vec::new())?;
            self.node(Kind::Method {
                base: Box::new(base),
                name,
                args,
                optional,
            })?
        } else {
            let key = self.node(Kind::Text(name))?;
            self.node(Kind::Member {
                parts: Box::new([base, key]),
                optional,
            })?
        };
        if chained || optional {
            self.node(Kind::Chain(Box::new(node)))
        } else {
            Ok(node)
        }
    }

    /// What follows an opening square bracket: an index or a slice.
    fn index(&mut self, base: Node, optional: bool) -> Parsed {
        let from = if self.is(":") {
            None
        } else {
            Some(self.expression(0)?)
        };
        if self.accept(":") {
            let to = if self.is("]") {
                None
            } else {
                Some(Box::new(self.expression(0)?))
            };
            self.expect("]")?;
            let (base, from) = (Box::new(base), from.map(Box::new));
            return self.node(Kind::Slice { base, from, to });
        }
        let Some(key) = from else {
            return self.unexpected();
        };
        self.expect("]")?;
        let node = self.node(Kind::Member {
            parts: Box::new([base, key]),
            optional,
        })?;
        if optional {
            self.node(Kind::Chain(Box::new(node)))
        } else {
            Ok(node)
        }
    }
}
