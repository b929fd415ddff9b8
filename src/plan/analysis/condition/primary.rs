//! The grammar below operators: literals, names, calls, closures, lists, maps, and the members, indices and slices that follow them.

use super::builtins::table;
use super::error::{Error, fail};
use super::lexer::{self, Kind as T};
use super::literal::{self, Number};
use super::parser::{Parsed, Parser};
use super::syntax::{Kind, Node, Pointer};

impl Parser {
    // The functions on the way from one nested expression to the next are kept small: their frames decide how much stack a
    // nested condition takes.
    pub(super) fn primary(&mut self) -> Parsed {
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
        let node = self.node(Kind::Not(node))?;
        self.postfix(node)
    }

    fn sign(&mut self) -> Parsed {
        let minus = self.is("-");
        self.advance();
        let node = self.expression(90)?;
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
    pub(super) fn call(&mut self, name: String, given: Vec<Node>) -> Parsed {
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
        let chained = matches!(*node.kind, Kind::Chain(_));
        let base = match *node.kind {
            Kind::Chain(inner) => inner,
            kind => Node::new(kind)?,
        };
        let node = if self.is("(") {
            let args = self.arguments("(", ")", Vec::new())?;
            self.node(Kind::Method {
                base,
                name,
                args,
                optional,
            })?
        } else {
            let key = self.node(Kind::Text(name))?;
            self.node(Kind::Member {
                parts: [base, key],
                optional,
            })?
        };
        if chained || optional {
            self.node(Kind::Chain(node))
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
                Some(self.expression(0)?)
            };
            self.expect("]")?;
            return self.node(Kind::Slice { base, from, to });
        }
        let Some(key) = from else {
            return self.unexpected();
        };
        self.expect("]")?;
        let node = self.node(Kind::Member {
            parts: [base, key],
            optional,
        })?;
        if optional {
            self.node(Kind::Chain(node))
        } else {
            Ok(node)
        }
    }
}
