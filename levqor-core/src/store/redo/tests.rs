//! The log before a map of the tests' own: turns, crashes at any group, damage, a map that fails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use proptest::prelude::*;

use super::*;

/// A map that outlives its log, as files do.
#[derive(Clone, Debug, Default)]
struct Map {
    records: Arc<RwLock<BTreeMap<Vec<u8>, Bytes>>>,
    /// It takes half, then fails.
    fails: Arc<AtomicBool>,
    /// It has no room for more tables.
    is_full: Arc<AtomicBool>,
}

impl Map {
    /// What is left of it when the power goes now.
    fn copy(&self) -> Self {
        Self { records: Arc::new(RwLock::new(self.records.read().clone())), ..Self::default() }
    }
}

impl Base for Map {
    const PIECE_BYTES_MAX: usize = 1_000;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.records.read().get(key).cloned())
    }

    fn range(&self, start: &[u8], visit: &mut Visit<'_, Bytes>) -> Result<(), StoreError> {
        let all: Vec<_> = self.records.read().range(start.to_vec()..).map(owned_pair).collect();
        for (key, value) in all {
            if !visit(&key, value)? {
                break;
            }
        }
        Ok(())
    }

    fn reserve(&self, _: u64) -> Result<(), StoreError> {
        match self.is_full.load(Ordering::Acquire) {
            true => Err(StoreError::Unavailable("no room".to_owned())),
            false => Ok(()),
        }
    }

    fn absorb(&self, writes: &mut Absorbed<'_>) -> Result<(), StoreError> {
        let fails = self.fails.load(Ordering::Acquire);
        for (n, (key, value)) in writes.enumerate() {
            if fails && n == 1 {
                return Err(StoreError::Unavailable("no space left".to_owned()));
            }
            match value {
                Some(value) => self.records.write().insert(key.to_vec(), value.clone()),
                None => self.records.write().remove(key),
            };
        }
        Ok(())
    }
}

fn owned_pair((key, value): (&Vec<u8>, &Bytes)) -> (Vec<u8>, Bytes) {
    (key.clone(), value.clone())
}

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

fn head(sequence: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut head = Head::default();
    head.sequence = sequence;
    (HEAD_KEY.to_vec(), Some(head.encode()))
}

/// Applies group `sequence` to the log and to what should be in it.
fn apply(
    redo: &Redo<Map>,
    model: &mut Content,
    sequence: u64,
    changes: &[(u8, Option<u8>)],
) -> Result<(), StoreError> {
    let mut writes = BTreeMap::new();
    for (key, value) in changes {
        writes.insert(vec![1, *key], value.map(|value| vec![value; 1 + usize::from(value)]));
    }
    writes.extend([head(sequence)]);
    redo.apply(writes.clone().into_iter().collect(), sequence)?;
    for (key, value) in writes {
        match value {
            Some(value) => model.insert(key, value),
            None => model.remove(&key),
        };
    }
    Ok(())
}

/// Everything from `start` on, and that looking each key up says the same.
fn content(redo: &Redo<Map>, start: &[u8]) -> Content {
    let mut found = Content::new();
    let mut visit = |key: &[u8], value: Bytes| {
        assert_eq!(redo.get(key)?.as_ref(), Some(&value));
        assert!(found.insert(key.to_vec(), value.to_vec()).is_none(), "each key once");
        Ok(true)
    };
    redo.range(start, &mut visit).unwrap();
    found
}

fn prefix(dir: &Path) -> std::path::PathBuf {
    dir.join("map")
}

fn files(dir: &Path) -> [std::path::PathBuf; 2] {
    FILES.map(|end| file::named(&prefix(dir), end))
}

/// The log's files and the map as a crash at this moment leaves them.
fn crashed(dir: &Path, map: &Map) -> (tempfile::TempDir, Map) {
    let copy = tempfile::tempdir().unwrap();
    // The map is looked at first: later it may have more than the files say, as after a crash.
    let map = map.copy();
    for end in FILES.iter().chain(&[".last"]) {
        let name = |dir| file::named(&prefix(dir), end);
        std::fs::copy(name(dir), name(copy.path())).unwrap();
    }
    (copy, map)
}

fn open(map: &Map, dir: &Path) -> Result<Redo<Map>, StoreError> {
    // A turn every few groups.
    let mut redo = Redo::open(map.clone(), &prefix(dir))?;
    redo.turn_bytes = 300;
    Ok(redo)
}

type Group = Vec<(u8, Option<u8>)>;

fn groups() -> impl Strategy<Value = Vec<(Group, u8)>> {
    let change = (0..12_u8, proptest::option::weighted(0.7, 0..60_u8));
    let group = proptest::collection::vec(change, 1..6);
    // What follows a group: nothing mostly, a crash, a clean close.
    proptest::collection::vec((group, 0..10_u8), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_was_applied_is_there_whenever_it_crashes(groups in groups(), start in 0..12_u8) {
        let (mut dir, mut map) = (tempfile::tempdir().unwrap(), Map::default());
        let mut redo = open(&map, dir.path()).unwrap();
        let mut model = Content::new();
        for (n, (group, then)) in groups.iter().enumerate() {
            apply(&redo, &mut model, n as u64 + 1, group).unwrap();
            match then {
                0 => {
                    let left = crashed(dir.path(), &map);
                    drop(redo);
                    (dir, map) = left;
                    redo = open(&map, dir.path()).unwrap();
                }
                1 => {
                    redo.close();
                    prop_assert_eq!(&content(&redo, &[]), &model);
                    drop(redo);
                    prop_assert_eq!(map.records.read().len(), model.len());
                    redo = open(&map, dir.path()).unwrap();
                }
                _ => {}
            }
            prop_assert_eq!(redo.last_sequence().unwrap_or(0) <= n as u64 + 1, true);
            prop_assert_eq!(&content(&redo, &[]), &model);
            let rest: Content = model.range(vec![1, start]..).map(|(k, v)| (k.clone(), v.clone())).collect();
            prop_assert_eq!(content(&redo, &[1, start]), rest);
        }
    }
}

/// A log of twenty groups that has not taken turns yet, as a crash leaves it.
fn written() -> (tempfile::TempDir, Content) {
    let dir = tempfile::tempdir().unwrap();
    let map = Map::default();
    let redo = Redo::open(map.clone(), &prefix(dir.path())).unwrap();
    let mut model = Content::new();
    for n in 1..=20 {
        apply(&redo, &mut model, n, &[(n as u8, Some(n as u8)), (0, Some(n as u8))]).unwrap();
    }
    (crashed(dir.path(), &map).0, model)
}

/// The number in the head record after opening what is in `dir`.
fn last(dir: &Path) -> Result<u64, StoreError> {
    let redo = Redo::open(Map::default(), &prefix(dir))?;
    match redo.get(HEAD_KEY)? {
        Some(raw) => Ok(Head::decode(&raw)?.sequence),
        None => Ok(0),
    }
}

#[test]
fn a_log_that_is_cut_or_changed_ends_there_and_the_witness_tells() {
    let (dir, _) = written();
    let path = files(dir.path()).into_iter();
    let path = path.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut shorter = 0;
    for at in 0..used {
        let mut bad = whole.clone();
        if at % 2 == 0 {
            bad.truncate(at);
        } else {
            bad[at] ^= 1 << (at % 8);
        }
        std::fs::write(&path, bad).unwrap();
        let found = last(dir.path()).unwrap();
        assert!(found < 20, "byte {at}");
        shorter += u64::from(found < 19);
    }
    assert!(shorter > 0);
    let redo = Redo::open(Map::default(), &prefix(dir.path())).unwrap();
    assert_eq!(redo.last_sequence(), Some(20), "so the store is refused");
    drop(redo);
    std::fs::write(&path, whole).unwrap();
    assert_eq!(last(dir.path()).unwrap(), 20);
}

#[test]
fn a_gap_and_a_later_format_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [zero, one] = files(dir.path());
    let ([mut first, mut second], _) = file::open_both(&zero, &one, 0).unwrap();
    first.append(1, &vec![head(1)]).unwrap();
    second.append(3, &vec![head(3)]).unwrap();
    let error = file::open_both(&zero, &one, 0).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(why) if why.contains("group 2")), "{error}");
    assert_eq!(file::open_both(&zero, &one, 2).unwrap().1.len(), 1, "the map has the first two");
    assert_eq!(file::open_both(&zero, &one, 3).unwrap().1.len(), 0);

    let mut bytes = std::fs::read(&zero).unwrap();
    bytes[8] = 2;
    let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    let crc = crc32fast::hash(&bytes[8..8 + length]);
    bytes[4..8].copy_from_slice(&crc.to_be_bytes());
    std::fs::write(&zero, bytes).unwrap();
    let error = file::open_both(&zero, &one, 0).unwrap_err();
    assert_eq!(error.code(), "store.format");
}

#[test]
fn a_map_that_fails_stops_the_log_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let map = Map::default();
    let redo = open(&map, dir.path()).unwrap();
    map.fails.store(true, Ordering::Release);
    let mut model = Content::new();
    let mut sequence = 0;
    let error = loop {
        sequence += 1;
        let n = sequence as u8;
        match apply(&redo, &mut model, sequence, &[(n, Some(n % 50)), (0, Some(1)), (1, None)]) {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("no space left"), "{error}");
    assert!(sequence > 5);
    assert_eq!(content(&redo, &[]), model, "reads go on");
    drop(redo);
    map.fails.store(false, Ordering::Release);
    let redo = open(&map, dir.path()).unwrap();
    assert_eq!(content(&redo, &[]), model);
    apply(&redo, &mut model, sequence, &[(200, Some(1))]).unwrap();
    assert_eq!(content(&redo, &[]), model);
}

#[test]
fn a_map_without_room_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let map = Map::default();
    let redo = open(&map, dir.path()).unwrap();
    let mut model = Content::new();
    apply(&redo, &mut model, 1, &[(1, Some(1))]).unwrap();
    map.is_full.store(true, Ordering::Release);
    let refused = (2..).find_map(|n| apply(&redo, &mut model, n, &[(n as u8, Some(9))]).err());
    assert!(refused.unwrap().to_string().contains("no room"));
    assert!(map.records.read().is_empty());
    assert_eq!(content(&redo, &[]), model, "reads go on");
}

#[test]
fn opening_alone_writes_nothing() {
    let (dir, model) = written();
    let before = files(dir.path()).map(|path| std::fs::read(path).unwrap());
    let map = Map::default();
    let redo = Redo::open(map.clone(), &prefix(dir.path())).unwrap();
    assert_eq!(content(&redo, &[]), model);
    drop(redo);
    assert!(map.records.read().is_empty());
    assert_eq!(before, files(dir.path()).map(|path| std::fs::read(path).unwrap()));
}
