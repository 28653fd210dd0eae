//! The guest's imports: each converts its types and asks the call's [`Broker`].
//!
//! Nothing is decided here but bounds: what may be sent, stored or revealed is the broker's.
//!
//! [`Broker`]: super::broker::Broker

use futures_util::future::join_all;
use wasmtime::Result;

use super::bindings::{clock, http, log, secrets, state, types};
use super::broker::{StateEntry, StateError};
use super::state::{CallState, Granted};
use crate::egress::{Auth, HttpError, Method, Placed, Request, Response};
use crate::limits;
use crate::text::clean;

impl CallState {
    /// The call's broker and scope; a trap while the plugin describes itself.
    fn granted(&self) -> Result<Granted> {
        let refuse = || wasmtime::format_err!("an import was called while describing");
        self.granted.clone().ok_or_else(refuse)
    }
}

impl types::Host for CallState {}

impl http::Host for CallState {
    async fn send(
        &mut self,
        request: http::Request,
    ) -> Result<std::result::Result<http::Response, http::HttpError>> {
        Ok(send_one(&self.granted()?, request).await)
    }

    async fn send_all(
        &mut self,
        requests: Vec<http::Request>,
    ) -> Result<Vec<std::result::Result<http::Response, http::HttpError>>> {
        let granted = self.granted()?;
        if requests.len() > limits::SEND_ALL_MAX {
            let most = limits::SEND_ALL_MAX;
            let why = format!("send-all takes {most} requests, not {}", requests.len());
            return Ok(requests
                .iter()
                .map(|_| Err(http::HttpError::InvalidRequest(why.clone())))
                .collect());
        }
        Ok(join_all(requests.into_iter().map(|r| send_one(&granted, r))).await)
    }
}

async fn send_one(
    granted: &Granted,
    request: http::Request,
) -> std::result::Result<http::Response, http::HttpError> {
    if !granted.scope.admit_request() {
        return Err(http::HttpError::Denied("the call has made too many requests".to_owned()));
    }
    let sent = granted.broker.send(&granted.scope, request_of(request)).await;
    if let Err(error) = &sent {
        tracing::debug!(
            connector = %granted.connector, run = %granted.scope.run, code = error.code(), %error,
            "request of a plugin failed"
        );
    }
    sent.map(response_to).map_err(error_to)
}

impl log::Host for CallState {
    fn write(
        &mut self,
        level: log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> Result<()> {
        let granted = self.granted()?;
        if !granted.scope.admit_log_line() {
            return Ok(());
        }
        let hide = |text: &str| {
            if granted.scope.holds_revealed(text) {
                "[secret]".to_owned()
            } else {
                clean(text, limits::LOG_TEXT_BYTES_MAX)
            }
        };
        let fields: Vec<String> = fields
            .iter()
            .take(limits::LOG_FIELDS_MAX)
            .map(|(k, v)| format!("{}={:?}", clean(k, 64), hide(v)))
            .collect();
        let (connector, run, step) = (&granted.connector, granted.scope.run, &granted.scope.step);
        let (message, fields) = (hide(&message), fields.join(" "));
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "levqor_plugin", %connector, %run, %step, %fields, "{message}"
                )
            };
        }
        match level {
            log::Level::Trace => line!(trace),
            log::Level::Debug => line!(debug),
            log::Level::Info => line!(info),
            log::Level::Warn => line!(warn),
            log::Level::Error => line!(error),
        }
        Ok(())
    }
}

impl state::Host for CallState {
    async fn get(
        &mut self,
        key: String,
    ) -> Result<std::result::Result<Option<state::Entry>, state::StateError>> {
        let granted = self.granted()?;
        let got = granted.broker.state_get(&granted.scope, &key).await;
        Ok(got.map(|entry| entry.map(entry_to)).map_err(state_error_to))
    }

    async fn put(
        &mut self,
        key: String,
        value: Vec<u8>,
        if_version: Option<u64>,
    ) -> Result<std::result::Result<u64, state::StateError>> {
        let granted = self.granted()?;
        let put = granted.broker.state_put(&granted.scope, &key, value, if_version).await;
        Ok(put.map_err(state_error_to))
    }

    async fn delete(&mut self, key: String) -> Result<std::result::Result<(), state::StateError>> {
        let granted = self.granted()?;
        Ok(granted.broker.state_delete(&granted.scope, &key).await.map_err(state_error_to))
    }
}

impl secrets::Host for CallState {
    async fn reveal(&mut self, name: String) -> Result<std::result::Result<String, String>> {
        let granted = self.granted()?;
        let revealed = granted.broker.reveal(&granted.scope, &name).await;
        Ok(revealed.map(|value| {
            granted.scope.note_revealed(&value);
            (*value).clone()
        }))
    }
}

impl clock::Host for CallState {
    fn now_unix_ms(&mut self) -> Result<u64> {
        Ok(self.granted()?.broker.now_unix_ms())
    }
}

fn request_of(request: http::Request) -> Request {
    let placed = |p: http::Placed| Placed { place: p.place, credential: p.credential };
    Request {
        method: match request.method {
            http::Method::Get => Method::Get,
            http::Method::Head => Method::Head,
            http::Method::Post => Method::Post,
            http::Method::Put => Method::Put,
            http::Method::Patch => Method::Patch,
            http::Method::Delete => Method::Delete,
            http::Method::Options => Method::Options,
        },
        url: request.url,
        headers: request.headers.into_iter().map(|h| (h.name, h.value)).collect(),
        body: request.body,
        auth: match request.auth {
            http::Auth::None => Auth::None,
            http::Auth::Bearer(name) => Auth::Bearer(name),
            http::Auth::Basic(name) => Auth::Basic(name),
            http::Auth::Header(p) => Auth::Header(placed(p)),
            http::Auth::Query(p) => Auth::Query(placed(p)),
            http::Auth::Path(p) => Auth::Path(placed(p)),
            http::Auth::Body(p) => Auth::Body(placed(p)),
            http::Auth::HmacSha256(p) => Auth::HmacSha256(placed(p)),
        },
        timeout_ms: request.timeout_ms,
        follow_redirects: request.follow_redirects,
    }
}

fn response_to(response: Response) -> http::Response {
    http::Response {
        status: response.status,
        headers: response
            .headers
            .into_iter()
            .map(|(name, value)| http::Header { name, value })
            .collect(),
        body: response.body,
        retry_after_ms: response.retry_after_ms,
    }
}

fn error_to(error: HttpError) -> http::HttpError {
    match error {
        HttpError::Denied(why) => http::HttpError::Denied(why),
        HttpError::InvalidRequest(why) => http::HttpError::InvalidRequest(why),
        HttpError::UnknownCredential(why) => http::HttpError::UnknownCredential(why),
        HttpError::Dns(why) => http::HttpError::Dns(why),
        HttpError::Connect(why) => http::HttpError::Connect(why),
        HttpError::Tls(why) => http::HttpError::Tls(why),
        HttpError::Timeout => http::HttpError::Timeout,
        HttpError::ResponseTooLarge(bytes) => http::HttpError::ResponseTooLarge(bytes),
        HttpError::Protocol(why) => http::HttpError::Protocol(why),
        HttpError::SentWithoutAnswer(why) => http::HttpError::SentWithoutAnswer(why),
    }
}

fn entry_to(entry: StateEntry) -> state::Entry {
    state::Entry { value: entry.value, version: entry.version }
}

fn state_error_to(error: StateError) -> state::StateError {
    match error {
        StateError::Denied => state::StateError::Denied,
        StateError::TooLarge => state::StateError::TooLarge,
        StateError::Conflict => state::StateError::Conflict,
        StateError::Unavailable(why) => state::StateError::Unavailable(why),
    }
}
