//! Codes of stores and backups: `store.*`, `backup.*`.

use super::Row;

const RESTORE: &str = "Restore the last backup: levqor --data-dir NEW store import FILE";
const OTHER: &str =
    "Use another copy of the backup; levqor store verify FILE tells whether it is whole";
const AGAIN: &str = "Open it again: the next command does";

pub(super) const ROWS: &[Row] = &[
    (
        "store.locked",
        "Another process has the store open; only one can",
        "Wait for it or stop it, or use another --data-dir",
    ),
    ("store.corrupt", "What is on the disk is not what was written", RESTORE),
    (
        "store.format",
        "The store was written by a newer version, or not by Levqor",
        "Use that version, or another --data-dir",
    ),
    (
        "store.unavailable",
        "The disk or the database cannot be reached or written",
        "Is there space, and is the folder yours? levqor doctor",
    ),
    (
        "store.conflict",
        "Somebody else changed the same thing at the same time; nothing was written",
        "Try again",
    ),
    (
        "store.bound",
        "A counter would leave its bounds; nothing was written",
        "levqor credits balance",
    ),
    (
        "store.unknown_outcome",
        "Whether the last write was made is not known; reading it back tells",
        AGAIN,
    ),
    (
        "store.poisoned",
        "An earlier write failed, so the store takes nothing until it is opened again",
        AGAIN,
    ),
    ("store.too_large", "One write is larger than a store takes", "Pass less data between steps"),
    ("store.invalid_batch", "A write breaks a rule of stores: a bug", "Report it"),
    ("backup.damaged", "The backup is not what was written", OTHER),
    ("backup.format", "The file is not a backup, or one of a newer version", OTHER),
    (
        "backup.io",
        "The backup cannot be read or written",
        "Is there space, and is the folder yours?",
    ),
    (
        "backup.not_empty",
        "A backup is read into an empty store only",
        "levqor --data-dir NEW store import FILE",
    ),
    (
        "backup.partial",
        "The store holds half of a restore that was cut short",
        "Delete it, then: levqor store import FILE",
    ),
    ("backup.trailing", "The backup goes on after its end", OTHER),
    ("backup.truncated", "The backup is cut off", OTHER),
];
