//! The first five minutes: the example runs, survives `kill -9` and Ctrl-C, and costs what it says.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use super::{Place, Running, hello};

const ADA: &str = "name=Ada";

fn start(place: &Place) -> Running {
    place.start(["run", hello().to_str().unwrap(), "--input", ADA])
}

/// Events of a kind in a run's journal, by their step.
fn steps_of(place: &Place, run: &str, kind: &str) -> Vec<String> {
    let journal = place.run(["runs", "show", run, "--journal", "--output", "jsonl"]).exits(0);
    let records = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records
        .flat_map(|record| record["events"].as_array().unwrap().clone())
        .filter(|event| event["event"] == kind)
        .map(|event| event["step"].as_str().unwrap().to_owned())
        .collect()
}

/// What a finished run of the example must have left behind, however often it was interrupted.
fn is_in_order(place: &Place, run: &str) {
    assert_eq!(steps_of(place, run, "attempt.opened"), ["shaky", "shaky", "shaky", "shout"]);
    assert_eq!(steps_of(place, run, "attempt.succeeded"), ["shaky", "shout"]);
    assert_eq!(steps_of(place, run, "step.succeeded"), ["greet", "nap"]);
    let shown = place.run(["runs", "show", run, "--output", "json"]).json();
    assert_eq!((&shown["status"], &shown["credits"]), (&json!("succeeded"), &json!(1)));
    let ledger = place.run(["credits", "list", "--output", "json"]).json();
    let of_run: Vec<&Value> =
        ledger["data"].as_array().unwrap().iter().filter(|row| row["run"] == run).collect();
    assert_eq!(of_run.len(), 1, "{ledger}");
    assert_eq!(of_run[0]["credits"], -1, "{ledger}");
    let charged = shown["steps"].as_array().unwrap().iter().filter(|step| step["credits"] != 0);
    let charged: Vec<_> = charged.map(|step| (&step["step"], &step["credits"])).collect();
    assert_eq!(charged, [(&json!("shaky"), &json!(1))]);
    let balance = place.run(["credits", "balance", "--output", "json"]).json();
    assert_eq!(balance, json!({ "available": 999, "held": 0 }));
    place.run(["credits", "audit"]).exits(0);
}

#[test]
fn the_output_stands_alone_on_stdout() {
    let place = Place::new();
    let done = place.run(["run", hello().to_str().unwrap(), "--input", ADA]);
    assert_eq!(done.exits(0), "HELLO, ADA!\n");
    for words in ["1000 credits", "retry shaky", "attempt 2", "done  nap", "text/upper"] {
        assert!(done.stderr().contains(words), "{words} in {}", done.stderr());
    }
}

#[test]
fn a_killed_run_goes_on_without_repeating_what_is_done() {
    let place = Place::new();
    let mut first = start(&place);
    let words = first.resume_words();
    let run = words.last().unwrap().clone();
    first.until(&["wait", "nap"]);
    first.signal("-KILL");
    assert_eq!(first.done().0.status.code(), None, "it was killed");
    let second = place.run(&words);
    assert_eq!(second.exits(0), "HELLO, ADA!\n");
    for words in ["kept  greet", "kept  shaky", "done  nap", "done  shout"] {
        assert!(second.stderr().contains(words), "{words} in {}", second.stderr());
    }
    is_in_order(&place, &run);
}

#[test]
fn ctrl_c_says_how_to_go_on() {
    let place = Place::new();
    let mut first = start(&place);
    let words = first.resume_words();
    first.until(&["wait", "nap"]);
    first.signal("-INT");
    let done = first.done();
    assert_eq!(done.exits(130), "");
    let last = done.stderr().lines().last().unwrap().to_owned();
    assert!(last.starts_with("interrupted") && last.ends_with(&words.join(" ")), "{last}");
    assert_eq!(place.run(&words).exits(0), "HELLO, ADA!\n");
    is_in_order(&place, words.last().unwrap());
}

#[test]
fn work_finishes_what_a_killed_process_left_and_stops_when_told() {
    let place = Place::new();
    let mut first = start(&place);
    let run = first.resume_words().last().unwrap().clone();
    first.until(&["wait", "nap"]);
    first.signal("-KILL");
    first.done();
    let mut worker = place.start(["work"]);
    worker.until(&["working on", "1 waiting run(s)"]);
    let said = BufReader::new(worker.child.stdout.take().unwrap());
    let ended = said.lines().map(Result::unwrap).find(|line| line.contains("succeeded"));
    assert_eq!(ended.unwrap(), format!("{run}  hello  succeeded"));
    worker.signal("-INT");
    worker.done().exits(0);
    is_in_order(&place, &run);
}
