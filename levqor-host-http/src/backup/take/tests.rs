//! A backup is one only after it was restored; what is wrong is refused and leaves nothing.

use std::sync::Arc;

use levqor_core::ids::Organization;
use levqor_core::ledger;
use levqor_core::store::{Add, Batch, Counter, Key, MemoryStore, Table};
use levqor_core::time::{SystemClock, Timestamp};

use super::*;

fn target() -> (tempfile::TempDir, Target) {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::new(folder.path().join("backups"), folder.path().join("scratch"));
    (folder, target)
}

async fn store() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    for name in ["a", "b"] {
        let entry = ledger::grant("welcome", 100, Timestamp(1)).unwrap();
        ledger::post(&*store, &Organization::new(name).unwrap(), &entry).await.unwrap();
    }
    store
}

#[tokio::test]
async fn a_backup_is_verified_noted_and_for_its_owner_alone() {
    let (_folder, target) = target();
    let store = store().await;
    let taken = take(&*store, &target, &SystemClock).await.unwrap();
    assert_eq!(taken.organizations, 2);
    assert_eq!(files::list(&target.folder), std::slice::from_ref(&taken));
    let path = target.folder.join(&taken.file);
    let read = backup::verify(File::open(&path).unwrap()).unwrap();
    assert_eq!((read.root, read.records), (taken.root, taken.records));
    #[cfg(unix)]
    for (path, wanted) in [(&path, 0o600), (&target.folder, 0o700)] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, wanted);
    }
    let second = take(&*store, &target, &SystemClock).await.unwrap();
    let names: Vec<String> = files::list(&target.folder).into_iter().map(|b| b.file).collect();
    assert!(names.contains(&second.file) && names.len() == 2, "{names:?}");
    assert!(std::fs::read_dir(&target.scratch).unwrap().next().is_none(), "nothing is left over");
}

#[tokio::test]
async fn what_does_not_fit_into_memory_is_restored_onto_the_disk() {
    let (folder, _) = target();
    let store = store().await;
    let plain = folder.path().join("plain");
    let now = Timestamp(1);
    let written = backup::export(&*store, File::create(&plain).unwrap(), now).await.unwrap();
    let checked = check::check_within(0, &plain, &written, folder.path()).await;
    assert_eq!(checked.unwrap(), 2);
    assert!(!folder.path().join("restored").exists(), "nothing is left over");
}

#[tokio::test]
async fn books_that_do_not_agree_are_no_backup() {
    let (_folder, target) = target();
    let store = store().await;
    let mut batch = Batch::new("a");
    batch.insert(Key::of(Table::Host).text("cover"), "{}".into());
    let counter = Counter::new("a", ledger::AVAILABLE);
    batch.add(Add { counter, delta: 7, min: 0, max: i64::MAX });
    store.commit(batch).await.unwrap();
    let refused = take(&*store, &target, &SystemClock).await.unwrap_err();
    assert_eq!(refused.code(), "backup.books");
    assert!(refused.to_string().contains(" a "), "{refused}");
    assert!(std::fs::read_dir(&target.folder).unwrap().next().is_none(), "nothing is left over");
}

#[tokio::test]
async fn what_is_sealed_never_lies_open_in_the_folder() {
    let (_folder, mut target) = target();
    let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    target.recipient = Some(recipient.parse().unwrap());
    let taken = take(&*store().await, &target, &SystemClock).await.unwrap();
    assert!(taken.encrypted && taken.file.ends_with(".lvqb.age"));
    let bytes = std::fs::read(target.folder.join(&taken.file)).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n-> X25519 "));
    assert!(!bytes.windows(7).any(|w| w == b"welcome"));
    assert!(std::fs::read_dir(&target.scratch).unwrap().next().is_none(), "nothing is left over");
}
