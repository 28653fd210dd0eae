//! The README's commands, typed as they stand there, in their order, in one folder.

use std::process::{Command, Stdio};

use super::{Place, binary, hello, root};

/// Commands that are not typed here, and why.
const ELSEWHERE: [(&str, &str); 3] = [
    ("run --resume ", "needs a run that was killed: `hello.rs` kills one"),
    ("plugin ", "builds a crate: the SDK's tests and the plugins' do"),
    ("work", "goes on until it is stopped: `hello.rs` stops one"),
];

/// The run that the README shows.
const SHOWN: &str = "run_01m83b47q4fhnsmkrkztx86wxv";

/// A step whose result nobody knows: a dead letter.
const DEAD: &str = "schema: levqor/v1\nname: dead\nsteps:\n  - { id: f, uses: core/fail, \
                    with: { code: gave_up, message: as told, kind: ambiguous } }\n";

/// What follows `$ levqor ` in the README.
fn commands() -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    readme.lines().filter_map(|line| line.strip_prefix("$ levqor ")).map(str::to_owned).collect()
}

/// The newest run of a list.
fn newest(place: &Place, list: &str) -> String {
    let listed = place.run([list, "list", "--output", "json"]).json();
    listed["data"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_readmes_commands_work_as_written() {
    let place = Place::new();
    let examples = place.dir.path().join("levqor-host-cli/examples");
    std::fs::create_dir_all(&examples).unwrap();
    for file in std::fs::read_dir(hello().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), examples.join(file.file_name())).unwrap();
    }
    place.run(["run", "levqor-host-cli/examples/hello.yaml", "--input", "name=Ada"]).exits(0);
    let run = newest(&place, "runs");
    let dead = place.file("dead.yaml", DEAD);
    place.run(["run", &dead]).exits(1);
    let dead = newest(&place, "dlq");

    let mut typed = 0;
    for command in commands() {
        if ELSEWHERE.iter().any(|(begins, _)| command.starts_with(begins)) {
            continue;
        }
        let shown = if command.starts_with("dlq ") { &dead } else { &run };
        let line = format!("levqor {}", command.replace(SHOWN, shown));
        // Its step fails again, as it was told to.
        let wanted = if command.starts_with("dlq retry ") { 1 } else { 0 };
        let done = shell(&place, &line);
        assert_eq!(done.status.code(), Some(wanted), "{line}: {done:?}");
        typed += 1;
    }
    assert!(typed >= 20, "only {typed} commands are in the README");
}

/// Types a line; where a value is asked for, it is `s3cret`.
fn shell(place: &Place, line: &str) -> std::process::Output {
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", binary().parent().unwrap().display());
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &format!("{line} <<<s3cret")]);
    let words = place.command([""; 0]);
    for (name, value) in words.get_envs() {
        assert!(value.is_none(), "{name:?} is set");
        bash.env_remove(name);
    }
    bash.current_dir(place.dir.path()).env("PATH", path).stdin(Stdio::null());
    bash.output().unwrap()
}
