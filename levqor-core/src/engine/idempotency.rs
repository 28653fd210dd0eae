//! Idempotency keys: the same key with the same request starts one run only.
//!
//! What it is not: the stable key of a step's calls, which is the run's.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::start::Start;
use super::{Inner, codec};
use crate::error::{ErrorKind, RunError};
use crate::ids::{ContentHash, Organization, RunId};
use crate::limits;
use crate::store::{Batch, Key, Table};
use crate::time::Timestamp;

/// A host's request with its idempotency key: the key is good for this one request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyedRequest {
    /// What the key is of, such as a route: keys of two scopes never meet.
    pub scope: String,
    /// The key as the caller chose it.
    pub key: String,
    /// The hash of all that the request says.
    pub fingerprint: ContentHash,
}

impl KeyedRequest {
    /// The request of `scope` under `key`.
    #[must_use]
    pub fn new(scope: impl Into<String>, key: impl Into<String>, fingerprint: ContentHash) -> Self {
        Self { scope: scope.into(), key: key.into(), fingerprint }
    }
}

/// What an idempotency key started.
#[derive(Debug, Serialize, Deserialize)]
struct KeyRecord {
    v: u8,
    run: RunId,
    fingerprint: ContentHash,
    at: Timestamp,
}

/// When an idempotency key was first used.
pub(crate) fn key_time(value: &crate::store::Value) -> Result<Timestamp, Error> {
    Ok(codec::read::<KeyRecord>(value, "idempotency key")?.at)
}

/// The run that this key has started, whatever it was used for.
pub(super) async fn run_of(
    inner: &Inner,
    organization: &Organization,
    key: &str,
) -> Result<Option<RunId>, Error> {
    let key = Key::of(Table::Idempotency).text(organization.as_str()).text(key);
    let found = inner.store.get(std::slice::from_ref(&key)).await?.pop().flatten();
    let read = |r: crate::store::Record| codec::read::<KeyRecord>(&r.value, "idempotency key");
    Ok(found.map(read).transpose()?.map(|record| record.run))
}

/// An idempotency key in use.
pub(super) struct KeyUse {
    key: Key,
    fingerprint: ContentHash,
}

impl KeyUse {
    pub(super) fn of(start: &Start) -> Result<Option<Self>, Error> {
        if let Some(request) = &start.request {
            return Self::of_request(&start.organization, request).map(Some);
        }
        let Some(text) = &start.idempotency_key else { return Ok(None) };
        check(text)?;
        let key = Key::of(Table::Idempotency).text(start.organization.as_str()).text(text);
        let request = match start.dedupes {
            true => String::new(),
            false => format!("{} {}", start.pipeline.hash(), start.input),
        };
        Ok(Some(Self { key, fingerprint: ContentHash::of(request.as_bytes()) }))
    }

    pub(super) fn of_request(
        organization: &Organization,
        request: &KeyedRequest,
    ) -> Result<Self, Error> {
        check(&request.key)?;
        // A key has no space in it: those with a scope are never equal to those without.
        let text = format!("{} {}", request.scope, request.key);
        let key = Key::of(Table::Idempotency).text(organization.as_str()).text(&text);
        Ok(Self { key, fingerprint: request.fingerprint })
    }

    pub(super) async fn started(&self, inner: &Inner) -> Result<Option<RunId>, Error> {
        let found = inner.store.get(std::slice::from_ref(&self.key)).await?.pop().flatten();
        let Some(record) = found else { return Ok(None) };
        let record: KeyRecord = codec::read(&record.value, "idempotency key")?;
        if record.fingerprint != self.fingerprint {
            return Err(Error::Refused(RunError::new(
                ErrorKind::Conflict,
                "idempotency.reused",
                "this idempotency key was used for another request",
            )));
        }
        Ok(Some(record.run))
    }

    pub(super) fn insert(&self, batch: &mut Batch, run: RunId, at: Timestamp) {
        let record = KeyRecord { v: 1, run, fingerprint: self.fingerprint, at };
        batch.insert(self.key.clone(), codec::to_value(&record));
    }
}

fn check(key: &str) -> Result<(), Error> {
    let good = (1..=limits::IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_graphic());
    if good {
        return Ok(());
    }
    Err(Error::Refused(RunError::new(
        ErrorKind::InvalidInput,
        "idempotency.bad_key",
        "an idempotency key is 1 to 255 visible ASCII characters",
    )))
}
