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
mod tests {
    use super::*;
    use crate::credential::{CredentialValue, Oauth2, Secret};

    fn key(byte: &str) -> VaultKey {
        VaultKey::parse(&byte.repeat(32)).unwrap()
    }

    fn org(name: &str) -> Organization {
        Organization::new(name).unwrap()
    }

    fn api(name: &str, value: &str) -> Credential {
        Credential::api_key(name, Secret::new(value), vec!["a.com".parse().unwrap()])
    }

    #[test]
    fn values_come_back_and_the_file_holds_none() {
        let dir = tempfile::tempdir().unwrap();
        let vault = FileVault::open(dir.path(), key("ab")).unwrap();
        vault.set(&org("a"), &api("one", "CANARY-1")).unwrap();
        vault.set(&org("b"), &api("one", "CANARY-2")).unwrap();
        let basic = Credential::basic("two", "me", Secret::new("CANARY-3"), Vec::new());
        vault.set(&org("a"), &basic).unwrap();
        let token = Oauth2 {
            refresh_token: Some(Secret::new("CANARY-5")),
            token_url: Some("https://a.com/token".to_owned()),
            client_id: Some("id".to_owned()),
            client_secret: Some(Secret::new("CANARY-6")),
            expires_at_ms: Some(7),
            ..Oauth2::new(Secret::new("CANARY-4"))
        };
        vault.set(&org("a"), &Credential::oauth2("three", token, Vec::new())).unwrap();
        // Another process sees it.
        let vault = FileVault::open(dir.path(), key("ab")).unwrap();
        let get = |o: &str, n: &str| vault.get(&org(o), n).unwrap().unwrap();
        assert_eq!(get("a", "one").primary().expose(), "CANARY-1");
        assert_eq!(get("b", "one").primary().expose(), "CANARY-2");
        let CredentialValue::Basic { user, password } = get("a", "two").value else { panic!() };
        assert_eq!((user.as_str(), password.expose()), ("me", "CANARY-3"));
        let CredentialValue::Oauth2(token) = get("a", "three").value else { panic!() };
        assert_eq!(token.refresh_token.unwrap().expose(), "CANARY-5");
        assert_eq!(token.client_secret.unwrap().expose(), "CANARY-6");
        assert_eq!((token.expires_at_ms, token.client_id.as_deref()), (Some(7), Some("id")));
        assert!(vault.get(&org("c"), "one").unwrap().is_none());
        let text = fs::read_to_string(dir.path().join("vault.json")).unwrap();
        assert!(!text.contains("CANARY"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let mode = fs::metadata(dir.path().join("vault.json")).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn another_key_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let vault = FileVault::open(dir.path(), key("ab")).unwrap();
        vault.set(&org("a"), &api("one", "x")).unwrap();
        let error = FileVault::open(dir.path(), key("ac")).unwrap_err();
        assert_eq!(error.code(), "vault.key");
        for bad in ["", "abc", &"zz".repeat(32), &"ab".repeat(31)] {
            assert!(VaultKey::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn swapped_edited_and_damaged_entries_do_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let vault = FileVault::open(dir.path(), key("ab")).unwrap();
        for (o, n, v) in [("a", "one", "1"), ("a", "two", "2"), ("b", "one", "3")] {
            vault.set(&org(o), &api(n, v)).unwrap();
        }
        vault.set(&org("a"), &api("one", "new")).unwrap();
        let path = dir.path().join("vault.json");
        let good: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(good["entries"][0]["label"]["version"], 2);
        type Edit = fn(&mut serde_json::Value);
        let edits: [(&str, Edit); 7] = [
            ("sealed values swapped", |v| {
                let other = v["entries"][1]["sealed"].clone();
                v["entries"][0]["sealed"] = other;
            }),
            ("value and nonce of another name", |v| {
                let mut other = v["entries"][1].clone();
                other["label"] = v["entries"][0]["label"].clone();
                v["entries"][0] = other;
            }),
            ("value and nonce of another organization", |v| {
                let mut other = v["entries"][2].clone();
                other["label"] = v["entries"][0]["label"].clone();
                v["entries"][0] = other;
            }),
            ("a host more", |v| {
                v["entries"][0]["label"]["hosts"] = serde_json::json!(["a.com", "evil.com"]);
            }),
            ("another version", |v| v["entries"][0]["label"]["version"] = 1.into()),
            ("another kind", |v| v["entries"][0]["label"]["kind"] = "oauth2".into()),
            ("no seal", |v| v["entries"][0]["sealed"] = "".into()),
        ];
        for (what, edit) in edits {
            let mut bad = good.clone();
            edit(&mut bad);
            fs::write(&path, bad.to_string()).unwrap();
            let fresh = FileVault::open(dir.path(), key("ab")).unwrap();
            let error = fresh.get(&org("a"), "one").unwrap_err();
            assert_eq!(error.code(), "vault.corrupt", "{what}");
        }
        fs::write(&path, r#"{"format":2,"entries":[]}"#).unwrap();
        assert_eq!(FileVault::open(dir.path(), key("ab")).unwrap_err().code(), "vault.format");
        fs::write(&path, "{").unwrap();
        assert_eq!(FileVault::open(dir.path(), key("ab")).unwrap_err().code(), "vault.corrupt");
    }

    #[test]
    fn removing_and_names() {
        let dir = tempfile::tempdir().unwrap();
        let vault = FileVault::open(dir.path(), VaultKey::in_dir(dir.path()).unwrap()).unwrap();
        vault.set(&org("a"), &api("one", "x")).unwrap();
        assert!(!vault.remove(&org("b"), "one").unwrap());
        assert!(vault.remove(&org("a"), "one").unwrap());
        assert!(vault.list(&org("a")).unwrap().is_empty());
        for bad in ["", "a b", "ä", "a/b"] {
            assert_eq!(vault.set(&org("a"), &api(bad, "x")).unwrap_err().code(), "vault.invalid");
        }
    }

    #[test]
    fn writers_do_not_lose_each_others_changes() {
        let dir = tempfile::tempdir().unwrap();
        FileVault::open(dir.path(), key("ab")).unwrap();
        std::thread::scope(|scope| {
            for t in 0..4 {
                let path = dir.path();
                scope.spawn(move || {
                    let vault = FileVault::open(path, key("ab")).unwrap();
                    for i in 0..5 {
                        vault.set(&org("a"), &api(&format!("c{t}-{i}"), "x")).unwrap();
                    }
                });
            }
        });
        let vault = FileVault::open(dir.path(), key("ab")).unwrap();
        assert_eq!(vault.list(&org("a")).unwrap().len(), 20);
    }
}
