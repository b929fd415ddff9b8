//! The syntax tree of a condition. Every node knows how deep it is, so that nothing that walks it can run out of stack.

use super::error::{Error, fail};
use crate::base::limits;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    // Boxed here, once: nodes stay small, and so do the stack frames of everything that hands them on.
    pub kind: Box<Kind>,
    /// The truth of a part that needs no evaluation. Argo Rollouts settles `x && false` and `x || true` by it without looking at
    /// `x`, so this does too.
    pub settled: Option<bool>,
    depth: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Name(String),
    /// `#`, `#index`, `#acc`
    Pointer(Pointer),
    Not(Node),
    Minus(Node),
    Plus(Node),
    And([Node; 2]),
    Or([Node; 2]),
    Coalesce([Node; 2]),
    Binary(&'static str, [Node; 2]),
    /// `a < b <= c`: true when every neighbouring pair holds.
    Compare(Node, Vec<(&'static str, Node)>),
    Member {
        parts: [Node; 2],
        optional: bool,
    },
    /// Where an optional member (`?.`) that met nil ends.
    Chain(Node),
    Slice {
        base: Node,
        from: Option<Node>,
        to: Option<Node>,
    },
    /// A function that is no builtin.
    Call(String, Vec<Node>),
    Method {
        base: Node,
        name: String,
        args: Vec<Node>,
        optional: bool,
    },
    /// A builtin; a closure is an ordinary argument here.
    Builtin(&'static str, Vec<Node>),
    Let(String, [Node; 2]),
    Sequence(Vec<Node>),
    Choice([Node; 3]),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pointer {
    Item,
    Index,
    Acc,
}

impl Node {
    /// A node over its children. `Err` when it would be nested too deeply.
    pub(super) fn new(kind: Kind) -> Result<Self, Error> {
        let mut depth = 0;
        kind.children(&mut |child| depth = depth.max(child.depth + 1));
        if depth > limits::CONDITION_DEPTH_MAX {
            return fail!(
                "the condition is nested more than {} levels deep",
                limits::CONDITION_DEPTH_MAX
            );
        }
        let settled = kind.settled();
        Ok(Self {
            kind: Box::new(kind),
            settled,
            depth,
        })
    }

    /// Whether `wanted` holds for this node or for one below it.
    pub(super) fn any(&self, wanted: &dyn Fn(&Kind) -> bool) -> bool {
        if wanted(&self.kind) {
            return true;
        }
        let mut found = false;
        self.kind
            .children(&mut |child| found = found || child.any(wanted));
        found
    }
}

impl Kind {
    pub(super) fn children<'a>(&'a self, visit: &mut dyn FnMut(&'a Node)) {
        match self {
            Kind::Nil | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => {}
            Kind::Text(_) | Kind::Name(_) | Kind::Pointer(_) => {}
            Kind::Not(node) | Kind::Minus(node) | Kind::Plus(node) | Kind::Chain(node) => visit(node),
            Kind::And(nodes) | Kind::Or(nodes) | Kind::Coalesce(nodes) => nodes.iter().for_each(visit),
            Kind::Binary(_, nodes) | Kind::Let(_, nodes) => nodes.iter().for_each(visit),
            Kind::Member { parts, .. } => parts.iter().for_each(visit),
            Kind::Compare(first, others) => {
                visit(first);
                others.iter().for_each(|(_, node)| visit(node));
            }
            Kind::Slice { base, from, to } => {
                visit(base);
                from.iter().chain(to).for_each(visit);
            }
            Kind::Method { base, args, .. } => {
                visit(base);
                args.iter().for_each(visit);
            }
            Kind::Choice(nodes) => nodes.iter().for_each(visit),
            Kind::Call(_, nodes) | Kind::Builtin(_, nodes) => nodes.iter().for_each(visit),
            Kind::Sequence(nodes) | Kind::List(nodes) => nodes.iter().for_each(visit),
            Kind::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                visit(key);
                visit(value);
            }),
        }
    }

    fn settled(&self) -> Option<bool> {
        match self {
            Kind::Bool(value) => Some(*value),
            Kind::Not(node) => node.settled.map(|value| !value),
            Kind::And(nodes) => match (nodes[0].settled, nodes[1].settled) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Kind::Or(nodes) => match (nodes[0].settled, nodes[1].settled) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Kind::Binary("==", nodes) => match (&*nodes[0].kind, &*nodes[1].kind) {
                (Kind::Int(a), Kind::Int(b)) => Some(a == b),
                (Kind::Text(a), Kind::Text(b)) => Some(a == b),
                _ => None,
            },
            _ => None,
        }
    }
}
