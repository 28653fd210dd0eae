//! [`State`]: small durable memory of a connector, for cursors and caches. Scoped by the host to
//! (organization, connector); not a database.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::Backend;
use crate::error::{Result, TaskError};

/// Why the memory did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateError {
    /// Not asked for in the manifest, or not granted.
    Denied,
    /// Over the granted size.
    TooLarge,
    /// Another call changed it since the version given.
    Conflict,
    /// The host's store has a problem.
    Unavailable(String),
}

impl From<StateError> for TaskError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Denied => {
                Self::permanent("no durable state is granted").code("state_denied")
            }
            StateError::TooLarge => {
                Self::permanent("over the granted state size").code("state_too_large")
            }
            StateError::Conflict => {
                Self::transient("the state was changed meanwhile").code("state_conflict")
            }
            StateError::Unavailable(why) => {
                Self::transient(format!("the state is unavailable: {why}")).code("state")
            }
        }
    }
}

/// The connector's durable memory, from [`crate::Ctx::state`].
#[derive(Debug)]
pub struct State<'a> {
    backend: &'a Backend,
}

impl<'a> State<'a> {
    pub(crate) fn new(backend: &'a Backend) -> Self {
        Self { backend }
    }

    /// The value under `key` with its version, if there is one.
    ///
    /// # Errors
    /// A [`StateError`] as [`TaskError`], or `bad_state` when the value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, u64)>> {
        let Some((value, version)) = self.backend.state_get(key)? else { return Ok(None) };
        let value = serde_json::from_slice(&value)
            .map_err(|e| TaskError::permanent(format!("state `{key}`: {e}")).code("bad_state"))?;
        Ok(Some((value, version)))
    }

    /// Sets `key`, if given only when it still has that version (0: not there), and gives the new
    /// version.
    ///
    /// # Errors
    /// A [`StateError`] as [`TaskError`].
    pub fn put<T: Serialize>(&self, key: &str, value: &T, if_version: Option<u64>) -> Result<u64> {
        let value = serde_json::to_vec(value)
            .map_err(|e| TaskError::permanent(format!("state `{key}`: {e}")).code("bad_state"))?;
        Ok(self.backend.state_put(key, &value, if_version)?)
    }

    /// Removes `key`; fine if it is not there.
    ///
    /// # Errors
    /// A [`StateError`] as [`TaskError`].
    pub fn delete(&self, key: &str) -> Result<()> {
        Ok(self.backend.state_delete(key)?)
    }
}
