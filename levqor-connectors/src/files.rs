//! Files that only we may read: private folders, key files, atomic replacement.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

/// Makes `dir` (0700), or checks that nobody else may write to it.
pub(crate) fn private_dir(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, MetadataExt};
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mode = fs::metadata(dir)?.mode();
        if mode & 0o022 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("others may write to {}: `chmod go-w` it", dir.display()),
            ));
        }
    }
    #[cfg(not(unix))]
    fs::create_dir_all(dir)?;
    Ok(())
}

/// Makes `dir` for its owner alone (0700); one that is there becomes so.
///
/// # Errors
/// When it cannot be made, or is somebody else's.
pub fn own_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Makes a data folder that is not there yet: for its owner alone (0700), with a note for git that
/// what is in it is not source. One that is there is left as it is.
///
/// # Errors
/// When it cannot be made.
pub fn make_data_dir(dir: &Path) -> io::Result<()> {
    if dir.exists() {
        return Ok(());
    }
    private_dir(dir)?;
    fs::write(dir.join(".gitignore"), "*\n")
}

/// The 32 random bytes in `path`, made (0600) on first use.
pub(crate) fn key_file(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    match read_key(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let mut key = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *key).map_err(|e| io::Error::other(e.to_string()))?;
    // Written aside and linked: two processes starting together agree on one key.
    let aside = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = create_private(&aside)?;
    file.write_all(&*key)?;
    file.sync_all()?;
    let linked = fs::hard_link(&aside, path);
    fs::remove_file(&aside)?;
    match linked {
        Ok(()) => sync_parent(path)?,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    read_key(path)
}

fn read_key(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    let mut file = File::open(path)?;
    refuse_if_readable(path, &file)?;
    let mut key = Zeroizing::new([0_u8; 32]);
    file.read_exact(&mut *key)?;
    if file.read(&mut [0_u8])? != 0 {
        let what = format!("{} is not a key of 32 bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(key)
}

/// An error when others may read or write `file`.
pub(crate) fn refuse_if_readable(path: &Path, file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if file.metadata()?.mode() & 0o077 != 0 {
            let what = format!("others may read {0}: `chmod 600 {0}`", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
    }
    #[cfg(not(unix))]
    let _ = (path, file);
    Ok(())
}

/// Replaces `path` wholly or not at all, also when the machine stops in between; mode 0600.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let turn = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let aside = path.with_extension(format!("tmp-{}-{turn}", std::process::id()));
    let written = (|| {
        let mut file = create_private(&aside)?;
        write(&mut file)?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        sync_parent(path)
    })();
    if written.is_err() {
        // Best effort: the error that matters is the one above.
        let _ = fs::remove_file(&aside);
    }
    written
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    match options.open(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            // Left behind by a process of the same id that was killed.
            fs::remove_file(path)?;
            options.open(path)
        }
        opened => opened,
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_refused_when_others_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let first = key_file(&path).unwrap();
        assert_eq!(*first, *key_file(&path).unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(key_file(&path).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
    }

    #[test]
    fn a_data_folder_is_its_owners_and_one_that_is_there_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("a/b");
        make_data_dir(&made).unwrap();
        assert_eq!(fs::read(made.join(".gitignore")).unwrap(), b"*\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&made), 0o700);
            fs::set_permissions(&made, fs::Permissions::from_mode(0o750)).unwrap();
            make_data_dir(&made).unwrap();
            assert_eq!(mode(&made), 0o750);
            own_dir(&made).unwrap();
            assert_eq!(mode(&made), 0o700);
        }
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        replace(&path, |f| f.write_all(b"old")).unwrap();
        let failed = replace(&path, |f| {
            f.write_all(b"new")?;
            Err(io::Error::other("no"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
