//! Documents on the command line: check, estimate, plan, push, diff, schema.

use serde_json::Value;

use super::{Place, hello};

const WRONG: &str = "\
schema: levqor/v1
name: wrong
steps:
  - id: a
    uses: text/uper
    with: { text: \"${{ steps.b.output }}\" }
";

#[test]
fn every_problem_is_shown_under_its_line() {
    let place = Place::new();
    let file = place.file("wrong.yaml", WRONG);
    let done = place.run(["check", &file]);
    done.exits(3);
    let told = done.stderr();
    for words in ["wrong.yaml:5:", "uses: text/uper", "did you mean", "document.unknown_action"] {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert!(!told.contains('\u{1b}'), "colours where no terminal is");
    let json = place.run(["check", &file, "--output", "json"]);
    let report: Value = serde_json::from_str(&json.exits(3)).unwrap();
    assert_eq!(report["valid"], false);
    assert_eq!(report["issues"][0]["line"], 5);
    assert!(!place.dir.path().join(".levqor").exists(), "checking leaves nothing behind");
}

#[test]
fn the_example_is_right_and_its_price_known() {
    let place = Place::new();
    let path = hello();
    let path = path.to_str().unwrap();
    place.run(["check", path]).exits(0);
    let estimate = place.run(["estimate", path, "--output", "json"]).json();
    assert_eq!(estimate["expected"], 1);
}

#[test]
fn a_draft_can_be_checked_as_it_is() {
    let place = Place::new();
    let draft = place.run(["plan", "make the name upper case"]).exits(0);
    let file = place.file("draft.yaml", &draft);
    place.run(["check", &file]).exits(0);
    place.run(["plan", "qwertz"]).exits(4);
}

#[test]
fn pushing_and_comparing() {
    let place = Place::new();
    let first = std::fs::read_to_string(hello()).unwrap();
    let file = place.file("hello.yaml", &first);
    let pushed = place.run(["pipelines", "push", &file, "--output", "json"]).json();
    assert_eq!(pushed["changed"], true);
    assert_eq!(place.run(["pipelines", "diff", &file]).exits(0), "");
    place.file("hello.yaml", &first.replace("for: 3s", "for: 1s"));
    let diff = place.run(["pipelines", "diff", &file, "--output", "jsonl"]).exits(0);
    let change: Value = serde_json::from_str(diff.lines().next().unwrap()).unwrap();
    assert_eq!((&change["kind"], &change["step"]), (&"changed".into(), &"nap".into()));
    let again = place.run(["pipelines", "push", &file, "--output", "json"]).json();
    assert_eq!(again["changed"], true);
    assert_eq!(place.run(["run", "hello", "--input", "name=Bo", "-q"]).exits(0), "HELLO, BO!\n");
}

#[test]
fn schedules_tell_their_next_times() {
    let place = Place::new();
    let file = place.file(
        "nightly.yaml",
        "schema: levqor/v1\nname: nightly\ntriggers:\n  - { id: night, uses: schedule, with: { cron: \"0 3 * * *\", timezone: Europe/Berlin } }\nsteps:\n  - { id: a, uses: core/set, with: {} }\n",
    );
    place.run(["pipelines", "push", &file]).exits(0);
    let list = place.run(["schedules", "list", "--output", "json"]).json();
    let row = &list["data"][0];
    assert_eq!(row["schedule"], "nightly/night");
    assert_eq!(row["next"].as_array().unwrap().len(), 3);
    let paused = place.run(["schedules", "pause", "nightly/night", "--output", "json"]).json();
    assert_eq!(paused["paused"], true);
}

#[test]
fn schemas_and_explanations_are_printed() {
    let place = Place::new();
    let schema = place.run(["schema", "pipeline"]).json();
    assert!(schema["properties"]["steps"].is_object());
    place.run(["schema", "config"]).json();
    let text = place.run(["explain", "store.locked"]).exits(0);
    assert!(text.contains("--data-dir"), "{text}");
    assert!(place.run(["completions", "bash"]).exits(0).contains("levqor"));
}
