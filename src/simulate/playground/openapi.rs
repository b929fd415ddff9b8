//! As much of OpenAPI as kubectl must see before it applies anything: a document that describes nothing, so that it leaves the checks to
//! the server.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Media type of the document: kubectl asks with an `@` in it, which no answer may have.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// Field 1, `swagger`: "2.0"; nothing else.
const DOCUMENT: &[u8] = b"\x0a\x032.0";

/// Whether this path is the document.
pub(super) fn is_at(path: &str) -> bool {
    path == "/openapi/v2"
}

pub(super) fn document() -> Response {
    ([(header::CONTENT_TYPE, PROTOBUF)], DOCUMENT).into_response()
}
