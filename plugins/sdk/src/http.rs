//! What goes over the wire: [`Method`], [`Auth`], [`Request`], [`HttpError`]. Plain data, the same
//! natively and in the sandbox. Nothing here sends: the host does, after checking.

use crate::error::TaskError;

/// HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads without a body.
    Head,
    /// Creates or does.
    Post,
    /// Sets.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
    /// Asks what is possible.
    Options,
}

impl Method {
    /// Whether repeating it is harmless by HTTP's own rules. PUT and DELETE are not counted:
    /// vendors disagree.
    #[must_use]
    pub fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }

    /// In capitals.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// A place for a credential's value: the host fills it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Name of the header or query parameter, or the text that is replaced in path or body.
    pub place: String,
    /// Name of the credential, from the manifest.
    pub credential: String,
}

/// Which credential the host fills in, and where. Names only, never a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// None.
    #[default]
    None,
    /// `Authorization: Bearer …`
    Bearer(String),
    /// `Authorization: Basic …` from the credential's user and password.
    Basic(String),
    /// In the header of this name.
    Header(Placed),
    /// In the query parameter of this name.
    Query(Placed),
    /// In the URL's path, wherever this text stands in it.
    Path(Placed),
    /// In the body, wherever this text stands in it.
    Body(Placed),
    /// The host signs the body and puts the hexadecimal digest in this header.
    HmacSha256(Placed),
}

impl Auth {
    /// The credential's name, where there is one.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Bearer(name) | Self::Basic(name) => Some(name),
            Self::Header(p)
            | Self::Query(p)
            | Self::Path(p)
            | Self::Body(p)
            | Self::HmacSha256(p) => Some(&p.credential),
        }
    }
}

/// One request as the host gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: String,
    /// Headers in order; values may be any bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body, if any.
    pub body: Option<Vec<u8>>,
    /// The credential to fill in.
    pub auth: Auth,
    /// Milliseconds for the whole exchange; the host's own limit where absent.
    pub timeout_ms: Option<u32>,
    /// Whether the host follows redirects, checking each.
    pub follow_redirects: bool,
}

impl Request {
    /// A request without headers, body and credential.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: None,
            auth: Auth::None,
            timeout_ms: None,
            follow_redirects: false,
        }
    }

    /// The host in the URL, lowercase and without port; empty if there is none.
    #[must_use]
    pub fn host(&self) -> String {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let end =
            if host.starts_with('[') { host.find(']').map(|i| i + 1) } else { host.find(':') };
        host.get(..end.unwrap_or(host.len())).unwrap_or_default().to_ascii_lowercase()
    }
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The operator's policy forbids it.
    Denied(String),
    /// The request itself is wrong.
    InvalidRequest(String),
    /// No such credential, or not granted.
    UnknownCredential(String),
    /// The name does not resolve. Nothing was sent.
    Dns(String),
    /// No connection. Nothing was sent.
    Connect(String),
    /// No trust. Nothing was sent.
    Tls(String),
    /// Nothing was sent in time.
    Timeout,
    /// More bytes than the limit, which this is.
    ResponseTooLarge(u64),
    /// The answer is not HTTP.
    Protocol(String),
    /// It was sent and no whole answer came: it may have happened.
    SentWithoutAnswer(String),
}

impl HttpError {
    /// What it means for the step. `repeatable` says whether sending again does no harm: then not
    /// knowing is only a reason to try again.
    #[must_use]
    pub fn into_task_error(self, host: &str, repeatable: bool) -> TaskError {
        match self {
            Self::Denied(why) => {
                TaskError::permanent(format!("not allowed to call {host}: {why}")).code("denied")
            }
            Self::InvalidRequest(why) => {
                TaskError::invalid_input(format!("cannot be sent: {why}")).code("invalid_request")
            }
            Self::UnknownCredential(name) => {
                TaskError::auth(format!("no credential `{name}` is connected"))
                    .code("unknown_credential")
            }
            Self::Dns(why) => {
                TaskError::transient(format!("{host} does not resolve: {why}")).code("dns")
            }
            Self::Connect(why) => {
                TaskError::transient(format!("no connection to {host}: {why}")).code("connect")
            }
            Self::Tls(why) => {
                TaskError::transient(format!("no trust in {host}: {why}")).code("tls")
            }
            Self::Timeout => {
                TaskError::transient(format!("{host} could not be reached in time")).code("timeout")
            }
            // It was sent and carried out or not, as the status would have said: not known.
            Self::ResponseTooLarge(limit) if repeatable => {
                TaskError::permanent(format!("the answer of {host} is over {limit} bytes"))
                    .code("response_too_large")
            }
            Self::ResponseTooLarge(limit) => {
                TaskError::ambiguous(format!("the answer of {host} is over {limit} bytes"))
                    .code("response_too_large")
            }
            Self::Protocol(why) | Self::SentWithoutAnswer(why) if repeatable => {
                TaskError::transient(format!("no whole answer from {host}: {why}"))
                    .code("no_answer")
            }
            Self::Protocol(why) | Self::SentWithoutAnswer(why) => {
                TaskError::ambiguous(format!("sent to {host}, no whole answer: {why}"))
                    .code("no_answer")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HttpError, Method, Request};

    #[test]
    fn the_host_of_a_url() {
        for (url, host) in [
            ("https://Slack.com/api/x", "slack.com"),
            ("http://127.0.0.1:4010/api?x=1", "127.0.0.1"),
            ("https://user:pass@evil.example:8443", "evil.example"),
            ("https://good.example#@evil.example", "good.example"),
            ("http://[::1]:80/", "[::1]"),
            ("no url", ""),
        ] {
            assert_eq!(Request::new(Method::Get, url).host(), host, "{url}");
        }
    }

    #[test]
    fn not_knowing_is_ambiguous_unless_it_may_be_repeated() {
        let reset = || HttpError::SentWithoutAnswer("reset".into());
        assert_eq!(reset().into_task_error("h", false).kind(), "ambiguous");
        assert_eq!(reset().into_task_error("h", true).kind(), "transient");
        assert_eq!(
            HttpError::Connect("refused".into()).into_task_error("h", false).kind(),
            "transient"
        );
        assert_eq!(HttpError::ResponseTooLarge(1).into_task_error("h", false).kind(), "ambiguous");
        assert_eq!(
            HttpError::Denied("private".into()).into_task_error("h", true).kind(),
            "permanent"
        );
    }
}
