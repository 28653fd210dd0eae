//! Rooms, and how a record is written: `{"v":1,"r":{…}}`.

use levqor_core::store::{Key, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::TABLE;
use crate::http::Problem;

/// Format version of every record here.
const FORMAT: u8 = 1;

/// Every kind of record, in one list: what its key is and who writes it. Names are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Room {
    /// `(key)`: API keys. Written by `api::keys` and at the first start.
    Key,
    /// `(organization, key)`: an organization's keys, for its list.
    KeyOf,
    /// `(organization, time backwards, id)`: what was changed by whom. Written with each change.
    Audit,
    /// `("all")`: flags that requests changed. Written by `api::ops`.
    Flags,
    /// `("ready")`: the commit that shows that the store takes commits. Written by `ops::ready`.
    Probe,
}

impl Room {
    /// The room's name, as it stands in keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::KeyOf => "key_of",
            Self::Audit => "audit",
            Self::Flags => "flags",
            Self::Probe => "probe",
        }
    }
}

/// Something that the host stores.
pub trait Record: Serialize + DeserializeOwned + Send + Sync {
    /// Where it stands.
    const ROOM: Room;
}

#[derive(Serialize, Deserialize)]
struct Stored<R> {
    v: u8,
    r: R,
}

pub(super) fn key(room: Room, parts: &[&str]) -> Key {
    parts.iter().fold(Key::of(TABLE).text(room.as_str()), |key, part| key.text(part))
}

/// The parts of a key after its room.
pub(super) fn parts(key: &Key) -> Vec<String> {
    let body = key.as_bytes().get(1..).unwrap_or_default();
    let body = body.strip_suffix(&[0]).unwrap_or(body);
    let parts = body.split(|byte| *byte == 0).skip(1);
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

pub(super) fn write<R: Record>(record: &R) -> Value {
    // Our own types hold no map with keys that are not text: this cannot fail.
    serde_json::to_vec(&Stored { v: FORMAT, r: record }).unwrap_or_default().into()
}

pub(super) fn read<R: Record>(value: &Value) -> Result<R, Problem> {
    let stored: Stored<R> = serde_json::from_slice(value).map_err(|error| {
        // Where and what kind, never the text: a record may hold what is not for a log.
        let (line, kind) = (error.column(), error.classify());
        tracing::error!(room = R::ROOM.as_str(), at = line, ?kind, "a record cannot be read");
        Problem::internal()
    })?;
    if stored.v != FORMAT {
        tracing::error!(room = R::ROOM.as_str(), v = stored.v, "a record of an unknown format");
        return Err(Problem::internal());
    }
    Ok(stored.r)
}
