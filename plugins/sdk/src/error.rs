//! [`TaskError`]: what an action answers when it did not work. The variant decides what the engine
//! does next; nothing is decided from the text.

use std::fmt;

/// What a connector returns: a value or a [`TaskError`].
pub type Result<T, E = TaskError> = std::result::Result<T, E>;

/// Why an action did not work. **The variant is the decision**: retry, give up, or ask a person.
///
/// ```
/// use levqor_plugin_sdk::TaskError;
/// let error = TaskError::not_found("no such channel").code("channel_not_found");
/// assert_eq!(error.code_str(), Some("channel_not_found"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskError {
    /// The input is wrong. Never retried.
    InvalidInput(Failure),
    /// The credential is missing, expired or may not do this. Never retried.
    Auth(Failure),
    /// The thing named does not exist. Never retried.
    NotFound(Failure),
    /// The other side's state does not allow it. Never retried.
    Conflict(Failure),
    /// Too fast. Retried, not before the time given.
    RateLimited(RateLimit),
    /// It did not happen and may work later. Retried.
    Transient(Failure),
    /// It will not work later either. Never retried.
    Permanent(Failure),
    /// It is not known whether it happened. Retried only where the action is safe or keyed;
    /// otherwise a person decides.
    Ambiguous(Failure),
}

/// The words of a failure. Never put a secret or a whole response in here: it is shown to people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// For people: lowercase, one sentence, no secret.
    pub message: String,
    /// For documents that branch on it: `channel_not_found`. Stable across versions.
    pub code: Option<String>,
}

/// Too fast, and how long to wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// For people.
    pub message: String,
    /// Milliseconds from now; the engine's own backoff where absent.
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None }
    }
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $variant:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(message: impl Into<String>) -> Self {
            Self::$variant(Failure::new(message))
        }
    )*};
}

impl TaskError {
    constructors! {
        /// [`TaskError::InvalidInput`] with this message.
        invalid_input => InvalidInput;
        /// [`TaskError::Auth`] with this message.
        auth => Auth;
        /// [`TaskError::NotFound`] with this message.
        not_found => NotFound;
        /// [`TaskError::Conflict`] with this message.
        conflict => Conflict;
        /// [`TaskError::Transient`] with this message.
        transient => Transient;
        /// [`TaskError::Permanent`] with this message.
        permanent => Permanent;
        /// [`TaskError::Ambiguous`] with this message.
        ambiguous => Ambiguous;
    }

    /// [`TaskError::RateLimited`], to be tried again not before `retry_after_ms` milliseconds.
    #[must_use]
    pub fn rate_limited(message: impl Into<String>, retry_after_ms: Option<u64>) -> Self {
        Self::RateLimited(RateLimit { message: message.into(), retry_after_ms })
    }

    /// The same with a stable code for documents to branch on. A rate limit has none.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        if let Some(failure) = self.failure_mut() {
            failure.code = Some(code.into());
        }
        self
    }

    /// The stable code, where one was set.
    #[must_use]
    pub fn code_str(&self) -> Option<&str> {
        self.failure().and_then(|f| f.code.as_deref())
    }

    /// The message for people.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::RateLimited(limit) => &limit.message,
            other => other.failure().map_or("", |f| &f.message),
        }
    }

    /// The variant's name as in the plugin contract: `invalid-input`, `rate-limited`…
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidInput(_) => "invalid-input",
            Self::Auth(_) => "auth",
            Self::NotFound(_) => "not-found",
            Self::Conflict(_) => "conflict",
            Self::RateLimited(_) => "rate-limited",
            Self::Transient(_) => "transient",
            Self::Permanent(_) => "permanent",
            Self::Ambiguous(_) => "ambiguous",
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::InvalidInput(f)
            | Self::Auth(f)
            | Self::NotFound(f)
            | Self::Conflict(f)
            | Self::Transient(f)
            | Self::Permanent(f)
            | Self::Ambiguous(f) => Some(f),
            Self::RateLimited(_) => None,
        }
    }

    fn failure_mut(&mut self) -> Option<&mut Failure> {
        match self {
            Self::InvalidInput(f)
            | Self::Auth(f)
            | Self::NotFound(f)
            | Self::Conflict(f)
            | Self::Transient(f)
            | Self::Permanent(f)
            | Self::Ambiguous(f) => Some(f),
            Self::RateLimited(_) => None,
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind(), self.message())
    }
}

impl std::error::Error for TaskError {}
