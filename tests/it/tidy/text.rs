//! Rules about one file's text: words that must not stand there, length, the module page.

use super::Finding;

/// Lines a source file may have; tests and generated code excepted.
const LINES_MAX: usize = 500;

/// Made by a tool, from a source that is checked.
const GENERATED: [&str; 1] = ["plugins/sdk/src/bindings.rs"];

/// Words that must not stand in some files.
struct Rule {
    name: &'static str,
    /// Whether the rule is about the file at this path.
    about: fn(&str) -> bool,
    /// Whether comments, texts in quotes and the test module at the end do not count.
    code_only: bool,
    words: &'static [&'static str],
}

const RULES: [Rule; 9] = [
    Rule {
        name: "time comes from the clock port (I4)",
        about: |path| in_core(path) && path != "levqor-core/src/time.rs",
        code_only: true,
        words: &[
            "SystemTime::now",
            "Instant::now",
            "Zoned::now",
            "Timestamp::now",
            "time::sleep",
            "time::timeout",
            "time::interval",
        ],
    },
    Rule {
        name: "ids and chance come from their port (I4)",
        about: |path| in_core(path) && path != "levqor-core/src/ids/source.rs",
        code_only: true,
        words: &["getrandom", "rand", "fastrand", "thread_rng", "new_v4", "now_v7"],
    },
    Rule {
        name: "domain logic names no store (I2)",
        about: |path| {
            // The crate's page names one for its readers.
            in_core(path)
                && !path.starts_with("levqor-core/src/store/")
                && path != "levqor-core/src/lib.rs"
        },
        code_only: true,
        words: &["SledStore", "RedbStore", "PostgresStore", "MemoryStore", "sled", "redb"],
    },
    Rule {
        name: "the core does no IO outside its stores (I1)",
        about: |path| in_core(path) && !path.starts_with("levqor-core/src/store/"),
        code_only: true,
        words: &[
            "std::fs",
            "std::net",
            "std::process",
            "std::env",
            "tokio::fs",
            "tokio::net",
            "TcpStream",
            "File::open",
            "println!",
            "eprintln!",
        ],
    },
    Rule {
        name: "a library installs nothing in the process",
        about: |path| in_core(path) || in_source_of(path, "levqor-connectors"),
        code_only: true,
        words: &[
            "set_hook",
            "set_global_default",
            "install_default",
            "runtime::Builder",
            "Runtime::new",
            "ctrl_c",
        ],
    },
    Rule {
        name: "only egress dials (I12)",
        about: |path| {
            path.ends_with(".rs")
                && !is_test(path)
                && (path.starts_with("levqor-connectors/src/") || path.starts_with("levqor-host-"))
                && !path.starts_with("levqor-connectors/src/egress/")
                // Where the user's own host is dialled, which may be private, by the user's hand.
                && path != "levqor-host-cli/src/server/client.rs"
        },
        code_only: true,
        words: &["TcpStream::connect", "reqwest::Client", "lookup_host", "to_socket_addrs"],
    },
    Rule {
        name: "no lint is off for a whole file, every test runs, nothing panics for later",
        about: |path| path.ends_with(".rs") && !GENERATED.contains(&path),
        code_only: true,
        words: &["#![allow", "#[ignore", "todo!", "unimplemented!"],
    },
    Rule {
        name: "nothing is left for later",
        about: |_| true,
        code_only: false,
        words: &[
            concat!("TO", "DO"),
            concat!("FIX", "ME"),
            concat!("XX", "X"),
            concat!("HA", "CK"),
        ],
    },
    Rule {
        name: "nothing of the machine it was written on",
        about: |_| true,
        code_only: false,
        words: &[
            concat!("/wo", "rk/"),
            concat!("/ro", "ot/"),
            concat!("shared/", "DESIGN"),
            concat!("shared/", "STYLE"),
            concat!("shared/", "STACK"),
            concat!("shared/", "PLUGINS"),
            concat!("shared/", "RELIABILITY"),
            concat!("BRIEF", ".md"),
        ],
    },
];

fn in_core(path: &str) -> bool {
    in_source_of(path, "levqor-core")
}

fn in_source_of(path: &str, folder: &str) -> bool {
    let inside = path.strip_prefix(folder).is_some_and(|rest| rest.starts_with("/src/"));
    inside && path.ends_with(".rs") && !is_test(path)
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/it/")
        || path.contains("/tests/")
        || path.contains("/testing/")
        || path.contains("/benches/")
        || path.ends_with("tests.rs")
}

/// Every rule that `text` at `path` breaks.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |line: usize, rule, what: String| {
        found.push(Finding { place: format!("{path}:{line}"), rule, what });
    };
    let rules: Vec<&Rule> = RULES.iter().filter(|rule| (rule.about)(path)).collect();
    let code = if path.ends_with(".rs") { code(text) } else { String::new() };
    for rule in rules {
        let shown = if rule.code_only { &code } else { text };
        for (index, line) in shown.lines().enumerate() {
            for word in rule.words.iter().filter(|word| has(line, word)) {
                add(index + 1, rule.name, format!("`{word}`"));
            }
        }
    }
    if path.ends_with(".rs") && !GENERATED.contains(&path) {
        if !text.trim_start().starts_with("//!") {
            add(1, "a module opens with its page", "the first line is not `//!`".to_owned());
        }
        let lines = text.lines().count();
        if lines > LINES_MAX && !is_test(path) {
            add(LINES_MAX, "a file is one concept", format!("{lines} lines, over {LINES_MAX}"));
        }
    }
    found
}

/// Whether `word` stands in `line`, not as a part of a longer one.
fn has(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let opens = word.starts_with(part);
    let closes = word.ends_with(part);
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part);
        let after = line[at + word.len()..].chars().next().is_some_and(part);
        !(opens && before || closes && after)
    })
}

/// Rust source without comments, without what stands in quotes, and without the test module at its
/// end; lines stay where they are.
fn code(text: &str) -> String {
    let text = match text.find("#[cfg(test)]\nmod tests {") {
        Some(at) => &text[..at],
        None => text,
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            '"' => quoted(rest),
            'r' | 'b' if !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') => raw(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().filter(|c| *c == '\n'));
            rest = &rest[length..];
        }
    }
    out
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Length of a raw string that begins here, 0 where none does.
fn raw(text: &str) -> usize {
    let body = text.strip_prefix('b').unwrap_or(text);
    let Some(body) = body.strip_prefix('r') else { return 0 };
    let hashes = body.len() - body.trim_start_matches('#').len();
    if !body[hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let opened = text.len() - body.len() + hashes + 1;
    text[opened..].find(&end).map_or(text.len(), |at| opened + at + end.len())
}

/// Length of a character literal that begins here, 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, c))) => {
            let body = &text[at + c.len_utf8()..];
            body.find('\'').map_or(0, |end| at + c.len_utf8() + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        check(path, &format!("//! A page.\n{text}")).into_iter().map(|f| f.rule).collect()
    }

    #[test]
    fn code_is_what_the_compiler_sees() {
        let text = "a // b\n\"c \\\" d\" e 'f' '\\'' &'g h /* i\nj */ r#\"k \" l\"# br\"m\" n\n";
        assert_eq!(code(text), "a \n e   &'g h \n   n\n");
        assert_eq!(code("x\n#[cfg(test)]\nmod tests {\n y }"), "x\n");
    }

    #[test]
    fn words_are_whole() {
        assert!(has("x = rand::random()", "rand"));
        assert!(!has("operand::x", "rand") && !has("random", "rand") && !has("a_rand", "rand"));
        assert!(has("#[ignore = \"slow\"]", "#[ignore"));
    }

    #[test]
    fn each_rule_sees_what_it_forbids() {
        for rule in &RULES {
            for word in rule.words {
                let path = ["levqor-core/src/engine/x.rs", "levqor-host-cli/src/x.rs"]
                    .into_iter()
                    .find(|path| (rule.about)(path))
                    .unwrap();
                let found = rules(path, &format!("let x = {word} ;"));
                assert!(found.contains(&rule.name), "{word}: {found:?}");
            }
        }
    }

    #[test]
    fn rules_end_where_they_say() {
        let now = "let x = SystemTime::now();";
        assert_eq!(rules("levqor-core/src/run/x.rs", now).len(), 1);
        for fine in [
            "levqor-core/src/time.rs",
            "levqor-core/src/engine/tests/x.rs",
            "levqor-core/src/ledger/store_tests.rs",
            "levqor-host-cli/src/x.rs",
            "tests/src/sim/x.rs",
        ] {
            assert_eq!(rules(fine, now), [""; 0], "{fine}");
        }
        assert_eq!(rules("levqor-core/src/run/x.rs", "// SystemTime::now\n"), [""; 0]);
    }

    #[test]
    fn length_and_page_are_seen() {
        let long = "\n".repeat(LINES_MAX);
        assert_eq!(rules("levqor-core/src/x.rs", &long), ["a file is one concept"]);
        assert_eq!(rules("levqor-core/src/x/tests.rs", &long), [""; 0]);
        assert_eq!(rules(GENERATED[0], &long), [""; 0]);
        let page = check("levqor-core/src/x.rs", "fn main() {}");
        assert_eq!(page[0].rule, "a module opens with its page");
    }
}
