//! What objects must say beside their schema, as far as controllers can get it wrong: metadata of all kinds, and of the built-in ones
//! counts, selectors, ports, and the fields that never change. Everything else of the API server's validation is absent.

mod builtin;
mod metadata;
mod names;

pub use builtin::{builtin, status as builtin_status};
pub use metadata::{change as metadata_change, metadata};
