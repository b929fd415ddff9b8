//! Measurements against a provider on a loopback socket: real time, because sockets do not follow a paused clock.

use super::fake::{FakeApi, Reply, prober, status};
use crate::api::analysis::{Metric, SecretKeyRef};
use crate::api::analysis_run::AnalysisRun;
use crate::base::clock::Clock;
use crate::base::limits;
use crate::base::object::Key;
use crate::base::reading::Reading;
use crate::base::secret::Secret;
use crate::controller::metrics::Metrics;
use crate::controller::probe::{Prober, Provider};
use crate::measure::{Auth, Call, Defaults, Request, Response};
use crate::plan::analysis::{Finished, Probe};
use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Redirect;
use axum::routing::post;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// The whole request is in the metric's fields: the address is its name, the query its success condition.
fn request(metric: &Metric, _: &Defaults, at: DateTime<Utc>) -> Result<Request, String> {
    let headers = metric
        .interval
        .iter()
        .map(|value| ("X-Api-Key".to_owned(), Secret::new(value.clone())));
    Ok(Request {
        call: Call::PrometheusInstant {
            address: metric.name.clone(),
            query: metric.success_condition.clone().unwrap_or_default(),
            at,
        },
        headers: headers.collect(),
        auth: Auth::None,
        insecure: false,
        timeout: TimeDelta::seconds(20),
    })
}

fn read(_: &Metric, response: &Response) -> Result<Reading, String> {
    let text = String::from_utf8_lossy(&response.body).into_owned();
    match response.status {
        200 => Ok(Reading {
            value: text,
            ..Reading::default()
        }),
        status => Err(format!("status {status}: {text}")),
    }
}

fn fill(probe: &Probe, values: &BTreeMap<String, String>) -> Result<Metric, String> {
    let mut metric: Metric = serde_json::from_value(probe.spec.clone()).map_err(|error| error.to_string())?;
    metric.interval = values.get("key").cloned();
    Ok(metric)
}

fn provider() -> Provider {
    Provider {
        fill_secrets: fill,
        request,
        read,
    }
}

fn probe(metric: &str, address: &str) -> Probe {
    Probe {
        metric: metric.to_owned(),
        spec: json!({"name": address, "successCondition": "up"}),
        secrets: BTreeMap::new(),
        attempt: 1,
    }
}

fn run(name: &str) -> AnalysisRun {
    serde_json::from_value(json!({"metadata": {"namespace": "shop", "name": name, "uid": name}})).unwrap()
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

struct Bench {
    prober: Arc<Prober>,
    news: Arc<Notify>,
}

fn bench(api: &FakeApi) -> Bench {
    let (metrics, news) = (Arc::new(Metrics::new().unwrap()), Arc::new(Notify::new()));
    let told = Arc::clone(&news);
    let prober = prober(api.client(), Clock::Wall, provider(), &metrics, move || {
        told.notify_one();
    });
    Bench { prober, news }
}

impl Bench {
    async fn finished(&self, run: &AnalysisRun) -> Finished {
        let wait = async {
            loop {
                if let Some(finished) = self.prober.measured(run).finished.pop() {
                    return finished;
                }
                self.news.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(15), wait)
            .await
            .expect("the measurement ends")
    }
}

#[tokio::test]
async fn a_hung_provider_occupies_only_its_own_permits() {
    let hung = serve(Router::new().fallback(|| async { std::future::pending::<&str>().await })).await;
    let good = serve(Router::new().fallback(|| async { "fine" })).await;
    let bench = bench(&FakeApi::yes());
    for n in 0..limits::PROBES_IN_FLIGHT_MAX + 50 {
        bench.prober.start(&run(&format!("hung-{n}")), probe("m", &hung));
    }
    let started = tokio::time::Instant::now();
    for n in 0..20 {
        let run = run(&format!("good-{n}"));
        bench.prober.start(&run, probe("m", &good));
        assert_eq!(bench.finished(&run).await.reading.unwrap().value, "fine");
    }
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    assert!(bench.prober.measured(&run("hung-0")).in_flight.contains("m"));
    bench.prober.drop_run(&Key::new("shop", "hung-0"));
    assert!(bench.prober.measured(&run("hung-0")).in_flight.is_empty());
}

#[tokio::test]
async fn what_was_found_is_kept_until_it_is_settled_or_seen_in_the_status() {
    let good = serve(Router::new().fallback(|| async { "1" })).await;
    let bench = bench(&FakeApi::yes());
    let mut run = run("web");
    bench.prober.start(&run, probe("m", &good));
    let finished = bench.finished(&run).await;
    assert_eq!(
        bench.prober.measured(&run).finished,
        std::slice::from_ref(&finished),
        "reading does not consume"
    );
    bench
        .prober
        .settle(&Key::new("shop", "web"), std::slice::from_ref(&finished));
    assert!(bench.prober.measured(&run).finished.is_empty());

    bench.prober.start(&run, probe("m", &good));
    let finished = bench.finished(&run).await;
    let (started_at, finished_at) = (finished.started_at, finished.finished_at);
    run.status = serde_json::from_value(json!({"metricResults": [{"name": "m", "phase": "Running",
        "measurements": [{"phase": "Successful", "startedAt": started_at, "finishedAt": finished_at}]}]}))
    .unwrap();
    assert!(
        bench.prober.measured(&run).finished.is_empty(),
        "the lost answer's write went through"
    );
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let chunk = || Ok::<_, std::io::Error>(vec![b'x'; 64 * 1024]);
    let endless = move || async move { axum::body::Body::from_stream(futures::stream::repeat_with(chunk)) };
    let address = serve(Router::new().fallback(endless)).await;
    let bench = bench(&FakeApi::yes());
    bench.prober.start(&run("web"), probe("m", &address));
    let told = bench.finished(&run("web")).await.reading.unwrap_err();
    assert!(
        told.ends_with("the answer is larger than 4 MiB; narrow the query"),
        "{told}"
    );
}

#[tokio::test]
async fn a_refused_connection_names_address_and_reason_without_credentials() {
    let bench = bench(&FakeApi::yes());
    bench.prober.start(
        &run("web"),
        probe("m", "http://user:hunter22@127.0.0.1:1/?token=abc"),
    );
    let told = bench.finished(&run("web")).await.reading.unwrap_err();
    assert!(
        told.contains("http://127.0.0.1:1/") && told.contains("refused"),
        "{told}"
    );
    assert!(!told.contains("hunter22") && !told.contains("abc"), "{told}");
}

#[tokio::test]
async fn no_redirect_leads_to_another_host() {
    let other = serve(Router::new().fallback(|| async { "credentials taken" })).await;
    let target = format!("{other}/steal");
    let handler = move || {
        let target = target.clone();
        async move { Redirect::temporary(&target) }
    };
    let first = serve(Router::new().fallback(handler)).await;
    let bench = bench(&FakeApi::yes());
    bench.prober.start(&run("web"), probe("m", &first));
    assert_eq!(
        bench.finished(&run("web")).await.reading.unwrap_err(),
        "status 307: "
    );
}

#[tokio::test]
async fn a_server_that_refuses_post_is_asked_by_get() {
    let router = Router::new().route(
        "/api/v1/query",
        post(|| async { StatusCode::METHOD_NOT_ALLOWED }).get(|| async { "by get" }),
    );
    let address = serve(router).await;
    let bench = bench(&FakeApi::yes());
    bench.prober.start(&run("web"), probe("m", &address));
    assert_eq!(bench.finished(&run("web")).await.reading.unwrap().value, "by get");
}

#[tokio::test]
async fn secrets_are_read_once_sent_and_masked() {
    let echo = |headers: HeaderMap, body: String| async move {
        let asked = body.split('&').next().unwrap_or_default().to_owned();
        format!("{} asked {asked}", headers["x-api-key"].to_str().unwrap())
    };
    let address = serve(Router::new().fallback(echo)).await;
    let api = FakeApi::new(|asked| match asked.line.as_str() {
        "GET /api/v1/namespaces/shop/secrets/prom" => Reply::Answer((
            200,
            None,
            json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "prom"}, "data": {"key": "aHVudGVyMjI="}}),
        )),
        _ => status(404, "NotFound", ""),
    });
    let bench = bench(&api);
    let with_secret = |metric: &str, key: &str| Probe {
        secrets: BTreeMap::from([(
            "key".to_owned(),
            SecretKeyRef {
                name: "prom".into(),
                key: key.into(),
            },
        )]),
        ..probe(metric, &address)
    };
    for metric in ["a", "b"] {
        bench.prober.start(&run("web"), with_secret(metric, "key"));
        let finished = bench.finished(&run("web")).await;
        bench
            .prober
            .settle(&Key::new("shop", "web"), std::slice::from_ref(&finished));
        assert_eq!(finished.reading.unwrap().value, "***** asked query=up");
    }
    assert_eq!(
        api.asked().len(),
        1,
        "the second measurement uses what the first one read"
    );
    bench.prober.start(&run("web"), with_secret("c", "nope"));
    let told = bench.finished(&run("web")).await.reading.unwrap_err();
    assert_eq!(told, "key 'nope' does not exist in secret 'prom'");
}

#[tokio::test]
async fn a_web_metric_is_asked_once_with_its_method_headers_and_body() {
    let asked: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let notes = Arc::clone(&asked);
    let echo = move |method: Method, headers: HeaderMap, body: String| async move {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let line = format!("{method} {} {} {body}", header("x-token"), header("content-type"));
        notes.lock().unwrap().push(line);
        (StatusCode::METHOD_NOT_ALLOWED, "not so")
    };
    let address = serve(Router::new().fallback(echo)).await;
    let api = FakeApi::new(|_| {
        let data = json!({"key": "aHVudGVyMjI="});
        Reply::Answer((
            200,
            None,
            json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "data": data}),
        ))
    });
    let metrics = Arc::new(Metrics::new().unwrap());
    let news = Arc::new(Notify::new());
    let told = Arc::clone(&news);
    let prober = prober(
        api.client(),
        Clock::Wall,
        Provider::default(),
        &metrics,
        move || told.notify_one(),
    );
    let bench = Bench { prober, news };
    let web = json!({"url": format!("{address}/check?key={{{{args.token}}}}"), "method": "POST", "jsonBody": {"v": "{{args.token}}"},
        "headers": [{"key": "X-Token", "value": "{{args.token}}"}]});
    let secret = SecretKeyRef {
        name: "s".into(),
        key: "key".into(),
    };
    let probe = Probe {
        metric: "m".into(),
        spec: json!({"name": "m", "provider": {"web": web}}),
        secrets: BTreeMap::from([("token".to_owned(), secret)]),
        attempt: 1,
    };
    bench.prober.start(&run("web"), probe);
    let told = bench.finished(&run("web")).await.reading.unwrap_err();
    assert!(told.starts_with("received non 2xx response code: 405"), "{told}");
    assert!(!told.contains("hunter22"), "{told}");
    assert_eq!(
        *asked.lock().unwrap(),
        ["POST hunter22 application/json {\"v\":\"hunter22\"}"]
    );
}

#[tokio::test]
async fn a_job_is_created_once_and_found_again_when_it_exists() {
    let job = json!({"spec": {"template": {"spec": {"containers": []}}}});
    let probe = Probe {
        spec: json!({"name": "smoke", "provider": {"job": job}}),
        attempt: 3,
        ..probe("smoke", "")
    };
    for (code, reason) in [(201, "Created"), (409, "AlreadyExists"), (422, "Invalid")] {
        let api = FakeApi::new(move |asked| match code {
            201 => Reply::Answer((201, None, super::fake::stamped(&asked.body, 5))),
            _ => status(code, reason, "spec.template: no"),
        });
        let bench = bench(&api);
        bench.prober.start(&run("r1"), probe.clone());
        let finished = bench.finished(&run("r1")).await;
        assert_eq!(api.asked()[0].line, "POST /apis/batch/v1/namespaces/shop/jobs");
        match finished.reading {
            Ok(reading) => {
                assert!(reading.begun && code != 422);
                assert_eq!(reading.metadata["job-name"], "r1.smoke.3");
            }
            Err(why) => assert!(code == 422 && why.contains("spec.template: no"), "{why}"),
        }
    }
}
