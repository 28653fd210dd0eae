//! The same request with the same `Idempotency-Key` is done once and answered alike.
//!
//! ```text
//!  dispatch: begin ─┬▶ bad key 400 · in flight 409 · other body 422 · answered before: the answer
//!                   └▶ handler ─▶ Desk::answered(change, answer): effect + answer, one commit
//! ```
//! The record of what was answered is in the commit of the effect: there is no moment at which one
//! stands without the other. So only what changed something is kept; a refusal changed nothing, and
//! the same request is decided again.
//!
//! A secret that an answer shows once is not kept: the same answer shows `null` in its place, and a
//! new secret comes by rotation. What a run's start answers is the engine's to keep, with the run.

use std::collections::HashSet;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use levqor_core::ids::Organization;
use levqor_core::store::CommitError;
use levqor_core::time::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Change, Desk, Record, Room, key_of};
use crate::caller::Caller;
use crate::http::{Answer, Head, Payload, Problem};

/// How long an answer is kept: a client that was cut off tries again within a day.
const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
/// Longest key; what a header carries beside it is the client's.
const KEY_LEN_MAX: usize = 255;
/// Records that one commit of the sweeper removes: two keys each, far below a batch's bound.
const SWEEP_MAX: u32 = 256;
/// When a request that is in flight is worth another try, in seconds.
const RETRY_SECONDS: u64 = 1;
/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The header of the key.
const KEY_HEADER: &str = "idempotency-key";

/// What was answered to a keyed request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// SHA-256 of the request's body.
    body: String,
    status: u16,
    /// The answer's JSON, its secrets blanked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// Until when it is kept at least.
    until: Timestamp,
}

impl Record for Answered {
    const ROOM: Room = Room::Once;
}

/// A place in the list of what may go.
#[derive(Debug, Serialize, Deserialize)]
struct Due {}

impl Record for Due {
    const ROOM: Room = Room::OnceDue;
}

/// A keyed request that is being handled.
#[derive(Clone, Debug)]
pub struct Once {
    organization: Organization,
    /// SHA-256 of method, path and key.
    place: String,
    /// SHA-256 of the body.
    body: String,
    until: Timestamp,
    _flight: Arc<Flight>,
}

/// What a keyed request comes to before its handler.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is new: handle it.
    New(Once),
    /// It was answered before.
    Again(Answer),
}

/// Requests in flight in this process. Two hosts on one store meet in the commit instead.
pub(super) type Flights = Arc<Mutex<HashSet<(Organization, String)>>>;

#[derive(Debug)]
struct Flight {
    all: Flights,
    place: (Organization, String),
}

impl Flight {
    fn take_off(all: &Flights, place: (Organization, String)) -> Result<Arc<Self>, Problem> {
        if !all.lock().insert(place.clone()) {
            let detail = "a request with the same Idempotency-Key is being handled";
            return Err(
                Problem::conflict("idempotency.in_flight", detail).retry_after(RETRY_SECONDS)
            );
        }
        Ok(Arc::new(Self { all: all.clone(), place }))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.all.lock().remove(&self.place);
    }
}

/// The key that a request carries, bare or as a quoted string.
///
/// # Errors
/// `idempotency.bad_key`.
pub(crate) fn key_in(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all(KEY_HEADER).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| all.next().is_none());
    match text.and_then(unquoted) {
        Some(key) => Ok(Some(key)),
        None => {
            let detail = format!(
                "`Idempotency-Key` is one text of 1 to {KEY_LEN_MAX} visible ASCII characters"
            );
            Err(Problem::bad_request("idempotency.bad_key", detail))
        }
    }
}

fn unquoted(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let mut key = String::with_capacity(text.len());
    let mut rest = inner.unwrap_or(text).chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' if inner.is_some() => key.push(rest.next().filter(|c| matches!(c, '"' | '\\'))?),
            '"' if inner.is_some() => return None,
            c if c.is_ascii_graphic() => key.push(c),
            _ => return None,
        }
    }
    (1..=KEY_LEN_MAX).contains(&key.len()).then_some(key)
}

fn hex(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length: no two lists of parts are the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize())
}

impl Answered {
    fn of(once: &Once, answer: &Answer) -> Self {
        let text = |name: HeaderName| {
            let value = answer.headers().iter().find(|(n, _)| *n == name);
            value.and_then(|(_, value)| value.to_str().ok()).map(str::to_owned)
        };
        Self {
            body: once.body.clone(),
            status: answer.status().as_u16(),
            answer: answer.json_blanked(),
            location: text(header::LOCATION),
            etag: text(header::ETAG),
            until: once.until,
        }
    }

    /// The answer again, to a request with this body.
    fn again(self, body: &str) -> Result<Answer, Problem> {
        if self.body != body {
            let detail = "the Idempotency-Key was used with another body";
            return Err(Problem::invalid("idempotency.reused", detail));
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let payload = match &self.answer {
            Some(value) => Payload::Json(serde_json::to_vec(value).unwrap_or_default().into()),
            None => Payload::Empty,
        };
        let mut answer =
            Answer::of(status, payload).with(REPLAYED, HeaderValue::from_static("true"));
        for (name, text) in [(header::LOCATION, self.location), (header::ETAG, self.etag)] {
            if let Some(text) = text {
                answer = answer.text_header(name, &text);
            }
        }
        Ok(answer)
    }
}

impl Desk {
    /// What a request with an `Idempotency-Key` comes to; `None` where it has none.
    ///
    /// # Errors
    /// `idempotency.bad_key`, `idempotency.in_flight`, `idempotency.reused`.
    pub(crate) async fn once(
        &self,
        caller: &Caller,
        head: &Head,
        body: &Bytes,
        now: Timestamp,
    ) -> Result<Option<Begun>, Problem> {
        let Some(key) = key_in(&head.headers)? else { return Ok(None) };
        let organization = caller.desk_of();
        let path = head.uri.path().as_bytes();
        let place = hex(&[head.method.as_str().as_bytes(), path, key.as_bytes()]);
        let flight = Flight::take_off(&self.flights, (organization.clone(), place.clone()))?;
        let once = Once {
            organization: organization.clone(),
            place,
            body: hex(&[body]),
            until: now.plus_ms(KEPT_MS),
            _flight: flight,
        };
        match self.answered_before(&once).await? {
            Some(answer) => Ok(Some(Begun::Again(answer))),
            None => Ok(Some(Begun::New(once))),
        }
    }

    async fn answered_before(&self, once: &Once) -> Result<Option<Answer>, Problem> {
        let parts = [once.organization.as_str(), &once.place];
        match self.get::<Answered>(&parts).await? {
            Some((record, _)) => record.again(&once.body).map(Some),
            None => Ok(None),
        }
    }

    /// Commits a change and gives back its answer. Where the request is keyed, both are in one
    /// commit, and the same request is answered alike from then on.
    ///
    /// # Errors
    /// As [`Desk::commit`].
    pub async fn answered(&self, change: Change, answer: Answer) -> Result<Answer, Problem> {
        let Some(once) = change.once().cloned() else {
            self.commit(change).await?;
            return Ok(answer);
        };
        let parts = [once.organization.as_str(), once.place.as_str()];
        let due = due_place(once.until);
        let change = change
            .insert(&parts, &Answered::of(&once, &answer))
            .put(&[&due, once.organization.as_str(), &once.place], &Due {});
        match self.store.commit(change.into_batch()).await {
            Ok(_) => Ok(answer),
            // Another host, or a request whose client had gone, was first with the same key.
            Err(CommitError::Conflict { key }) if key == key_of::<Answered>(&parts) => {
                let before = self.answered_before(&once).await?;
                before.ok_or_else(|| CommitError::Conflict { key }.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes some of the answers whose time is over; whether there may be more.
    ///
    /// # Errors
    /// When the store cannot be read or does not take it.
    pub(crate) async fn sweep_answers(&self, now: Timestamp) -> Result<bool, Problem> {
        let old = self.list::<Due>(&[], None, SWEEP_MAX).await?;
        let is_over = |place: &String| *place < due_place(now);
        let over = old.iter().filter(|due| due.parts.first().is_some_and(is_over));
        let (mut change, mut count) = (Change::of_system(&Organization::local()), 0);
        for due in over {
            let parts: Vec<&str> = due.parts.iter().map(String::as_str).collect();
            if let [_, organization, place] = parts.as_slice() {
                change = change.forget::<Answered>(&[organization, place]);
            }
            change = change.remove::<Due>(&parts, due.revision);
            count += 1;
        }
        if count > 0 {
            self.commit(change).await?;
        }
        Ok(count == SWEEP_MAX)
    }
}

/// A moment as the first part of a key: sorts as time does.
pub(crate) fn due_place(at: Timestamp) -> String {
    format!("{:016x}", u64::try_from(at.as_millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests;
