//! What a handler is called with: who asks, the path's parts, a typed query and a typed body.

mod strict;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, Method, StatusCode, Uri};
use bytes::Bytes;
use levqor_core::ids::RunId;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;

use super::object::Object;
use super::{FieldProblem, Problem};
use crate::caller::Caller;
use crate::desk::Once;

/// A request's head, and what the host learned of it before a handler was called.
#[derive(Debug)]
#[non_exhaustive]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The path and query as they were sent.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The peer's address, or the one a trusted proxy names.
    pub address: IpAddr,
    /// Whether the client spoke TLS, to us or to a trusted proxy.
    pub is_secure: bool,
    /// This request, in logs and answers.
    pub request_id: Arc<str>,
    /// The route's id, such as `start_run`.
    pub route: &'static str,
    /// Parts of the path by their names in the route.
    pub parts: HashMap<String, String>,
    /// Set where the request carries an `Idempotency-Key` and its route's writes go by the desk.
    pub once: Option<Once>,
}

/// A request as its handler sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Call<B = (), Q = ()> {
    /// The head.
    pub head: Arc<Head>,
    /// Who asks; `None` where the request carries no credential.
    pub who: Option<Caller>,
    /// The query, read.
    pub query: Q,
    /// The body, read.
    pub body: B,
}

impl<B, Q> Call<B, Q> {
    pub(crate) fn new(head: Arc<Head>, who: Option<Caller>, query: Q, body: B) -> Self {
        Self { head, who, query, body }
    }

    /// Who asks.
    ///
    /// # Errors
    /// `auth.unauthorized` where the request carries no credential.
    pub fn caller(&self) -> Result<&Caller, Problem> {
        self.who.as_ref().ok_or_else(Problem::unauthorized)
    }

    /// A part of the path; empty where the route has none of this name.
    #[must_use]
    pub fn part(&self, name: &str) -> &str {
        self.head.parts.get(name).map_or("", String::as_str)
    }

    /// A part of the path that is a run's id.
    ///
    /// # Errors
    /// `request.not_found` where it is not one: no run has such an id.
    pub fn run(&self) -> Result<RunId, Problem> {
        self.part("run").parse().map_err(|_| Problem::not_found("run"))
    }

    /// A header's text, where it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What a handler can take as its body.
pub trait Body: Sized + Send + 'static {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(head: &Head, bytes: Bytes) -> Result<Self, Problem>;
    /// Its media type and schema in the API's description; `None` where there is no body.
    fn describe(generator: &mut SchemaGenerator) -> Option<(&'static str, Schema)>;
}

/// No body is taken; one that is sent is refused.
impl Body for () {
    fn read(_head: &Head, bytes: Bytes) -> Result<Self, Problem> {
        if bytes.is_empty() {
            return Ok(());
        }
        Err(Problem::bad_request("request.body_unexpected", "this request takes no body"))
    }

    fn describe(_generator: &mut SchemaGenerator) -> Option<(&'static str, Schema)> {
        None
    }
}

/// A JSON body of this shape.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Body for Json<T> {
    fn read(head: &Head, bytes: Bytes) -> Result<Self, Problem> {
        let media = head.headers.get("content-type").and_then(|v| v.to_str().ok());
        let media = media.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is_json = media.eq_ignore_ascii_case("application/json")
            || (media.starts_with("application/") && media.ends_with("+json"));
        if !is_json {
            let detail = "send the body as `Content-Type: application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "request.media_type", detail));
        }
        read_json(&bytes).map(Self)
    }

    fn describe(generator: &mut SchemaGenerator) -> Option<(&'static str, Schema)> {
        Some(("application/json", generator.subschema_for::<T>()))
    }
}

/// Reads JSON strictly: one object, no key twice, no deeper than the engine reads, no unknown member.
pub(crate) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value = || {
        strict::read(bytes)
            .map_err(|e| Problem::bad_request("request.json", format!("the body is not JSON: {e}")))
    };
    if let Ok(object) = Object::deserialize(value()?) {
        return Ok(object.0);
    }
    // Once more, and slower, to say where it does not fit.
    let read: Result<Object<T>, _> = serde_path_to_error::deserialize(value()?);
    read.map(|object| object.0).map_err(|error| {
        let pointer = pointer_of(error.path());
        let detail = error.inner().to_string();
        let problem =
            Problem::invalid("request.invalid", format!("the body does not fit: {detail}"));
        problem.errors(vec![FieldProblem::new(&pointer, "request.invalid", detail)])
    })
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::from("#");
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            _ => {}
        }
    }
    pointer
}

/// The body's bytes as they were sent, of any media type.
#[derive(Clone, Debug)]
pub struct Raw(pub Bytes);

impl Body for Raw {
    fn read(_head: &Head, bytes: Bytes) -> Result<Self, Problem> {
        Ok(Self(bytes))
    }

    fn describe(_generator: &mut SchemaGenerator) -> Option<(&'static str, Schema)> {
        Some(("*/*", Schema::from(true)))
    }
}

/// What a handler can take as its query.
pub trait Query: Sized + Send + 'static {
    /// Reads it.
    ///
    /// # Errors
    /// `request.query` for an unknown, repeated or wrong parameter.
    fn read(uri: &Uri) -> Result<Self, Problem>;
    /// Its parameters, as the schema of an object; `None` where there are none.
    fn describe(generator: &mut SchemaGenerator) -> Option<Schema>;
}

/// No parameters; one that is sent is refused rather than ignored.
impl Query for () {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        match uri.query() {
            None | Some("") => Ok(()),
            Some(_) => {
                Err(Problem::bad_request("request.query", "this request takes no parameters"))
            }
        }
    }

    fn describe(_generator: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// Any type that `serde` reads; `#[serde(deny_unknown_fields)]` on it refuses what is unknown.
impl<T> Query for Json<T>
where
    T: DeserializeOwned + JsonSchema + Send + 'static,
{
    fn read(uri: &Uri) -> Result<Self, Problem> {
        axum::extract::Query::<T>::try_from_uri(uri)
            .map(|query| Self(query.0))
            .map_err(|e| Problem::bad_request("request.query", e.body_text()))
    }

    fn describe(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(T::json_schema(generator))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Two {
        #[expect(dead_code, reason = "only whether it is read matters")]
        a: Vec<u8>,
    }

    #[test]
    fn bodies_are_read_strictly() {
        for (text, code) in [
            (r#"{"a":[1]}"#, "ok"),
            (r#"{"a":[1],"a":[2]}"#, "request.json"),
            (r#"{"a":[1]} 1"#, "request.json"),
            (r#"{"a":[1],"b":1}"#, "request.invalid"),
            ("", "request.json"),
            ("{", "request.json"),
        ] {
            let read = read_json::<Two>(text.as_bytes());
            assert_eq!(read.err().map_or("ok".to_owned(), |p| p.code().to_owned()), code, "{text}");
        }
        let problem = read_json::<Two>(br#"{"a":[1,"x"]}"#).unwrap_err();
        assert_eq!(problem.document("r").errors[0].pointer, "#/a/1");
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read_json::<Value>(deep.as_bytes()).unwrap_err().code(), "request.json");
        let values = json!({ "a": [1, 2.5, null] });
        assert_eq!(read_json::<Value>(values.to_string().as_bytes()).unwrap(), values);
        assert_eq!(read_json::<Two>(b"[[1]]").unwrap_err().code(), "request.invalid");
    }
}
