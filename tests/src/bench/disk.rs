//! What the disk itself can do: one thread that appends 4 KiB and syncs, in the store's folder.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the disk is measured.
const FOR: Duration = Duration::from_secs(2);

/// Appending `fdatasync`s: the time each took.
///
/// # Errors
/// When the folder cannot be written.
pub fn fdatasyncs(dir: &Path) -> std::io::Result<Vec<Duration>> {
    let path = dir.join("disk-probe");
    let mut file = std::fs::File::create(&path)?;
    let (block, begun, mut times) = ([b'x'; 4096], Instant::now(), Vec::new());
    while begun.elapsed() < FOR {
        let at = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(at.elapsed());
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(times)
}
