//! Nothing that people can write crashes, hangs or eats the memory.

use super::super::{Env, Program, instant};
use super::{evaluate, json, now};
use crate::base::reading::Value;
use proptest::prelude::*;

fn refused(source: &str, part: &str) {
    match evaluate(source, &json("[1, 2]")) {
        Err(err) => assert!(err.contains(part), "{err}"),
        Ok(value) => panic!("{source:.80} gave {value:?}"),
    }
}

fn over_budget(source: &str) {
    match evaluate(source, &Value::Nil) {
        Err(err) => assert!(
            err.contains("steps") || err.contains("memory budget exceeded"),
            "{source}: {err}"
        ),
        Ok(value) => panic!("{source:.80} gave {value:?}"),
    }
}

/// Evaluates on a thread with a stack half as large as a worker's.
fn on_small_stack(source: String, result: Value) -> Result<Value, String> {
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    thread
        .spawn(move || evaluate(&source, &result))
        .unwrap()
        .join()
        .unwrap()
}

#[test]
fn long_sources_are_refused() {
    refused(&format!("1 == {}", "1".repeat(4096)), "longer than 4096 bytes");
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    let deep = |open: &str, inner: &str, close: &str, levels: usize| {
        on_small_stack(
            format!("{}{inner}{}", open.repeat(levels), close.repeat(levels)),
            Value::Float(1.0),
        )
    };
    let shapes = [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("1+", "1", ""),
        ("1", "+1", "+1"),
        ("true?", "1", ":1"),
        ("len([", "1", "])"),
        ("{a:", "1", "}"),
        ("map([1],", "#", ")"),
        ("let x=1;", "1", ""),
        ("if true {", "1", "} else {2}"),
        ("result", ".a", ".b"),
        ("[1]", "[0]", "[0]"),
        ("a?.", "b", "?.c"),
        ("1**", "1", ""),
        ("1;", "1", ""),
        ("true&&", "true", ""),
        ("1<", "2", ""),
    ];
    for (open, inner, close) in shapes {
        for levels in [20, 60, 190, 250, 500] {
            // Values or errors, but answers.
            let _ = deep(open, inner, close, levels);
        }
    }
    for (open, inner, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("!", "true", ""),
        ("1+", "1", ""),
    ] {
        assert!(deep(open, inner, close, 60).is_ok(), "{open}");
    }
    assert!(
        deep("(", "1", ")", 500)
            .unwrap_err()
            .contains("nested more than 200")
    );
    assert!(
        deep("", "1", "+1", 500)
            .unwrap_err()
            .contains("nested more than 200")
    );
}

#[test]
fn deep_values_are_refused() {
    refused("reduce(1..5000, [#acc], 1)", "the value is nested more than 200");
    refused("fromJSON(repeat('[', 1000) + repeat(']', 1000))", "fromJSON");
    let mut deep = Value::Nil;
    for _ in 0..1000 {
        deep = Value::List(vec![deep]);
    }
    assert!(
        on_small_stack("len(result) == 1".into(), deep)
            .unwrap_err()
            .contains("nested more than 200")
    );
}

#[test]
fn work_and_memory_have_a_budget() {
    over_budget("len(1..9223372036854775806)");
    over_budget("len(-9223372036854775807..9223372036854775807)");
    over_budget("len(map(1..30000, len(map(1..3000, #))))");
    over_budget("all(1..900000, all(1..900000, true))");
    over_budget("all(1..1000, any([1, 2], # > 5) || all(1..900, # > 0))");
    over_budget("repeat('x', 9223372036854775807)");
    over_budget("reduce(1..60, #acc + #acc, 'x')");
    over_budget("string(reduce(1..60, [#acc, #acc], 1))");
    over_budget("reduce(1..60, [#acc, #acc], 1)");
    over_budget("toJSON(reduce(1..60, {{'a': #acc, 'b': #acc}}, 1))");
    over_budget("len(flatten(reduce(1..60, [#acc, #acc], 1)))");
    over_budget("let x = reduce(1..60, [#acc, #acc], 1); x == x");
    over_budget("count(1..5000, 'aaa' matches ('a{' + string(#) + '}|b'))");
    refused("'a' matches '(a{1000}){1000}'", "regular expression");
    over_budget("split(repeat('ab', 4000000), '')");
    over_budget("replace(repeat('a', 100000), 'a', repeat('b', 100000))");
    over_budget("len(uniq(1..5000))");
}

#[test]
fn a_large_measurement_is_within_the_budget() {
    let result = Value::List(vec![Value::Float(0.5); 100_000]);
    let check = |source: &str| assert_eq!(evaluate(source, &result), Ok(Value::Bool(true)), "{source}");
    check("all(result, # < 0.9)");
    check("max(result) == 0.5");
    check("sum(result) / len(result) < 0.9");
    check("len(filter(result, # > 0.9)) == 0");
}

#[test]
fn numbers_at_the_edge_wrap_or_saturate_but_never_panic() {
    for source in [
        "-9223372036854775807 - 2",
        "(-9223372036854775807 - 1) % -1",
        "abs(-9223372036854775807 - 1)",
        "-(-9223372036854775807 - 1)",
        "int(1e300)",
        "bitshl(1, 64)",
        "bitshr(1, 9223372036854775807)",
        "bitushr(-1, 64)",
        "now() + duration('2540400h') + duration('2540400h')",
        "duration('2540400h') * 9223372036854775807",
        "duration('1h') * 1e300",
        "[1,2,3][-9223372036854775807:9223372036854775807]",
        "9223372036854775807 in 1..9223372036854775807",
        "date('262142-12-31') + duration('2540400h')",
    ] {
        let _ = evaluate(source, &Value::Nil);
    }
    let _ = evaluate("result[-9223372036854775807]", &json("[1]"));
}

#[test]
fn programs_can_be_shared_between_threads() {
    fn shareable<T: Send + Sync>() {}
    shareable::<Program>();
}

/// Pieces that make sense next to each other now and then.
const PIECES: [&str; 66] = [
    "result",
    "result[0]",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ";",
    ":",
    "?",
    "?.",
    "??",
    ".",
    "..",
    "#",
    "#acc",
    "#index",
    "1",
    "2.5",
    "0",
    "-1",
    "'a'",
    "\"b\"",
    "`c`",
    "nil",
    "true",
    "false",
    "+",
    "-",
    "*",
    "/",
    "%",
    "**",
    "<",
    ">",
    "<=",
    "==",
    "!=",
    "&&",
    "||",
    "!",
    "not",
    "in",
    "matches",
    "contains",
    "|",
    "let x =",
    "x",
    "if",
    "else",
    "all(",
    "map(",
    "filter(",
    "reduce(",
    "sum(",
    "sortBy(",
    "len(",
    "max(",
    "sort(",
    "split(",
    "string(",
    "isNaN(",
    "now()",
    "duration('1h')",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gives_an_answer(source in ".{0,60}") {
        let _ = evaluate(&source, &Value::Float(1.0));
        let _ = instant(&source, now());
    }

    #[test]
    fn any_soup_of_tokens_gives_an_answer(picks in prop::collection::vec(0..PIECES.len(), 0..25)) {
        let source: Vec<&str> = picks.into_iter().map(|pick| PIECES[pick]).collect();
        for result in ["null", "[0.5, null]", "{\"a\": [1]}", "\"é\""] {
            let _ = evaluate(&source.join(" "), &json(result));
        }
        let _ = evaluate(&source.concat(), &json("0.5"));
    }

    #[test]
    fn comparisons_agree_with_floats(a in prop::num::f64::ANY, b in prop::num::f64::ANY) {
        let result = Value::List(vec![Value::Float(a), Value::Float(b)]);
        let env = Env { result: &result, numeric: true, now: now() };
        let holds = |source: &str| Program::compile(source).and_then(|program| program.holds(&env));
        prop_assert_eq!(holds("result[0] < result[1]"), Ok(a < b));
        prop_assert_eq!(holds("result[0] >= result[1]"), Ok(a >= b));
        prop_assert_eq!(holds("result[0] == result[1]"), Ok(a == b));
        prop_assert_eq!(holds("isNaN(result[0])"), Ok(a.is_nan()));
    }
}
