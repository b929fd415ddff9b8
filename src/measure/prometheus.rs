//! Prometheus queries: what to ask, and what an answer means.
