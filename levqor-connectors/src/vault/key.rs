//! [`VaultKey`]: the master key of a vault.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use levqor_core::ids::Organization;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::credential::VaultError;
use crate::files;

/// 32 random bytes that everything in a vault is sealed under.
#[expect(missing_debug_implementations, reason = "it is a secret")]
pub struct VaultKey(Zeroizing<[u8; 32]>);

impl VaultKey {
    /// The key in `LEVQOR_VAULT_KEY` (64 hexadecimal digits or base 64), else the one in the file
    /// that `LEVQOR_VAULT_KEY_FILE` names, else `vault.key` in `dir`, made (0600) on first use.
    ///
    /// # Errors
    /// [`VaultError::Key`] when it is not a key, or when others may read its file.
    pub fn load(dir: &Path) -> Result<Self, VaultError> {
        if let Ok(text) = std::env::var("LEVQOR_VAULT_KEY") {
            return Self::parse(&Zeroizing::new(text));
        }
        if let Some(path) = std::env::var_os("LEVQOR_VAULT_KEY_FILE") {
            return Self::read(Path::new(&path));
        }
        Self::in_dir(dir)
    }

    /// The key in `dir/vault.key`, made (0600) on first use; the environment is not asked.
    ///
    /// # Errors
    /// [`VaultError::Key`] when others may read it, or it cannot be made.
    pub fn in_dir(dir: &Path) -> Result<Self, VaultError> {
        let made = files::private_dir(dir).and_then(|()| files::key_file(&dir.join("vault.key")));
        made.map(Self).map_err(|e| VaultError::Key(e.to_string()))
    }

    /// The key that `text` spells: 64 hexadecimal digits, or base 64 of 32 bytes.
    ///
    /// # Errors
    /// [`VaultError::Key`] when it does not.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let text = text.trim();
        let bytes =
            if text.len() == 64 { crate::text::from_hex(text) } else { STANDARD.decode(text).ok() };
        let bytes = Zeroizing::new(bytes.unwrap_or_default());
        match <[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(key) => Ok(Self(Zeroizing::new(key))),
            Err(_) => Err(VaultError::Key(
                "write 64 hexadecimal digits (`openssl rand -hex 32`)".to_owned(),
            )),
        }
    }

    fn read(path: &Path) -> Result<Self, VaultError> {
        let read = || -> io::Result<Zeroizing<String>> {
            let mut file = File::open(path)?;
            files::refuse_if_readable(path, &file)?;
            let mut text = Zeroizing::new(String::new());
            file.by_ref().take(1024).read_to_string(&mut text)?;
            Ok(text)
        };
        let text = read().map_err(|e| VaultError::Key(format!("{}: {e}", path.display())))?;
        Self::parse(&text)
    }

    /// The key for the values of one organization.
    pub(super) fn for_organization(&self, organization: &Organization) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0_u8; 32]);
        // HMAC takes keys of any length; this cannot fail for 32 bytes.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.0) {
            mac.update(b"levqor vault 1\0");
            mac.update(organization.as_str().as_bytes());
            key.copy_from_slice(&mac.finalize().into_bytes());
        }
        key
    }
}
