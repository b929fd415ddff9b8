//! Finds what cannot work before anything is evaluated: unknown names, wrong numbers of arguments, types that do not fit together.
//! A condition whose short-circuited half is nonsense is refused, as Argo Rollouts does.

use super::builtins::table::{self, Function, Gives, Param};
use super::datum::Held;
use super::error::{Error, fail};
use super::syntax::{Kind, Node, Pointer};
use super::types::{Class, Type};
use regex::Regex;

/// Which names a program may use besides the builtins.
pub(super) enum Names {
    /// `result` (of this type) and Argo Rollouts' functions.
    Condition(Type),
    /// Only `isNaN` and `isInf`: the start and end of a range query.
    Instant,
}

/// The type of the whole program.
pub(super) fn check(root: &Node, names: &Names) -> Result<Type, Error> {
    let mut checker = Checker {
        names,
        lets: Vec::new(),
        closures: Vec::new(),
    };
    checker.visit(root)
}

struct Checker<'a> {
    names: &'a Names,
    lets: Vec<(&'a str, Type)>,
    closures: Vec<Closure>,
}

/// What `#` stands for, and which other pointers exist.
struct Closure {
    item: Type,
    index: bool,
    acc: bool,
}

type Checked = Result<Type, Error>;

impl<'a> Checker<'a> {
    fn visit(&mut self, node: &'a Node) -> Checked {
        match &*node.kind {
            Kind::Nil => Ok(Type::Nil),
            Kind::Bool(_) => Ok(Type::Bool),
            Kind::Int(_) => Ok(Type::Int),
            Kind::Float(_) => Ok(Type::Float),
            Kind::Text(_) => Ok(Type::Text),
            Kind::Name(name) => self.name(name),
            Kind::Pointer(pointer) => self.pointer(*pointer),
            Kind::Not(node) => self.not(node),
            Kind::Minus(node) | Kind::Plus(node) => self.sign(node),
            Kind::And(nodes) => self.logic("&&", nodes),
            Kind::Or(nodes) => self.logic("||", nodes),
            Kind::Coalesce(nodes) => self.coalesce(nodes),
            Kind::Binary(operator, nodes) => self.binary(operator, nodes),
            Kind::Compare(first, others) => self.compare(first, others),
            Kind::Member { parts, .. } => self.member(parts),
            Kind::Chain(node) => self.visit(node),
            Kind::Slice { base, from, to } => self.slice(base, [from, to]),
            Kind::Call(name, args) => self.call(name, args),
            Kind::Method { base, name, args, .. } => self.method(base, name, args),
            Kind::Builtin(name, args) => self.builtin(name, args),
            Kind::Let(name, parts) => self.declaration(name, parts),
            Kind::Sequence(nodes) => self.sequence(nodes),
            Kind::Choice(parts) => self.choice(parts),
            Kind::List(nodes) => self.list(nodes),
            Kind::Map(pairs) => self.map(pairs),
        }
    }

    fn pair(&mut self, nodes: &'a [Node; 2]) -> Result<(Type, Type), Error> {
        Ok((self.visit(&nodes[0])?, self.visit(&nodes[1])?))
    }

    fn name(&self, name: &str) -> Checked {
        if let Some((_, found)) = self.lets.iter().rev().find(|(known, _)| *known == name) {
            return Ok(found.clone());
        }
        match self.names {
            Names::Condition(result) if name == "result" => Ok(result.clone()),
            _ if self.function(name).is_some() => fail!("{name} is a function: call it with parentheses"),
            _ => fail!("unknown name {name}"),
        }
    }

    /// A function by name, be it builtin or Argo Rollouts' own.
    fn function(&self, name: &str) -> Option<&'static str> {
        let added = match self.names {
            Names::Instant if !matches!(name, "isNaN" | "isInf") => None,
            _ => table::added(name),
        };
        let plain = added
            .or_else(|| table::function(name))
            .map(|function| function.name);
        plain.or_else(|| table::closure(name).map(|(name, _)| name))
    }

    fn pointer(&self, pointer: Pointer) -> Checked {
        let Some(closure) = self.closures.last() else {
            return fail!("# means something only inside a closure");
        };
        match pointer {
            Pointer::Item => Ok(closure.item.clone()),
            Pointer::Index if closure.index => Ok(Type::Int),
            Pointer::Acc if closure.acc => Ok(Type::Unknown),
            Pointer::Index => fail!("unknown pointer #index"),
            Pointer::Acc => fail!("unknown pointer #acc"),
        }
    }

    fn not(&mut self, node: &'a Node) -> Checked {
        match self.visit(node)? {
            Type::Bool | Type::Unknown => Ok(Type::Bool),
            other => fail!("invalid operation: ! (mismatched type {other})"),
        }
    }

    fn sign(&mut self, node: &'a Node) -> Checked {
        match self.visit(node)? {
            number @ (Type::Int | Type::Float | Type::Unknown) => Ok(number),
            other => fail!("invalid operation: - (mismatched type {other})"),
        }
    }

    fn logic(&mut self, operator: &str, nodes: &'a [Node; 2]) -> Checked {
        let (left, right) = self.pair(nodes)?;
        let fits = left == Type::Bool && right == Type::Bool || left.may_fit(&right, &[Class::Bool]);
        if fits {
            Ok(Type::Bool)
        } else {
            mismatch(operator, &left, &right)
        }
    }

    fn coalesce(&mut self, nodes: &'a [Node; 2]) -> Checked {
        Ok(match self.pair(nodes)? {
            (Type::Nil, right) => right,
            (left, Type::Nil) => left,
            (left, right) if left.same(&right) => left,
            _ => Type::Unknown,
        })
    }

    fn compare(&mut self, first: &'a Node, others: &'a [(&'static str, Node)]) -> Checked {
        let classes = [Class::Number, Class::Text, Class::Time, Class::Duration];
        let mut left = self.visit(first)?;
        for (operator, node) in others {
            let right = self.visit(node)?;
            let alike = classes.iter().any(|class| left.is(*class) && right.is(*class));
            if !alike && !left.may_fit(&right, &classes) {
                return mismatch(operator, &left, &right);
            }
            left = right;
        }
        Ok(Type::Bool)
    }

    fn binary(&mut self, operator: &str, nodes: &'a [Node; 2]) -> Checked {
        let (left, right) = self.pair(nodes)?;
        let known = match operator {
            "==" | "!=" => left.comparable(&right).then_some(Type::Bool),
            "in" => return membership(&left, &right),
            "matches" => {
                valid_pattern(&nodes[1])?;
                text_operator(&left, &right)
            }
            "contains" | "startsWith" | "endsWith" => text_operator(&left, &right),
            _ => arithmetic(operator, &left, &right),
        };
        known.map_or_else(|| mismatch(operator, &left, &right), Ok)
    }

    fn member(&mut self, parts: &'a [Node; 2]) -> Checked {
        let (base, key) = self.pair(parts)?;
        let fits = match &base {
            Type::Unknown => return Ok(Type::Unknown),
            Type::Map(_, any_key) => *any_key || matches!(key, Type::Text | Type::Unknown),
            Type::List(..) => {
                if !matches!(key, Type::Int | Type::Unknown) {
                    return fail!("array elements can only be selected using an integer (got {key})");
                }
                true
            }
            _ => false,
        };
        match &*parts[1].kind {
            _ if fits => Ok(base.element()),
            Kind::Text(field) => fail!("type {base} has no field {field}"),
            _ => fail!("cannot use {key} to get an element from {base}"),
        }
    }

    fn slice(&mut self, base: &'a Node, bounds: [&'a Option<Node>; 2]) -> Checked {
        let base = self.visit(base)?;
        if !matches!(base, Type::Unknown | Type::Text | Type::List(..)) {
            return fail!("cannot slice {base}");
        }
        for bound in bounds.into_iter().flatten() {
            let bound = self.visit(bound)?;
            if !base.unknown() && !matches!(bound, Type::Int | Type::Unknown) {
                return fail!("non-integer slice index {bound}");
            }
        }
        Ok(base)
    }

    fn call(&mut self, name: &'a str, args: &'a [Node]) -> Checked {
        if self.lets.iter().any(|(known, _)| *known == name) || name == "result" {
            return fail!("{name} is no function");
        }
        let known = self.function(name).and_then(table::added);
        let types = self.all(args)?;
        match known {
            Some(function) => self.apply(function, &types),
            None => fail!("unknown name {name}"),
        }
    }

    fn all(&mut self, nodes: &'a [Node]) -> Result<Vec<Type>, Error> {
        nodes.iter().map(|node| self.visit(node)).collect()
    }

    fn method(&mut self, base: &'a Node, name: &str, args: &'a [Node]) -> Checked {
        let base = self.visit(base)?;
        let args = self.all(args)?;
        match super::builtins::time::method_type(&base, name, args.len()) {
            Some(found) => Ok(found),
            None => fail!("type {base} has no method {name}"),
        }
    }

    fn builtin(&mut self, name: &'static str, args: &'a [Node]) -> Checked {
        if table::closure(name).is_some() {
            return self.with_closure(name, args);
        }
        let types = self.all(args)?;
        match (table::function(name), types.as_slice()) {
            (_, [base, key]) if name == "get" => get(base, key),
            (Some(function), types) => self.apply(function, types),
            (None, _) => fail!("unknown name {name}"),
        }
    }

    fn apply(&self, function: &Function, args: &[Type]) -> Checked {
        let name = function.name;
        let longest = function
            .forms
            .iter()
            .map(|form| form.len())
            .max()
            .unwrap_or_default();
        let shortest = function
            .forms
            .iter()
            .map(|form| form.len())
            .min()
            .unwrap_or_default();
        if args.len() > longest && !function.repeats {
            return fail!("too many arguments to call {name} (at most {longest})");
        }
        if args.len() < shortest {
            return fail!("not enough arguments to call {name} (at least {shortest})");
        }
        let mut settled = false;
        for (position, arg) in args.iter().enumerate() {
            let form = function
                .forms
                .iter()
                .find(|form| form.len() == args.len())
                .or(function.forms.last());
            let param = form.and_then(|form| form.get(position).or(form.last())).copied();
            let param = param.unwrap_or(Param::Any);
            if !settled && !accepts(param, arg) {
                return fail!("cannot use {arg} as argument to call {name}");
            }
            // The peer looks no further once a list or an unknown value has been given.
            settled = settled || param == Param::Numbers && !arg.number();
        }
        Ok(gives(function.gives, args, settled))
    }

    fn with_closure(&mut self, name: &'static str, args: &'a [Node]) -> Checked {
        let (list, rest) = match args {
            [list, rest @ ..] => (self.visit(list)?, rest),
            [] => return fail!("not enough arguments to call {name}"),
        };
        if !list.list() && !list.unknown() {
            return fail!("builtin {name} takes only array (got {list})");
        }
        let Some(body) = rest.first() else {
            return Ok(if name == "sum" { list.element() } else { Type::Int });
        };
        let (index, acc) = (matches!(name, "map" | "reduce"), name == "reduce");
        self.closures.push(Closure {
            item: list.element(),
            index,
            acc,
        });
        let body = self.visit(body)?;
        self.closures.pop();
        let more = rest.get(1).map(|node| self.visit(node)).transpose()?;
        if body == Type::Nil {
            return fail!("the closure of {name} gives nothing but nil");
        }
        let yes_no = !matches!(name, "map" | "sum" | "groupBy" | "sortBy" | "reduce");
        if yes_no && !matches!(body, Type::Bool | Type::Unknown) {
            return fail!("predicate should return boolean (got {body})");
        }
        if name == "sortBy" && !matches!(more, None | Some(Type::Text | Type::Unknown)) {
            return fail!("sortBy order argument must be a string");
        }
        Ok(match name {
            "all" | "none" | "any" | "one" => Type::Bool,
            "filter" => Type::list_of(list.element()),
            "map" => Type::list_of(body),
            "count" | "findIndex" | "findLastIndex" => Type::Int,
            "find" | "findLast" => list.element(),
            "sum" | "reduce" => body,
            "groupBy" => Type::Map(Box::new(Type::list_of(list.element())), true),
            _ => list,
        })
    }

    fn declaration(&mut self, name: &'a str, parts: &'a [Node; 2]) -> Checked {
        let taken = name == "result" && matches!(self.names, Names::Condition(_));
        if taken || self.function(name).is_some() || self.lets.iter().any(|(known, _)| *known == name) {
            return fail!("cannot redeclare {name}");
        }
        let value = self.visit(&parts[0])?;
        self.lets.push((name, value));
        let body = self.visit(&parts[1]);
        self.lets.pop();
        body
    }

    fn sequence(&mut self, nodes: &'a [Node]) -> Checked {
        let types = self.all(nodes)?;
        Ok(types.last().cloned().unwrap_or(Type::Unknown))
    }

    fn choice(&mut self, parts: &'a [Node; 3]) -> Checked {
        let condition = self.visit(&parts[0])?;
        if !matches!(condition, Type::Bool | Type::Unknown) {
            return fail!("non-bool expression (type {condition}) used as condition");
        }
        Ok(match (self.visit(&parts[1])?, self.visit(&parts[2])?) {
            (Type::Nil, other) | (other, Type::Nil) => other,
            (a, b) if a == b => a,
            (Type::List(..), Type::List(..)) => Type::list_of(Type::Unknown),
            (a, b) if a.same(&b) => a,
            _ => Type::Unknown,
        })
    }

    fn list(&mut self, nodes: &'a [Node]) -> Checked {
        let types = self.all(nodes)?;
        let alike = |pair: &[Type]| pair[0].same(&pair[1]) || pair[0].list() && pair[1].list();
        let element = match types.last() {
            Some(last) if types.windows(2).all(alike) => last.clone(),
            _ => Type::Unknown,
        };
        Ok(Type::list_of(element))
    }

    fn map(&mut self, pairs: &'a [(Node, Node)]) -> Checked {
        for (key, value) in pairs {
            self.visit(key)?;
            self.visit(value)?;
        }
        Ok(Type::Map(Box::new(Type::Unknown), false))
    }
}

fn mismatch<A>(operator: &str, left: &Type, right: &Type) -> Result<A, Error> {
    fail!("invalid operation: {operator} (mismatched types {left} and {right})")
}

fn text_operator(left: &Type, right: &Type) -> Option<Type> {
    let fits = *left == Type::Text && *right == Type::Text || left.may_fit(right, &[Class::Text]);
    fits.then_some(Type::Bool)
}

fn arithmetic(operator: &str, left: &Type, right: &Type) -> Option<Type> {
    use Type::{Duration, Float, Int, Text, Time, Unknown};
    let classes: &[Class] = match operator {
        "+" => &[Class::Number, Class::Text, Class::Time, Class::Duration],
        "-" => &[Class::Number, Class::Time, Class::Duration],
        "*" => &[Class::Number, Class::Duration],
        "%" | ".." => &[Class::Int],
        _ => &[Class::Number],
    };
    let known = match (operator, left, right) {
        ("%", Int, Int) => Int,
        ("..", Int, Int) => Type::list_of(Int),
        ("%" | "..", ..) => Unknown,
        ("/" | "**", Int | Float, Int | Float) => Float,
        (_, Int, Int) => Int,
        (_, Int | Float, Int | Float) => Float,
        ("+", Text, Text) => Text,
        ("+", Time, Duration) | ("+", Duration, Time) | ("-", Time, Duration) => Time,
        ("-", Time, Time) | ("+" | "-" | "*", Duration, Duration) => Duration,
        ("*", Int | Float, Duration) | ("*", Duration, Int | Float) => Duration,
        _ => Unknown,
    };
    if known != Unknown {
        return Some(known);
    }
    left.may_fit(right, classes).then(|| match operator {
        "/" | "**" => Float,
        "%" => Int,
        ".." => Type::list_of(Int),
        _ => Unknown,
    })
}

fn membership(left: &Type, right: &Type) -> Checked {
    match right {
        Type::Map(_, false) if !matches!(left, Type::Text | Type::Unknown) => {
            fail!("cannot use {left} as type string in map key")
        }
        Type::List(element, _) if !left.comparable(element) => {
            fail!("cannot use {left} as type {element} in array")
        }
        Type::Map(..) | Type::List(..) | Type::Unknown => Ok(Type::Bool),
        Type::Text if left.unknown() => Ok(Type::Bool),
        _ => mismatch("in", left, right),
    }
}

fn valid_pattern(pattern: &Node) -> Result<(), Error> {
    match &*pattern.kind {
        Kind::Text(pattern) => super::builtins::text::pattern(pattern).map(|_: Regex| ()),
        _ => Ok(()),
    }
}

fn get(base: &Type, key: &Type) -> Checked {
    match base {
        Type::Unknown => Ok(Type::Unknown),
        Type::List(element, _) if matches!(key, Type::Int | Type::Unknown) => Ok((**element).clone()),
        Type::Map(element, any_key) if *any_key || matches!(key, Type::Text | Type::Unknown) => {
            Ok((**element).clone())
        }
        _ => fail!("cannot use {key} to get an element from {base}"),
    }
}

fn accepts(param: Param, arg: &Type) -> bool {
    let fits = match param {
        Param::Any => true,
        Param::Text => *arg == Type::Text,
        Param::Int => *arg == Type::Int,
        Param::Float | Param::Number => arg.number(),
        Param::Readable => arg.number() || matches!(arg, Type::Text | Type::Duration),
        Param::List => arg.list(),
        Param::Map => matches!(arg, Type::Map(..)),
        Param::Sized => arg.list() || matches!(arg, Type::Text | Type::Map(..)),
        Param::Numbers => arg.number() || arg.list(),
    };
    fits || arg.unknown()
}

fn gives(gives: Gives, args: &[Type], settled: bool) -> Type {
    let first = args.first();
    match gives {
        Gives::Unknown => Type::Unknown,
        Gives::Bool => Type::Bool,
        Gives::Int => Type::Int,
        Gives::Float => Type::Float,
        Gives::Text => Type::Text,
        Gives::List => Type::list_of(Type::Unknown),
        Gives::Texts => Type::List(Box::new(Type::Text), Held::Texts),
        Gives::Map => Type::Map(Box::new(Type::Unknown), true),
        Gives::Time => Type::Time,
        Gives::Duration => Type::Duration,
        Gives::Same => first.map_or(Type::Unknown, Type::erased),
        Gives::Element => first.map_or(Type::Unknown, |list| list.erased().element()),
        Gives::Extreme if settled => Type::Unknown,
        Gives::Extreme => first.cloned().unwrap_or(Type::Unknown),
    }
}
