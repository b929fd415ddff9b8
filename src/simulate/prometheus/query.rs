//! Queries as they are evaluated: the parsed text, checked for what this stand-in can do. The only file that knows the parser.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use promql_parser::label::{MatchOp, Matcher, Matchers};
use promql_parser::parser::token::{
    T_ADD, T_ATAN2, T_AVG, T_BOTTOMK, T_COUNT, T_COUNT_VALUES, T_DIV, T_EQLC, T_GROUP, T_GTE, T_GTR, T_LAND,
    T_LOR, T_LSS, T_LTE, T_LUNLESS, T_MAX, T_MIN, T_MOD, T_MUL, T_NEQ, T_POW, T_QUANTILE, T_STDDEV, T_STDVAR,
    T_SUB, T_SUM, T_TOPK,
};
use promql_parser::parser::{
    self, AggregateExpr, AtModifier, BinaryExpr, Call, Expr, LabelModifier, Offset, VectorMatchCardinality,
    VectorSelector,
};
use regex::Regex;

use super::function::Function;
use super::labels::NAME;

/// One step of an evaluation.
#[derive(Debug)]
pub enum Node {
    Number(f64),
    Text(String),
    Select(Selector),
    Window(Selector, i64),
    Subquery {
        inner: Box<Node>,
        range: i64,
        step: Option<i64>,
        shift: Shift,
    },
    Negate(Box<Node>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call(Function, Vec<Node>),
}

/// What a query gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Scalar,
    Vector,
    Matrix,
    Text,
}

/// Times in milliseconds.
#[derive(Debug, Default)]
pub struct Shift {
    pub offset: i64,
    pub at: Option<At>,
}

#[derive(Debug)]
pub enum At {
    Start,
    End,
    Time(i64),
}

#[derive(Debug)]
pub struct Selector {
    /// Stated with `=`.
    pub name: Option<String>,
    pub matches: Vec<(String, Test)>,
    pub shift: Shift,
}

#[derive(Debug)]
pub enum Test {
    Is(String),
    IsNot(String),
    Like(Regex),
    Unlike(Regex),
}

impl Test {
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::Is(wanted) => wanted == value,
            Self::IsNot(other) => other != value,
            Self::Like(pattern) => pattern.is_match(value),
            Self::Unlike(pattern) => !pattern.is_match(value),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    And,
    Or,
    Unless,
}

#[derive(Debug)]
pub struct Binary {
    pub op: Op,
    pub left: Node,
    pub right: Node,
    pub returns_bool: bool,
    pub matching: Grouping,
    pub many: Many,
}

/// Which side may have several series for one of the other, and the labels that it takes over from there.
#[derive(Debug)]
pub enum Many {
    None,
    Left(Vec<String>),
    Right(Vec<String>),
}

/// Which labels count.
#[derive(Debug)]
pub enum Grouping {
    /// `by`, `on`: these.
    Only(Vec<String>),
    /// `without`, `ignoring`: all but these and the metric's name.
    AllBut(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    TopK,
    BottomK,
    Quantile,
    CountValues,
}

#[derive(Debug)]
pub struct Aggregate {
    pub reduce: Reduce,
    pub of: Node,
    pub parameter: Option<Node>,
    pub by: Grouping,
}

impl Node {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Number(_) => Kind::Scalar,
            Self::Text(_) => Kind::Text,
            Self::Select(_) | Self::Aggregate(_) => Kind::Vector,
            Self::Window(..) | Self::Subquery { .. } => Kind::Matrix,
            Self::Negate(inner) => inner.kind(),
            Self::Binary(binary) => match (binary.left.kind(), binary.right.kind()) {
                (Kind::Scalar, Kind::Scalar) => Kind::Scalar,
                _ => Kind::Vector,
            },
            Self::Call(function, _) => function.kind(),
        }
    }
}

/// How many queries are remembered as parsed.
const REMEMBERED_MAX: usize = 4_096;

static REMEMBERED: Mutex<BTreeMap<String, Arc<Node>>> = Mutex::new(BTreeMap::new());

/// Parses a query, or remembers it: what a text means never changes. `Err` is the message for its author.
pub fn parse(text: &str) -> Result<Arc<Node>, String> {
    let remembered = || REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(node) = remembered().get(text) {
        return Ok(Arc::clone(node));
    }
    let parsed = parser::parse(text).map_err(|error| format!("parse error: {error}"))?;
    let node = Arc::new(node(&parsed)?);
    let mut all = remembered();
    if all.len() >= REMEMBERED_MAX {
        all.clear();
    }
    all.insert(text.to_owned(), Arc::clone(&node));
    Ok(node)
}

fn node(expr: &Expr) -> Result<Node, String> {
    Ok(match expr {
        Expr::NumberLiteral(number) => Node::Number(number.val),
        Expr::StringLiteral(text) => Node::Text(text.val.clone()),
        Expr::Paren(paren) => node(&paren.expr)?,
        Expr::Unary(unary) => Node::Negate(Box::new(node(&unary.expr)?)),
        Expr::VectorSelector(selected) => Node::Select(selector(selected)?),
        Expr::MatrixSelector(matrix) => Node::Window(selector(&matrix.vs)?, millis(matrix.range)),
        Expr::Subquery(subquery) => Node::Subquery {
            inner: Box::new(node(&subquery.expr)?),
            range: millis(subquery.range),
            step: subquery.step.map(millis).filter(|step| *step > 0),
            shift: shift(subquery.offset.as_ref(), subquery.at.as_ref()),
        },
        Expr::Binary(expr) => Node::Binary(Box::new(binary(expr)?)),
        Expr::Aggregate(expr) => Node::Aggregate(Box::new(aggregate(expr)?)),
        Expr::Call(expr) => call(expr)?,
        Expr::Extension(_) => return Err("parse error: unknown kind of expression".to_owned()),
    })
}

fn call(call: &Call) -> Result<Node, String> {
    let name = call.func.name;
    let Some(function) = Function::named(name) else {
        return Err(format!(
            "the function {name:?} is not carried out by this stand-in for Prometheus"
        ));
    };
    let args: Result<Vec<Node>, String> = call.args.args.iter().map(|arg| node(arg)).collect();
    Ok(Node::Call(function, args?))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

fn shift(offset: Option<&Offset>, at: Option<&AtModifier>) -> Shift {
    Shift {
        offset: match offset {
            None => 0,
            Some(Offset::Pos(back)) => millis(*back),
            Some(Offset::Neg(ahead)) => -millis(*ahead),
        },
        at: at.map(|at| match at {
            AtModifier::Start => At::Start,
            AtModifier::End => At::End,
            AtModifier::At(time) => At::Time(match time.duration_since(SystemTime::UNIX_EPOCH) {
                Ok(after) => millis(after),
                Err(before) => -millis(before.duration()),
            }),
        }),
    }
}

fn selector(selected: &VectorSelector) -> Result<Selector, String> {
    let Matchers {
        matchers,
        or_matchers,
    } = &selected.matchers;
    if !or_matchers.is_empty() {
        return Err("parse error: unexpected \"or\" in label matching".to_owned());
    }
    let named = |one: &&Matcher| one.name == NAME && matches!(one.op, MatchOp::Equal);
    let name = matchers.iter().find(named).map(|one| one.value.clone());
    Ok(Selector {
        name: selected.name.clone().or(name),
        matches: matchers.iter().map(|one| (one.name.clone(), test(one))).collect(),
        shift: shift(selected.offset.as_ref(), selected.at.as_ref()),
    })
}

fn test(matcher: &Matcher) -> Test {
    match &matcher.op {
        MatchOp::Equal => Test::Is(matcher.value.clone()),
        MatchOp::NotEqual => Test::IsNot(matcher.value.clone()),
        MatchOp::Re(pattern) => Test::Like(pattern.clone()),
        MatchOp::NotRe(pattern) => Test::Unlike(pattern.clone()),
    }
}

fn grouping(modifier: Option<&LabelModifier>, absent: Grouping) -> Grouping {
    match modifier {
        None => absent,
        Some(LabelModifier::Include(labels)) => Grouping::Only(labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => Grouping::AllBut(labels.labels.clone()),
    }
}

fn binary(expr: &BinaryExpr) -> Result<Binary, String> {
    let (left, right) = (node(&expr.lhs)?, node(&expr.rhs)?);
    let modifier = expr.modifier.as_ref();
    if modifier.is_some_and(|one| one.fill_values.lhs.is_some() || one.fill_values.rhs.is_some()) {
        return Err("\"fill\" is not carried out by this stand-in for Prometheus".to_owned());
    }
    Ok(Binary {
        op: op(expr)?,
        left,
        right,
        returns_bool: modifier.is_some_and(|one| one.return_bool),
        matching: grouping(
            modifier.and_then(|one| one.matching.as_ref()),
            Grouping::AllBut(Vec::new()),
        ),
        many: match modifier.map(|one| &one.card) {
            Some(VectorMatchCardinality::ManyToOne(labels)) => Many::Left(labels.labels.clone()),
            Some(VectorMatchCardinality::OneToMany(labels)) => Many::Right(labels.labels.clone()),
            _ => Many::None,
        },
    })
}

fn op(expr: &BinaryExpr) -> Result<Op, String> {
    Ok(match expr.op.id() {
        T_ADD => Op::Add,
        T_SUB => Op::Sub,
        T_MUL => Op::Mul,
        T_DIV => Op::Div,
        T_MOD => Op::Mod,
        T_POW => Op::Pow,
        T_ATAN2 => Op::Atan2,
        T_EQLC => Op::Equal,
        T_NEQ => Op::NotEqual,
        T_GTR => Op::Greater,
        T_GTE => Op::GreaterEqual,
        T_LSS => Op::Less,
        T_LTE => Op::LessEqual,
        T_LAND => Op::And,
        T_LOR => Op::Or,
        T_LUNLESS => Op::Unless,
        _ => return Err(format!("parse error: unknown operator {}", expr.op)),
    })
}

fn aggregate(expr: &AggregateExpr) -> Result<Aggregate, String> {
    let reduce = match expr.op.id() {
        T_SUM => Reduce::Sum,
        T_AVG => Reduce::Avg,
        T_MIN => Reduce::Min,
        T_MAX => Reduce::Max,
        T_COUNT => Reduce::Count,
        T_GROUP => Reduce::Group,
        T_STDDEV => Reduce::Stddev,
        T_STDVAR => Reduce::Stdvar,
        T_TOPK => Reduce::TopK,
        T_BOTTOMK => Reduce::BottomK,
        T_QUANTILE => Reduce::Quantile,
        T_COUNT_VALUES => Reduce::CountValues,
        _ => {
            let name = expr.op;
            return Err(format!(
                "the aggregation {name} is not carried out by this stand-in for Prometheus"
            ));
        }
    };
    Ok(Aggregate {
        reduce,
        of: node(&expr.expr)?,
        parameter: expr.param.as_ref().map(|parameter| node(parameter)).transpose()?,
        by: grouping(expr.modifier.as_ref(), Grouping::Only(Vec::new())),
    })
}
