//! A store of some size, backed up, proved and restored: how long each takes.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use levqor_core::store::{Batch, Key, SledStore, Store, StoreSpec, Table, backup};
use levqor_core::time::SystemClock;
use levqor_host_http::backup::{Target, take};

use super::load::Failure;
use super::output::Figure;

/// Bytes of one record: about what a run's journal record has.
const RECORD_BYTES: usize = 2 * 1024;
/// Records of one commit.
const BATCH_RECORDS: usize = 512;

/// Fills a store with `mib` MiB of text that does not compress, takes a backup of it with its
/// proof, restores that into a new store, and shows that one flipped byte is refused.
///
/// # Errors
/// When a step fails, or the flipped byte is not refused.
pub async fn run(dir: &Path, mib: usize) -> Result<(), Failure> {
    let store: Arc<dyn Store> = Arc::new(SledStore::open(dir.join("store"))?);
    fill(&*store, mib).await?;
    let target = Target::new(dir.join("backups"), dir.join("scratch"));
    let begun = Instant::now();
    let taken = take(&*store, &target, &SystemClock).await?;
    let took_s = begun.elapsed().as_secs_f64();
    drop(store);
    let file = target.folder.join(&taken.file);
    let mut figure = Figure::new("backup", "sled")
        .with("mib", mib)
        .with("records", taken.records)
        .with("file_mib", taken.file_bytes / (1024 * 1024))
        .with("backup_and_proof_s", round(took_s));
    for kind in ["sled", "redb"] {
        let folder = dir.join(format!("restored-{kind}"));
        let begun = Instant::now();
        let spec: StoreSpec = format!("{kind}:{}", folder.display()).parse()?;
        let restored = spec.open()?;
        let read = std::io::BufReader::with_capacity(1 << 18, std::fs::File::open(&file)?);
        let summary = backup::import(read, &*restored).await?;
        if summary.root != taken.root {
            return Err("the restored store differs".into());
        }
        figure = figure.with(&format!("restore_{kind}_s"), round(begun.elapsed().as_secs_f64()));
        drop(restored);
        let _ = std::fs::remove_dir_all(folder);
    }
    flip(&file, taken.file_bytes / 2)?;
    let refused = backup::verify(std::io::BufReader::new(std::fs::File::open(&file)?));
    let code = refused.err().ok_or("a flipped byte was not refused")?.code();
    figure.with("flipped_byte", code).print();
    Ok(())
}

fn round(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

async fn fill(store: &dyn Store, mib: usize) -> Result<(), Failure> {
    let records = mib * 1024 * 1024 / RECORD_BYTES;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for first in (0..records).step_by(BATCH_RECORDS) {
        let mut batch = Batch::new("bench");
        for record in first..(first + BATCH_RECORDS).min(records) {
            let text: String = (0..RECORD_BYTES / 16).map(|_| format!("{:016x}", next())).collect();
            let key = Key::of(Table::Host).text("bench").number(record as u64);
            batch.set.push((key, text.into()));
        }
        store.commit(batch).await?;
    }
    Ok(())
}

fn flip(file: &Path, at: u64) -> std::io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(file)?;
    let mut byte = [0];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(&[byte[0] ^ 1])
}
