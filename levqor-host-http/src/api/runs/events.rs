//! `GET /api/v1/runs/{run}/events`: a run's journal as server-sent events, while it is written.
//!
//! ```text
//!  id: 7                      the record's number, on the last event of a record
//!  event: step.succeeded      the event's name
//!  data: {"seq":7,"at":…,"event":{…}}
//! ```
//! Read from the journal alone: a hint that is lost costs a moment, never an event. Who reconnects
//! with `Last-Event-ID` goes on after the last whole record.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use levqor_core::engine::Error as EngineError;
use levqor_core::ids::{Organization, RunId};
use levqor_core::pipeline::Pipeline;
use levqor_core::run::JournalRecord;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::event;
use crate::app::App;
use crate::caller::{Scope, authenticate};
use crate::http::{Answer, Call, EXACT_MAX, Head, Json, Payload, Problem, Time};
use crate::limits::{STREAM_KEEP_ALIVE, STREAM_PAGE, STREAM_POLL};
use crate::route::{Route, Tag};
use crate::watch::Follower;

const MEDIA: &str = "text/event-stream";
/// How long a client waits before it comes again, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";
const COMMENT: &str = ":\n\n";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/runs/{run}/events", "run_events", Tag::Runs)
            .scope(Scope::RunsRead)
            .about("Follow a run: its journal as server-sent events, until `run.finished`")
            .header("Last-Event-ID", "go on after the record of this number")
            .answers_media(StatusCode::OK, MEDIA, "events as they happen")
            .answers_media(StatusCode::NO_CONTENT, "", "the run has ended and all of it was seen")
            .to(events),
    ]
}

/// Where the stream begins.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// After the record of this number; from the start where absent. `Last-Event-ID` goes first.
    #[serde(default)]
    after: Option<u64>,
}

async fn events(app: App, call: Call<(), Json<EventsQuery>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::RunsRead)?;
    let run = call.run()?;
    let after = call.query.0.after;
    if after.is_some_and(|after| after > EXACT_MAX.unsigned_abs()) {
        let detail = "`after` is larger than any record's number";
        return Err(Problem::bad_request("request.query", detail));
    }
    let from = match (last_event_id(&call.head)?, after) {
        (Some(seen), _) | (None, Some(seen)) => seen.saturating_add(1),
        (None, None) => 0,
    };
    let summary = app.engine.summary(organization, run).await?;
    if summary.status.is_final() && from >= summary.seq {
        // What tells a browser not to come again.
        return Ok(Answer::nothing());
    }
    let pipeline = app.engine.version(organization, summary.version).await.ok();
    let following = Following {
        follower: app.watch.follow(run, &caller.limit_key())?,
        app,
        head: call.head.clone(),
        organization: organization.clone(),
        run,
        pipeline,
        next: from,
        begun: false,
        ended: false,
    };
    let body = Body::from_stream(stream::unfold(following, Following::step));
    let answer = Answer::of(StatusCode::OK, Payload::Stream(MEDIA, body));
    // A proxy that gathers an answer before it hands it on would hold every event back.
    let buffering = HeaderName::from_static("x-accel-buffering");
    Ok(answer.with(buffering, HeaderValue::from_static("no")))
}

fn last_event_id(head: &Head) -> Result<Option<u64>, Problem> {
    let Some(value) = head.headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let detail = "`Last-Event-ID` is the number of a record";
    number.map(Some).ok_or_else(|| Problem::bad_request("request.last_event_id", detail))
}

/// A stream under way.
struct Following {
    follower: Follower,
    app: App,
    head: Arc<Head>,
    organization: Organization,
    run: RunId,
    pipeline: Option<Arc<Pipeline>>,
    next: u64,
    begun: bool,
    ended: bool,
}

impl Following {
    /// The next piece of the stream, as soon as there is one; `None` at the end.
    async fn step(mut self) -> Option<(Result<Bytes, std::io::Error>, Self)> {
        if self.ended || self.app.stopping.is_cancelled() {
            return None;
        }
        if !self.begun {
            self.begun = true;
            return Some((Ok(RETRY.into()), self));
        }
        match self.read().await {
            Ok(Some(text)) => return Some((Ok(text.into()), self)),
            Ok(None) if self.ended => return None,
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(run = %self.run, code = error.code(), "an event stream ends");
                return None;
            }
        }
        // Runs of a shared store may be driven by a host whose hints do not reach this one.
        let shared = self.app.engine.store().is_shared();
        let nap = if shared { STREAM_POLL } else { STREAM_KEEP_ALIVE };
        let stopping = self.app.stopping.clone();
        let is_over = tokio::select! {
            () = stopping.cancelled() => true,
            () = self.follower.grown() => false,
            () = tokio::time::sleep(nap) => !self.may_still().await,
        };
        if is_over { None } else { Some((Ok(COMMENT.into()), self)) }
    }

    /// What the journal has got since; sets `ended` when nothing follows.
    async fn read(&mut self) -> Result<Option<String>, EngineError> {
        let page =
            self.app.engine.journal_page(&self.organization, self.run, self.next, STREAM_PAGE);
        let page = page.await?;
        let Some((last, _)) = page.records.last() else {
            self.ended = page.status.is_final();
            return Ok(None);
        };
        self.next = last + 1;
        self.ended = page.status.is_final() && page.is_whole;
        let mut text = String::new();
        for (seq, record) in &page.records {
            write(&mut text, *seq, record, self.pipeline.as_deref());
        }
        Ok(Some(text))
    }

    /// Whether the credential is still good: a revoked one must not look on.
    async fn may_still(&self) -> bool {
        let caller = authenticate::caller(&self.app, &self.head).await;
        caller.ok().flatten().is_some_and(|caller| caller.may(Scope::RunsRead).is_ok())
    }
}

fn write(text: &mut String, seq: u64, record: &JournalRecord, pipeline: Option<&Pipeline>) {
    let last = record.events.len().saturating_sub(1);
    for (at, found) in record.events.iter().enumerate() {
        let members = event::view(found, pipeline);
        // On the last event only: who is cut off within a record gets the record again.
        if at == last {
            text.push_str(&format!("id: {seq}\n"));
        }
        text.push_str(&format!("event: {}\n", event::name(&members)));
        // JSON of one line: no value can end it early.
        let data = json!({ "seq": seq, "at": Time(record.at), "event": members });
        text.push_str(&format!("data: {data}\n\n"));
    }
}

#[cfg(test)]
mod tests {
    use levqor_core::run::Event;
    use levqor_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_record_carries_its_number_on_its_last_event_and_no_value_breaks_a_line() {
        let step = |step: &str| Event::StepSkipped { at: vec![0], step: step.into() };
        let events = vec![step("a\n\ndata: x"), step("b")];
        let record = JournalRecord { v: 1, at: Timestamp(0), epoch: 0, events };
        let mut text = String::new();
        write(&mut text, 7, &record, None);
        let blocks: Vec<&str> = text.trim_end().split("\n\n").collect();
        assert_eq!(blocks.len(), 2, "{text}");
        assert!(blocks[0].starts_with("event: step.skipped\ndata: {"), "{text}");
        assert!(blocks[1].starts_with("id: 7\nevent: step.skipped\n"), "{text}");
    }
}
