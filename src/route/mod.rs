//! Traffic routers: objects in, patches out, on untyped JSON so that no field of someone else's is ever lost.

pub mod gateway_api;
