//! The folder of backups: names that sort by time, notes beside them, and which may go.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use levqor_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Backup;

/// What files are called: `levqor-20261126T030000Z.lvqb`.
const PREFIX: &str = "levqor-";
const EXTENSION: &str = "lvqb";
/// Format of the note.
const NOTE_FORMAT: u8 = 1;

/// How long backups are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    /// The newest this many.
    pub(super) count: u32,
    /// Those this many days old at most; 0 is no limit.
    pub(super) days: u32,
}

#[derive(Serialize, Deserialize)]
struct Note {
    v: u8,
    backup: Backup,
}

/// A new file for its owner alone; one that is left over from a crash makes room.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A name for a backup of this moment that no other file has.
pub(super) fn name(folder: &Path, at: Timestamp, sealed: bool) -> String {
    let time = at.to_jiff().unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string();
    let end = if sealed { ".age" } else { "" };
    let free = |name: &String| !folder.join(name).exists();
    let more = (2_u32..).map(|n| format!("{PREFIX}{time}-{n}.{EXTENSION}{end}"));
    let first = format!("{PREFIX}{time}.{EXTENSION}{end}");
    std::iter::once(first).chain(more).find(free).unwrap_or_default()
}

/// Writes the note beside a backup, and makes both names last.
pub(super) fn note(folder: &Path, backup: &Backup) -> io::Result<()> {
    let note = Note { v: NOTE_FORMAT, backup: backup.clone() };
    let part = folder.join(format!("{}.json.part", backup.file));
    let mut file = create(&part)?;
    file.write_all(&serde_json::to_vec_pretty(&note)?)?;
    file.sync_all()?;
    fs::rename(&part, folder.join(format!("{}.json", backup.file)))?;
    File::open(folder)?.sync_all()
}

/// Backups that have a note and a file, newest first. Files of other names are nobody's business.
pub(super) fn list(folder: &Path) -> Vec<Backup> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<Backup> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let file = name.strip_suffix(".json").filter(|file| file.starts_with(PREFIX))?;
            let note: Note = serde_json::from_slice(&fs::read(folder.join(&name)).ok()?).ok()?;
            let fits = note.v == NOTE_FORMAT && note.backup.file == file;
            (fits && folder.join(file).is_file()).then_some(note.backup)
        })
        .collect();
    found.sort_by(|a, b| (b.created, &b.file).cmp(&(a.created, &a.file)));
    found
}

/// Removes files that never became a backup.
pub(super) fn tidy(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(".part") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes what need not be kept. The newest is always kept, however old it is.
pub(super) fn sweep(folder: &Path, keep: Keep, now: Timestamp) {
    for backup in goes(&list(folder), keep, now) {
        let file = folder.join(&backup.file);
        // The note first: what has none is no backup.
        let note = fs::remove_file(folder.join(format!("{}.json", backup.file)));
        if let Err(error) = note.and_then(|()| fs::remove_file(&file)) {
            tracing::warn!(file = backup.file, %error, "an old backup cannot be removed");
        }
    }
}

fn goes(newest_first: &[Backup], keep: Keep, now: Timestamp) -> Vec<&Backup> {
    let old = |backup: &Backup| {
        let days = now.since_ms(backup.created) / 86_400_000;
        keep.days > 0 && days > u64::from(keep.days)
    };
    let all = newest_first.iter().enumerate().skip(1);
    all.filter(|(place, b)| *place >= keep.count as usize || old(b)).map(|(_, b)| b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(days_old: i64) -> Backup {
        Backup {
            file: format!("levqor-{days_old}"),
            created: Timestamp(86_400_000 * (100 - days_old)),
            verified: Timestamp(0),
            records: 0,
            bytes: 0,
            file_bytes: 0,
            root: String::new(),
            file_sha256: String::new(),
            encrypted: false,
            organizations: 0,
            took_ms: 0,
        }
    }

    #[test]
    fn the_newest_stay_and_one_always_does() {
        let all: Vec<Backup> = [0, 1, 2, 30, 40].map(backup).into();
        let now = Timestamp(86_400_000 * 100);
        for (count, days, wanted) in [
            (14, 0, vec![]),
            (3, 0, vec![30, 40]),
            (14, 7, vec![30, 40]),
            (1, 0, vec![1, 2, 30, 40]),
            (2, 31, vec![2, 30, 40]),
        ] {
            let gone: Vec<String> =
                goes(&all, Keep { count, days }, now).iter().map(|b| b.file.clone()).collect();
            let wanted: Vec<String> = wanted.iter().map(|d| format!("levqor-{d}")).collect();
            assert_eq!(gone, wanted, "{count} {days}");
        }
        let far = Timestamp(86_400_000 * 1_000);
        assert_eq!(goes(&all[..1], Keep { count: 1, days: 1 }, far), Vec::<&Backup>::new());
    }

    #[test]
    fn names_tell_the_time_and_never_meet() {
        let folder = tempfile::tempdir().unwrap();
        let at = Timestamp(1_700_000_000_000);
        let first = name(folder.path(), at, false);
        assert_eq!(first, "levqor-20231114T221320Z.lvqb");
        fs::write(folder.path().join(&first), "").unwrap();
        assert_eq!(name(folder.path(), at, false), "levqor-20231114T221320Z-2.lvqb");
        assert_eq!(name(folder.path(), at, true), "levqor-20231114T221320Z.lvqb.age");
    }
}
