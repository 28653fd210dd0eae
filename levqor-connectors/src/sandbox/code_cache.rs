//! [`CodeCache`]: compiled plugins kept in a private folder between processes.
//!
//! Loading native code *executes* it, so a file is only taken when its HMAC, under a key that only
//! this folder holds, is right for exactly this plugin digest and this engine. Anything else (a
//! foreign file, a torn write, another wasmtime) is ignored and compiled anew. Never shipped, never
//! accepted from anyone.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use levqor_core::ids::ContentHash;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::files;

const MAC_BYTES: usize = 32;

/// A folder of compiled plugins.
#[derive(Debug)]
pub(super) struct CodeCache {
    dir: PathBuf,
    key: [u8; 32],
    engine_hash: String,
}

impl CodeCache {
    /// Opens `dir`, making it (0700) with a fresh key where it is not there.
    pub(super) fn open(dir: PathBuf, engine: &Engine) -> io::Result<Self> {
        files::private_dir(&dir)?;
        let key = files::key_file(&dir.join("key"))?;
        Ok(Self { dir, key: *key, engine_hash: engine_hash(engine) })
    }

    fn path(&self, digest: ContentHash) -> PathBuf {
        self.dir.join(format!("{digest}-{}.cwasm", &self.engine_hash[..16]))
    }

    fn mac(&self, digest: ContentHash, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(b"levqor code cache 1\0");
        mac.update(&digest.0);
        mac.update(self.engine_hash.as_bytes());
        mac.update(code);
        Some(mac)
    }

    /// The compiled plugin, if a good copy is there.
    pub(super) fn load(&self, digest: ContentHash, engine: &Engine) -> Option<Component> {
        let bytes = fs::read(self.path(digest)).ok()?;
        let (mac, code) = bytes.split_at_checked(MAC_BYTES)?;
        if self.mac(digest, code)?.verify_slice(mac).is_err() {
            tracing::warn!(%digest, "a file of the code cache is not ours; compiling anew");
            return None;
        }
        #[expect(
            unsafe_code,
            reason = "these very bytes were just shown to be what this cache wrote, by an HMAC \
                      whose key stands in our 0700 folder; wasmtime checks version and settings"
        )]
        // SAFETY: `code` is the output of `Component::serialize` of a compatible engine, see above.
        let component = unsafe { Component::deserialize(engine, code) };
        component.ok()
    }

    /// Keeps a compiled plugin; failing to is not an error, only slower next time.
    pub(super) fn store(&self, digest: ContentHash, component: &Component) {
        let kept = || -> Option<io::Result<()>> {
            let code = component.serialize().ok()?;
            let mac = self.mac(digest, &code)?.finalize().into_bytes();
            Some(files::replace(&self.path(digest), |file| {
                file.write_all(&mac)?;
                file.write_all(&code)
            }))
        };
        match kept() {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%error, "a compiled plugin could not be kept"),
            None => tracing::warn!("a compiled plugin could not be serialized"),
        }
    }

    #[cfg(test)]
    pub(super) fn file(&self, digest: ContentHash) -> PathBuf {
        self.path(digest)
    }
}

/// What compiled code depends on besides the plugin: wasmtime's version, settings, processor.
fn engine_hash(engine: &Engine) -> String {
    struct Collect(Sha256);
    impl Hasher for Collect {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut collect = Collect(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut collect);
    crate::text::hex(&collect.0.finalize())
}

/// Whether `path` is a file of a code cache, for clean-up tools.
#[must_use]
pub fn is_code_file(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "cwasm")
}
