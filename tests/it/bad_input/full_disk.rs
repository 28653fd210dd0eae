//! A full disk: starts are refused with a code, and what was acknowledged before is there once
//! there is space again. Needs a file system of 64 MiB, and so the right to mount one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use levqor_core::engine::Start;
use levqor_core::ids::RunId;
use levqor_core::run::RunStatus;
use levqor_core::store::{SledStore, Store};
use serde_json::json;

use super::catalog;
use crate::support::{Served, figure, skip};

/// Runs that are tried at most; each takes over 40 KB.
const RUNS: u32 = 3_000;

/// A mounted tmpfs that goes away with it.
struct SmallDisk {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` without the right to mount.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        run("mount", &["-t", "tmpfs", "-o", "size=64m", "tmpfs"], &path).then_some(())?;
        Some(Self { path, _dir: dir })
    }

    fn grow(&self) {
        assert!(run("mount", &["-o", "remount,size=256m"], &self.path));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.path);
    }
}

fn run(program: &str, args: &[&str], path: &Path) -> bool {
    let done = Command::new(program).args(args).arg(path).output();
    done.is_ok_and(|done| done.status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    if !cfg!(target_os = "linux") {
        return skip("the full disk: only written for Linux");
    }
    let Some(disk) = SmallDisk::mount() else {
        return skip("the full disk: no right to mount a small file system (run as root)");
    };
    let path = disk.path.join("store");
    let store = SledStore::open(&path).unwrap();
    let served = Served::on(Arc::new(store.clone()) as Arc<dyn Store>, catalog()).await;
    let document = json!({
        "steps": [{"id": "a", "uses": "t/echo", "with": {"n": "${{ input.n }}"}}],
        "output": "${{ steps.a.output.n }}",
    });
    let pipeline = served.compile(document).await.unwrap();
    let mut rng = levqor_core::testing::Rng::new(3);
    let mut accepted: Vec<(u32, RunId)> = Vec::new();
    let mut refusal = None;
    for n in 0..RUNS {
        // Nothing that can be packed.
        let filler: String = (0..2_500).map(|_| format!("{:016x}", rng.next())).collect();
        let input = json!({"n": n, "filler": filler});
        match served.engine.start(Start::new(pipeline.clone(), input)).await {
            Ok(handle) => accepted.push((n, handle.id())),
            Err(error) => {
                refusal = Some(error);
                break;
            }
        }
    }
    let refusal = refusal.expect("64 MiB do not hold 120 MB");
    let known = ["store.poisoned", "store.unknown_outcome", "store.unavailable", "engine.stopped"];
    assert!(known.contains(&refusal.code()), "{}: {refusal}", refusal.code());
    // It stays refused; reads go on, or say why not.
    let again = served.engine.start(Start::new(pipeline, json!({"n": 0}))).await.unwrap_err();
    assert!(known.contains(&again.code()), "{}: {again}", again.code());
    let (_, first) = accepted[0];
    match served.engine.get(&served.organization, first).await {
        Ok(detail) => assert_eq!(detail.input["n"], 0),
        Err(error) => assert_eq!(error.code(), "store.unavailable", "{error}"),
    }
    let _ = served.stop().await;
    store.close();
    drop(store);

    disk.grow();
    let store = SledStore::open(&path).unwrap();
    let served = Served::on(Arc::new(store.clone()) as Arc<dyn Store>, catalog()).await;
    for (n, id) in &accepted {
        let detail = served.settled(&served.organization, *id).await;
        assert_eq!(detail.summary.status, RunStatus::Succeeded, "{id}");
        assert_eq!(detail.output.as_deref(), Some(&json!(n)), "{id}");
    }
    let count = accepted.len();
    figure(&format!("full disk after {count} acknowledged runs ({}): all there", refusal.code()));
    assert!(count > 50, "{count}");
    served.stop().await.unwrap();
    store.close();
}
