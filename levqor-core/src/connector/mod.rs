//! The connector port: how the engine calls the world.
//!
//! A [`Connector`] is named by its [`Manifest`] and does one thing: [`Connector::run_task`]. What
//! comes back is an [`Outcome`], data and never an `Err`: whatever is not recognised as success is
//! a failure of its own kind. Core has no connector that does IO; WASM ones live in
//! `levqor-connectors`, closures in [`FnConnector`].

mod catalog;
mod closure;
mod manifest;

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

pub use catalog::{ActionInfo, Catalog, CatalogError};
pub use closure::FnConnector;
pub use manifest::{
    ActionManifest, CredentialKind, CredentialManifest, Idempotency, Manifest, ManifestError,
    Price, Wants,
};

use crate::error::RunError;
use crate::ids::{Organization, RunId};

/// One attempt of one step, as a connector sees it. Holds no secret: credentials are names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// Whose run it is.
    pub organization: &'a Organization,
    /// Which run.
    pub run: RunId,
    /// Which step, with its iterations: `notify[3].dm`.
    pub step: &'a str,
    /// Attempt of this step, from 1.
    pub attempt: u32,
    /// The same for every attempt of this (run, step, iteration); hand it to the vendor.
    pub idempotency_key: &'a str,
    /// Which action of the connector's manifest.
    pub action: &'a str,
    /// The step's rendered `with`, valid for the action's input schema.
    pub input: &'a Value,
    /// Name of the credential in the vault, where the document names one.
    pub credential: Option<&'a str>,
    /// Milliseconds until the engine stops waiting.
    pub time_left_ms: u64,
    /// W3C trace context of the run.
    pub traceparent: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// A call for `action` with `input`, for tests and for callers outside a run: organization
    /// `local`, attempt 1, the default deadline. Change fields as needed.
    #[must_use]
    pub fn new(organization: &'a Organization, action: &'a str, input: &'a Value) -> Self {
        Self {
            organization,
            run: RunId::from_u128(0),
            step: action,
            attempt: 1,
            idempotency_key: "call",
            action,
            input,
            credential: None,
            time_left_ms: crate::limits::CALL_MS_DEFAULT,
            traceparent: None,
        }
    }
}

/// What an attempt came to. Data, never an `Err`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It worked.
    Done {
        /// The step's output.
        output: Value,
        /// What it really cost, where that differs from the price; never more than was held.
        credits: Option<u64>,
    },
    /// It did not happen and may be tried again.
    Retry {
        /// Not before this many milliseconds; the step's own backoff where absent.
        after_ms: Option<u64>,
        /// Why.
        error: RunError,
    },
    /// It did not happen; retried only if the error is retryable and the step's policy says so.
    Failed {
        /// Why.
        error: RunError,
    },
    /// It is not known whether it happened. Retried only where the action is idempotent.
    Ambiguous {
        /// Why.
        error: RunError,
    },
}

impl Outcome {
    /// A success at the listed price.
    #[must_use]
    pub fn done(output: Value) -> Self {
        Self::Done { output, credits: None }
    }
}

/// Something that can be called by pipelines.
///
/// Calls are at-least-once with one stable idempotency key; a call's future may be dropped at any
/// await point (deadline, cancel, shutdown) and must then leave nothing half open.
#[async_trait]
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// What the connector is and can do. The same for the connector's whole life.
    fn manifest(&self) -> &Manifest;
    /// Runs one attempt of one action.
    async fn run_task(&self, call: Call<'_>) -> Outcome;
}
