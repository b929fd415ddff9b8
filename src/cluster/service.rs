//! HTTP in, HTTP out: the tower service in front of the world. Decides no semantics.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::Value;

use super::catalog::DEFINITIONS;
use super::discovery::{self, Page};
use super::failure::Failure;
use super::gate::Verdict;
use super::request::{self, Call, Path, Query, Verb};
use super::watch::Watch;
use super::world::World;
use super::write::{self, Written};
use super::{Cluster, read};

/// The body of an answer.
pub type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// One caller's way to the cluster.
#[derive(Clone, Debug)]
pub struct Service {
    cluster: Cluster,
    caller: Arc<str>,
}

impl Service {
    pub fn new(cluster: Cluster, caller: &str) -> Self {
        Self {
            cluster,
            caller: caller.into(),
        }
    }
}

impl tower::Service<Request<Body>> for Service {
    type Response = Response<Answer>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        answer(self.cluster.clone(), Arc::clone(&self.caller), request).boxed()
    }
}

/// What a request is, once its body is here.
enum Asked {
    Page(Vec<String>),
    Call(Box<Call>),
}

async fn answer(cluster: Cluster, caller: Arc<str>, request: Request<Body>) -> io::Result<Response<Answer>> {
    let (head, body) = request.into_parts();
    let body = body.collect_bytes().await.map_err(io::Error::other)?;
    let asked = read_request(&cluster, caller, &head, body);
    let call = match asked {
        Err(failure) => return refused(&failure),
        Ok(Asked::Page(path)) => {
            let page = discovery::page(&cluster.world().catalog, &path);
            return match page {
                Ok(Page::Json(page)) => json(200, &page, &[], None),
                Ok(Page::Text(words)) => text(200, words),
                Err(failure) => refused(&failure),
            };
        }
        Ok(Asked::Call(call)) => call,
    };
    let call = match cluster.gate().before(&call).await {
        Verdict::Pass | Verdict::Truncate => call,
        Verdict::Instead(other) => other,
        Verdict::Refuse(failure) => return refused(&failure),
        Verdict::Lose => return Err(io::ErrorKind::ConnectionReset.into()),
    };
    if call.verb == Verb::Watch {
        let watch = Watch::begin(&cluster, &cluster.world(), (*call).clone());
        return match watch {
            Ok(watch) => streamed(watch),
            Err(failure) => refused(&failure),
        };
    }
    let written = cluster.perform(&call);
    let whole = match cluster.gate().after(&call).await {
        Verdict::Pass | Verdict::Instead(_) => true,
        Verdict::Truncate => false,
        Verdict::Refuse(failure) => return refused(&failure),
        Verdict::Lose => return Err(io::ErrorKind::ConnectionReset.into()),
    };
    match written {
        Ok(Written {
            code,
            object,
            warnings,
        }) => {
            let object = if call.partial {
                read::partial(&object)
            } else {
                object
            };
            match whole {
                true => json(code, &object, &warnings, None),
                false => halved(code, &object),
            }
        }
        Err(failure) => refused(&failure),
    }
}

fn read_request(
    cluster: &Cluster,
    caller: Arc<str>,
    head: &http::request::Parts,
    body: Bytes,
) -> Result<Asked, Failure> {
    let path = Path::parse(&cluster.world().catalog, head.uri.path())?;
    let (resource, namespace, name, subresource) = match path {
        Path::Page(path) => return Ok(Asked::Page(path)),
        Path::Object {
            resource,
            namespace,
            name,
            subresource,
        } => (resource, namespace, name, subresource),
    };
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let verb = request::verb(head.method.as_str(), &name, &subresource, &query).ok_or_else(|| {
        if resource.custom() && name.is_empty() {
            Failure::bad_request("name must be provided")
        } else {
            Failure::method_not_allowed()
        }
    })?;
    let header = |name| {
        head.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let call = Call {
        caller,
        verb,
        resource,
        namespace,
        name,
        subresource,
        query,
        content_type: header(http::header::CONTENT_TYPE).to_owned(),
        partial: header(http::header::ACCEPT).contains("as=PartialObjectMetadata"),
        body,
    };
    Ok(Asked::Call(Box::new(call)))
}

/// Carries out everything but a watch.
pub(super) fn perform(world: &mut World, call: &Call) -> Result<Written, Failure> {
    let shown = |object: Value| Written {
        code: 200,
        object,
        warnings: Vec::new(),
    };
    match call.verb {
        Verb::Get if call.subresource == "scale" => {
            let object = read::get(world, call)?;
            write::scale(&call.resource, &object).map(shown)
        }
        Verb::Get => {
            let object = read::get(world, call)?;
            Ok(shown(call.resource.form.map_or_else(
                || Value::clone(&object),
                |form| (form.show)(&object),
            )))
        }
        Verb::List => read::list(world, call).map(shown),
        Verb::Create => write::create(world, call).map(|written| formed(call, written)),
        Verb::Update => write::update(world, call).map(|written| formed(call, written)),
        Verb::Patch => write::patch(world, call).map(|written| formed(call, written)),
        Verb::Delete => write::delete(world, call).map(|written| formed(call, written)),
        Verb::DeleteCollection => write::collect(world, call),
        Verb::Watch => Err(Failure::method_not_allowed()),
    }
}

/// What was written, in the form that was asked for.
fn formed(call: &Call, mut written: Written) -> Written {
    if let (Some(form), true) = (
        call.resource.form,
        written.object["kind"] == call.resource.kind.as_str(),
    ) {
        written.object = (form.show)(&written.object);
    }
    written
}

/// Creates a definition as a request would.
pub(super) fn install(world: &mut World, definition: Value) -> Result<(), Failure> {
    let Some(resource) = world.catalog.by_id(DEFINITIONS).cloned() else {
        return Err(Failure::no_resource());
    };
    let call = Call {
        caller: "install".into(),
        verb: Verb::Create,
        resource,
        namespace: String::new(),
        name: String::new(),
        subresource: String::new(),
        query: Query::default(),
        content_type: "application/json".to_owned(),
        partial: false,
        body: definition.to_string().into(),
    };
    write::create(world, &call).map(|_| ())
}

fn refused(failure: &Failure) -> io::Result<Response<Answer>> {
    if failure.plain {
        return text(failure.code, &failure.message);
    }
    json(failure.code, &failure.status(), &[], failure.retry_after_seconds)
}

fn text(code: u16, words: &str) -> io::Result<Response<Answer>> {
    let body = Full::new(Bytes::from(words.to_owned())).boxed_unsync();
    Response::builder()
        .status(code)
        .header(http::header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(body)
        .map_err(io::Error::other)
}

/// An answer that breaks off in the middle.
fn halved(code: u16, object: &Value) -> io::Result<Response<Answer>> {
    let mut body = Bytes::from(object.to_string());
    body.truncate(body.len() / 2);
    Response::builder()
        .status(code)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(body).boxed_unsync())
        .map_err(io::Error::other)
}

fn json(
    code: u16,
    object: &Value,
    warnings: &[String],
    retry_after: Option<u64>,
) -> io::Result<Response<Answer>> {
    let mut response = Response::builder()
        .status(code)
        .header(http::header::CONTENT_TYPE, "application/json");
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        response = response.header(http::header::WARNING, format!("299 - \"{quoted}\""));
    }
    if let Some(seconds) = retry_after {
        response = response.header(http::header::RETRY_AFTER, seconds);
    }
    response
        .body(Full::new(Bytes::from(object.to_string())).boxed_unsync())
        .map_err(io::Error::other)
}

fn streamed(watch: Watch) -> io::Result<Response<Answer>> {
    let frames = watch
        .into_stream()
        .map(|line| Ok::<_, Infallible>(Frame::data(line)));
    Response::builder()
        .status(200)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(StreamBody::new(frames).boxed_unsync())
        .map_err(io::Error::other)
}
