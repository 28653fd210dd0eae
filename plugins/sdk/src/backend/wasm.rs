//! The sandbox's side: our types to and from the generated bindings, nothing else.

use crate::bindings::levqor::connector as wit;
use crate::bindings::{TaskContext, TaskError as WitTaskError, TaskOutput};
use crate::ctx::Facts;
use crate::error::{Failure, TaskError};
use crate::http::{Auth, HttpError, Method, Placed, Request};
use crate::manifest::Idempotency;
use crate::response::Response;
use crate::state::StateError;
use crate::{Connector, Ctx, Level};

/// The host's imports.
#[derive(Debug)]
pub(crate) struct Backend;

/// What the component's `run-task` does.
pub(crate) fn run_task(
    connector: &Connector,
    action: &str,
    input: &str,
    ctx: TaskContext,
) -> Result<TaskOutput, WitTaskError> {
    let repeatable = connector.find(action).is_some_and(|a| a.idempotency != Idempotency::Unsafe);
    let ctx = Ctx::new(facts(ctx), Backend, repeatable);
    match connector.run(action, input, &ctx) {
        Ok(output) => Ok(TaskOutput { output, credits: ctx.credits.get() }),
        Err(error) => Err(task_error(error)),
    }
}

fn facts(ctx: TaskContext) -> Facts {
    Facts {
        run_id: ctx.run_id,
        step_id: ctx.step_id,
        attempt: ctx.attempt,
        idempotency_key: ctx.idempotency_key,
        time_left_ms: ctx.time_left_ms,
        config: ctx.config,
        traceparent: ctx.traceparent,
    }
}

fn task_error(error: TaskError) -> WitTaskError {
    let failure = |f: Failure| wit::types::Failure { message: f.message, code: f.code };
    match error {
        TaskError::InvalidInput(f) => WitTaskError::InvalidInput(failure(f)),
        TaskError::Auth(f) => WitTaskError::Auth(failure(f)),
        TaskError::NotFound(f) => WitTaskError::NotFound(failure(f)),
        TaskError::Conflict(f) => WitTaskError::Conflict(failure(f)),
        TaskError::RateLimited(l) => WitTaskError::RateLimited(wit::types::RateLimit {
            message: l.message,
            retry_after_ms: l.retry_after_ms,
        }),
        TaskError::Transient(f) => WitTaskError::Transient(failure(f)),
        TaskError::Permanent(f) => WitTaskError::Permanent(failure(f)),
        TaskError::Ambiguous(f) => WitTaskError::Ambiguous(failure(f)),
    }
}

impl Backend {
    pub(crate) fn send(&self, request: &Request) -> Result<Response, HttpError> {
        wit::http::send(&outgoing(request)).map(incoming).map_err(http_error)
    }

    pub(crate) fn send_all(&self, requests: &[Request]) -> Vec<Result<Response, HttpError>> {
        let requests: Vec<_> = requests.iter().map(outgoing).collect();
        let answers = wit::http::send_all(&requests);
        answers.into_iter().map(|a| a.map(incoming).map_err(http_error)).collect()
    }

    pub(crate) fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let level = match level {
            Level::Trace => wit::log::Level::Trace,
            Level::Debug => wit::log::Level::Debug,
            Level::Info => wit::log::Level::Info,
            Level::Warn => wit::log::Level::Warn,
            Level::Error => wit::log::Level::Error,
        };
        let fields: Vec<_> =
            fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        wit::log::write(level, message, &fields);
    }

    pub(crate) fn state_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, StateError> {
        let entry = wit::state::get(key).map_err(state_error)?;
        Ok(entry.map(|e| (e.value, e.version)))
    }

    pub(crate) fn state_put(
        &self,
        key: &str,
        value: &[u8],
        if_version: Option<u64>,
    ) -> Result<u64, StateError> {
        wit::state::put(key, value, if_version).map_err(state_error)
    }

    pub(crate) fn state_delete(&self, key: &str) -> Result<(), StateError> {
        wit::state::delete(key).map_err(state_error)
    }

    pub(crate) fn reveal(&self, name: &str) -> Result<String, String> {
        wit::secrets::reveal(name)
    }

    pub(crate) fn now_unix_ms(&self) -> u64 {
        wit::clock::now_unix_ms()
    }
}

fn outgoing(request: &Request) -> wit::http::Request {
    wit::http::Request {
        method: match request.method {
            Method::Get => wit::http::Method::Get,
            Method::Head => wit::http::Method::Head,
            Method::Post => wit::http::Method::Post,
            Method::Put => wit::http::Method::Put,
            Method::Patch => wit::http::Method::Patch,
            Method::Delete => wit::http::Method::Delete,
            Method::Options => wit::http::Method::Options,
        },
        url: request.url.clone(),
        headers: request
            .headers
            .iter()
            .map(|(name, value)| wit::http::Header { name: name.clone(), value: value.clone() })
            .collect(),
        body: request.body.clone(),
        auth: auth(&request.auth),
        timeout_ms: request.timeout_ms,
        follow_redirects: request.follow_redirects,
    }
}

fn auth(auth: &Auth) -> wit::http::Auth {
    let placed =
        |p: &Placed| wit::http::Placed { place: p.place.clone(), credential: p.credential.clone() };
    match auth {
        Auth::None => wit::http::Auth::None,
        Auth::Bearer(name) => wit::http::Auth::Bearer(name.clone()),
        Auth::Basic(name) => wit::http::Auth::Basic(name.clone()),
        Auth::Header(p) => wit::http::Auth::Header(placed(p)),
        Auth::Query(p) => wit::http::Auth::Query(placed(p)),
        Auth::Path(p) => wit::http::Auth::Path(placed(p)),
        Auth::Body(p) => wit::http::Auth::Body(placed(p)),
        Auth::HmacSha256(p) => wit::http::Auth::HmacSha256(placed(p)),
    }
}

fn incoming(response: wit::http::Response) -> Response {
    Response {
        status: response.status,
        headers: response.headers.into_iter().map(|h| (h.name, h.value)).collect(),
        body: response.body,
        retry_after_ms: response.retry_after_ms,
        host: String::new(),
    }
}

fn http_error(error: wit::http::HttpError) -> HttpError {
    use wit::http::HttpError as Wit;
    match error {
        Wit::Denied(why) => HttpError::Denied(why),
        Wit::InvalidRequest(why) => HttpError::InvalidRequest(why),
        Wit::UnknownCredential(name) => HttpError::UnknownCredential(name),
        Wit::Dns(why) => HttpError::Dns(why),
        Wit::Connect(why) => HttpError::Connect(why),
        Wit::Tls(why) => HttpError::Tls(why),
        Wit::Timeout => HttpError::Timeout,
        Wit::ResponseTooLarge(limit) => HttpError::ResponseTooLarge(limit),
        Wit::Protocol(why) => HttpError::Protocol(why),
        Wit::SentWithoutAnswer(why) => HttpError::SentWithoutAnswer(why),
    }
}

fn state_error(error: wit::state::StateError) -> StateError {
    match error {
        wit::state::StateError::Denied => StateError::Denied,
        wit::state::StateError::TooLarge => StateError::TooLarge,
        wit::state::StateError::Conflict => StateError::Conflict,
        wit::state::StateError::Unavailable(why) => StateError::Unavailable(why),
    }
}
