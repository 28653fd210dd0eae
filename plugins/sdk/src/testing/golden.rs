//! [`manifest_is`]: the manifest as a committed file, so that a change of it is seen in review.

use std::path::Path;

use crate::Connector;

/// Fails unless the file holds this connector's manifest, as JSON for people. With
/// `LEVQOR_BLESS=1` in the environment the file is written instead.
///
/// # Panics
/// When the file differs, is absent, or cannot be written.
#[track_caller]
pub fn manifest_is(path: impl AsRef<Path>, connector: &Connector) {
    let path = path.as_ref();
    let mut text = serde_json::to_string_pretty(&connector.manifest()).unwrap_or_default();
    text.push('\n');
    if std::env::var_os("LEVQOR_BLESS").is_some() {
        let written = std::fs::write(path, &text);
        assert!(written.is_ok(), "{}: {written:?}", path.display());
    }
    let file = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        file == text,
        "{} is not the manifest of the connector; LEVQOR_BLESS=1 writes it",
        path.display()
    );
}
