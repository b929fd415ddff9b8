//! The language, rule by rule.

use super::super::instant;
use super::{evaluate, json, now};
use crate::base::reading::Value;
use chrono::TimeDelta;

/// `want` is the value as `string()` prints it, or `error: ` and a part of the message.
fn check(source: &str, want: &str) {
    check_with("null", source, want);
}

fn check_with(result: &str, source: &str, want: &str) {
    let result = json(result);
    let shown = match evaluate(&format!("string({source})"), &result) {
        Ok(Value::String(text)) => text,
        Ok(other) => format!("{other:?}"),
        Err(err) => format!("error: {err}"),
    };
    let alike = match want.strip_prefix("error: ") {
        Some(part) => shown.starts_with("error: ") && shown.contains(part),
        None => shown == want,
    };
    assert!(alike, "{source}\n  gave {shown}\n  want {want}");
}

#[test]
fn operators_bind_as_in_the_original() {
    check("2 + 3 * 4", "14");
    check("-2 ** 2", "-4");
    check("2 ** 3 ** 2", "512");
    check("2 ^ 3", "8");
    check("7 % 4 - 1", "2");
    check("not false && true", "true");
    check("1 + 1 in 2..3", "true");
    check("true || false && false", "true");
    check("1 < 2 < 3", "true");
    check("1 < 3 > 2 >= 2", "true");
    check("(nil ?? 5) == 5", "true");
    check("nil ?? 5 == 5", "error: cannot be mixed");
    check("1 == 1 ? 'a' : 'b'", "a");
    check("true ?: false", "true");
    check("'abc' not contains 'z'", "true");
    check("[3, 1] | sort() | first()", "1");
}

#[test]
fn whole_numbers_and_fractions_are_kept_apart_where_it_shows() {
    check("1 == 1.0", "true");
    check("[1] == [1.0]", "true");
    check("{'a': 1} == {'a': 1.0}", "false");
    check("4 / 2", "2");
    check("type(4 / 2)", "float");
    check("type(4 * 2)", "int");
    check("type(asInt('4'))", "int");
    check("5 % 2.0", "error: mismatched types int and float64");
    check("1 % 0", "error: integer divide by zero");
    check("1 / 0", "+Inf");
    check("0x1F + 0b11 + 0o17 + 1_000", "1049");
    check(".5 + 1. + 1e2", "101.5");
    check("9223372036854775808", "error: invalid number");
    check("1.0e21", "1e+21");
    check("0.00001", "1e-05");
    check("123456789.5", "1.234567895e+08");
}

#[test]
fn types_that_cannot_fit_are_errors_even_where_not_evaluated() {
    check("false && foo", "error: unknown name foo");
    check("false && 1 == 'a'", "error: mismatched types int and string");
    check("1 < 'a'", "error: mismatched types int and string");
    check("isNaN('NaN')", "error: cannot use string");
    check("isInf(1.5, 0)", "error: too many arguments to call isInf");
    check("asInt()", "error: not enough arguments to call asInt");
    check("nofunc(1)", "error: unknown name nofunc");
    check("!1", "error: invalid operation: !");
    check("all(1, true)", "error: takes only array");
    check("all([1], 5)", "error: predicate should return boolean");
    check("1 ? 2 : 3", "error: non-bool expression");
    check("len(1)", "error: cannot use int");
    check_with(
        "0.5",
        "result == 'a'",
        "error: mismatched types float64 and string",
    );
    check_with("{\"a\": 1}", "result.a == 'a'", "false");
    check_with("{\"a\": 1}", "result.a < 'a'", "error: invalid operation");
}

#[test]
fn no_data_never_passes_for_an_answer() {
    check_with(
        "[]",
        "result[0]",
        "error: index out of range: 0 (array length is 0)",
    );
    check_with("[1, 2]", "result[-1]", "2");
    check_with("[1, 2]", "result[-3]", "error: index out of range");
    check_with("{\"a\": []}", "result.a[0] != 0", "error: index out of range");
    check_with("{\"a\": null}", "result.a.b", "error: cannot fetch b from <nil>");
    check_with("{\"a\": null}", "result.a?.b.c", "<nil>");
    check_with("{\"a\": null}", "result.a?.[0]", "<nil>");
    check_with("{}", "result.a > 0", "error: <nil> > int");
    check("asInt(asFloat('NaN'))", "error: NaN");
}

#[test]
fn lists_and_closures() {
    let items = r#"{"items": [{"v": 1, "n": "a"}, {"v": 2, "n": "b"}, {"v": 30, "n": "a"}]}"#;
    let check = |source: &str, want: &str| check_with(items, source, want);
    check("any(result.items, .v > 20)", "true");
    check("all(result.items, {.v > 0})", "true");
    check("none(result.items, {#.v > 100})", "true");
    check("one(result.items, .v == 2)", "true");
    check("count(result.items, .n == 'a')", "2");
    check("map(result.items, .v)", "[1 2 30]");
    check("map(result.items, #index)", "[0 1 2]");
    check("filter(result.items, .v > 1)[0].n", "b");
    check("sum(result.items, .v)", "33");
    check("max(map(result.items, .v))", "30");
    check("find(result.items, .n == 'a').v", "1");
    check("findLast(result.items, .n == 'a').v", "30");
    check("findIndex(result.items, .v == 9)", "<nil>");
    check(
        "findIndex(result.items, .v == 9) != 0",
        "error: nothing was found",
    );
    check("findIndex(result.items, .v == 9) == nil", "true");
    check("findLastIndex(result.items, .n == 'a')", "2");
    check("map(result.items, nil)", "error: nothing but nil");
    check("groupBy(result.items, .n).a | len()", "2");
    check("map(sortBy(result.items, .v, 'desc'), .v)", "[30 2 1]");
    check("reduce(result.items, #acc + .v, 0)", "33");
    check("reduce([], #acc, 0)", "0");
    check("reduce([], #acc)", "error: reduce of empty array");
    check("map([1, 2], {map([10], # + 1)})", "[[11] [11]]");
    check("all(result.items, asFloat(.v) >= 1)", "true");
    check("let x = 2; count(result.items, .v >= x)", "2");
    check("map(result.items, {let y = .v; y * 2})", "[2 4 60]");
    check("#", "error: unexpected \"#\"");
    check("count([true, false, true])", "2");
    check("sum([]) == 0", "true");
    check("mean([1, 2.5])", "1.75");
    check("median([3, 1, 2, 10])", "2.5");
    check("[1, 2, 3, 4][1:3]", "[2 3]");
    check("[1, 2, 3][-2:]", "[2 3]");
    check("3..1", "[]");
    check("uniq([1, 1.0, 'a', 'a'])", "[1 a]");
    check("keys({'b': 1, 'a': 2})", "[a b]");
    check("fromPairs([['a', 1]]).a", "1");
    check("get([1], 5)", "<nil>");
    check("first([])", "<nil>");
    check("sort([1, 'a'])", "error: cannot sort");
    check("2 in [1, 2.0]", "true");
    check("'v' in result.items[0]", "true");
    check(
        "result.items[0].v in ['a', 'b']",
        "error: cannot look for float64",
    );
    check("(if 1 < 2 { 'a' } else { 'b' })", "a");
}

#[test]
fn texts() {
    check(r#""\u00e9\x41\101\u{1F600}""#, "éAA😀");
    check(r"'it\'s'", "it's");
    check("`a``b\\n`", "a`b\\n");
    check("'a\\q'", "error: invalid char escape");
    check("'open", "error: literal not terminated");
    check("b'x'", "error: byte strings are not supported");
    check("'abc' matches '^a.c$'", "true");
    check("'ABC' matches '(?i)abc'", "true");
    check("'abc' matches '('", "error: regular expression");
    check("nil matches 'a'", "error: mismatched types nil and string");
    check("split('a,b,c', ',', 2)", "[a b,c]");
    check("splitAfter('a,b', ',')", "[a, b]");
    check("split('añb', '')", "[a ñ b]");
    check("join(['a', 'b'], '-')", "a-b");
    check("replace('aaa', 'a', 'b', 2)", "bba");
    check("trim('xxaxx', 'x') + trimPrefix('v1', 'v') + upper('z')", "a1Z");
    check("indexOf('hello', 'l') + lastIndexOf('hello', 'l')", "5");
    check("repeat('ab', 3)", "ababab");
    check("len('né')", "2");
    check("toJSON([1, 'a<', nil])", "[\n  1,\n  \"a\\u003c\",\n  null\n]");
    check("fromJSON('{\"a\": [1]}').a", "[1]");
    check("fromBase64(toBase64('hällo')) + toBase64('a')", "hälloYQ==");
    check("int('12') + int(2.9)", "14");
    check("int('x')", "error: invalid operation: int(x)");
    check("float('1e3')", "1000");
    check("float('1e999')", "error: invalid operation: float(1e999)");
    check(
        "[round(2.5), round(-2.5), ceil(1.2), floor(-1.2), abs(-3)]",
        "[3 -3 2 -2 3]",
    );
    check("1 /* c */ + 1 // end", "error: unexpected end");
    check("notify", "error: unknown name notify");
}

#[test]
fn is_nil_and_default_look_at_the_overall_result() {
    check_with("1", "isNil(nil)", "false");
    check_with("null", "isNil(5)", "true");
    check_with("null", "default(5, 3)", "3");
    check_with("7", "default(nil, 3)", "7");
}

#[test]
fn logic_settles_what_needs_no_evaluation() {
    check_with("{}", "result.x && false", "false");
    check_with("{}", "result.x || true", "true");
    check_with("{}", "result.x && true", "<nil>");
    check_with("{}", "result.x && 1 < 2", "error: expected bool");
}

#[test]
fn times_come_from_the_caller() {
    let five_minutes_ago = now() - TimeDelta::minutes(5);
    assert_eq!(instant("now() - duration(\"5m\")", now()), Ok(five_minutes_ago));
    assert_eq!(instant("now()", now()), Ok(now()));
    assert_eq!(instant("now().Add(duration('-5m'))", now()), Ok(five_minutes_ago));
    assert_eq!(instant("date('2026-11-21T08:00:00Z')", now()), Ok(now()));
    let err = |source: &str| instant(source, now()).unwrap_err().to_string();
    assert_eq!(err("5"), "expected time.Time, but got int");
    assert_eq!(err("result"), "unknown name result");
    assert_eq!(
        err("now() - 5"),
        "invalid operation: - (mismatched types time.Time and int)"
    );
    assert!(err("now() - duration('5 minutes')").contains("5 minutes"));
    check("now() - duration('1h30m') < now()", "true");
    check("duration('1h30m')", "1h30m0s");
    check("duration('1500ms') * 2", "3s");
    check("duration('90s').Minutes()", "1.5");
    check("now().Unix() - 5 < now().Unix()", "true");
    check("now()", "2026-11-21 08:00:00 +0000 UTC");
}
