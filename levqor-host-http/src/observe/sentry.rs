//! Errors to Sentry: one envelope for each report, through the same way out as everything else.
//!
//! Sentry's own client would dial by itself, past the egress checks, and bring some forty crates
//! for a format of three lines of JSON. What Sentry does not take is written to the file.

use std::str::FromStr;
use std::time::Duration;

use data_encoding::HEXLOWER;
use levqor_connectors::egress::{Egress, Method, Policy, Request};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use url::Url;

use super::errors::Errors;
use crate::caller::secret::Random;

/// For one report; the next waits meanwhile.
const SEND_TIME: Duration = Duration::from_secs(10);
/// Members of a report that are members of an event; the others are its `extra`.
const OWN: [&str; 4] = ["at", "level", "target", "message"];

/// Where reports go: `https://KEY@HOST/PROJECT`.
#[derive(Clone)]
pub(crate) struct Dsn {
    endpoint: String,
    key: String,
    policy: Policy,
}

impl FromStr for Dsn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "LEVQOR_SENTRY_DSN is https://KEY@HOST/PROJECT".to_owned();
        let url = Url::parse(text).map_err(|_| wrong())?;
        let (host, key) = (url.host_str().ok_or_else(wrong)?, url.username());
        let (before, project) = url.path().rsplit_once('/').ok_or_else(wrong)?;
        let is_web = matches!(url.scheme(), "https" | "http");
        if !is_web || key.is_empty() || project.is_empty() || url.password().is_some() {
            return Err(wrong());
        }
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let scheme = url.scheme();
        let endpoint = format!("{scheme}://{host}{port}{before}/api/{project}/envelope/");
        let pattern = host.parse().map_err(|_| wrong())?;
        let mut policy = Policy::for_hosts(vec![pattern]);
        policy.http = scheme == "http";
        policy.ports.extend(url.port());
        // The operator named it: it may stand in a network of their own.
        policy.private = ["0.0.0.0/0", "::/0"].iter().filter_map(|net| net.parse().ok()).collect();
        Ok(Self { endpoint, key: key.to_owned(), policy })
    }
}

/// Sends what is reported until nobody reports any more.
pub(crate) async fn send_all(
    egress: Egress,
    dsn: Dsn,
    mut reports: mpsc::Receiver<Map<String, Value>>,
    errors: Errors,
) {
    while let Some(report) = reports.recv().await {
        let request = request(&dsn, &report);
        let sent = egress.send(&dsn.policy, &request, SEND_TIME).await;
        let why = match sent {
            Ok(response) if (200..300).contains(&response.status) => continue,
            Ok(response) => format!("status {}", response.status),
            Err(error) => error.code().to_owned(),
        };
        // Not as an error: that would be reported in turn.
        tracing::warn!(why, "a report was not taken by Sentry; it is in errors.jsonl");
        errors.write(&report);
    }
}

fn request(dsn: &Dsn, report: &Map<String, Value>) -> Request {
    let mut request = Request::new(Method::Post, dsn.endpoint.clone());
    let auth = format!("Sentry sentry_version=7, sentry_client=levqor/0.1, sentry_key={}", dsn.key);
    request.headers = vec![
        ("content-type".to_owned(), b"application/x-sentry-envelope".to_vec()),
        ("x-sentry-auth".to_owned(), auth.into_bytes()),
    ];
    request.body = Some(envelope(report));
    request
}

fn envelope(report: &Map<String, Value>) -> Vec<u8> {
    let id = HEXLOWER.encode(&Random::bytes::<16>());
    let extra: Map<String, Value> = report
        .iter()
        .filter(|(name, _)| !OWN.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let at = report.get("at").cloned().unwrap_or_default();
    let event = json!({
        "event_id": id,
        "timestamp": at,
        "platform": "rust",
        "level": "error",
        "logger": report.get("target"),
        "release": concat!("levqor-host-http@", env!("CARGO_PKG_VERSION")),
        "logentry": { "formatted": report.get("message") },
        "extra": extra,
    });
    let event = event.to_string();
    let item =
        json!({ "type": "event", "content_type": "application/json", "length": event.len() });
    format!("{}\n{item}\n{event}\n", json!({ "event_id": id, "sent_at": at })).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_is_read_and_its_key_is_in_no_refusal() {
        let dsn: Dsn = "https://abc@o1.ingest.sentry.io/42".parse().unwrap();
        assert_eq!(dsn.endpoint, "https://o1.ingest.sentry.io/api/42/envelope/");
        assert_eq!(dsn.key, "abc");
        let own: Dsn = "http://abc@127.0.0.1:9000/sub/7".parse().unwrap();
        assert_eq!(own.endpoint, "http://127.0.0.1:9000/sub/api/7/envelope/");
        for wrong in ["", "abc", "https://h/1", "https://KEYKEY@h/", "ftp://KEYKEY@h/1"] {
            let refused = wrong.parse::<Dsn>().err().unwrap();
            assert!(!refused.contains("KEYKEY"), "{refused}");
        }
    }

    #[test]
    fn an_envelope_is_three_lines_of_json() {
        let report = json!({
            "at": "2026-11-26T03:00:00.000Z", "message": "two\nlines", "code": "x.y", "level": "error",
        });
        let text = String::from_utf8(envelope(report.as_object().unwrap())).unwrap();
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1]["length"], text.lines().nth(2).unwrap().len());
        assert_eq!(lines[2]["logentry"]["formatted"], "two\nlines");
        assert_eq!(lines[2]["extra"], json!({ "code": "x.y" }));
        assert_eq!(lines[2]["event_id"], lines[0]["event_id"]);
    }
}
