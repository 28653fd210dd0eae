//! The connectors compiled into this program: components committed beside their lock, so that cargo
//! alone is enough on a fresh machine. They are rebuilt by `cargo plugins`, never by a build script.

mod lock;

use levqor_core::connector::Manifest;
pub use lock::{Lock, Locked, source_hash};

use crate::grant::Origin;
use crate::registry::{Code, Found, RegistryError};

/// One embedded component.
struct Embedded {
    name: &'static str,
    component: &'static [u8],
    manifest: &'static str,
    /// Only there when asked for: it misbehaves on request.
    is_test_double: bool,
}

#[cfg(feature = "builtin")]
macro_rules! embed {
    ($name:literal, $is_test_double:literal) => {
        Embedded {
            name: $name,
            component: include_bytes!(concat!("../../builtin/", $name, ".wasm")),
            manifest: include_str!(concat!("../../builtin/", $name, ".manifest.json")),
            is_test_double: $is_test_double,
        }
    };
}

#[cfg(feature = "builtin")]
const EMBEDDED: &[Embedded] = &[
    embed!("echo", true),
    embed!("http", false),
    embed!("openai", false),
    embed!("slack", false),
    embed!("text", false),
];
#[cfg(feature = "builtin")]
const LOCK: &str = include_str!("../../builtin/plugins.lock");

#[cfg(not(feature = "builtin"))]
const EMBEDDED: &[Embedded] = &[];
#[cfg(not(feature = "builtin"))]
const LOCK: &str = "format = 1";

/// Names of the connectors compiled in.
///
/// ```
/// # #[cfg(feature = "builtin")]
/// assert!(levqor_connectors::builtin::names().any(|name| name == "text"));
/// ```
pub fn names() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|e| e.name)
}

/// The lock they were compiled in with.
///
/// # Errors
/// When it cannot be read, which a test of this crate rules out.
pub fn lock() -> Result<Lock, String> {
    Lock::parse(LOCK)
}

/// The ones that were asked for, without compiling any.
pub(crate) fn found(builtins: bool, test_doubles: bool) -> Result<Vec<Found>, RegistryError> {
    let wanted = |e: &&Embedded| if e.is_test_double { test_doubles } else { builtins };
    let embedded: Vec<&Embedded> = EMBEDDED.iter().filter(wanted).collect();
    if embedded.is_empty() {
        return Ok(Vec::new());
    }
    let lock = lock().map_err(RegistryError::Builtin)?;
    embedded.into_iter().map(|e| one(&lock, e)).collect()
}

fn one(lock: &Lock, embedded: &Embedded) -> Result<Found, RegistryError> {
    let wrong = |why: &str| RegistryError::Builtin(format!("`{}`: {why}", embedded.name));
    let locked = lock.get(embedded.name).ok_or_else(|| wrong("not in plugins.lock"))?;
    let manifest: Manifest =
        serde_json::from_str(embedded.manifest).map_err(|e| wrong(&e.to_string()))?;
    manifest.check().map_err(|e| wrong(&e.to_string()))?;
    Ok(Found {
        manifest,
        digest: locked.sha256,
        origin: Origin::Builtin,
        path: None,
        code: Code::Embedded(embedded.component),
    })
}

#[cfg(all(test, feature = "builtin"))]
mod tests {
    use std::path::Path;

    use levqor_core::ids::ContentHash;

    use super::*;
    use crate::sandbox::{HostOptions, Plugin, PluginHost};

    #[tokio::test]
    async fn components_manifests_and_lock_belong_together() {
        let lock = lock().unwrap();
        assert_eq!(lock.plugin.len(), EMBEDDED.len());
        let host = PluginHost::new(HostOptions::default()).unwrap();
        for embedded in EMBEDDED {
            let found = one(&lock, embedded).unwrap();
            let locked = lock.get(embedded.name).unwrap();
            let run = "run `cargo plugins`";
            assert_eq!(ContentHash::of(embedded.component), locked.sha256, "{run}");
            let plugin = Plugin::load(&host, embedded.component).await.unwrap();
            assert_eq!(*plugin.manifest(), found.manifest, "{}: {run}", embedded.name);
            assert_eq!(plugin.manifest().version, locked.version, "{run}");
            let sockets = plugin.imports().iter().find(|i| i.starts_with("wasi:sockets"));
            assert_eq!(sockets, None, "{}", embedded.name);
        }
    }

    #[test]
    fn components_were_built_from_these_sources() {
        let plugins = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins"));
        if !plugins.is_dir() {
            return; // A packaged crate has no guests beside it.
        }
        for locked in &lock().unwrap().plugin {
            let sources = source_hash(plugins, &locked.name).unwrap();
            assert_eq!(
                sources, locked.sources,
                "the sources of `{}` changed since its component was built: run `cargo plugins`",
                locked.name
            );
        }
    }
}
