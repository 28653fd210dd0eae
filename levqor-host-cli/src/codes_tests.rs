//! Every code has a text: the sources of the crates are read for texts that are codes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use levqor_core::explain::{all, find};

/// First words of codes.
const FAMILIES: &[&str] = &[
    "auth",
    "backup",
    "bulk",
    "cli",
    "config",
    "connector",
    "credential",
    "credits",
    "dlq",
    "doctor",
    "document",
    "egress",
    "engine",
    "event",
    "expr",
    "flags",
    "grant",
    "host",
    "idempotency",
    "input",
    "key",
    "ledger",
    "limit",
    "mail",
    "member",
    "oauth",
    "organization",
    "pipeline",
    "plan",
    "plugin",
    "quota",
    "request",
    "run",
    "schedule",
    "server",
    "step",
    "store",
    "user",
    "vault",
    "webhook",
];
/// Names of events, settings and files: they look like codes and are none.
const NO_CODES: &[&str] = &[
    "backup.age_recipient",
    "backup.dir",
    "backup.every_hours",
    "backup.hour",
    "backup.keep",
    "backup.keep_days",
    "cli.silent",
    "flags.toml",
    "input.invalid_json",
    "mail.from",
    "mail.resend_url",
    "run.dead",
    "run.failed",
    "run.failing",
    "run.finished",
    "run.started",
    "run.unpaused",
    "step.entered",
    "step.reused",
    "step.skipped",
    "step.succeeded",
    "step.waiting",
    "vault.json",
    "vault.key_file",
];

/// Texts of these crates that are codes, each with a file that has it.
fn codes_in_sources() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeMap::new();
    for name in ["levqor-core", "levqor-connectors", "levqor-host-http", "levqor-host-cli"] {
        let mut rest = vec![root.join(name).join("src")];
        while let Some(path) = rest.pop() {
            if path.is_dir() {
                rest.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|e| e == "rs") && !is_test(&path) {
                let text = std::fs::read_to_string(&path).unwrap();
                for code in codes_in(text.split("#[cfg(test)]").next().unwrap_or_default()) {
                    found.entry(code).or_insert_with(|| path.clone());
                }
            }
        }
    }
    found
}

fn is_test(path: &Path) -> bool {
    let mut names = path.iter().map(|part| part.to_string_lossy());
    names.any(|n| n.starts_with("tests") || n.ends_with("_tests.rs") || n == "explain")
}

/// Texts in double quotes of the form `family.word`; not those in comments, which are examples.
fn codes_in(source: &str) -> Vec<String> {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let texts = lines.flat_map(|line| line.split('"').skip(1).step_by(2));
    texts.filter(|text| is_code(text)).map(str::to_owned).collect()
}

fn is_code(text: &str) -> bool {
    let Some((family, word)) = text.split_once('.') else { return false };
    FAMILIES.contains(&family)
        && word.len() > 1
        && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        && !NO_CODES.contains(&text)
}

#[test]
fn every_code_is_explained() {
    let missing: Vec<String> = codes_in_sources()
        .iter()
        .filter(|(code, _)| find(code).is_none())
        .map(|(code, path)| format!("{code} in {}", path.display()))
        .collect();
    assert!(missing.is_empty(), "no text in levqor-core/src/explain for:\n{}", missing.join("\n"));
}

#[test]
fn the_reader_of_sources_finds_codes() {
    let source = "x => \"run.new_code\", // \"run.b\"\n/// \"run.comment\"\n\"run.started\"";
    assert_eq!(codes_in(source), ["run.new_code"]);
    let found = codes_in_sources();
    for known in ["store.locked", "document.unknown_step", "plugin.trap", "cli.usage"] {
        assert!(found.contains_key(known), "{known}");
    }
}

#[test]
fn every_text_is_there_once_and_says_something() {
    let mut seen = BTreeSet::new();
    for explanation in all() {
        assert!(seen.insert(explanation.code), "{} twice", explanation.code);
        assert!(explanation.cause.len() > 20, "{}", explanation.code);
        assert!(!explanation.cause.ends_with('.') && !explanation.next.ends_with('.'));
        assert!(explanation.next.len() > 8, "{}", explanation.code);
    }
    for (code, _) in levqor_core::document::CODES {
        assert!(find(code).is_some(), "{code}");
    }
}

#[test]
fn only_commands_that_exist_are_named() {
    use clap::CommandFactory;
    let cli = crate::args::Cli::command();
    for explanation in all() {
        for after in explanation.next.split("levqor ").skip(1) {
            let word =
                after.split([' ', ':', ',', '.']).find(|w| !w.is_empty() && !w.starts_with("--"));
            let word = match word {
                Some("NEW") => after.split(' ').nth(2),
                other => other,
            };
            let word = word.unwrap_or_default();
            let known = cli.get_subcommands().any(|c| c.get_name() == word);
            assert!(known || word == "COMMAND", "{}: levqor {after}", explanation.code);
        }
    }
}
