//! The kill loop: a real process on a real disk, killed at random instants, and a controller that
//! looks at what is left.
//!
//! The worker's clients write down what they were told before they ask for more; a vendor writes
//! down what was done to it. Both files outlive a SIGKILL, as the page cache does: it is the
//! store's own buffers that are lost. A power cut is not tested here.

pub mod audit;
pub mod planted;
pub mod worker;

use std::path::{Path, PathBuf};

use levqor_core::connector::{ActionManifest, Catalog, Idempotency, Manifest};
use levqor_core::document::PipelineDocument;
use levqor_core::pipeline::{Pipeline, compile};
use serde_json::json;

/// What both sides find in the folder of a loop.
#[derive(Clone, Debug)]
pub struct Files {
    /// The store's folder.
    pub store: PathBuf,
    /// A line for each request, written before it is made.
    pub intents: PathBuf,
    /// A line for each answer: the request and the run.
    pub acks: PathBuf,
    /// A line for each call that the vendor got: run, step, attempt, key.
    pub effects: PathBuf,
}

impl Files {
    /// The files of a folder.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self {
            store: dir.join("store"),
            intents: dir.join("intents"),
            acks: dir.join("acks"),
            effects: dir.join("effects"),
        }
    }

    /// Cuts off the lines that a kill left unfinished: they were not said, and who writes next would
    /// go on in the middle of them. A kill cuts even one short write in two, where a page ends.
    ///
    /// # Errors
    /// When a file cannot be read or cut.
    pub fn mend(&self) -> std::io::Result<()> {
        for path in [&self.intents, &self.acks, &self.effects] {
            let text = match std::fs::read(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                read => read?,
            };
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            if whole < text.len() {
                std::fs::OpenOptions::new().write(true).open(path)?.set_len(whole as u64)?;
            }
        }
        Ok(())
    }
}

/// The manifest of the vendor that counts.
fn manifest() -> Manifest {
    let keyed = ActionManifest { idempotency: Idempotency::Keyed, ..ActionManifest::default() };
    Manifest::new("counter", "1.0.0").action("count", keyed)
}

/// Three calls and a nap: attempts, a timer and an end to be cut through.
///
/// # Errors
/// When the document does not compile.
fn pipeline(catalog: &Catalog) -> Result<std::sync::Arc<Pipeline>, String> {
    let document = json!({"schema": "levqor/v1", "name": "counted", "steps": [
        {"id": "a", "uses": "counter/count", "with": {"n": "${{ input.n }}"}},
        {"id": "b", "uses": "counter/count", "with": {"n": "${{ steps.a.output.n }}"}},
        {"id": "nap", "uses": "core/sleep", "with": {"for": "3ms"}},
        {"id": "c", "uses": "counter/count", "with": {"n": "${{ steps.b.output.n }}"}},
    ]});
    let document = PipelineDocument::from_value(&document).map_err(|i| format!("{i:?}"))?;
    compile(&document, None, catalog, &|_| None).map_err(|i| format!("{i:?}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn who_writes_next_begins_a_line_whatever_a_kill_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::of(dir.path());
        files.mend().unwrap();
        for (before, whole) in [("1 run_a\n2 run_", "1 run_a\n"), ("1 ru", ""), ("1\n", "1\n")] {
            std::fs::write(&files.acks, before).unwrap();
            files.mend().unwrap();
            let mut acks = std::fs::OpenOptions::new().append(true).open(&files.acks).unwrap();
            acks.write_all(b"3 run_b\n").unwrap();
            let text = std::fs::read_to_string(&files.acks).unwrap();
            assert_eq!(text, format!("{whole}3 run_b\n"));
        }
    }
}
