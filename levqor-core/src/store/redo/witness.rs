//! The number of the last acknowledged group, in a file of its own: a log or a map that was cut off
//! at a group's end looks whole from within.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::file::{named, unavailable, write_at};
use crate::store::StoreError;

/// End of its name; it stands beside the log and the map.
const WITNESS_FILE: &str = ".last";

/// It is not synced each time: after a power cut it may name an older group, never one that was not
/// durable.
#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    path: PathBuf,
    /// What it said when it was opened.
    pub(super) found: Option<u64>,
}

/// Whether a store has been here whose files begin with `prefix`.
pub(in crate::store) fn knows_a_store(prefix: &Path) -> bool {
    named(prefix, WITNESS_FILE).metadata().is_ok_and(|file| file.len() > 0)
}

impl Witness {
    pub(super) fn open(prefix: &Path) -> Result<Self, StoreError> {
        let path = named(prefix, WITNESS_FILE);
        let options = OpenOptions::new().read(true).write(true).create(true).clone();
        let file = options.open(&path).map_err(|e| unavailable(&path, &e))?;
        let bytes = std::fs::read(&path).map_err(|e| unavailable(&path, &e))?;
        Ok(Self { file, path, found: Self::decode(&bytes) })
    }

    pub(super) fn write(&self, sequence: u64) -> Result<(), StoreError> {
        let bytes = Self::encode(sequence);
        write_at(&self.file, &bytes, 0).map_err(|e| unavailable(&self.path, &e))
    }

    fn encode(sequence: u64) -> [u8; 12] {
        let mut bytes = [0; 12];
        let number = sequence.to_be_bytes();
        bytes[..8].copy_from_slice(&number);
        bytes[8..].copy_from_slice(&crc32fast::hash(&number).to_be_bytes());
        bytes
    }

    /// `None` when it is absent or torn: it can only ever prove that something is missing.
    fn decode(bytes: &[u8]) -> Option<u64> {
        let sequence = u64::from_be_bytes(*bytes.first_chunk()?);
        (Self::encode(sequence) == bytes).then_some(sequence)
    }
}
