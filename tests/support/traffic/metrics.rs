//! What the pods would report, in the text format that Prometheus scrapes.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;

use super::profile::{BOUNDS_S, Profile};
use super::{Flow, lock};

/// Serves `/metrics` until the task is aborted.
pub async fn serve(listener: TcpListener, flow: Arc<Mutex<Flow>>) {
    let answer = move || async move {
        (
            [(CONTENT_TYPE, "text/plain; version=0.0.4")],
            render(&lock(&flow)),
        )
    };
    let _ended = axum::serve(listener, Router::new().route("/metrics", get(answer))).await;
}

/// All series. Every pod that takes traffic shows both codes from the beginning, so that the first error is a
/// rise and not a new series, for which `rate` would see nothing.
pub fn render(flow: &Flow) -> String {
    let mut requests = String::from("# TYPE http_requests_total counter\n");
    let mut latency = String::from("# TYPE http_request_duration_seconds histogram\n");
    for ((namespace, service, name), &served) in &flow.served {
        let pod = flow.seen.pod(namespace, name);
        let profile = Profile::of_tag(&pod.tag);
        if profile.silent {
            continue;
        }
        let labels = format!(
            r#"namespace="{namespace}",service="{service}",pod="{name}",rollouts_pod_template_hash="{}",pod_template_hash="{}""#,
            pod.rollouts_hash, pod.deployment_hash
        );
        write_pod(&mut requests, &mut latency, &labels, profile, served as u64);
    }
    let mut refused = String::from("# TYPE gateway_requests_refused_total counter\n");
    for ((namespace, service), &count) in &flow.refused {
        let labels = format!(r#"namespace="{namespace}",service="{service}""#);
        let _ = writeln!(
            refused,
            "gateway_requests_refused_total{{{labels}}} {}",
            count as u64
        );
    }
    requests + &latency + &refused
}

fn write_pod(requests: &mut String, latency: &mut String, labels: &str, profile: Profile, served: u64) {
    // Writing to a String cannot fail.
    let errors = profile.errors_of(served);
    let _ = writeln!(
        requests,
        r#"http_requests_total{{{labels},code="200"}} {}"#,
        served - errors
    );
    let _ = writeln!(requests, r#"http_requests_total{{{labels},code="500"}} {errors}"#);
    let name = "http_request_duration_seconds";
    for (bound, count) in BOUNDS_S.into_iter().zip(profile.buckets_of(served)) {
        let _ = writeln!(latency, r#"{name}_bucket{{{labels},le="{bound}"}} {count}"#);
    }
    let _ = writeln!(latency, r#"{name}_bucket{{{labels},le="+Inf"}} {served}"#);
    let _ = writeln!(
        latency,
        "{name}_sum{{{labels}}} {}",
        served as f64 * profile.mean_s()
    );
    let _ = writeln!(latency, "{name}_count{{{labels}}} {served}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_reports_both_codes_and_a_whole_histogram() {
        let mut flow = Flow::default();
        flow.served
            .insert(("n".into(), "web".into(), "web-1".into()), 0.0);
        let zero = render(&flow);
        assert!(zero.contains(r#"code="500"} 0"#), "{zero}");
        flow.served
            .insert(("n".into(), "web".into(), "web-1".into()), 2_000.7);
        let text = render(&flow);
        for line in [
            r#"code="200"} 1998"#,
            r#"code="500"} 2"#,
            r#"le="+Inf"} 2000"#,
            r#"le="0.5"} 2000"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
