//! The house rules as tests: what a reviewer would otherwise have to remember.
//!
//! Each rule is a pure function from text to findings, so each is shown to fail on planted text
//! beside it. What is checked here is the tree as it stands; formatting and lints are cargo's.

mod graph;
mod readme;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};

/// Folders that are made, not kept.
const MADE: [&str; 4] = ["target", ".git", ".levqor", "node_modules"];

/// Entries the top level must have.
const TOP: [&str; 19] = [
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".deny.toml",
    ".gitattributes",
    ".github",
    ".gitignore",
    ".rustfmt.toml",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "levqor-connectors",
    "levqor-core",
    "levqor-host-cli",
    "levqor-host-http",
    "plugins",
    "tests",
];

/// Entries it may have besides: the test runner's settings.
const TOP_MAY: [&str; 2] = [".config", ".git"];

/// Crates that others depend on or install: each says what changed for them.
const PUBLISHED: [&str; 5] =
    ["levqor-core", "levqor-connectors", "levqor-host-http", "levqor-host-cli", "plugins/sdk"];

/// One break of one rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    place: String,
    rule: &'static str,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.rule, self.what)
    }
}

fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.unwrap_or_else(|| panic!("the package stands in the workspace's folder"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn is_there(path: &str) -> bool {
    root().join(path).exists()
}

/// Every text file of the tree: its path from the root, with `/`, and its text.
fn texts() -> Vec<(String, String)> {
    let (mut found, mut open) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            if MADE.contains(&name.as_str()) {
                continue;
            }
            let path = folder.join(&name);
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
            } else if let Ok(text) = std::fs::read_to_string(root().join(&path)) {
                found.push((path.to_string_lossy().replace('\\', "/"), text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 100, "the tree is not where it is looked for");
    found
}

fn none(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "{} finding(s):\n{}", lines.len(), lines.join("\n"));
}

/// What the top level has too much or too little.
fn top_level(entries: &[String]) -> Vec<Finding> {
    let finding = |place: &str, what: &str| Finding {
        place: place.to_owned(),
        rule: "the top level",
        what: what.to_owned(),
    };
    let missing = TOP.iter().filter(|name| !entries.iter().any(|e| e == *name));
    let known = |e: &str| TOP.contains(&e) || TOP_MAY.contains(&e) || MADE.contains(&e);
    let foreign = entries.iter().filter(|e| !known(e));
    missing
        .map(|name| finding(name, "is missing"))
        .chain(foreign.map(|name| finding(name, "does not belong there")))
        .collect()
}

#[test]
fn every_text_keeps_the_rules() {
    let findings: Vec<Finding> =
        texts().iter().flat_map(|(path, text)| text::check(path, text)).collect();
    none(&findings);
}

#[test]
fn the_top_level_is_the_house_list() {
    let entries: Vec<String> = std::fs::read_dir(root())
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    none(&top_level(&entries));
    let mut planted = entries;
    planted.retain(|e| e != "README.md");
    planted.push("docs".to_owned());
    let found: Vec<String> = top_level(&planted).into_iter().map(|f| f.place).collect();
    assert_eq!(found, ["README.md", "docs"]);
}

#[test]
fn published_crates_say_what_changed() {
    for folder in PUBLISHED {
        let text = read(&format!("{folder}/CHANGELOG.md"));
        assert!(text.starts_with("# Changelog"), "{folder}");
        assert!(text.contains("## [Unreleased]"), "{folder}");
    }
}

#[test]
fn arrows_point_one_way() {
    let mut findings = Vec::new();
    for (path, text) in texts() {
        if let Some(folder) = path.strip_suffix("/Cargo.toml") {
            findings.extend(graph::arrows(folder, &text));
        }
    }
    findings.extend(graph::pure(&read("levqor-core/Cargo.toml"), &read("Cargo.lock")));
    findings.extend(graph::sources("Cargo.lock", &read("Cargo.lock")));
    findings.extend(graph::sources("plugins/Cargo.lock", &read("plugins/Cargo.lock")));
    none(&findings);
}

#[test]
fn what_the_readme_says_is_there() {
    let arguments: Vec<String> = texts()
        .into_iter()
        .filter(|(path, _)| path.starts_with("levqor-host-cli/src/args/"))
        .map(|(_, text)| text)
        .collect();
    let verbs = readme::Verbs::read(&arguments);
    let readme = read("README.md");
    none(&readme::check(&readme, &read(".cargo/config.toml"), &verbs));
    let tests = readme.lines().find_map(|line| line.strip_prefix("$ cargo test"));
    let tests = format!("cargo test{}\n", tests.unwrap_or_else(|| panic!("no test command")));
    assert!(read(".ci/run").contains(&tests), "continuous integration runs another command");
}
