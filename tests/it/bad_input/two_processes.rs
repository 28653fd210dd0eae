//! One store, two processes: the second is told, the first goes on. The second is this very test
//! program, started again for one test.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use levqor_core::store::{SledStore, Store};
use serde_json::json;

use super::catalog;
use crate::support::Served;

/// Where the second process looks for the store.
const DIR: &str = "LEVQOR_IT_SECOND_PROCESS_DIR";
/// What its line begins with.
const SAYS: &str = "second process: ";

/// Not a test of its own: what the second process does.
#[test]
fn as_the_second_process() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let said = match SledStore::open(Path::new(&dir)) {
        Ok(_) => "opened".to_owned(),
        Err(error) => format!("{} {error}", error.code()),
    };
    eprintln!("{SAYS}{said}");
}

fn second_process(dir: &Path) -> String {
    let name = concat!(module_path!(), "::as_the_second_process");
    let name = name.split_once("::").unwrap().1;
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&done.stderr).into_owned();
    let said = text.lines().find_map(|line| line.split_once(SAYS)).map(|(_, said)| said.to_owned());
    said.unwrap_or_else(|| panic!("it said nothing: {text}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_is_refused_and_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    let served = Served::on(Arc::new(store.clone()) as Arc<dyn Store>, catalog()).await;
    let document = json!({"steps": [{"id": "a", "uses": "t/echo", "with": {"n": 1}}]});
    served.run(document.clone(), json!(1)).await;
    let said = second_process(dir.path());
    assert!(said.starts_with("store.locked "), "{said}");
    assert!(said.contains(&dir.path().display().to_string()), "{said}");
    // Also a second handle of the same process, and the first one works on.
    assert_eq!(SledStore::open(dir.path()).unwrap_err().code(), "store.locked");
    served.run(document, json!(2)).await;
    let page = served.engine.list(&served.organization, None, None, 10).await.unwrap();
    assert_eq!(page.data.len(), 2);
    served.stop().await.unwrap();
    drop((store, page));
    // The check can fail: once the first one is gone the second gets in.
    assert_eq!(second_process(dir.path()), "opened");
}
