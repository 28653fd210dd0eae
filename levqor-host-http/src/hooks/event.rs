//! From a request whose signature holds to the `event` of a trigger. Pure.
//!
//! ```text
//!  { id, type, headers, body, received_at }
//! ```
//! `id` is what a repetition of the same delivery carries again:
//!
//! | scheme | id |
//! |---|---|
//! | stripe | the event's `id` |
//! | slack | `event_id`; of commands and clicks, which have none, the hash of what was signed |
//! | telegram | `update_id` |
//! | github | `X-GitHub-Delivery` |
//! | standard | `webhook-id` |
//! | twilio | the hash of what was signed: address and fields |
//! | hmac | the header that `id_header` names, else the hash of what was signed |
//!
//! The hash of what was signed covers the time, where a scheme has one, and the body.

use axum::http::HeaderMap;
use levqor_core::time::Timestamp;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::Scheme;
use super::verify::{Arrived, Proof};
use crate::http::{Problem, read_json};

/// Longest id or type that is taken from a body.
const WORD_LEN_MAX: usize = 128;
/// Headers that go into the event, beside the vendor's own.
const HEADERS: [&str; 4] = ["content-type", "user-agent", "webhook-id", "svix-id"];
/// What the vendors' own headers begin with.
const VENDOR_HEADERS: [&str; 2] = ["x-github-", "x-slack-"];
/// Words in a header's name that say that its value is a secret, or as good as one.
const SECRET_WORDS: [&str; 3] = ["signature", "token", "secret"];

/// What a believed request is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Something happened: a run starts.
    Event,
    /// The sender asks whether we are there, and wants this text back. No run.
    Challenge(String),
    /// The sender tries the line. No run.
    Ping,
}

/// A believed request.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) kind: Kind,
    /// What a repetition carries again.
    pub(crate) id: String,
    /// What happened, in the vendor's word; empty where it has none.
    pub(crate) what: String,
    /// What the trigger's templates see.
    pub(crate) event: Value,
}

/// Reads a believed request.
///
/// # Errors
/// `webhook.body` where the body is neither JSON, a form, nor text.
pub(crate) fn read(
    scheme: &Scheme,
    arrived: &Arrived<'_>,
    proof: &Proof,
) -> Result<Delivery, Problem> {
    let body = body_of(scheme, arrived)?;
    let kind = kind_of(scheme, arrived.headers, &body);
    let id = proof.id.clone().or_else(|| id_of(scheme, &body));
    let id = id.unwrap_or_else(|| format!("sha256-{}", proof.signed));
    let what = type_of(scheme, arrived.headers, &body);
    let event = json!({
        "id": id,
        "type": if what.is_empty() { Value::Null } else { what.clone().into() },
        "headers": headers_of(arrived.headers),
        "body": body,
        "received_at": time_of(arrived.now),
    });
    Ok(Delivery { kind, id, what, event })
}

fn time_of(now: Timestamp) -> Value {
    now.to_jiff().map_or(Value::Null, |moment| moment.to_string().into())
}

fn body_of(scheme: &Scheme, arrived: &Arrived<'_>) -> Result<Value, Problem> {
    let media = text(arrived.headers, "content-type").to_ascii_lowercase();
    let media = media.split(';').next().unwrap_or_default().trim();
    if arrived.body.is_empty() {
        return Ok(Value::Null);
    }
    if media == "application/x-www-form-urlencoded" {
        return Ok(form(scheme, arrived.body));
    }
    if media == "application/json" || media.ends_with("+json") || media.is_empty() {
        let refused = |p: Problem| Problem::invalid("webhook.body", p.detail().to_owned());
        return read_json(arrived.body).map_err(refused);
    }
    match std::str::from_utf8(arrived.body) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(Problem::invalid("webhook.body", "the body is neither JSON, form nor text")),
    }
}

/// A form as an object of texts; a field that is there more than once is a list.
fn form(scheme: &Scheme, bytes: &[u8]) -> Value {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        let value = Value::from(value.into_owned());
        match fields.get_mut(&*name) {
            None => drop(fields.insert(name.into_owned(), value)),
            Some(Value::Array(all)) => all.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    // Slack puts the JSON of clicks and dialogs into one field of a form.
    if *scheme == Scheme::Slack
        && let Some(payload) = fields.get_mut("payload")
        && let Some(read) = payload.as_str().and_then(|text| read_json(text.as_bytes()).ok())
    {
        *payload = read;
    }
    Value::Object(fields)
}

fn kind_of(scheme: &Scheme, headers: &HeaderMap, body: &Value) -> Kind {
    match scheme {
        Scheme::Slack if body["type"] == "url_verification" => {
            Kind::Challenge(body["challenge"].as_str().unwrap_or_default().to_owned())
        }
        Scheme::Github if text(headers, "x-github-event") == "ping" => Kind::Ping,
        _ => Kind::Event,
    }
}

fn id_of(scheme: &Scheme, body: &Value) -> Option<String> {
    match scheme {
        Scheme::Stripe => word(&body["id"]),
        Scheme::Slack => word(&body["event_id"]),
        Scheme::Telegram => body["update_id"].as_i64().map(|id| id.to_string()),
        _ => None,
    }
}

fn type_of(scheme: &Scheme, headers: &HeaderMap, body: &Value) -> String {
    let said = match scheme {
        Scheme::Github => word(&Value::from(text(headers, "x-github-event"))),
        Scheme::Slack => [&body["event"]["type"], &body["payload"]["type"], &body["command"]]
            .into_iter()
            .find_map(word)
            .or_else(|| word(&body["type"])),
        // An update has its id and one more member, named for what it is.
        Scheme::Telegram => body.as_object().and_then(|update| {
            update.keys().find(|key| *key != "update_id").map(|key| key.chars().take(64).collect())
        }),
        _ => word(&body["type"]),
    };
    said.unwrap_or_default()
}

/// A short visible text.
fn word(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let good = (1..=WORD_LEN_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn headers_of(headers: &HeaderMap) -> Map<String, Value> {
    let wanted = |name: &str| {
        let vendor = VENDOR_HEADERS.iter().any(|start| name.starts_with(start));
        let secret = SECRET_WORDS.iter().any(|word| name.contains(word));
        (HEADERS.contains(&name) || vendor) && !secret
    };
    let all = headers.iter().filter(|(name, _)| wanted(name.as_str()));
    all.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use levqor_core::ids::ContentHash;

    fn delivery(scheme: &Scheme, headers: &[(&'static str, &str)], body: &str) -> Delivery {
        let headers: HeaderMap =
            headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
        let now = Timestamp(1_700_000_000_000);
        let arrived = Arrived { headers: &headers, body: body.as_bytes(), url: "", now };
        let proof = Proof { id: None, signed: ContentHash::of(body.as_bytes()) };
        read(scheme, &arrived, &proof).unwrap()
    }

    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    #[test]
    fn each_vendor_says_what_happened_and_which_delivery_it_is() {
        let table = [
            (
                Scheme::Stripe,
                JSON,
                r#"{"id":"evt_1","type":"charge.failed"}"#,
                "evt_1",
                "charge.failed",
            ),
            (
                Scheme::Slack,
                JSON,
                r#"{"event_id":"Ev1","type":"event_callback","event":{"type":"message"}}"#,
                "Ev1",
                "message",
            ),
            (Scheme::Telegram, JSON, r#"{"update_id":7,"message":{}}"#, "7", "message"),
            (Scheme::Slack, FORM, "command=%2Fdo&text=x", "sha256-", "/do"),
            (
                Scheme::Slack,
                FORM,
                "payload=%7B%22type%22%3A%22block_actions%22%7D",
                "sha256-",
                "block_actions",
            ),
            (Scheme::Twilio, FORM, "MessageSid=SM1&Body=hi", "sha256-", ""),
            (Scheme::Stripe, JSON, r#"{"id":7}"#, "sha256-", ""),
        ];
        for (scheme, media, body, id, what) in table {
            let read = delivery(&scheme, &[media], body);
            assert!(read.id.starts_with(id), "{body}: {}", read.id);
            assert_eq!(read.what, what, "{body}");
            assert_eq!(read.event["id"], read.id);
            assert_eq!(read.kind, Kind::Event);
        }
    }

    #[test]
    fn no_secret_of_a_header_gets_into_the_event() {
        let headers = [
            JSON,
            ("x-github-event", "push"),
            ("x-hub-signature-256", "sha256=CANARY"),
            ("x-slack-signature", "v0=CANARY"),
            ("x-telegram-bot-api-secret-token", "CANARY"),
            ("authorization", "Bearer CANARY"),
            ("cookie", "a=CANARY"),
        ];
        let read = delivery(&Scheme::Github, &headers, "{}");
        assert!(!read.event.to_string().contains("CANARY"), "{}", read.event);
        assert_eq!(read.event["headers"]["x-github-event"], "push");
        assert_eq!(
            (read.what.as_str(), read.event["received_at"].as_str()),
            ("push", Some("2023-11-14T22:13:20Z"))
        );
    }

    #[test]
    fn what_asks_whether_we_are_there_is_no_event() {
        let asks = r#"{"type":"url_verification","challenge":"c1","token":"t"}"#;
        assert_eq!(delivery(&Scheme::Slack, &[JSON], asks).kind, Kind::Challenge("c1".to_owned()));
        let ping = delivery(&Scheme::Github, &[JSON, ("x-github-event", "ping")], "{}");
        assert_eq!(ping.kind, Kind::Ping);
        assert_eq!(delivery(&Scheme::Stripe, &[JSON], asks).kind, Kind::Event);
    }

    #[test]
    fn bodies_are_json_forms_or_text() {
        let form = delivery(&Scheme::Twilio, &[FORM], "a=1&b=2&a=3");
        assert_eq!(form.event["body"], json!({ "a": ["1", "3"], "b": "2" }));
        let plain = delivery(&Scheme::Standard, &[("content-type", "text/plain")], "hello");
        assert_eq!(plain.event["body"], "hello");
        assert_eq!(delivery(&Scheme::Standard, &[], "").event["body"], Value::Null);
        let now = Timestamp(0);
        let headers: HeaderMap =
            [("content-type".parse().unwrap(), "application/json".parse().unwrap())]
                .into_iter()
                .collect();
        let proof = Proof { id: None, signed: ContentHash::of(b"") };
        for bad in [&br#"{"a":1,"a":2}"#[..], b"{", b"\xff"] {
            let arrived = Arrived { headers: &headers, body: bad, url: "", now };
            assert_eq!(read(&Scheme::Stripe, &arrived, &proof).unwrap_err().code(), "webhook.body");
        }
    }
}
