//! [`HttpRequest`]: a request being built, and what comes of sending it.

use serde::Serialize;

use crate::Ctx;
use crate::error::{Result, TaskError};
use crate::http::{Auth, HttpError, Placed, Request};
use crate::response::Response;

/// A request being built: `ctx.post(url).bearer("bot_token").json(&body).send()?`.
///
/// A problem while building (a body that is not JSON) is kept and returned by `send`.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct HttpRequest<'a> {
    ctx: &'a Ctx,
    request: Request,
    problem: Option<TaskError>,
}

impl<'a> HttpRequest<'a> {
    pub(crate) fn new(ctx: &'a Ctx, request: Request) -> Self {
        Self { ctx, request, problem: None }
    }

    /// The credential of this name as bearer token.
    pub fn bearer(self, credential: impl Into<String>) -> Self {
        self.auth(Auth::Bearer(credential.into()))
    }

    /// The credential of this name as user and password.
    pub fn basic(self, credential: impl Into<String>) -> Self {
        self.auth(Auth::Basic(credential.into()))
    }

    /// The credential of this name in a header.
    pub fn auth_header(self, header: impl Into<String>, credential: impl Into<String>) -> Self {
        self.auth(Auth::Header(Placed { place: header.into(), credential: credential.into() }))
    }

    /// The credential of this name in a query parameter.
    pub fn auth_query(self, parameter: impl Into<String>, credential: impl Into<String>) -> Self {
        self.auth(Auth::Query(Placed { place: parameter.into(), credential: credential.into() }))
    }

    /// Any way of filling in a credential; the last one given counts.
    pub fn auth(mut self, auth: Auth) -> Self {
        self.request.auth = auth;
        self
    }

    /// One more header.
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.request.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// One more query parameter, encoded.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        // A fragment is never sent: the query goes before it.
        let fragment = self.request.url.find('#').map(|at| self.request.url.split_off(at));
        self.request.url.push(if self.request.url.contains('?') { '&' } else { '?' });
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.append_pair(name, value.as_ref());
        self.request.url.push_str(&pairs.finish());
        self.request.url.extend(fragment);
        self
    }

    /// [`Self::query`] where there is a value.
    pub fn query_opt(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// A JSON body with its content type.
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.typed("application/json", bytes),
            Err(e) => {
                self.problem = Some(TaskError::invalid_input(format!("body: {e}")));
                self
            }
        }
    }

    /// A form body with its content type.
    pub fn form<K: AsRef<str>, V: AsRef<str>>(
        self,
        fields: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(fields);
        self.typed("application/x-www-form-urlencoded", pairs.finish().into_bytes())
    }

    /// Any body; set its content type with [`Self::header`].
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request.body = Some(body.into());
        self
    }

    /// [`Self::body`] where there is one.
    pub fn body_opt(self, body: Option<impl Into<Vec<u8>>>) -> Self {
        match body {
            Some(body) => self.body(body),
            None => self,
        }
    }

    /// The step's idempotency key in this header (`Idempotency-Key` with most vendors).
    pub fn idempotency_key(self, header: &str) -> Self {
        let key = self.ctx.idempotency_key().to_owned();
        self.header(header, key)
    }

    /// Milliseconds for the whole exchange.
    pub fn timeout_ms(mut self, timeout_ms: u32) -> Self {
        self.request.timeout_ms = Some(timeout_ms);
        self
    }

    /// Lets the host follow redirects, checking each.
    pub fn follow_redirects(mut self) -> Self {
        self.request.follow_redirects = true;
        self
    }

    /// Sends it and takes only a 2xx for an answer.
    ///
    /// # Errors
    /// [`Response::to_error`] for other statuses, and [`Self::send_any`]'s.
    pub fn send(self) -> Result<Response> {
        self.send_any()?.error_for_status()
    }

    /// Sends it and takes any status for an answer, for vendors with rules of their own.
    ///
    /// # Errors
    /// [`HttpError::into_task_error`]: refused, unreachable, or sent without an answer.
    pub fn send_any(self) -> Result<Response> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let sent = self.ctx.backend.send(&self.request);
        finish(self.ctx, &self.request, sent)
    }

    fn typed(mut self, content_type: &str, body: Vec<u8>) -> Self {
        let given =
            self.request.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type"));
        if !given {
            self = self.header("content-type", content_type);
        }
        self.body(body)
    }
}

pub(crate) fn send_all(ctx: &Ctx, requests: Vec<HttpRequest<'_>>) -> Vec<Result<Response>> {
    if let Some(problem) = requests.iter().find_map(|r| r.problem.clone()) {
        // Nothing is sent when one of them could not be built: no half of a whole.
        return requests.iter().map(|_| Err(problem.clone())).collect();
    }
    let requests: Vec<Request> = requests.into_iter().map(|r| r.request).collect();
    let sent = ctx.backend.send_all(&requests);
    requests.iter().zip(sent).map(|(request, sent)| finish(ctx, request, sent)).collect()
}

fn finish(
    ctx: &Ctx,
    request: &Request,
    sent: std::result::Result<Response, HttpError>,
) -> Result<Response> {
    match sent {
        Ok(response) => Ok(Response { host: request.host(), ..response }),
        Err(error) => {
            let repeatable = ctx.repeatable || request.method.is_read();
            Err(error.into_task_error(&request.host(), repeatable))
        }
    }
}
