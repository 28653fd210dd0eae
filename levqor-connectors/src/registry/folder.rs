//! Components in the operator's folder: `NAME.wasm`, each read, checked and described.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{Code, Found, LazyHost};
use crate::grant::Origin;
use crate::limits;
use crate::sandbox::Plugin;

/// A file that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The file, or the plugin's name.
    pub what: String,
    /// Why, for people.
    pub why: String,
}

/// Every component of the folder, and the files that are none. No folder is an empty one.
///
/// # Errors
/// When the folder is there and cannot be read.
pub(super) async fn scan(dir: &Path, host: &LazyHost) -> io::Result<(Vec<Found>, Vec<Refusal>)> {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for path in components(dir)? {
        match read(&path, host).await {
            Ok(plugin) => found.push(plugin),
            Err(why) => refused.push(Refusal { what: path.display().to_string(), why }),
        }
    }
    Ok((found, refused))
}

/// Paths of the components in `dir`, in order of their names.
fn components(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let listing = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing?,
    };
    let mut paths = Vec::new();
    for entry in listing {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "wasm") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

async fn read(path: &Path, host: &LazyHost) -> Result<Found, String> {
    let meta = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !meta.is_file() || meta.len() > limits::COMPONENT_BYTES_MAX as u64 {
        return Err("not a file, or too large".to_owned());
    }
    let bytes: Arc<[u8]> = std::fs::read(path).map_err(|e| e.to_string())?.into();
    let host = host.get().map_err(|e| e.to_string())?;
    let plugin = Plugin::load(&host, &bytes).await.map_err(|e| e.to_string())?;
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    // `slack.wasm` or `slack@1.2.0.wasm`: what stands in the folder is what it says it is.
    let named = stem.split_once('@').map_or(stem, |(name, _)| name);
    if named != plugin.manifest().name {
        return Err(format!(
            "the file calls itself `{}`; rename it to {0}.wasm",
            plugin.manifest().name
        ));
    }
    Ok(Found {
        manifest: plugin.manifest().clone(),
        digest: plugin.digest(),
        origin: Origin::Folder,
        path: Some(path.to_owned()),
        code: Code::Read(bytes),
    })
}
