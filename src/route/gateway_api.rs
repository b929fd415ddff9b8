//! HTTPRoute weights.
