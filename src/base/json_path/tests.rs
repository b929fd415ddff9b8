use super::*;
use serde_json::json;

fn answer() -> Value {
    json!({
        "value": 1, "a.b": "dotted", "null": null, "empty": [],
        "data": {"rate": 0.5, "items": [{"name": "p50", "v": 1}, {"name": "p99", "v": 9.5}, {"name": "max"}]},
        "list": [10, 20, 30, 40],
    })
}

fn first(path: &str) -> Result<Option<Value>, String> {
    Path::parse(path)?.first(&answer())
}

fn check(path: &str, want: Value) {
    assert_eq!(first(path), Ok(Some(want)), "{path}");
}

fn check_error(path: &str, want: &str) {
    assert_eq!(first(path).unwrap_err(), want, "{path}");
}

#[test]
fn members_and_items_are_found() {
    check("{$}", answer());
    check("{}", answer());
    check("{.}", answer());
    check("{$.value}", json!(1));
    check("{.data.rate}", json!(0.5));
    check("{ $.data.items[1].v }", json!(9.5));
    check("{$['a.b']}", json!("dotted"));
    check("{$[\"value\"]}", json!(1));
    check("{.a\\.b}", json!("dotted"));
    check("{.list[-1]}", json!(40));
    check("{.list[1:3]}", json!(20));
    check("{.list[-2:]}", json!(30));
    check("{.list[1:4:2]}", json!(20));
    check("{.list[*]}", json!(10));
    check("{.data.items[*].name}", json!("p50"));
    check("{.list[2,0]}", json!(30));
    check("{.data['rate','items']}", json!(0.5));
    check("{..rate}", json!(0.5));
    check("{..v}", json!(1));
    check("{.null}", json!(null));
}

#[test]
fn filters_choose_items() {
    check("{.data.items[?(@.name==\"p99\")].v}", json!(9.5));
    check("{.data.items[?(@.name == 'p99')].v}", json!(9.5));
    check("{.data.items[?(@.v > 1)].name}", json!("p99"));
    check("{.data.items[?(@.v)].name}", json!("p50"));
    check("{.data.items[?(@.v<=1.0)].name}", json!("p50"));
    check("{.data.items[?(@.name!='p50')].name}", json!("p99"));
    check("{.list[?(@>=30)]}", json!(30));
    check_error(
        "{.data.items[?(@.v > 'x')]}",
        "a number and a text cannot be compared",
    );
}

#[test]
fn what_is_not_there_is_an_error_and_an_empty_list_is_nothing() {
    check_error("{.nope}", "nope is not found");
    check_error("{.data.nope.deeper}", "nope is not found");
    check_error("{.null.deeper}", "deeper is not found");
    check_error("{.value.deeper}", "deeper is not found");
    check_error("{.list[4]}", "array index out of bounds: index 4, length 4");
    check_error("{.list[-5]}", "array index out of bounds: index -5, length 4");
    check_error("{.list[0:9]}", "array index out of bounds: index 9, length 4");
    check_error("{.data[0]}", "an object is not a list");
    assert_eq!(first("{.empty[*]}"), Ok(None));
    assert_eq!(first("{.list[?(@>99)]}"), Ok(None));
    check_error("{$.value}{.nope}", "nope is not found");
    check("{.empty[*]}{$.value}", json!(1));
}

#[test]
fn a_path_that_is_none_says_what_to_write() {
    check_error("$.value", "a path stands in braces, for example {$.value}");
    check_error("", "the path is empty: write {$} for the whole answer");
    check_error(
        "{$.value",
        "a closing brace or bracket is missing at the end of the path",
    );
    check_error("{value}", "write .value for the member \"value\" before \"}\"");
    check_error("{range .list[*]}{@}{end}", "\"range\" is not supported");
    check_error(
        "{.list[x]}",
        "an index, a name in quotes or * is missing before \"x]}\"",
    );
    check_error("{.list[0:1:0]}", "the step of a slice must be greater than 0");
}

#[test]
fn foreign_paths_and_answers_cost_a_bounded_amount() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!({"a": deep, "b": [deep["x"], 1]});
    }
    let path = format!("{{{}.a}}", "..".repeat(20));
    if let Ok(path) = Path::parse(&path) {
        assert!(path.first(&deep).is_err());
    }
    assert!(Path::parse(&"{$}".repeat(2000)).is_err());
    assert!(Path::parse(&format!("{{.a{}", "[?(@".repeat(40))).is_err());
    for path in [
        "{[",
        "{.[",
        "{..",
        "{.a[",
        "{.a['",
        "{.a[?(",
        "{.a[?(@.b==",
        "{\\",
        "{.é}",
        "{.a[--1]}",
    ] {
        let _ = Path::parse(path).map(|path| path.first(&answer()));
    }
}
