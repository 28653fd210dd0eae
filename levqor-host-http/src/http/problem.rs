//! [`Problem`]: every refusal as `application/problem+json` (RFC 9457) with a stable code.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use levqor_core::document::Issue;
use levqor_core::engine::Error as EngineError;
use levqor_core::error::{ErrorKind, RunError};
use levqor_core::ledger::LedgerError;
use levqor_core::store::{CommitError, StoreError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::caller::Scope;

/// Seconds after which a store that could not be reached is worth another try.
const STORE_RETRY_SECONDS: u64 = 2;

/// A refusal on its way out.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: String,
    detail: String,
    errors: Vec<FieldProblem>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// One thing wrong with one place of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct FieldProblem {
    /// JSON Pointer into the body, as a URI fragment: `#/steps/0/id`; or the parameter's name.
    pub pointer: String,
    /// Stable code.
    pub code: String,
    /// For people.
    pub detail: String,
    /// Line of the document's source, from 1, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What to write instead, where that can be guessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// A problem's JSON, as RFC 9457 has it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
#[non_exhaustive]
pub struct ProblemDocument {
    /// A page about the code, relative to this host.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable code: what programs look at.
    pub code: String,
    /// What happened, for people.
    pub detail: String,
    /// The request, as the `X-Request-Id` header has it.
    pub request_id: String,
    /// What is wrong where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

impl Problem {
    /// A refusal.
    #[must_use]
    pub fn new(status: StatusCode, code: impl Into<String>, detail: impl Into<String>) -> Self {
        let (code, detail) = (code.into(), detail.into());
        Self { status, code, detail, errors: Vec::new(), headers: Vec::new() }
    }

    /// 400: the request is not understood.
    #[must_use]
    pub fn bad_request(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 422: understood, and not acceptable.
    #[must_use]
    pub fn invalid(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 409: not in this state.
    #[must_use]
    pub fn conflict(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 404, the same for what is absent and what is another organization's.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        let detail = format!("there is no such {what}");
        Self::new(StatusCode::NOT_FOUND, "request.not_found", detail)
    }

    /// 401, whatever is wrong with the credential.
    #[must_use]
    pub fn unauthorized() -> Self {
        let detail = "send a valid key as `Authorization: Bearer lvq_…`";
        Self::new(StatusCode::UNAUTHORIZED, "auth.unauthorized", detail)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"levqor\""))
    }

    /// 400: two credentials that differ.
    #[must_use]
    pub fn ambiguous_credential() -> Self {
        let detail = "`Authorization` and `X-API-Key` carry different keys; send one";
        Self::bad_request("auth.ambiguous", detail)
    }

    /// 403: the credential lacks a scope.
    #[must_use]
    pub fn forbidden(scope: Scope) -> Self {
        let detail = format!("the credential lacks the scope `{scope}`");
        Self::new(StatusCode::FORBIDDEN, "auth.scope_missing", detail)
    }

    /// 403: the credential would give scopes that it lacks itself.
    #[must_use]
    pub fn escalation(lacks: impl Iterator<Item = Scope>) -> Self {
        let lacks: Vec<&str> = lacks.map(Scope::as_str).collect();
        let detail = format!("the credential lacks what it would give: {}", lacks.join(", "));
        Self::new(StatusCode::FORBIDDEN, "auth.scope_escalation", detail)
    }

    /// 500: our fault. The cause goes to the log, not to the caller.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "an error inside the host; the request id finds it in the log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "host.internal", detail)
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With `Retry-After`.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// With what is wrong where.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldProblem>) -> Self {
        self.errors = errors;
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What happened, for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    pub(crate) fn document(&self, request_id: &str) -> ProblemDocument {
        ProblemDocument {
            kind: format!("/docs/errors#{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            code: self.code.clone(),
            detail: self.detail.clone(),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
        }
    }
}

impl From<&Issue> for FieldProblem {
    fn from(issue: &Issue) -> Self {
        Self {
            pointer: format!("#{}", issue.pointer),
            code: issue.code.to_string(),
            detail: issue.message.clone(),
            line: issue.line,
            column: issue.column,
            suggestion: issue.suggestion.clone(),
        }
    }
}

impl FieldProblem {
    /// A place and what is wrong there.
    #[must_use]
    pub fn new(pointer: &str, code: &str, detail: impl Into<String>) -> Self {
        let (pointer, code, detail) = (pointer.to_owned(), code.to_owned(), detail.into());
        Self { pointer, code, detail, line: None, column: None, suggestion: None }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(code = error.code(), %error, "the store cannot be read");
        let detail = "the store cannot be reached; nothing was changed";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, error.code(), detail).retry_after(STORE_RETRY_SECONDS)
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        let code = error.code();
        match error {
            CommitError::Conflict { .. } => {
                Self::conflict(code, "somebody else changed it at the same time; read it again")
            }
            CommitError::Bound { .. } => Self::conflict(code, "a limit is reached"),
            CommitError::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, "what would be stored is too large")
            }
            CommitError::Invalid(_) => {
                tracing::error!(code, %error, "a batch breaks a rule");
                Self::internal()
            }
            _ => {
                tracing::error!(code, %error, "the store did not take a commit");
                let detail = "the store did not take it; whether it did is not known: try again \
                              with the same Idempotency-Key";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
                    .retry_after(STORE_RETRY_SECONDS)
            }
        }
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        Self::new(status_of(error.kind, &error.code), error.code.clone(), error.message)
    }
}

/// The status of an engine's refusal.
fn status_of(kind: ErrorKind, code: &str) -> StatusCode {
    match (kind, code) {
        // The same key for another request: RFC draft and Stripe answer 422.
        (_, "idempotency.reused") => StatusCode::UNPROCESSABLE_ENTITY,
        (_, "idempotency.bad_key") => StatusCode::BAD_REQUEST,
        (ErrorKind::InvalidInput, _) => StatusCode::UNPROCESSABLE_ENTITY,
        (ErrorKind::Unauthorized, _) => StatusCode::UNAUTHORIZED,
        (ErrorKind::Forbidden | ErrorKind::PolicyDenied, _) => StatusCode::FORBIDDEN,
        (ErrorKind::NotFound, _) => StatusCode::NOT_FOUND,
        (ErrorKind::Conflict | ErrorKind::Cancelled | ErrorKind::Ambiguous, _) => {
            StatusCode::CONFLICT
        }
        (ErrorKind::RateLimited | ErrorKind::QuotaExceeded, _) => StatusCode::TOO_MANY_REQUESTS,
        (ErrorKind::BudgetExceeded, _) => StatusCode::PAYMENT_REQUIRED,
        (ErrorKind::Unavailable, _) => StatusCode::SERVICE_UNAVAILABLE,
        (ErrorKind::Timeout, _) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(e) => e.into(),
            EngineError::Commit(e) => e.into(),
            EngineError::Refused(e) => e.into(),
            EngineError::Quota { error, retry_after_ms } => {
                let problem = Self::from(error);
                match retry_after_ms {
                    // Rounded up: who comes back then is not a moment too early.
                    Some(ms) => problem.retry_after(ms.div_ceil(1_000)),
                    None => problem,
                }
            }
            EngineError::NotFound { what, .. } => Self::not_found(what),
            EngineError::Invalid(issues) => {
                let detail = format!("the document has {} problem(s)", issues.len());
                let errors = issues.iter().map(FieldProblem::from).collect();
                Self::invalid("document.invalid", detail).errors(errors)
            }
            EngineError::Stopped => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "engine.stopped", "the host is stopping").retry_after(5)
            }
            other => {
                tracing::error!(code = other.code(), error = %other, "a stored record does not fit");
                Self::internal()
            }
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Store(e) => e.into(),
            LedgerError::Commit(e) => e.into(),
            other => Self::invalid(other.code(), other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_its_status() {
        let expected = [
            (ErrorKind::InvalidInput, 422),
            (ErrorKind::Unauthorized, 401),
            (ErrorKind::Forbidden, 403),
            (ErrorKind::NotFound, 404),
            (ErrorKind::Conflict, 409),
            (ErrorKind::RateLimited, 429),
            (ErrorKind::Unavailable, 503),
            (ErrorKind::Timeout, 504),
            (ErrorKind::Cancelled, 409),
            (ErrorKind::BudgetExceeded, 402),
            (ErrorKind::QuotaExceeded, 429),
            (ErrorKind::PluginTrap, 500),
            (ErrorKind::PolicyDenied, 403),
            (ErrorKind::Ambiguous, 409),
            (ErrorKind::Internal, 500),
        ];
        assert_eq!(expected.len(), ErrorKind::ALL.len());
        for (kind, status) in expected {
            assert_eq!(status_of(kind, "x").as_u16(), status, "{kind:?}");
        }
        assert_eq!(status_of(ErrorKind::Conflict, "idempotency.reused").as_u16(), 422);
    }
}
