//! Idempotency keys: the same key with the same request starts one run only.
//!
//! What it is not: the stable key of a step's calls, which is the run's.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::start::Start;
use super::{Inner, codec};
use crate::error::{ErrorKind, RunError};
use crate::ids::{ContentHash, RunId};
use crate::limits;
use crate::store::{Batch, Key, Table};
use crate::time::Timestamp;

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

/// An idempotency key in use.
pub(super) struct KeyUse {
    key: Key,
    fingerprint: ContentHash,
}

impl KeyUse {
    pub(super) fn of(start: &Start) -> Result<Option<Self>, Error> {
        let Some(text) = &start.idempotency_key else { return Ok(None) };
        let good = (1..=limits::IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        if !good {
            return Err(Error::Refused(RunError::new(
                ErrorKind::InvalidInput,
                "idempotency.bad_key",
                "an idempotency key is 1 to 255 visible ASCII characters",
            )));
        }
        let key = Key::of(Table::Idempotency).text(start.organization.as_str()).text(text);
        let request = match start.dedupes {
            true => String::new(),
            false => format!("{} {}", start.pipeline.hash(), start.input),
        };
        Ok(Some(Self { key, fingerprint: ContentHash::of(request.as_bytes()) }))
    }

    pub(super) async fn started(&self, inner: &Inner) -> Result<Option<RunId>, Error> {
        let found = inner.store.get(std::slice::from_ref(&self.key)).await?.pop().flatten();
        let Some(record) = found else { return Ok(None) };
        let record: KeyRecord = codec::read(&record.value, "idempotency key")?;
        if record.fingerprint != self.fingerprint {
            return Err(Error::Refused(RunError::new(
                ErrorKind::Conflict,
                "idempotency.reused",
                "this idempotency key was used for another pipeline or input",
            )));
        }
        Ok(Some(record.run))
    }

    pub(super) fn insert(&self, batch: &mut Batch, run: RunId, at: Timestamp) {
        let record = KeyRecord { v: 1, run, fingerprint: self.fingerprint, at };
        batch.insert(self.key.clone(), codec::to_value(&record));
    }

    /// Where the key stands in the store.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}
