//! Backups: one consistent cut of the store, proved by restoring it, kept for a while.
//!
//! ```text
//!  snapshot ─export─▶ plain file ─import─▶ scratch store ─▶ same root? books in order?
//!                         └── sealed for a recipient, or as it is ──rename──▶ levqor-<time>.lvqb[.age]
//! ```
//! Nothing is called a backup before it was restored once. A backup holds what the store holds:
//! runs, ledger, pipelines, people, endpoints. It does *not* hold the vault or its key, which must
//! not lie beside each other; keep those apart. `levqor store import` restores one.

pub mod age;
mod bech32;
mod check;
mod files;
mod schedule;
mod take;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use levqor_core::store::Store;
use levqor_core::time::{Clock, Timestamp};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use age::Recipient;
pub(crate) use schedule::{Rhythm, due};
pub use take::{Target, take};

use crate::config::Config;
use crate::observe::Metrics;

/// Failures that are remembered: the newest of each cause is enough to act on.
const FAILURES_KEPT: usize = 8;

/// A backup that was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Backup {
    /// The file's name in the folder of backups.
    pub file: String,
    /// The moment of the cut, in milliseconds since the Unix epoch.
    pub created: Timestamp,
    /// When it was proved by restoring it.
    pub verified: Timestamp,
    /// Records in it.
    pub records: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// SHA-256 over everything in it, in hexadecimal: what the restored store must have.
    pub root: String,
    /// SHA-256 of the file, in hexadecimal.
    pub file_sha256: String,
    /// Whether it is sealed for a recipient.
    pub encrypted: bool,
    /// Organizations whose books were checked.
    pub organizations: u64,
    /// Milliseconds it took, with its proof.
    pub took_ms: u64,
}

/// A backup that was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct FailedBackup {
    /// When.
    pub at: Timestamp,
    /// Stable code.
    pub code: String,
    /// Why, for people.
    pub detail: String,
}

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupFailure {
    /// The stream, or a store it was read from or written to.
    #[error(transparent)]
    Stream(#[from] levqor_core::store::backup::BackupError),
    /// A file or folder.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The scratch store cannot be opened or read.
    #[error("the restored copy cannot be read: {0}")]
    Scratch(String),
    /// What was restored is not what was written.
    #[error("the restored copy differs: {restored} instead of {written}")]
    Differs {
        /// The root when it was written.
        written: String,
        /// The root of what was restored.
        restored: String,
    },
    /// An organization's books do not agree.
    #[error("the books of {organization} do not agree: {first}")]
    Books {
        /// Whose.
        organization: String,
        /// The first of what does not agree.
        first: String,
    },
    /// One is being taken already.
    #[error("a backup is being taken already")]
    Busy,
}

impl BackupFailure {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stream(error) => error.code(),
            Self::Io { .. } => "backup.io",
            Self::Scratch(_) => "backup.scratch",
            Self::Differs { .. } => "backup.differs",
            Self::Books { .. } => "backup.books",
            Self::Busy => "backup.running",
        }
    }
}

/// The backups of a host: a cheap clone.
#[derive(Clone, Debug)]
pub struct Backups {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    target: Target,
    keep: files::Keep,
    metrics: Arc<Metrics>,
    running: AtomicBool,
    failures: Mutex<Vec<FailedBackup>>,
}

impl Backups {
    pub(crate) fn new(config: &Config, metrics: Arc<Metrics>) -> Result<Self, String> {
        let own = &config.backup;
        let folder = match own.dir.as_str() {
            "" => config.data_dir.join("backups"),
            dir => PathBuf::from(dir),
        };
        let recipient = match own.age_recipient.as_str() {
            "" => None,
            text => Some(text.parse()?),
        };
        let target = Target { folder, scratch: config.data_dir.join("scratch"), recipient };
        let keep = files::Keep { count: own.keep.max(1), days: own.keep_days };
        let inner = Inner {
            target,
            keep,
            metrics,
            running: AtomicBool::new(false),
            failures: Mutex::default(),
        };
        let backups = Self { inner: Arc::new(inner) };
        if let Some(newest) = backups.list().first() {
            backups.inner.metrics.backup_verified_at(newest.verified);
        }
        Ok(backups)
    }

    /// Verified backups, newest first.
    #[must_use]
    pub fn list(&self) -> Vec<Backup> {
        files::list(&self.inner.target.folder)
    }

    /// What went wrong since the start, newest first.
    #[must_use]
    pub fn failures(&self) -> Vec<FailedBackup> {
        self.inner.failures.lock().clone()
    }

    /// Whether one is being taken.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.inner.running.load(Ordering::Acquire)
    }

    /// Whether backups are sealed.
    #[must_use]
    pub fn is_sealing(&self) -> bool {
        self.inner.target.recipient.is_some()
    }

    /// Removes what a process that was killed left behind; nobody else may be taking one.
    pub(crate) fn tidy(&self) {
        files::tidy(&self.inner.target.folder);
        let _ = std::fs::remove_dir_all(&self.inner.target.scratch);
    }

    /// The right to take one: nobody else does meanwhile.
    ///
    /// # Errors
    /// [`BackupFailure::Busy`].
    pub fn begin(&self) -> Result<Taking, BackupFailure> {
        let inner = self.inner.clone();
        match inner.running.swap(true, Ordering::AcqRel) {
            true => Err(BackupFailure::Busy),
            false => Ok(Taking { inner }),
        }
    }
}

/// A backup that is to be taken.
#[derive(Debug)]
#[must_use = "nothing is taken until it is told to"]
pub struct Taking {
    inner: Arc<Inner>,
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.inner.running.store(false, Ordering::Release);
    }
}

impl Taking {
    /// Takes it and lets old ones go. Work of minutes for a large store; the store goes on.
    ///
    /// # Errors
    /// [`BackupFailure`]; it is also counted and remembered.
    pub async fn take(
        self,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Backup, BackupFailure> {
        let inner = self.inner.clone();
        let target = inner.target.clone();
        let now = clock.clone();
        let handle = tokio::runtime::Handle::current();
        // Files are read and written, and much is hashed: not on a thread that answers requests.
        let taken =
            tokio::task::spawn_blocking(move || handle.block_on(take(&*store, &target, &*now)));
        let taken = taken.await.unwrap_or_else(|error| {
            let source = std::io::Error::other(error);
            Err(BackupFailure::Io { what: "the backup was broken off", source })
        });
        match &taken {
            Ok(backup) => {
                inner.metrics.backup(true);
                inner.metrics.backup_verified_at(backup.verified);
                let Backup { file, records, took_ms, .. } = backup;
                tracing::info!(file, records, took_ms, "a backup was taken and verified");
                files::sweep(&inner.target.folder, inner.keep, clock.now());
            }
            Err(failure) => {
                inner.metrics.backup(false);
                let (code, detail) = (failure.code().to_owned(), failure.to_string());
                tracing::error!(code, detail, "no backup was taken");
                let mut failures = inner.failures.lock();
                failures.insert(0, FailedBackup { at: clock.now(), code, detail });
                failures.truncate(FAILURES_KEPT);
            }
        }
        taken
    }
}
