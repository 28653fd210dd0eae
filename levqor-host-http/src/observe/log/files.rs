//! Files of the log: one a day, more where one grows too large, the oldest go.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use levqor_connectors::files::own_dir;

/// What files are called: `levqor.2026-11-26.jsonl`, then `levqor.2026-11-26.2.jsonl`.
const PREFIX: &str = "levqor.";
const SUFFIX: &str = ".jsonl";

/// The file that is written to now.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    bytes_max: u64,
    keep: usize,
    file: File,
    day: String,
    bytes: u64,
}

impl Files {
    pub(super) fn open(folder: &Path, bytes_max: u64, keep: u32) -> io::Result<Self> {
        own_dir(folder)?;
        let day = today();
        let (file, bytes) = newest(folder, &day, bytes_max)?;
        let keep = keep.max(1) as usize;
        Ok(Self { folder: folder.to_owned(), bytes_max, keep, file, day, bytes })
    }

    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.write_on(line, &today())
    }

    fn write_on(&mut self, line: &[u8], day: &str) -> io::Result<()> {
        if day != self.day || self.bytes + line.len() as u64 > self.bytes_max {
            day.clone_into(&mut self.day);
            (self.file, self.bytes) = newest(&self.folder, day, self.bytes_max)?;
            self.sweep()?;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn sweep(&self) -> io::Result<()> {
        let mut files: Vec<((String, u32), PathBuf)> = fs::read_dir(&self.folder)?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((place(entry.file_name().to_str()?)?, entry.path()))
            })
            .collect();
        files.sort();
        let gone = files.len().saturating_sub(self.keep);
        files.into_iter().take(gone).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

fn name(day: &str, number: u32) -> String {
    match number {
        1 => format!("{PREFIX}{day}{SUFFIX}"),
        number => format!("{PREFIX}{day}.{number}{SUFFIX}"),
    }
}

/// The day and number in a file's name.
fn place(name: &str) -> Option<(String, u32)> {
    let body = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let (day, number) = body.split_once('.').unwrap_or((body, "1"));
    Some((day.to_owned(), number.parse().ok()?))
}

/// The first file of the day that has room, and its length.
fn newest(folder: &Path, day: &str, bytes_max: u64) -> io::Result<(File, u64)> {
    for number in 1.. {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(folder.join(name(day, number)))?;
        let bytes = file.metadata()?.len();
        // One line is written whatever its length.
        if bytes == 0 || bytes + 4_096 < bytes_max {
            return Ok((file, bytes));
        }
    }
    Err(io::Error::other("a day has no end of files"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_day_and_a_size_end_a_file_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("errors.jsonl"), "not the log's").unwrap();
        let mut files = Files::open(folder.path(), 10_000, 3).unwrap();
        let line = [b'x'; 6_000];
        files.write_on(&line, "2026-01-01").unwrap();
        files.write_on(&line, "2026-01-01").unwrap();
        files.write_on(&line, "2026-01-02").unwrap();
        let kept = ["errors.jsonl", "levqor.2026-01-01.2.jsonl", "levqor.2026-01-02.jsonl"];
        let found = names(folder.path());
        assert!(kept.iter().all(|name| found.iter().any(|f| f == name)), "{found:?}");
        files.write_on(&line, "2026-01-03").unwrap();
        let found = names(folder.path());
        assert!(!found.iter().any(|f| f.contains("01-01")), "{found:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let path = folder.path().join("levqor.2026-01-03.jsonl");
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn names_are_read_back() {
        for number in [1, 2, 77] {
            let name = name("2026-01-01", number);
            assert_eq!(place(&name), Some(("2026-01-01".to_owned(), number)), "{name}");
        }
        assert_eq!(place("errors.jsonl"), None);
    }
}
