//! The five custom resources of `argoproj.io/v1alpha1`: their types, schemas, hashes and checks. No decisions.
//!
//! The types decode what the API server stores and encode what Argo Rollouts would: optional fields are absent when unset.
//! The pod template stays raw JSON, so that no field of it is ever lost.

pub mod analysis;
pub mod analysis_run;
pub mod blue_green;
pub mod check;
pub mod crd;
pub mod experiment;
pub mod hash;
pub mod phase;
pub mod provider;
pub mod rollout;
pub mod rollout_analysis;
pub mod rollout_status;
pub mod steps;
pub mod strategy;
pub mod template;
pub mod traffic;
pub mod vendor;
