//! Typed identifiers, and the port that makes them.
//!
//! Run ids are UUIDv7 in 26 characters of base 32 (`run_…`): they sort by time, so a list by id is
//! a list by age. Nothing here reads a clock or a random source: [`IdSource`] is the port.

mod hash;
mod run;
mod source;

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use hash::ContentHash;
pub use run::{InvalidRunId, RunId};
#[cfg(any(test, feature = "testing"))]
pub(crate) use source::v7_bits;
pub use source::{IdSource, SystemIds};

/// Who owns a run, a pipeline, a balance. Everything stored is under one.
///
/// 1 to 64 characters of `a-z A-Z 0-9 _ - .`; embedders without tenants use [`Organization::local`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Organization(Arc<str>);

impl Organization {
    /// Checks and wraps an organization's id.
    ///
    /// # Errors
    /// [`InvalidId`] when it is empty, too long or has another character.
    pub fn new(id: &str) -> Result<Self, InvalidId> {
        check_id(id)?;
        Ok(Self(id.into()))
    }

    /// The organization of a single-user engine: `local`.
    #[must_use]
    pub fn local() -> Self {
        Self("local".into())
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Organization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Organization {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Whether `id` can name a step, a pipeline, a connector, an organization.
///
/// # Errors
/// [`InvalidId`] when it is empty, over 64 bytes, or has a character outside `a-z A-Z 0-9 _ - .`.
pub fn check_id(id: &str) -> Result<(), InvalidId> {
    let good = !id.is_empty()
        && id.len() <= crate::limits::ID_BYTES_MAX
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if good { Ok(()) } else { Err(InvalidId) }
}

/// The text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 characters of a-z A-Z 0-9 _ - .")]
pub struct InvalidId;
