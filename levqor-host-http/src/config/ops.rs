//! Settings of what an operator watches: backups, the log.

use serde::Deserialize;

/// Where and when backups are taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BackupConfig {
    /// Their folder; `backups` in the data folder where empty.
    pub dir: String,
    /// Every how many hours; 0 is never.
    pub every_hours: u32,
    /// At which hour of the day, UTC, where it is every 24 hours.
    pub hour: u8,
    /// How many are kept.
    pub keep: u32,
    /// How many days old they get at most; 0 is no limit.
    pub keep_days: u32,
    /// Whom they are sealed for, `age1…`; nobody where empty.
    pub age_recipient: String,
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self {
            dir: String::new(),
            every_hours: 24,
            hour: 3,
            keep: 14,
            keep_days: 0,
            age_recipient: String::new(),
        }
    }
}

/// Where the log goes. Only the program reads this; a library installs no log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LogConfig {
    /// `stderr`, or `files` in the data folder.
    pub to: String,
    /// What is logged, as `tracing` has it: `info,levqor_core=debug`.
    pub filter: String,
    /// How many files are kept.
    pub files: u32,
    /// Bytes of one file; then another of the same day begins.
    pub file_bytes: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            to: "stderr".to_owned(),
            filter: "info".to_owned(),
            files: 14,
            file_bytes: 64 * 1024 * 1024,
        }
    }
}
