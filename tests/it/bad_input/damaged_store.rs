//! A store whose files were cut or changed: opening says so, or nothing is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use levqor_core::store::{SledStore, Store, StoreError};
use levqor_core::testing::Rng;
use serde_json::json;

use super::{Content, catalog, copy_dir};
use crate::support::{Served, figure};

/// Places that are flipped, and cut at.
const FLIPS: u64 = 160;
const CUTS: u64 = 40;

/// A store with runs in it, closed.
async fn written(dir: &Path) -> Content {
    let store = SledStore::open(dir).unwrap();
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let served = Served::on(shared.clone(), catalog()).await;
    served.grant("start", 500).await;
    let document = json!({"steps": [
        {"id": "a", "uses": "t/echo", "with": {"n": "${{ input.n }}", "x": "x".repeat(3_000)}},
        {"id": "b", "uses": "t/echo", "with": {"y": "${{ input.big }}"}}]});
    for n in 0..30 {
        let big = "y".repeat(if n == 7 { 100_000 } else { 10 });
        served.run(document.clone(), json!({"n": n, "big": big})).await;
    }
    served.stop().await.unwrap();
    store.close();
    Content::of(&shared).await.unwrap()
}

/// Opens a damaged copy: `Ok(true)` where everything is there, `Ok(false)` where it is not.
async fn opened(dir: &Path, before: &Content) -> Result<bool, StoreError> {
    let store = SledStore::open(dir)?;
    let shared: Arc<dyn Store> = Arc::new(store);
    Ok(Content::of(&shared).await? == *before)
}

/// Files of the store that have something in them.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if fs::metadata(&path).unwrap().len() > 0 {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// How the copies ended.
#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    harmless: u64,
    slowest: Duration,
}

impl Tally {
    async fn take(&mut self, copy: &Path, before: &Content, what: &str) {
        let begun = Instant::now();
        match opened(copy, before).await {
            Ok(true) => self.harmless += 1,
            Ok(false) => panic!("{what}: opened, and something is missing or changed"),
            Err(error) => {
                let known = ["store.corrupt", "store.format", "store.unavailable"];
                assert!(known.contains(&error.code()), "{what}: {error}");
                assert!(error.to_string().len() < 1_000, "{what}: {error}");
                self.refused += 1;
            }
        }
        self.slowest = self.slowest.max(begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_found_or_harmless() {
    let dirs = tempfile::tempdir().unwrap();
    let (whole, copy) = (dirs.path().join("whole"), dirs.path().join("copy"));
    let before = written(&whole).await;
    assert!(before.records.len() > 90, "{} records", before.records.len());
    copy_dir(&whole, &copy);
    assert!(opened(&copy, &before).await.unwrap(), "an undamaged copy is whole");

    let mut rng = Rng::new(11);
    let (mut flips, mut cuts) = (Tally::default(), Tally::default());
    let all = files(&whole);
    for n in 0..FLIPS + CUTS {
        fs::remove_dir_all(&copy).unwrap();
        copy_dir(&whole, &copy);
        // The data file holds nearly everything; the others get their share.
        let data = whole.join("db");
        let path = if n % 4 != 3 { &data } else { rng.pick(&all).unwrap() };
        let target = copy.join(path.strip_prefix(&whole).unwrap());
        let mut bytes = fs::read(&target).unwrap();
        // What was written stands at the front, the rest of the segment is empty.
        let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1) as u64;
        let at = usize::try_from(rng.below(used)).unwrap();
        let what = format!("{}, byte {at} of {used}", target.display());
        if n < FLIPS {
            bytes[at] ^= 1 << rng.below(8);
            fs::write(&target, bytes).unwrap();
            flips.take(&copy, &before, &format!("flipped {what}")).await;
        } else {
            bytes.truncate(at);
            fs::write(&target, bytes).unwrap();
            cuts.take(&copy, &before, &format!("cut {what}")).await;
        }
    }
    figure(&format!("{FLIPS} flipped bits: {flips:?}; {CUTS} cut files: {cuts:?}"));
    assert!(flips.refused > FLIPS / 2 && cuts.refused > CUTS / 2, "{flips:?} {cuts:?}");
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let dirs = tempfile::tempdir().unwrap();
    let file = dirs.path().join("file");
    fs::write(&file, "hello").unwrap();
    assert_eq!(SledStore::open(&file).unwrap_err().code(), "store.unavailable");
    let text = dirs.path().join("text");
    fs::create_dir(&text).unwrap();
    fs::write(text.join("db"), "hello, I am a text".repeat(1_000)).unwrap();
    fs::write(text.join("conf"), "colour = red").unwrap();
    let code = SledStore::open(&text).unwrap_err().code();
    assert!(["store.corrupt", "store.format"].contains(&code), "{code}");
    // sled's files, but not ours.
    let other = dirs.path().join("other");
    {
        let store = SledStore::open(&other).unwrap();
        store.close();
    }
    SledStore::open(&other).unwrap();
}
