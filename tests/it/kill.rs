//! The kill loop, in short; continuous integration runs more cycles.

use std::process::Command;

use serde_json::Value;

/// Kills of a short run.
const CYCLES: &str = "12";
/// Kills within which a planted bug must be found.
const CYCLES_TO_FIND: &str = "60";

fn kill(arguments: &[&str]) -> Value {
    let done = Command::new(env!("CARGO_BIN_EXE_kill")).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let failed = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}{failed}");
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

#[test]
fn nothing_acknowledged_is_lost() {
    let summary = kill(&["--cycles", CYCLES]);
    assert_eq!(summary["found"], Value::Null, "{summary}");
    assert!(summary["acks"].as_u64().unwrap() > 0, "{summary}");
}

#[test]
fn planted_bugs_are_found() {
    for mutant in ["no-sync", "split-charge"] {
        let summary = kill(&["--cycles", CYCLES_TO_FIND, "--mutant", mutant]);
        assert!(summary["found"].is_string(), "{summary}");
    }
}
