//! Exit codes and the shape of what is printed.

use serde_json::{Value, json};

use super::{Place, hello};

const FAILS: &str = "
schema: levqor/v1
name: fails
steps:
  - id: no
    uses: echo/fail
    with: { case: permanent, message: it will not }
";
const WAITS: &str = "
schema: levqor/v1
name: waits
steps:
  - { id: ok, uses: core/approval, with: { title: May it go on? } }
output: \"${{ steps.ok.output.approved }}\"
";

#[test]
fn a_command_line_that_makes_no_sense_is_2() {
    let place = Place::new();
    for words in [&["nonsense"][..], &["run"], &["run", "x.yaml", "--input", "nothing"], &[]] {
        place.run(words).exits(2);
    }
    place.run(["--help"]).exits(0);
}

#[test]
fn a_run_that_fails_is_1_and_says_what_to_do() {
    let place = Place::new();
    let file = place.file("fails.yaml", FAILS);
    let done = place.run(["run", &file]);
    assert_eq!(done.exits(1), "");
    for words in ["it will not", "echo.permanent", "run --resume run_"] {
        assert!(done.stderr().contains(words), "{words} in {}", done.stderr());
    }
    let failed = place.run(["runs", "list", "--status", "failed", "--output", "json"]).json();
    assert_eq!(failed["data"].as_array().unwrap().len(), 1);
    let told = place.run(["run", &file, "--output", "json", "--quiet"]);
    told.exits(1);
    let error: Value = serde_json::from_str(told.stderr().trim()).unwrap();
    assert_eq!(error["error"]["exit"], 1);
}

#[test]
fn what_is_not_there_is_4() {
    let place = Place::new();
    let run = "run_00000000000000000000000000";
    for words in [&["runs", "show", run][..], &["run", "no-such-pipeline"], &["explain", "a.b"]] {
        place.run(words).exits(4);
    }
}

#[test]
fn a_store_in_use_is_5() {
    let place = Place::new();
    let mut running = place.start(["run", hello().to_str().unwrap(), "--input", "name=Ada"]);
    running.until(&["wait", "nap"]);
    let refused = place.run(["runs", "list"]);
    refused.exits(5);
    assert!(refused.stderr().contains("store.locked"), "{}", refused.stderr());
    // What needs no store goes on.
    place.run(["check", hello().to_str().unwrap()]).exits(0);
    running.done().exits(0);
}

#[test]
fn an_approval_is_left_to_a_person() {
    let place = Place::new();
    let file = place.file("waits.yaml", WAITS);
    let done = place.run(["run", &file]);
    done.exits(1);
    let help = done.stderr();
    let words = help.lines().find_map(|l| l.split_once("runs decide ")).unwrap().1.to_owned();
    let words = ["runs", "decide"].into_iter().chain(words.split(' '));
    assert_eq!(place.run(words).exits(0), "true\n");
}

#[test]
fn credits_are_whole_and_given_once() {
    let place = Place::new();
    for _ in 0..2 {
        let given = place.run(["credits", "grant", "5", "--reference", "a", "--output", "json"]);
        assert_eq!(given.json()["available"], 1_005);
    }
    let other = place.run(["credits", "grant", "6", "--reference", "a"]);
    other.exits(4);
    assert!(other.stderr().contains("ledger.mismatch"), "{}", other.stderr());
    let balance = place.run(["credits", "balance", "--output", "jsonl"]).exits(0);
    assert_eq!(
        serde_json::from_str::<Value>(&balance).unwrap(),
        json!({"available": 1005, "held": 0})
    );
}

#[test]
fn a_secret_is_stored_and_never_shown() {
    let place = Place::new();
    let file = place.file("secret", "sk-very-secret\n");
    let words = ["credentials", "set", "crm", "--host", "api.example.com", "--file", &file];
    let told = place.run(words);
    told.exits(0);
    let listed = place.run(["credentials", "list", "--output", "json"]).exits(0);
    assert!(listed.contains("crm") && listed.contains("api.example.com"), "{listed}");
    for text in [told.stderr(), listed] {
        assert!(!text.contains("very-secret"));
    }
    let vault = std::fs::read_to_string(place.dir.path().join(".levqor/vault/vault.json")).unwrap();
    assert!(!vault.contains("very-secret"));
    place.run(["credentials", "remove", "crm"]).exits(0);
    place.run(["credentials", "remove", "crm"]).exits(4);
}

#[test]
fn a_backup_moves_a_store() {
    let place = Place::new();
    let file = place.file("fails.yaml", FAILS);
    place.run(["run", &file]).exits(1);
    place.run(["store", "export", "all.backup"]).exits(0);
    place.run(["store", "verify", "all.backup"]).exits(0);
    place.run(["--data-dir", "other", "store", "import", "all.backup"]).exits(0);
    let list = |dir: &str| place.run(["--data-dir", dir, "runs", "list", "-o", "json"]).json();
    assert_eq!(list("other"), list(".levqor"));
    place.run(["--store", "redb:third", "store", "import", "all.backup"]).exits(0);
    let third = place.run(["--store", "redb:third", "runs", "list", "-o", "json"]).json();
    assert_eq!(third, list(".levqor"));
    place.run(["--data-dir", "other", "store", "verify"]).exits(0);
    place.run(["--data-dir", "other", "store", "import", "all.backup"]).exits(4);
    let mut bytes = std::fs::read(place.dir.path().join("all.backup")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(place.dir.path().join("all.backup"), bytes).unwrap();
    place.run(["store", "verify", "all.backup"]).exits(4);
}
