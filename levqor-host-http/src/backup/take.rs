//! Taking one backup: export, proof, seal, rename.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use levqor_connectors::files::own_dir;
use levqor_core::store::{Store, backup};
use levqor_core::time::Clock;
use sha2::{Digest as _, Sha256};

use super::age::{Recipient, Sealer};
use super::{Backup, BackupFailure, check, files};

/// Bytes that are read and written at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Where backups go.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// The folder of backups; made, for its owner alone, where it is not there.
    pub folder: PathBuf,
    /// A folder beside the store for what is there only meanwhile.
    pub scratch: PathBuf,
    /// Whom they are sealed for; nobody where absent.
    pub recipient: Option<Recipient>,
}

impl Target {
    /// Backups in this folder, as they are.
    #[must_use]
    pub fn new(folder: PathBuf, scratch: PathBuf) -> Self {
        Self { folder, scratch, recipient: None }
    }
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> BackupFailure {
    move |source| BackupFailure::Io { what, source }
}

/// Removes what it stands for, unless told that it became something.
struct Meanwhile(Option<PathBuf>);

impl Drop for Meanwhile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Takes a backup of the store, proves it, and puts it in its place.
///
/// # Errors
/// [`BackupFailure`]; nothing is left in the folder then.
pub async fn take(
    store: &dyn Store,
    target: &Target,
    clock: &dyn Clock,
) -> Result<Backup, BackupFailure> {
    let Target { folder, scratch, recipient } = target;
    for each in [folder, scratch] {
        own_dir(each).map_err(failed("the folder cannot be made"))?;
    }
    let (begun, created) = (std::time::Instant::now(), clock.now());
    let name = files::name(folder, created, recipient.is_some());
    // What is not sealed must not leave the data folder.
    let plain_dir = if recipient.is_some() { scratch } else { folder };
    let plain = plain_dir.join(format!("{name}.part"));
    let mut plain_file = Meanwhile(Some(plain.clone()));
    let written = export(store, &plain, clock).await?;
    let organizations = check::check(&plain, &written, scratch).await?;
    let path = folder.join(&name);
    match recipient {
        Some(recipient) => seal(&plain, &path, *recipient)?,
        None => {
            std::fs::rename(&plain, &path).map_err(failed("the backup cannot be renamed"))?;
            plain_file.0 = None;
        }
    }
    let (file_bytes, file_sha256) = digest(&path).map_err(failed("the backup cannot be read"))?;
    let taken = Backup {
        file: name,
        created,
        verified: clock.now(),
        records: written.records,
        bytes: written.bytes,
        file_bytes,
        root: written.root,
        file_sha256,
        encrypted: recipient.is_some(),
        organizations,
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    files::note(folder, &taken).map_err(failed("the backup's note cannot be written"))?;
    Ok(taken)
}

async fn export(
    store: &dyn Store,
    path: &Path,
    clock: &dyn Clock,
) -> Result<backup::Summary, BackupFailure> {
    let file = files::create(path).map_err(failed("the backup cannot be made"))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let written = backup::export(store, &mut out, clock.now()).await?;
    sync(out).map_err(failed("the backup cannot be written"))?;
    Ok(written)
}

fn sync(out: BufWriter<File>) -> io::Result<()> {
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn seal(plain: &Path, path: &Path, recipient: Recipient) -> Result<(), BackupFailure> {
    let what = failed("the backup cannot be sealed");
    let part = path.with_extension("age.part");
    let mut sealed_file = Meanwhile(Some(part.clone()));
    let done = (|| {
        let mut input = BufReader::with_capacity(BUFFER_BYTES, File::open(plain)?);
        let out = BufWriter::with_capacity(BUFFER_BYTES, files::create(&part)?);
        let mut sealer = Sealer::new(out, recipient)?;
        io::copy(&mut input, &mut sealer)?;
        sync(sealer.finish()?)?;
        std::fs::rename(&part, path)
    })();
    done.map_err(what)?;
    sealed_file.0 = None;
    Ok(())
}

/// Length and SHA-256 of a file.
fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hash, mut length, mut buffer) = (Sha256::new(), 0, vec![0; BUFFER_BYTES]);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        length += count as u64;
    }
    Ok((length, HEXLOWER.encode(&hash.finalize())))
}

#[cfg(test)]
mod tests;
