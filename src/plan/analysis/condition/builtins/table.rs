//! Which functions there are, and what they take and give. One table, read by the parser (names), the checker (types) and the
//! evaluator (arguments).

/// What a parameter accepts. A value whose type is not known before the evaluation is accepted everywhere and looked at then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Param {
    Any,
    Text,
    Int,
    Float,
    /// A number of either kind.
    Number,
    /// A number, or text that spells one.
    Readable,
    List,
    Map,
    /// A list, a map or text.
    Sized,
    /// A number or a list of numbers.
    Numbers,
}

/// The type of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Gives {
    Unknown,
    Bool,
    Int,
    Float,
    Text,
    List,
    Texts,
    Map,
    Time,
    Duration,
    /// The type of the first argument.
    Same,
    /// The type of the first argument's elements.
    Element,
    /// The type of the first argument when all are plain numbers, otherwise unknown.
    Extreme,
}

/// A function: each of `forms` is a list of parameters that it can be called with.
#[derive(Debug)]
pub(in super::super) struct Function {
    pub name: &'static str,
    pub forms: &'static [&'static [Param]],
    /// The last parameter may be given any number of times.
    pub repeats: bool,
    pub gives: Gives,
}

/// How many arguments a builtin with a closure takes. The closure is always the second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Shape {
    pub required: usize,
    pub args: usize,
}

const fn plain(name: &'static str, forms: &'static [&'static [Param]], gives: Gives) -> Function {
    Function {
        name,
        forms,
        repeats: false,
        gives,
    }
}

const fn repeating(name: &'static str, forms: &'static [&'static [Param]], gives: Gives) -> Function {
    Function {
        name,
        forms,
        repeats: true,
        gives,
    }
}

use Gives as G;
use Param::{Any, Float, Int, List, Map, Number, Numbers, Readable, Sized, Text};

/// The functions that Argo Rollouts adds to the language.
static ADDED: [Function; 6] = [
    plain("asInt", &[&[Any]], G::Int),
    plain("asFloat", &[&[Any]], G::Float),
    plain("isNaN", &[&[Float]], G::Bool),
    plain("isInf", &[&[Float]], G::Bool),
    plain("isNil", &[&[Any]], G::Bool),
    plain("default", &[&[Any, Any]], G::Unknown),
];

static FUNCTIONS: [Function; 56] = [
    plain("len", &[&[Sized]], G::Int),
    plain("type", &[&[Any]], G::Text),
    plain("abs", &[&[Number]], G::Same),
    plain("ceil", &[&[Number]], G::Float),
    plain("floor", &[&[Number]], G::Float),
    plain("round", &[&[Number]], G::Float),
    plain("int", &[&[Readable]], G::Int),
    plain("float", &[&[Readable]], G::Float),
    plain("string", &[&[Any]], G::Text),
    plain("trim", &[&[Text], &[Text, Text]], G::Text),
    plain("trimPrefix", &[&[Text], &[Text, Text]], G::Text),
    plain("trimSuffix", &[&[Text], &[Text, Text]], G::Text),
    plain("upper", &[&[Text]], G::Text),
    plain("lower", &[&[Text]], G::Text),
    plain("split", &[&[Text, Text], &[Text, Text, Int]], G::Texts),
    plain("splitAfter", &[&[Text, Text], &[Text, Text, Int]], G::Texts),
    plain(
        "replace",
        &[&[Text, Text, Text], &[Text, Text, Text, Int]],
        G::Text,
    ),
    plain("repeat", &[&[Text, Int]], G::Text),
    plain("join", &[&[List], &[List, Text]], G::Text),
    plain("indexOf", &[&[Text, Text]], G::Int),
    plain("lastIndexOf", &[&[Text, Text]], G::Int),
    plain("hasPrefix", &[&[Text, Text]], G::Bool),
    plain("hasSuffix", &[&[Text, Text]], G::Bool),
    repeating("max", &[&[Numbers]], G::Extreme),
    repeating("min", &[&[Numbers]], G::Extreme),
    repeating("mean", &[&[Numbers]], G::Unknown),
    repeating("median", &[&[Numbers]], G::Unknown),
    plain("toJSON", &[&[Any]], G::Text),
    plain("fromJSON", &[&[Text]], G::Unknown),
    plain("toBase64", &[&[Text]], G::Text),
    plain("fromBase64", &[&[Text]], G::Text),
    plain("now", &[&[]], G::Time),
    plain("duration", &[&[Text]], G::Duration),
    plain("date", &[&[Any], &[Any, Any], &[Any, Any, Any]], G::Time),
    plain("timezone", &[&[Text]], G::Unknown),
    plain("first", &[&[List]], G::Element),
    plain("last", &[&[List]], G::Element),
    plain("get", &[&[Any, Any]], G::Unknown),
    plain("take", &[&[List, Int]], G::Same),
    plain("keys", &[&[Map]], G::List),
    plain("values", &[&[Map]], G::List),
    plain("toPairs", &[&[Map]], G::List),
    plain("fromPairs", &[&[List]], G::Map),
    plain("reverse", &[&[List]], G::List),
    plain("uniq", &[&[List]], G::List),
    repeating("concat", &[&[List]], G::List),
    plain("flatten", &[&[List]], G::List),
    plain("sort", &[&[List], &[List, Text]], G::List),
    plain("bitand", &[&[Int, Int]], G::Int),
    plain("bitor", &[&[Int, Int]], G::Int),
    plain("bitxor", &[&[Int, Int]], G::Int),
    plain("bitnand", &[&[Int, Int]], G::Int),
    plain("bitshl", &[&[Int, Int]], G::Int),
    plain("bitshr", &[&[Int, Int]], G::Int),
    plain("bitushr", &[&[Int, Int]], G::Int),
    plain("bitnot", &[&[Int]], G::Int),
];

const TWO: Shape = Shape { required: 2, args: 2 };
const ONE_OR_TWO: Shape = Shape { required: 1, args: 2 };
const TWO_OR_THREE: Shape = Shape { required: 2, args: 3 };

static CLOSURES: [(&str, Shape); 15] = [
    ("all", TWO),
    ("none", TWO),
    ("any", TWO),
    ("one", TWO),
    ("filter", TWO),
    ("map", TWO),
    ("find", TWO),
    ("findIndex", TWO),
    ("findLast", TWO),
    ("findLastIndex", TWO),
    ("groupBy", TWO),
    ("count", ONE_OR_TWO),
    ("sum", ONE_OR_TWO),
    ("sortBy", TWO_OR_THREE),
    ("reduce", TWO_OR_THREE),
];

/// The builtin `name` that takes a closure.
pub(in super::super) fn closure(name: &str) -> Option<(&'static str, Shape)> {
    CLOSURES.iter().find(|(known, _)| *known == name).copied()
}

/// The plain builtin `name`.
pub(in super::super) fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|known| known.name == name)
}

/// The function `name` of Argo Rollouts.
pub(in super::super) fn added(name: &str) -> Option<&'static Function> {
    ADDED.iter().find(|known| known.name == name)
}
