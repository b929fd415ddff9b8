//! Sockets in front of the cluster: takes HTTP, hands it to the service in memory, and adds what only people need: tables, the little of
//! OpenAPI that kubectl wants, Prometheus' query page, and pages to set the pace.

use super::table::{self, Tables};
use super::{Control, openapi, protobuf};
use crate::base::gotime::parse_duration;
use crate::cluster::Service;
use crate::cluster::request::Query;
use crate::simulate::people::Hand;
use crate::simulate::world::World;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http_body_util::BodyExt;
use std::net::TcpListener;
use std::sync::mpsc::Sender;
use tower::Service as _;

/// What an API server takes at most.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

#[derive(Clone)]
struct Front {
    hand: Hand,
    say: Sender<Control>,
}

/// Serves for good.
pub(super) async fn serve(listener: TcpListener, world: &World, say: Sender<Control>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let front = Front {
        hand: world.hand.clone(),
        say,
    };
    let router = Router::new().fallback(answer).with_state(front);
    // Ends only with the listener, which nothing closes.
    let _ = axum::serve(listener, router).await;
}

async fn answer(State(front): State<Front>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if openapi::is_at(&path) {
        return openapi::document();
    }
    if let Some(page) = path.strip_prefix("/playground/") {
        return front.page(page);
    }
    if path == "/prometheus/api/v1/query" {
        return front.query(request.uri().query().unwrap_or_default());
    }
    match front.pass(request).await {
        Ok(response) => response,
        Err(why) => (StatusCode::BAD_GATEWAY, why).into_response(),
    }
}

impl Front {
    /// `speed/20`, `skip/5m`
    fn page(&self, page: &str) -> Response {
        let control = match page.split_once('/') {
            Some(("speed", number)) => number
                .parse()
                .ok()
                .filter(|speed: &f64| *speed > 0.0)
                .map(Control::Speed),
            Some(("skip", time)) => parse_duration(time)
                .and_then(|time| time.to_std().ok())
                .map(Control::Skip),
            _ => None,
        };
        let Some(control) = control else {
            let mend = "write /playground/speed/20 or /playground/skip/5m\n";
            return (StatusCode::NOT_FOUND, mend).into_response();
        };
        // One that has ended hears nothing more.
        let _ = self.say.send(control);
        "done\n".into_response()
    }

    fn query(&self, query: &str) -> Response {
        let url = reqwest::Url::parse(&format!("http://localhost/?{query}")).ok();
        let query = url.and_then(|url| {
            let found = url.query_pairs().find(|(key, _)| key == "query");
            found.map(|(_, value)| value.into_owned())
        });
        let (status, body) = self
            .hand
            .stage
            .state()
            .prometheus
            .instant(&query.unwrap_or_default(), self.hand.stage.now());
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }

    async fn pass(&self, request: Request) -> Result<Response, String> {
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let wanted = table::wanted(request.headers(), &query);
        let streams = query.flag("watch");
        let (mut head, body) = request.into_parts();
        if !takes_json(&head.headers) {
            return Ok(not_acceptable());
        }
        let mut body = to_bytes(body, BODY_BYTES_MAX)
            .await
            .map_err(|error| error.to_string())?;
        let content_type = head.headers.get(header::CONTENT_TYPE);
        if content_type.is_some_and(|kind| kind.as_bytes().starts_with(protobuf::MEDIA_TYPE.as_bytes())) {
            let Ok(object) = protobuf::read(&body) else {
                return Ok(no_protobuf());
            };
            let json = HeaderValue::from_static("application/json");
            head.headers.insert(header::CONTENT_TYPE, json);
            body = object.to_string().into();
        }
        let request = http::Request::from_parts(head, kube::client::Body::from(body));
        let mut service: Service = self.hand.cluster.service_as("you");
        let response = service.call(request).await.map_err(|error| error.to_string())?;
        let Some(include) = wanted.filter(|_| response.status().is_success()) else {
            return Ok(response.map(Body::new));
        };
        let tables = Tables::new(self.hand.clone(), include);
        let (head, body) = response.into_parts();
        if streams {
            // Each line is an event, and each frame a line.
            let lines = body.into_data_stream();
            let lines = lines.map(move |line| line.map(|line| tables.event(&line)));
            return Ok(Response::from_parts(head, Body::from_stream(lines)));
        }
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        let body = body.unwrap_or_default();
        Ok(Response::from_parts(head, Body::from(tables.answer(&body))))
    }
}

/// Whether JSON is among what may be answered. Clients of built-in kinds ask for protobuf first, and for JSON too.
fn takes_json(headers: &HeaderMap) -> bool {
    let Some(accept) = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
    else {
        return true;
    };
    let mut kinds = accept
        .split(',')
        .map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kinds.any(|kind| matches!(kind, "" | "*/*" | "application/*" | "application/json"))
}

/// Nothing that is asked for can be made.
fn not_acceptable() -> Response {
    let message = "only the following media types are accepted: application/json";
    refusal(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
}

/// An object in protobuf that is not read here.
fn no_protobuf() -> Response {
    let message =
        "this cluster in memory reads little protobuf: write the object into a file, and kubectl apply -f it";
    refusal(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UnsupportedMediaType",
        message,
    )
}

fn refusal(code: StatusCode, reason: &str, message: &str) -> Response {
    let status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code.as_u16()});
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (code, kind, status.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_answered_to_whoever_takes_it() {
        let check = |accept: &str, expect: bool| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(takes_json(&headers), expect, "{accept}");
        };
        check("application/vnd.kubernetes.protobuf,application/json", true);
        check(
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
            true,
        );
        check("*/*", true);
        check("", true);
        check("application/vnd.kubernetes.protobuf", false);
        check("text/html, application/yaml", false);
        assert!(takes_json(&HeaderMap::new()));
    }
}
