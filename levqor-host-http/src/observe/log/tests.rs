//! Every line is one JSON object, whatever callers put into it.

use std::io::BufRead as _;

use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

fn logged(say: impl FnOnce()) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::open(folder.path(), 1 << 20, 2).unwrap();
    let out = Arc::new(Out::Files(Mutex::new(files)));
    let errors = Errors::in_folder(folder.path());
    let subscriber = tracing_subscriber::registry().with(JsonLines { out, errors });
    tracing::subscriber::with_default(subscriber, say);
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("errors.jsonl") {
            continue;
        }
        let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
        lines.extend(file.lines().map(|line| {
            let line = line.unwrap();
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
        }));
    }
    lines
}

#[test]
fn what_callers_wrote_cannot_make_a_line_or_leave_its_field() {
    let hostile = [
        "a\r\nfake line",
        "\u{1b}[2J\u{1b}]0;title\u{7}",
        "\"}, {\"level\":\"error\"",
        "\u{202e}gnp.exe",
        "\u{2028}\u{85}\u{9b}31m",
        "\u{200b}zero\u{feff}",
        "\0",
    ];
    let lines = logged(|| {
        for text in hostile {
            tracing::info!(text, debug = ?text, "said");
        }
    });
    assert_eq!(lines.len(), hostile.len());
    for (line, text) in lines.iter().zip(hostile) {
        assert_eq!(line["text"], text);
        assert_eq!(line["message"], "said");
        assert_eq!(line["level"], "info");
        let written = line::harmless(&line.to_string());
        assert!(written.chars().all(|c| !c.is_control()), "{written}");
        assert!(!written.contains(['\u{202e}', '\u{2028}', '\u{200b}', '\u{feff}']), "{written}");
    }
}

#[test]
fn long_texts_are_cut_and_spans_stand_in_the_line() {
    let long = "ä".repeat(10_000);
    let lines = logged(|| {
        let _span = tracing::info_span!("request", request_id = "req_1", trace = "t").entered();
        tracing::info!(long, n = 3, share = 0.5, yes = true, "said");
    });
    let line = &lines[0];
    assert_eq!((&line["request_id"], &line["n"]), (&"req_1".into(), &3.into()));
    assert_eq!((&line["share"], &line["yes"]), (&0.5.into(), &true.into()));
    let long = line["long"].as_str().unwrap();
    assert!(long.len() < 5_000 && long.ends_with("… (20000 bytes)"), "{}", long.len());
}
