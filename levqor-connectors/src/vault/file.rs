//! The vault's file: read when it changed, replaced wholly, locked against other processes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use levqor_core::connector::CredentialKind;
use levqor_core::ids::{Organization, check_id};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::envelope::{Envelope, Label};
use super::key::VaultKey;
use crate::credential::{Credential, Vault, VaultError};
use crate::egress::HostPattern;
use crate::{files, limits};

const FORMAT: u32 = 1;

/// What may be shown of a credential; never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CredentialInfo {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: CredentialKind,
    /// Hosts it may be sent to.
    pub hosts: Vec<HostPattern>,
    /// How many values the name has had.
    pub version: u64,
}

/// Credentials in one encrypted file, `vault.json` in its folder.
///
/// ```
/// use levqor_connectors::credential::{Credential, Secret};
/// use levqor_connectors::vault::{FileVault, VaultKey};
/// use levqor_core::ids::Organization;
/// # let folder = tempfile::tempdir()?;
/// # let dir = folder.path();
/// let vault = FileVault::open(dir, VaultKey::in_dir(dir)?)?;
/// let hosts = vec!["slack.com".parse()?];
/// let me = Organization::local();
/// vault.set(&me, &Credential::api_key("slack-main", Secret::new("xoxb-1"), hosts))?;
/// assert_eq!(vault.list(&me)?[0].name, "slack-main");
/// assert!(vault.remove(&me, "slack-main")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileVault {
    path: PathBuf,
    key: VaultKey,
    read: Mutex<Read>,
}

/// Tells one writing of the file from another: when, how long, which inode.
type Stamp = (SystemTime, u64, u64);

/// The file as last read, and its stamp.
#[derive(Default)]
struct Read {
    stamp: Option<Stamp>,
    entries: Vec<Envelope>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnDisk {
    format: u32,
    entries: Vec<Envelope>,
}

impl std::fmt::Debug for FileVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileVault").field("path", &self.path).finish_non_exhaustive()
    }
}

impl FileVault {
    /// Opens the vault in `dir`, which is made (0700) where it is not there. What is in it must open
    /// with `key`.
    ///
    /// # Errors
    /// [`VaultError::Key`] when the key is another one, [`VaultError::Corrupt`] and
    /// [`VaultError::Format`] when the file is not one of ours.
    pub fn open(dir: &Path, key: VaultKey) -> Result<Self, VaultError> {
        files::private_dir(dir).map_err(unavailable)?;
        let vault = Self { path: dir.join("vault.json"), key, read: Mutex::default() };
        let is_other_key =
            |all: &[Envelope]| !all.is_empty() && all.iter().all(|e| e.open(&vault.key).is_err());
        if vault.look(is_other_key)? {
            return Err(VaultError::Key("nothing in the vault opens with it".to_owned()));
        }
        Ok(vault)
    }

    /// Stores a credential under its name, replacing what was there. Durable on `Ok`.
    ///
    /// # Errors
    /// [`VaultError::Invalid`] when name or value are not acceptable, otherwise when the file cannot
    /// be written; the old file is then still whole.
    pub fn set(
        &self,
        organization: &Organization,
        credential: &Credential,
    ) -> Result<(), VaultError> {
        check(credential)?;
        self.change(|entries| {
            let at = entries.iter().position(|e| is(e, organization, &credential.name));
            let version = at.map_or(1, |i| entries[i].label.version + 1);
            let sealed = Envelope::seal(&self.key, organization, version, credential)?;
            match at {
                Some(i) => entries[i] = sealed,
                None => entries.push(sealed),
            }
            Ok(true)
        })
        .map(drop)
    }

    /// What the organization has, by name; never values.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn list(&self, organization: &Organization) -> Result<Vec<CredentialInfo>, VaultError> {
        let info = |label: &Label| CredentialInfo {
            name: label.name.clone(),
            kind: label.kind,
            hosts: label.hosts.clone(),
            version: label.version,
        };
        let mut all: Vec<CredentialInfo> = self.look(|entries| {
            let labels = entries.iter().map(|e| &e.label);
            labels.filter(|l| l.organization == *organization).map(info).collect()
        })?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Removes a credential; false when there was none.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn remove(&self, organization: &Organization, name: &str) -> Result<bool, VaultError> {
        self.change(|entries| {
            let before = entries.len();
            entries.retain(|e| !is(e, organization, name));
            Ok(entries.len() < before)
        })
    }

    /// The credential of this name with its value.
    ///
    /// # Errors
    /// When the file cannot be read, or the entry does not open.
    pub fn get(
        &self,
        organization: &Organization,
        name: &str,
    ) -> Result<Option<Credential>, VaultError> {
        let open = |e: &Envelope| e.open(&self.key);
        self.look(|all| all.iter().find(|e| is(e, organization, name)).map(open).transpose())?
    }

    /// Looks at the entries as they stand in the file now; parsed again only when it changed.
    fn look<T>(&self, at: impl FnOnce(&[Envelope]) -> T) -> Result<T, VaultError> {
        let mut read = self.read.lock();
        let stamp = match fs::metadata(&self.path) {
            Ok(meta) => Some(stamp_of(&meta).map_err(unavailable)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(unavailable(e)),
        };
        if stamp != read.stamp || stamp.is_none() {
            read.entries = if stamp.is_some() { self.parse()? } else { Vec::new() };
            read.stamp = stamp;
        }
        Ok(at(&read.entries))
    }

    fn parse(&self) -> Result<Vec<Envelope>, VaultError> {
        let bytes = fs::read(&self.path).map_err(unavailable)?;
        let corrupt = |e: serde_json::Error| VaultError::Corrupt(e.to_string());
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(corrupt)?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(1) => {}
            Some(other) => return Err(VaultError::Format(u32::try_from(other).unwrap_or(0))),
            None => return Err(VaultError::Corrupt("it has no format".to_owned())),
        }
        Ok(serde_json::from_value::<OnDisk>(value).map_err(corrupt)?.entries)
    }

    /// Reads, changes and replaces the file while no other process does.
    fn change(
        &self,
        change: impl FnOnce(&mut Vec<Envelope>) -> Result<bool, VaultError>,
    ) -> Result<bool, VaultError> {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.with_extension("lock"))
            .map_err(unavailable)?;
        lock.lock().map_err(unavailable)?;
        let mut read = self.read.lock();
        let mut entries = if self.path.exists() { self.parse()? } else { Vec::new() };
        let changed = change(&mut entries)?;
        if changed {
            let disk = OnDisk { format: FORMAT, entries };
            let text =
                serde_json::to_vec_pretty(&disk).map_err(|e| VaultError::Corrupt(e.to_string()))?;
            files::replace(&self.path, |file| file.write_all(&text)).map_err(unavailable)?;
            // Read anew next time: two changes within one tick of the file's clock look alike.
            *read = Read::default();
        }
        Ok(changed)
    }
}

#[async_trait]
impl Vault for FileVault {
    async fn find(
        &self,
        organization: &Organization,
        name: &str,
    ) -> Result<Option<Credential>, VaultError> {
        self.get(organization, name)
    }

    async fn save(
        &self,
        organization: &Organization,
        credential: Credential,
    ) -> Result<(), VaultError> {
        self.set(organization, &credential)
    }
}

fn stamp_of(meta: &fs::Metadata) -> io::Result<Stamp> {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(meta);
    #[cfg(not(unix))]
    let inode = 0;
    Ok((meta.modified()?, meta.len(), inode))
}

fn is(envelope: &Envelope, organization: &Organization, name: &str) -> bool {
    envelope.label.organization == *organization && envelope.label.name == name
}

fn check(credential: &Credential) -> Result<(), VaultError> {
    let invalid = |why: &str| Err(VaultError::Invalid(why.to_owned()));
    if check_id(&credential.name).is_err() {
        return invalid("a name is 1 to 64 characters of a-z A-Z 0-9 _ - .");
    }
    if credential.primary().expose().len() > limits::SECRET_BYTES_MAX {
        return invalid("the value is too long");
    }
    Ok(())
}

fn unavailable(error: io::Error) -> VaultError {
    VaultError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests;
