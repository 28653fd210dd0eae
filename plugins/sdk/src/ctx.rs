//! [`Ctx`]: everything an action can ask of its host.

use std::cell::Cell;

use serde::de::DeserializeOwned;

use crate::backend::Backend;
use crate::error::{Result, TaskError};
use crate::http::{Method, Request};
use crate::request::HttpRequest;
use crate::response::Response;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Finest.
    Trace,
    /// For the author.
    Debug,
    /// For the one who reads a run.
    Info,
    /// Something is odd.
    Warn,
    /// Something failed.
    Error,
}

/// What the engine says about this attempt.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) run_id: String,
    pub(crate) step_id: String,
    pub(crate) attempt: u32,
    pub(crate) idempotency_key: String,
    pub(crate) time_left_ms: u64,
    pub(crate) config: String,
    pub(crate) traceparent: Option<String>,
}

/// One attempt of one step, and the way to the world: requests, log, state, clock. Handed to every
/// action; there is no other way out of the sandbox.
#[derive(Debug)]
pub struct Ctx {
    pub(crate) facts: Facts,
    pub(crate) backend: Backend,
    /// The action may be repeated without harm (safe or keyed).
    pub(crate) repeatable: bool,
    pub(crate) credits: Cell<Option<u64>>,
}

impl Ctx {
    pub(crate) fn new(facts: Facts, backend: Backend, repeatable: bool) -> Self {
        Self { facts, backend, repeatable, credits: Cell::new(None) }
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.facts.run_id
    }

    /// The step's id with its iterations: `notify[3].dm`.
    #[must_use]
    pub fn step_id(&self) -> &str {
        &self.facts.step_id
    }

    /// Attempt of this step, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.facts.attempt
    }

    /// The same for every attempt of this step: hand it to the vendor, so that a repeated attempt
    /// does not do it twice.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.facts.idempotency_key
    }

    /// Milliseconds until the engine stops waiting, as of the start of the call.
    #[must_use]
    pub fn time_left_ms(&self) -> u64 {
        self.facts.time_left_ms
    }

    /// W3C trace context of the run.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.facts.traceparent.as_deref()
    }

    /// The operator's configuration for this connector; never a secret. No configuration reads as
    /// an empty object.
    ///
    /// # Errors
    /// [`TaskError::Permanent`] `config` when it does not fit `T`.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T> {
        let text = match self.facts.config.trim() {
            "" | "null" => "{}",
            text => text,
        };
        serde_json::from_str(text).map_err(|e| {
            TaskError::permanent(format!("the operator's configuration: {e}")).code("config")
        })
    }

    /// `base_url` of the operator's configuration without a slash at its end, else `default`: for
    /// vendors with several regions, compatible services, and mocks.
    ///
    /// # Errors
    /// [`TaskError::Permanent`] `config` when it is not text.
    pub fn base_url(&self, default: &str) -> Result<String> {
        #[derive(serde::Deserialize)]
        struct Config {
            base_url: Option<String>,
        }
        let config: Config = self.config()?;
        let url = config.base_url.as_deref().unwrap_or(default);
        Ok(url.trim_end_matches('/').to_owned())
    }

    /// Reports what this call really cost, in credits. Counts on success only, and never more
    /// than the action's `price_up_to` maximum.
    pub fn charge(&self, credits: u64) {
        self.credits.set(Some(credits));
    }

    /// A request, to be completed and sent.
    pub fn request(&self, method: Method, url: impl Into<String>) -> HttpRequest<'_> {
        HttpRequest::new(self, Request::new(method, url))
    }

    /// A GET request.
    pub fn get(&self, url: impl Into<String>) -> HttpRequest<'_> {
        self.request(Method::Get, url)
    }

    /// A POST request.
    pub fn post(&self, url: impl Into<String>) -> HttpRequest<'_> {
        self.request(Method::Post, url)
    }

    /// A PUT request.
    pub fn put(&self, url: impl Into<String>) -> HttpRequest<'_> {
        self.request(Method::Put, url)
    }

    /// A PATCH request.
    pub fn patch(&self, url: impl Into<String>) -> HttpRequest<'_> {
        self.request(Method::Patch, url)
    }

    /// A DELETE request.
    pub fn delete(&self, url: impl Into<String>) -> HttpRequest<'_> {
        self.request(Method::Delete, url)
    }

    /// Sends several requests at the same time; answers come in the same order, each as
    /// [`HttpRequest::send_any`] would give it.
    pub fn send_all(&self, requests: Vec<HttpRequest<'_>>) -> Vec<Result<Response>> {
        crate::request::send_all(self, requests)
    }

    /// Writes a line to the run's log. Never write a secret or a whole response.
    pub fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        self.backend.log(level, message, fields);
    }

    /// [`Self::log`] at [`Level::Info`], without fields.
    pub fn info(&self, message: &str) {
        self.log(Level::Info, message, &[]);
    }

    /// [`Self::log`] at [`Level::Warn`], without fields.
    pub fn warn(&self, message: &str) {
        self.log(Level::Warn, message, &[]);
    }

    /// The connector's durable memory; ask for it with `Connector::wants_state`.
    #[must_use]
    pub fn state(&self) -> crate::State<'_> {
        crate::State::new(&self.backend)
    }

    /// A secret's value itself; ask for it with `Connector::wants_secrets`. Prefer the `auth`
    /// methods of [`HttpRequest`], with which the value never enters the sandbox.
    ///
    /// # Errors
    /// [`TaskError::Auth`] `unknown_credential` when it is not there or not granted.
    pub fn reveal(&self, credential: &str) -> Result<String> {
        self.backend.reveal(credential).map_err(|why| {
            TaskError::auth(format!("credential `{credential}` cannot be read: {why}"))
                .code("unknown_credential")
        })
    }

    /// Milliseconds since 1970 by the host's clock.
    #[must_use]
    pub fn now_unix_ms(&self) -> u64 {
        self.backend.now_unix_ms()
    }
}
