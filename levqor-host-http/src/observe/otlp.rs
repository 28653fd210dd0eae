//! Traces to a collector: spans of requests, runs and calls as OTLP over HTTP, in JSON.
//!
//! They go the same way out as everything else, in batches, from a bounded queue: a collector that
//! is slow or gone costs spans, never a request or a run. The exporters that there are dial by
//! themselves, past the egress checks, and bring gRPC's types for what is one JSON document.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use levqor_connectors::egress::{Egress, Method, Policy, Request};
use levqor_core::engine::{Called, RunEnded};
use levqor_core::ids::RunId;
use levqor_core::run::RunStatus;
use levqor_core::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use super::trace::{Trace, random_span, read};

/// Spans that wait to be sent; more are lost.
const QUEUE_MAX: usize = 4_096;
/// Spans of one request to the collector.
const BATCH_MAX: usize = 512;
/// How long a span waits for others.
const GATHER_TIME: Duration = Duration::from_secs(2);
/// For one request to the collector.
const SEND_TIME: Duration = Duration::from_secs(10);

/// Where spans are put; a cheap clone. Nowhere, until somebody sends them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans(Arc<OnceLock<mpsc::Sender<Value>>>);

impl Spans {
    /// From now on to whoever reads this.
    pub(crate) fn send_away(&self) -> Option<mpsc::Receiver<Value>> {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        self.0.set(sender).ok().map(|()| receiver)
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.get().is_some()
    }

    fn put(&self, span: impl FnOnce() -> Value) {
        if let Some(sender) = self.0.get() {
            let _ = sender.try_send(span());
        }
    }

    pub(super) fn request(
        &self,
        trace: &Trace,
        route: &str,
        method: &str,
        status: u16,
        took: Duration,
    ) {
        self.put(|| {
            let end = nanoseconds(jiff::Timestamp::now());
            let place = (&*trace.trace, &*trace.span, trace.parent.as_deref().unwrap_or_default());
            let attributes = json!([
                text("http.route", route),
                text("http.request.method", method),
                number("http.response.status_code", i64::from(status)),
            ]);
            let times = (end - took.as_nanos() as i128, end);
            span(place, &format!("{method} {route}"), 2, times, attributes, status >= 500)
        });
    }

    pub(super) fn run(&self, end: &RunEnded<'_>) {
        self.put(|| {
            let (trace, parent) = place_of(end.run, end.traceparent);
            let failed = end.status != RunStatus::Succeeded;
            let attributes = json!([
                text("levqor.run", &end.run.to_string()),
                text("levqor.pipeline", end.pipeline),
                text("levqor.status", end.status.as_str()),
            ]);
            let times = (at(end.created), at(end.ended));
            let place = (&*trace, &*span_of(end.run), &*parent);
            span(place, &format!("run {}", end.pipeline), 1, times, attributes, failed)
        });
    }

    pub(super) fn call(&self, call: &Called<'_>) {
        self.put(|| {
            let (trace, _) = place_of(call.run, call.traceparent);
            let attributes = json!([
                text("levqor.run", &call.run.to_string()),
                text("levqor.step", call.step),
                number("levqor.attempt", i64::from(call.attempt)),
                text("error.type", call.error_kind().map_or("", |kind| kind.as_str())),
            ]);
            let times = (at(call.began), at(call.began.plus_ms(call.took_ms)));
            let name = format!("{}/{}", call.connector, call.action);
            let place = (&*trace, &*random_span(), &*span_of(call.run));
            span(place, &name, 3, times, attributes, call.error_kind().is_some())
        });
    }
}

/// A run's trace and the span it was started from: its own trace where it was started in none.
fn place_of(run: RunId, traceparent: Option<&str>) -> (String, String) {
    match traceparent.and_then(read) {
        Some((trace, parent, _)) => (trace.to_owned(), parent.to_owned()),
        None => (format!("{:032x}", run.as_u128()), String::new()),
    }
}

/// A run's span, the same for whoever asks.
fn span_of(run: RunId) -> String {
    format!("{:016x}", run.as_u128() as u64 | 1)
}

fn at(time: Timestamp) -> i128 {
    i128::from(time.as_millis()) * 1_000_000
}

fn nanoseconds(time: jiff::Timestamp) -> i128 {
    time.as_nanosecond()
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: i64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn span(
    (trace, id, parent): (&str, &str, &str),
    name: &str,
    kind: u8,
    (start, end): (i128, i128),
    attributes: Value,
    failed: bool,
) -> Value {
    json!({
        "traceId": trace,
        "spanId": id,
        "parentSpanId": parent,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": start.to_string(),
        "endTimeUnixNano": end.to_string(),
        "attributes": attributes,
        "status": { "code": if failed { 2 } else { 0 } },
    })
}

/// Where spans go: the collector's address, as `http://127.0.0.1:4318`.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    endpoint: String,
    policy: Policy,
}

impl Collector {
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let wrong = || "otlp_url is a collector's address, as http://127.0.0.1:4318".to_owned();
        let url = Url::parse(text).map_err(|_| wrong())?;
        let host = url.host_str().ok_or_else(wrong)?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() {
            return Err(wrong());
        }
        let mut policy = Policy::for_hosts(vec![host.parse().map_err(|_| wrong())?]);
        policy.http = url.scheme() == "http";
        policy.ports.extend(url.port());
        // The operator named it: it may stand in a network of their own.
        policy.private = ["0.0.0.0/0", "::/0"].iter().filter_map(|net| net.parse().ok()).collect();
        let endpoint = format!("{}/v1/traces", text.trim_end_matches('/'));
        Ok(Self { endpoint, policy })
    }
}

/// Sends what is put, in batches, until nobody puts any more.
pub(crate) async fn send_all(egress: Egress, to: Collector, mut spans: mpsc::Receiver<Value>) {
    let mut batch = Vec::new();
    while spans.recv_many(&mut batch, BATCH_MAX).await > 0 {
        if batch.len() < BATCH_MAX {
            tokio::time::sleep(GATHER_TIME).await;
            while batch.len() < BATCH_MAX {
                let Ok(span) = spans.try_recv() else { break };
                batch.push(span);
            }
        }
        let count = batch.len();
        let mut request = Request::new(Method::Post, to.endpoint.clone());
        request.headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        request.body = Some(document(std::mem::take(&mut batch)).to_string().into_bytes());
        match egress.send(&to.policy, &request, SEND_TIME).await {
            Ok(response) if (200..300).contains(&response.status) => {}
            Ok(response) => tracing::warn!(count, status = response.status, "spans were refused"),
            Err(error) => tracing::warn!(count, code = error.code(), "spans were not sent"),
        }
    }
}

fn document(spans: Vec<Value>) -> Value {
    json!({ "resourceSpans": [{
        "resource": { "attributes": [
            text("service.name", "levqor"),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ] },
        "scopeSpans": [{ "scope": { "name": "levqor-host-http" }, "spans": spans }],
    }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runs_spans_hang_together() {
        let run = RunId::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdee);
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (trace, parent) = place_of(run, Some(given));
        assert_eq!((&*trace, &*parent), ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"));
        let (trace, parent) = place_of(run, None);
        assert_eq!((&*trace, &*parent), ("0123456789abcdef0123456789abcdee", ""));
        assert_eq!(span_of(run), "0123456789abcdef");
    }

    #[test]
    fn nothing_is_put_while_nobody_sends() {
        let spans = Spans::default();
        spans.put(|| unreachable!("no span is made"));
        let mut read = spans.send_away().unwrap();
        assert!(spans.send_away().is_none());
        spans.put(|| json!(1));
        assert_eq!(read.try_recv().unwrap(), json!(1));
    }

    #[test]
    fn a_collector_is_an_address() {
        let collector = Collector::new("http://127.0.0.1:4318/").unwrap();
        assert_eq!(collector.endpoint, "http://127.0.0.1:4318/v1/traces");
        for wrong in ["", "127.0.0.1:4318", "ftp://h", "http://u:p@h"] {
            assert!(Collector::new(wrong).is_err(), "{wrong}");
        }
    }
}
