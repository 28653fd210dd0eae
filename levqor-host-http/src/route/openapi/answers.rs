//! What a route answers: statuses, media, headers.

use axum::http::{Method, StatusCode};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::super::{Access, Route, table};
use super::parts;

/// Statuses that a route with a body may refuse with, beside the general ones.
const OF_BODY: [(&str, &str); 3] = [
    ("413", "the body is too large"),
    ("415", "the body has another media type"),
    ("422", "the body does not fit, or cannot be carried out"),
];

/// Headers of answers, by their names: what they are, and their schema.
const HEADERS: [(&str, &str, &str); 8] = [
    ("X-Request-Id", "the request, as the host's log has it", "^[A-Za-z0-9_-]{8,64}$"),
    ("RateLimit-Policy", "the limits that count this request", ""),
    ("RateLimit", "what is left of the limit that is nearest", ""),
    ("Retry-After", "seconds after which it is worth another try", "^[0-9]+$"),
    ("WWW-Authenticate", "how to authenticate", ""),
    ("Location", "where it is from now on", "^/"),
    ("ETag", "its version: send it as `If-Match` to change just this one", "^(W/)?\"[^\"]*\"$"),
    ("Idempotent-Replayed", "`true` where this answer was given before", "^true$"),
];

/// The headers' descriptions, for `components`.
pub(super) fn headers() -> Value {
    let described = HEADERS.iter().map(|(name, about, pattern)| {
        let mut schema = json!({ "type": "string" });
        if !pattern.is_empty() {
            schema["pattern"] = (*pattern).into();
        }
        ((*name).to_owned(), json!({ "description": about, "schema": schema }))
    });
    Value::Object(described.collect())
}

/// The schema of a header that requests carry.
pub(super) fn request_header(name: &str) -> Value {
    let pattern = match name.to_ascii_lowercase().as_str() {
        "idempotency-key" => "^[!-~]{1,255}$",
        // Preferences that are not known are passed over, as RFC 7240 has it.
        "prefer" => return json!({ "type": "string", "examples": ["wait=10"] }),
        // What is no tag at all in `If-None-Match`, or no trace, is passed over and not refused.
        "if-match" => "^(\\*|\"[!#-~]*\")$",
        "last-event-id" => "^[0-9]{1,15}$",
        _ => return json!({ "type": "string" }),
    };
    json!({ "type": "string", "pattern": pattern })
}

/// Everything that a route answers, by status.
pub(super) fn responses(route: &Route, problem: &Schema, generator: &mut SchemaGenerator) -> Value {
    let mut all = Map::new();
    for answer in &route.answers {
        let mut response = json!({ "description": answer.about });
        if let Some(schema) = answer.schema {
            response["content"] = json!({ answer.media: { "schema": schema(generator) } });
        } else if answer.media == "text/event-stream" {
            // A schema would be each event's, which differ.
            response["content"] = json!({ answer.media: {} });
        } else if !answer.media.is_empty() {
            response["content"] = json!({ answer.media: { "schema": { "type": "string" } } });
        }
        response["headers"] = match answer.status.as_u16() {
            400.. => named(headers_of_refusal(answer.status.as_str())),
            _ => named(&headers_of(route, answer.status)),
        };
        all.insert(answer.status.as_u16().to_string(), response);
    }
    // Asked of a generator of its own: a body is none of what goes out.
    let has_body = (route.body)(&mut SchemaGenerator::default()).is_some();
    for (status, about) in refusals(route, has_body) {
        let refusal = || {
            json!({
                "description": about,
                "content": { "application/problem+json": { "schema": problem } },
                "headers": named(headers_of_refusal(status)),
            })
        };
        all.entry(status).or_insert_with(refusal);
    }
    Value::Object(all)
}

/// The refusals of a route; the last two are for what is about every request.
fn refusals(route: &Route, has_body: bool) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("400", "the request is not understood"), ("429", "too many requests")];
    if !matches!(route.access, Access::Public) {
        all.push(("401", "no credential that is accepted"));
    }
    if matches!(route.access, Access::Scope(_)) {
        all.push(("403", "the credential lacks the scope"));
    }
    if route.path.contains('{') {
        all.push(("404", "there is no such thing, or it is another organization's"));
    }
    if has_body {
        all.extend(OF_BODY);
    }
    if route.method != Method::GET {
        all.push(("409", "not in the state that it is in"));
    }
    if route.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("if-match")) {
        all.push(("412", "somebody changed it since; read it again"));
        all.push(("428", "say with `If-Match` which version is meant"));
    }
    all.push(("4XX", "any other refusal"));
    all.push(("5XX", "the host cannot answer now; `Retry-After` says when to try again"));
    all
}

fn headers_of(route: &Route, status: StatusCode) -> Vec<&'static str> {
    let mut all = vec!["X-Request-Id"];
    if !matches!(route.access, Access::Public) {
        all.extend(["RateLimit-Policy", "RateLimit"]);
    }
    let made = status == StatusCode::CREATED || status == StatusCode::ACCEPTED;
    if made {
        all.push("Location");
    }
    if is_versioned(route.path) && status.is_success() {
        all.push("ETag");
    }
    if route.takes_key {
        all.push("Idempotent-Replayed");
    }
    all
}

fn headers_of_refusal(status: &str) -> &'static [&'static str] {
    match status {
        "401" => &["X-Request-Id", "WWW-Authenticate"],
        "429" => &["X-Request-Id", "RateLimit-Policy", "RateLimit", "Retry-After"],
        "409" | "5XX" => &["X-Request-Id", "Retry-After"],
        _ => &["X-Request-Id"],
    }
}

/// Whether what stands at a path has versions: some route of the path takes one.
fn is_versioned(path: &str) -> bool {
    let of_path = table().iter().filter(|route| route.path == path);
    let mut names = of_path.flat_map(|route| route.headers.iter());
    names.any(|(name, _)| name.to_ascii_lowercase().ends_with("-match"))
        && (path.starts_with("/docs") || parts::names(path).count() > 0 || path.ends_with(".json"))
}

fn named(headers: &[&str]) -> Value {
    let of = |name: &&str| json!({ "$ref": format!("#/components/headers/{name}") });
    Value::Object(headers.iter().map(|name| ((*name).to_owned(), of(name))).collect())
}
