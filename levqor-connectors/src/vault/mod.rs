//! [`FileVault`]: credentials in one encrypted file, for a single machine.
//!
//! Each value is sealed on its own (XChaCha20-Poly1305) under a key derived for its organization,
//! and bound to organization, name, version, kind and hosts: a value moved to another name, or a
//! host added to the list in the file, does not open. The master key comes from the environment or
//! from a key file that only we may read. What it is not: it does not protect from someone who can
//! read that key.

mod envelope;
mod file;
mod key;

pub use file::{CredentialInfo, FileVault};
pub use key::VaultKey;
