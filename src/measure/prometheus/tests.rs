use super::*;
use crate::api::analysis::{BasicAuth, Header, OAuth2, Sigv4};
use proptest::prelude::*;

const ADDRESS: &str = "http://user:pass@prometheus.monitoring:9090/prefix?token=t0p";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_248_000, 0).unwrap()
}

fn metric() -> PrometheusMetric {
    PrometheusMetric {
        address: Some(ADDRESS.into()),
        query: "rate(x[5m])".into(),
        ..PrometheusMetric::default()
    }
}

fn asked(metric: &PrometheusMetric) -> Request {
    request(metric, &Defaults::default(), now()).unwrap_or_else(|err| panic!("{err}"))
}

fn refused(metric: &PrometheusMetric) -> String {
    request(metric, &Defaults::default(), now())
        .err()
        .unwrap_or_else(|| panic!("accepted"))
}

#[test]
fn an_instant_query_asks_for_now() {
    let request = asked(&metric());
    let call = Call::PrometheusInstant {
        address: ADDRESS.into(),
        query: "rate(x[5m])".into(),
        at: now(),
    };
    assert_eq!(request.call, call);
    assert_eq!(request.timeout, TimeDelta::seconds(30));
    assert!(matches!(request.auth, Auth::None));
    assert!(!request.insecure);
}

#[test]
fn the_address_comes_from_the_metric_or_the_default() {
    let mut metric = PrometheusMetric {
        address: Some(String::new()),
        ..metric()
    };
    assert_eq!(refused(&metric), "prometheus address is not configured");
    let defaults = Defaults {
        prometheus_address: Some("http://default".into()),
    };
    let call = request(&metric, &defaults, now()).map(|request| request.call);
    assert!(matches!(call, Ok(Call::PrometheusInstant { address, .. }) if address == "http://default"));
    metric.address = Some("prometheus:9090".into());
    assert_eq!(refused(&metric), "prometheus address is not is url format");
    metric.address = Some(ADDRESS.into());
    metric.query = " ".into();
    assert_eq!(refused(&metric), "prometheus query is empty");
}

#[test]
fn a_range_query_evaluates_its_window() {
    let text = |text: &str| Some(text.to_owned());
    let range = |start: &str, end: &str, step: &str| {
        let range_query = Some(RangeQuery {
            start: text(start),
            end: text(end),
            step: text(step),
        });
        PrometheusMetric {
            range_query,
            ..metric()
        }
    };
    let call = asked(&range("now() - duration(\"5m\")", "now()", "1m")).call;
    let Call::PrometheusRange { start, end, step, .. } = call else {
        panic!("{call:?}")
    };
    assert_eq!(
        (start, end, step),
        (now() - TimeDelta::minutes(5), now(), TimeDelta::minutes(1))
    );
    let check = |start: &str, end: &str, step: &str, want: &str| {
        let message = refused(&range(start, end, step));
        assert!(message.contains(want), "{message}");
    };
    check("", "now()", "1m", "rangeQuery.start is missing");
    check(
        "now()",
        "5",
        "1m",
        "rangeQuery.end \"5\": expected time.Time, but got int",
    );
    check("now()", "now() -", "1m", "unexpected end");
    check("now()", "now()", "1", "rangeQuery.step \"1\" is not a duration");
    check("now()", "now()", "0s", "rangeQuery.step \"0s\" is not a duration");
    check("now()", "now() - duration('1m')", "1m", "end is before");
}

#[test]
fn timeouts_are_bounded() {
    let with = |timeout: i64| PrometheusMetric {
        timeout: Some(timeout),
        ..metric()
    };
    assert_eq!(refused(&with(-1)), "prometheus timeout should not be negative");
    assert_eq!(asked(&with(5)).timeout, TimeDelta::seconds(5));
    assert_eq!(asked(&with(0)).timeout, TimeDelta::seconds(30));
    assert_eq!(refused(&with(i64::MAX)), "prometheus timeout is too long");
}

#[test]
fn headers_go_along_and_bad_ones_are_refused() {
    let with = |key: &str, value: &str| {
        let headers = vec![Header {
            key: key.into(),
            value: value.into(),
        }];
        PrometheusMetric { headers, ..metric() }
    };
    let request = asked(&with("X-Scope-OrgID", "team"));
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(key, value)| (key.as_str(), value.expose().as_str()))
        .collect();
    assert_eq!(headers, [("X-Scope-OrgID", "team")]);
    assert!(refused(&with("a b", "s3cret")).contains("\"a b\""));
    let message = refused(&with("a", "s3cret\r\nb: c"));
    assert!(
        message.contains("header \"a\" cannot be sent") && !message.contains("s3cret"),
        "{message}"
    );
}

#[test]
fn credentials_are_complete_or_refused() {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let with = |authentication: Authentication| PrometheusMetric {
        authentication: Some(authentication),
        ..metric()
    };
    let basic = |username: &str, password: &str| {
        let basic_auth = Some(BasicAuth {
            username: text(username),
            password: text(password),
        });
        with(Authentication {
            basic_auth,
            ..Authentication::default()
        })
    };
    let auth = asked(&basic("me", "pw")).auth;
    assert!(
        matches!(auth, Auth::Basic { username, password } if username == "me" && password.expose() == "pw")
    );
    assert!(matches!(asked(&basic("", "")).auth, Auth::None));
    assert!(refused(&basic("me", "")).contains("basicAuth needs username and password"));
    let oauth2 = |token_url: &str, client_id: &str, client_secret: &str| {
        let (token_url, client_id, client_secret) = (text(token_url), text(client_id), text(client_secret));
        let oauth2 = Some(OAuth2 {
            token_url,
            client_id,
            client_secret,
            scopes: vec!["a".into()],
        });
        with(Authentication {
            oauth2,
            ..Authentication::default()
        })
    };
    let auth = asked(&oauth2("https://idp/token", "id", "s")).auth;
    assert!(matches!(auth, Auth::OAuth2 { client_id, scopes, .. } if client_id == "id" && scopes == ["a"]));
    assert!(refused(&oauth2("https://idp/token", "id", "")).contains("oauth2 needs"));
    assert!(refused(&oauth2("idp", "id", "s")).contains("tokenUrl"));
    let sigv4 = Some(Sigv4 {
        region: text("eu-west-1"),
        ..Sigv4::default()
    });
    let mut amazon = with(Authentication {
        sigv4,
        ..Authentication::default()
    });
    assert!(matches!(asked(&amazon).auth, Auth::None));
    amazon.address = text("https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1");
    assert!(refused(&amazon).contains("sigv4 is not carried out"));
}

fn answer(status: u16, content_type: &str, body: &str) -> Result<Reading, String> {
    let response = Response {
        status,
        content_type: content_type.into(),
        body: body.into(),
    };
    let read = read(&metric(), &response);
    if let Err(message) = &read {
        assert!(
            message.starts_with("prometheus.monitoring:9090 answered"),
            "{message}"
        );
        assert!(!message.contains("pass") && !message.contains("t0p"), "{message}");
        assert!(
            !message.contains('\n') && message.chars().count() < 700,
            "{message}"
        );
    }
    read
}

fn success(data: &str) -> Result<Reading, String> {
    answer(
        200,
        "application/json",
        &format!(r#"{{"status":"success","data":{data}}}"#),
    )
}

fn vector_of(values: &[&str]) -> String {
    let samples: Vec<_> = values
        .iter()
        .map(|v| format!(r#"{{"metric":{{"a":"b"}},"value":[1.5,"{v}"]}}"#))
        .collect();
    format!(r#"{{"resultType":"vector","result":[{}]}}"#, samples.join(","))
}

fn floats(values: &[f64]) -> Value {
    Value::List(values.iter().copied().map(Value::Float).collect())
}

#[test]
fn numbers_become_lists_or_a_number() {
    let check = |data: &str, result: Value, value: &str| {
        let reading = success(data).unwrap();
        assert_eq!(
            (&reading.result, reading.value.as_str()),
            (&result, value),
            "{data}"
        );
        assert_eq!(reading.metadata, BTreeMap::new());
        assert_eq!(reading.metric_metadata["ResolvedPrometheusQuery"], "rate(x[5m])");
    };
    check(&vector_of(&["0.5", "1"]), floats(&[0.5, 1.0]), "[0.5,1]");
    check(&vector_of(&[]), floats(&[]), "[]");
    check(
        &vector_of(&["+Inf", "-Inf", "1e21", "0.0000001"]),
        floats(&[f64::INFINITY, f64::NEG_INFINITY, 1e21, 1e-7]),
        "[+Inf,-Inf,1000000000000000000000,0.0000001]",
    );
    check(
        r#"{"resultType":"scalar","result":[1.5,"0.25"]}"#,
        Value::Float(0.25),
        "0.25",
    );
    let matrix = r#"{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"2.5"]]},{"metric":{},"values":[[1,"3"]]}]}"#;
    check(matrix, floats(&[1.0, 2.5, 3.0]), "[1,2.5,3]");
    let nan = success(&vector_of(&["NaN"])).unwrap();
    assert!(
        matches!(&nan.result, Value::List(items) if matches!(items[..], [Value::Float(n)] if n.is_nan()))
    );
    assert_eq!(nan.value, "[NaN]");
}

#[test]
fn warnings_are_kept() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["a","b c"],"infos":["i"]}"#;
    let reading = answer(200, "application/json", body).unwrap();
    assert_eq!(reading.metadata["warnings"], "\"a\", \"b c\"");
}

#[test]
fn errors_of_prometheus_keep_their_words() {
    let check = |status: u16, kind: &str, body: &str, want: &str| {
        let message = answer(status, kind, body).expect_err(body);
        assert!(message.contains(want), "{message}");
    };
    let bad = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error"}"#;
    check(
        400,
        "application/json",
        bad,
        "status 400: bad_data: invalid parameter \"query\": 1:5: parse error",
    );
    check(
        200,
        "application/json",
        bad,
        "status 200: bad_data: invalid parameter",
    );
    check(
        503,
        "application/json",
        r#"{"status":"error"}"#,
        "status 503: error:",
    );
    check(
        422,
        "",
        r#"{"status":"error","errorType":"execution","error":"boom"}"#,
        "status 422: execution: boom",
    );
    check(
        500,
        "application/json",
        r#"{"status":"success","data":{}}"#,
        "status 500",
    );
}

#[test]
fn answers_of_others_are_shown_in_short() {
    let check = |status: u16, kind: &str, body: &str, want: &str| {
        let message = answer(status, kind, body).expect_err(body);
        assert!(message.contains(want), "{message}");
    };
    let page = "<html>\n<head><title>502 Bad Gateway</title></head>\r\n</html>";
    check(
        502,
        "text/html; charset=utf-8",
        page,
        "status 502 (text/html), which is no answer of Prometheus",
    );
    check(
        502,
        "text/html",
        page,
        "<html> <head><title>502 Bad Gateway</title></head> </html>",
    );
    check(
        200,
        "text/html",
        &format!("<html>{}", "login ".repeat(500)),
        "…\"",
    );
    check(200, "application/json", "", "an empty body");
    check(204, "", "", "status 204 (no content type)");
    check(404, "text/plain", "404 page not found", "\"404 page not found\"");
    check(
        200,
        "application/json",
        r#"{"status":"succ"#,
        "no answer of Prometheus",
    );
    check(200, "application/json", r#"[1,2]"#, "no answer of Prometheus");
    check(
        200,
        "application/json",
        r#"{"status":200}"#,
        "no answer of Prometheus",
    );
    check(302, "text/html", "<a href=\"/login\">Found</a>", "status 302");
}

#[test]
fn results_that_are_no_numbers_are_refused() {
    let check = |data: &str, want: &str| {
        let message = success(data).expect_err(data);
        assert!(message.contains(want), "{message}");
    };
    check(
        r#"{"resultType":"string","result":[1,"x"]}"#,
        "Prometheus metric type not supported",
    );
    check(
        r#"{"resultType":"streams","result":[]}"#,
        "\"streams\" is not supported",
    );
    check("{}", "without a result");
    check("null", "without a result");
    check(r#"{"resultType":"vector"}"#, "no list");
    check(r#"{"resultType":"vector","result":{}}"#, "no list");
    check(
        r#"{"resultType":"vector","result":[{"metric":{}}]}"#,
        "no pair of time and value",
    );
    check(
        r#"{"resultType":"vector","result":[{"value":[1,0.5]}]}"#,
        "no pair of time and value",
    );
    check(
        r#"{"resultType":"vector","result":[{"value":[1,"abc"]}]}"#,
        "\"abc\" is no number",
    );
    check(
        r#"{"resultType":"vector","result":[{"histogram":[1,{"count":"3"}]}]}"#,
        "native histogram",
    );
    check(
        r#"{"resultType":"matrix","result":[{"values":[[1,"1"]],"histograms":[]}]}"#,
        "native histogram",
    );
    check(
        r#"{"resultType":"matrix","result":[{"metric":{}}]}"#,
        "a series without values",
    );
    check(
        r#"{"resultType":"scalar","result":[]}"#,
        "no pair of time and value",
    );
}

#[test]
fn long_values_are_cut_for_people_but_not_for_conditions() {
    let reading = success(&vector_of(&["0.123456789"; 1000])).unwrap();
    assert_eq!(reading.value.chars().count(), limits::MEASUREMENT_VALUE_CHARS_MAX);
    assert!(matches!(reading.result, Value::List(items) if items.len() == 1000));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_body_is_read_or_refused(status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let response = Response { status, content_type: String::new(), body };
        prop_assert!(read(&metric(), &response).is_err());
    }

    #[test]
    fn numbers_survive_the_round_trip(number in prop::num::f64::ANY) {
        let reading = success(&vector_of(&[&shown(number)])).unwrap();
        let Value::List(items) = reading.result else { panic!() };
        let [Value::Float(read)] = items[..] else { panic!() };
        prop_assert!(read == number || read.is_nan() && number.is_nan());
    }
}
