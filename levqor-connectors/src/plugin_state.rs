//! [`PluginState`]: the small durable state of plugins, in the engine's store.
//!
//! Scoped to (organization, connector) by the key; a plugin cannot spell another scope. Its size is
//! counted in a bounded counter of the organization, in the same commit as the value.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use levqor_core::ids::Organization;
use levqor_core::store::{Add, Batch, CommitError, Counter, Key, Record, Store, Table};
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::sandbox::{StateEntry, StateError};

/// Times a write without expected version is decided again when others write the same key.
const TRIES_MAX: u32 = 8;

/// The state of all plugins.
#[derive(Clone, Debug)]
pub(crate) struct PluginState {
    store: Arc<dyn Store>,
}

/// Format 1 of a record.
#[derive(Serialize, Deserialize)]
struct Stored {
    v: u8,
    version: u64,
    value: String,
}

impl PluginState {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    pub(crate) async fn get(
        &self,
        organization: &Organization,
        connector: &str,
        key: &str,
    ) -> Result<Option<StateEntry>, StateError> {
        let found = self.record(&place(organization, connector, key)?).await?;
        found.map(|record| read(&record)).transpose()
    }

    pub(crate) async fn put(
        &self,
        organization: &Organization,
        connector: &str,
        key: &str,
        value: &[u8],
        if_version: Option<u64>,
        quota: u64,
    ) -> Result<u64, StateError> {
        if value.len() > limits::STATE_VALUE_BYTES_MAX {
            return Err(StateError::TooLarge);
        }
        let at = place(organization, connector, key)?;
        for _ in 0..TRIES_MAX {
            let old = self.record(&at).await?;
            let (version, bytes) = match &old {
                Some(record) => {
                    let entry = read(record)?;
                    (entry.version, size(key, &entry.value))
                }
                None => (0, 0),
            };
            // 0 expects that there is none.
            if if_version.is_some_and(|expected| expected != version) {
                return Err(StateError::Conflict);
            }
            let next = version + 1;
            let mut batch = Batch::new(organization.as_str());
            let stored = write(next, value)?;
            match &old {
                Some(record) => batch.replace(at.clone(), record.revision, stored),
                None => batch.insert(at.clone(), stored),
            }
            batch.add(grow(organization, connector, size(key, value) - bytes, quota));
            match self.store.commit(batch).await {
                Ok(_) => return Ok(next),
                Err(CommitError::Conflict { .. }) if if_version.is_none() => {}
                Err(error) => return Err(refusal(&error)),
            }
        }
        Err(StateError::Conflict)
    }

    pub(crate) async fn delete(
        &self,
        organization: &Organization,
        connector: &str,
        key: &str,
    ) -> Result<(), StateError> {
        let at = place(organization, connector, key)?;
        for _ in 0..TRIES_MAX {
            let Some(record) = self.record(&at).await? else { return Ok(()) };
            let bytes = size(key, &read(&record)?.value);
            let mut batch = Batch::new(organization.as_str());
            batch.remove(at.clone(), record.revision);
            batch.add(grow(organization, connector, -bytes, 0));
            match self.store.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(refusal(&error)),
            }
        }
        Err(StateError::Conflict)
    }

    async fn record(&self, at: &Key) -> Result<Option<Record>, StateError> {
        let found = self.store.get(std::slice::from_ref(at)).await;
        let found = found.map_err(|e| StateError::Unavailable(e.to_string()))?;
        Ok(found.into_iter().next().flatten())
    }
}

fn place(organization: &Organization, connector: &str, key: &str) -> Result<Key, StateError> {
    if key.is_empty() || key.len() > limits::STATE_KEY_BYTES_MAX || key.contains('\0') {
        return Err(StateError::TooLarge);
    }
    Ok(Key::of(Table::PluginState).text(organization.as_str()).text(connector).text(key))
}

fn size(key: &str, value: &[u8]) -> i64 {
    i64::try_from(key.len() + value.len()).unwrap_or(i64::MAX)
}

fn grow(organization: &Organization, connector: &str, delta: i64, quota: u64) -> Add {
    Add {
        counter: Counter::new(organization.as_str(), format!("plugin_state/{connector}")),
        delta,
        min: i64::MIN,
        max: i64::try_from(quota).unwrap_or(i64::MAX),
    }
}

fn write(version: u64, value: &[u8]) -> Result<bytes::Bytes, StateError> {
    let stored = Stored { v: 1, version, value: STANDARD.encode(value) };
    let bytes = serde_json::to_vec(&stored);
    bytes.map(Into::into).map_err(|e| StateError::Unavailable(e.to_string()))
}

fn read(record: &Record) -> Result<StateEntry, StateError> {
    let broken = || StateError::Unavailable("the stored state cannot be read".to_owned());
    let stored: Stored = serde_json::from_slice(&record.value).map_err(|_| broken())?;
    if stored.v != 1 {
        return Err(broken());
    }
    let value = STANDARD.decode(&stored.value).map_err(|_| broken())?;
    Ok(StateEntry { value, version: stored.version })
}

fn refusal(error: &CommitError) -> StateError {
    match error {
        CommitError::Conflict { .. } => StateError::Conflict,
        CommitError::Bound { .. } | CommitError::TooLarge { .. } => StateError::TooLarge,
        other => StateError::Unavailable(other.to_string()),
    }
}
