//! [`Errors`]: what went wrong, for people to look at: in a file, or at Sentry.
//!
//! A report is a code, a sentence and a few fields, redacted before it is written: what leaves the
//! log may be read by more people than the log. A report that Sentry does not take is in the file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;

use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::log::Line;
use super::redact::redacted;

/// The file, in the folder of logs.
const FILE: &str = "errors.jsonl";
/// Bytes after which the file becomes `errors.1.jsonl` and another begins.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Reports on their way to Sentry; more are in the file alone.
const QUEUE_MAX: usize = 256;

/// Where errors go; a cheap clone.
#[derive(Clone, Debug)]
pub struct Errors {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    file: Mutex<()>,
    away: OnceLock<mpsc::Sender<Map<String, Value>>>,
}

impl Errors {
    /// Into `errors.jsonl` of this folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let (folder, file, away) = (folder.to_owned(), Mutex::default(), OnceLock::new());
        Self { inner: Arc::new(Inner { folder, file, away }) }
    }

    /// From now on to whoever reads this; `None` where somebody does already.
    pub(crate) fn send_away(&self) -> Option<mpsc::Receiver<Map<String, Value>>> {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        self.inner.away.set(sender).ok().map(|()| receiver)
    }

    /// Whether reports are sent away.
    #[must_use]
    pub fn is_sent_away(&self) -> bool {
        self.inner.away.get().is_some()
    }

    /// Reports what went wrong: a stable code, a sentence, and what else is known.
    pub fn report(&self, code: &str, message: &str, fields: &[(&str, &str)]) {
        let mut report = Map::new();
        report.insert("at".to_owned(), format!("{:.3}", jiff::Timestamp::now()).into());
        report.insert("code".to_owned(), code.into());
        report.insert("message".to_owned(), message.into());
        for (name, value) in fields {
            report.insert((*name).to_owned(), (*value).into());
        }
        self.take(report);
    }

    pub(super) fn logged(&self, line: &Line) {
        self.take(line.members().clone());
    }

    fn take(&self, mut report: Map<String, Value>) {
        for value in report.values_mut() {
            if let Value::String(text) = value {
                *text = redacted(text);
            }
        }
        let report = match self.inner.away.get().map(|away| away.try_send(report.clone())) {
            Some(Ok(())) => return,
            _ => report,
        };
        self.write(&report);
    }

    /// Writes a report into the file.
    pub(crate) fn write(&self, report: &Map<String, Value>) {
        let text = serde_json::to_string(report).unwrap_or_default();
        let text = super::log::harmless(&text);
        let _alone = self.inner.file.lock();
        // A report that cannot be written must not end what it is about.
        let _ = append(&self.inner.folder, &text);
    }
}

fn append(folder: &Path, line: &str) -> std::io::Result<()> {
    levqor_connectors::files::own_dir(folder)?;
    let path = folder.join(FILE);
    if path.metadata().is_ok_and(|file| file.len() > FILE_BYTES_MAX) {
        std::fs::rename(&path, folder.join("errors.1.jsonl"))?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_redacted_lines() {
        let folder = tempfile::tempdir().unwrap();
        let errors = Errors::in_folder(folder.path());
        let key = format!("lvq_ops_{}", "s".repeat(43));
        errors.report("x.y", &format!("sent {key}"), &[("header", "Bearer abcdefghijklmnop")]);
        errors.report("x.z", "two\nlines", &[]);
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["code"], "x.y");
        assert!(!text.contains("ssss") && !text.contains("abcdefgh"), "{text}");
    }
}
