//! Serin: a progressive-delivery controller for Kubernetes that speaks Argo Rollouts' API.
//!
//! Modules in reading order, with the layer each belongs to. A module imports only from layers above it in this list.
//!
//! | Layer | Module | What it is | Inside the purity fence |
//! |---|---|---|---|
//! | 0 | [`base`] | vocabulary: names, times, quantities of change, limits | yes |
//! | 1 | [`api`] | the five custom resources, their schemas, hashes and checks | yes |
//! | 2 | [`plan`] | decisions: snapshot in, actions and status out | yes |
//! | 2 | [`route`] | traffic routers: objects in, patches out | yes |
//! | 2 | [`measure`] | metric providers: request out, measurement in | yes |
//! | 2 | [`notify`] | transitions to messages | yes |
//! | 2 | [`view`] | read models for people | yes |
//! | 2 | `cluster` | a small Kubernetes in memory; knows no Rollout | no |
//! | 3 | `controller` | everything that touches the network or the clock | no |
//! | 4 | `simulate` | the controller in a world of its own, on virtual time | no |
//! | 5 | `cli` | one file per command | no |
//!
//! Without the feature `shell` only the modules inside the fence compile: they cannot reach an async runtime, HTTP,
//! the Kubernetes client or a clock, because those are not even dependencies then.

pub mod base;

pub mod api;

pub mod measure;
pub mod notify;
pub mod plan;
pub mod route;
pub mod view;

#[cfg(feature = "simulate")]
pub mod cluster;
#[cfg(feature = "simulate")]
pub mod simulate;

#[cfg(feature = "shell")]
pub mod cli;
#[cfg(feature = "shell")]
pub mod controller;
