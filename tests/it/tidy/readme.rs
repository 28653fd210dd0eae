//! Rules about the README: commands that exist, files and tests that are there, code that compiles.
//!
//! Commands are looked up, not run: that is what `.ci/run` does with them.

use std::collections::BTreeMap;

use super::{Finding, is_there, read};

/// Cargo's own verbs that the README may use.
const CARGO: [&str; 10] =
    ["bench", "build", "check", "clippy", "doc", "fmt", "install", "run", "test", "tree"];

/// Options that every verb of `levqor` has from clap.
const CLAP: [&str; 2] = ["help", "version"];

/// The verbs of `levqor` as its sources declare them.
#[derive(Debug, Default)]
pub(super) struct Verbs {
    /// By enum: each verb with the enum of its own verbs, where it has some.
    enums: BTreeMap<String, BTreeMap<String, Option<String>>>,
    sources: String,
}

impl Verbs {
    /// Reads the enums of the files under `args/`.
    pub(super) fn read(sources: &[String]) -> Self {
        let mut verbs = Self { sources: sources.join("\n"), ..Self::default() };
        let mut inside: Option<String> = None;
        for line in verbs.sources.clone().lines() {
            if let Some((_, rest)) = line.split_once("enum ")
                && !line.starts_with(' ')
            {
                inside = rest.split([' ', '{']).next().map(str::to_owned);
            } else if line.starts_with('}') {
                inside = None;
            } else if let (Some(name), Some(variant)) = (&inside, line.strip_prefix("    "))
                && variant.starts_with(|c: char| c.is_ascii_uppercase())
            {
                let end = variant.find(|c: char| !c.is_alphanumeric()).unwrap_or(variant.len());
                let below = variant[end..].strip_prefix('(').and_then(|r| r.split(')').next());
                let below = below.filter(|b| b.ends_with("Verb")).map(str::to_owned);
                let of = verbs.enums.entry(name.clone()).or_default();
                of.insert(kebab(&variant[..end]), below);
            }
        }
        verbs
    }

    /// What is wrong with these words after `levqor`.
    fn judge(&self, words: &[&str]) -> Option<String> {
        let long = words.iter().filter_map(|w| w.strip_prefix("--")).filter(|w| !w.is_empty());
        for option in long.map(|w| w.split('=').next().unwrap_or(w)) {
            let field = format!("{}:", option.replace('-', "_"));
            let named = format!("long = \"{option}\"");
            let known = self.sources.contains(&field) || self.sources.contains(&named);
            if !known && !CLAP.contains(&option) {
                return Some(format!("`levqor` has no option `--{option}`"));
            }
        }
        let mut of = "Command".to_owned();
        let mut words = words.iter().peekable();
        // Options before the verb, with a value or without.
        while words.next_if(|w| w.starts_with('-')).is_some() {
            words.next_if(|w| !self.enums.get(&of).is_some_and(|verbs| verbs.contains_key(**w)));
        }
        loop {
            let known = self.enums.get(&of)?;
            let verb = words.next()?;
            match known.get(*verb) {
                None => return Some(format!("`levqor` has no verb `{verb}` there")),
                Some(None) => return None,
                Some(Some(below)) => of.clone_from(below),
            }
        }
    }
}

fn kebab(variant: &str) -> String {
    let mut out = String::new();
    for c in variant.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// What the README names and is not there.
pub(super) fn check(readme: &str, cargo_config: &str, verbs: &Verbs) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |line: usize, what: String| {
        let place = format!("README.md:{}", line + 1);
        found.push(Finding { place, rule: "the README is true", what });
    };
    let mut fence = String::new();
    for (number, line) in readme.lines().enumerate() {
        if let Some(opened) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_empty() { format!("`{opened}") } else { String::new() };
            continue;
        }
        if fence == "`console" || fence == "`sh" {
            if let Some(wrong) = command(line, cargo_config, verbs) {
                add(number, wrong);
            }
        } else if fence.is_empty() {
            for wrong in spans(line).chain(links(line)) {
                add(number, wrong);
            }
        }
    }
    let (shown, page) = (rust_block(readme), doctest(&read("levqor-core/src/lib.rs")));
    if shown.is_none() || shown != page {
        add(0, "the first Rust block is not the crate page's".to_owned());
    }
    found
}

/// What is wrong with one line of a console block; lines of output are not commands.
fn command(line: &str, cargo_config: &str, verbs: &Verbs) -> Option<String> {
    let line = line.trim().trim_start_matches("$ ");
    let line = line.split(" #").next().unwrap_or(line);
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |flag: &str| {
        let at = words.iter().position(|w| *w == flag)?;
        words.get(at + 1).copied()
    };
    match *words.first()? {
        "cargo" => {
            let verb = words.get(1)?;
            let alias = cargo_config.lines().any(|l| l.starts_with(&format!("{verb} = ")));
            if !alias && !CARGO.contains(verb) {
                return Some(format!("cargo has no verb `{verb}` here"));
            }
            let package = after("-p").unwrap_or("tests");
            let folder = package.replace("levqor-tests", "tests");
            if !is_there(&format!("{folder}/Cargo.toml")) {
                return Some(format!("there is no package `{package}`"));
            }
            for (flag, under) in [("--example", "examples"), ("--bin", "src/bin")] {
                let Some(name) = after(flag) else { continue };
                let (file, module) =
                    (format!("{folder}/{under}/{name}.rs"), format!("{folder}/{under}/{name}"));
                if !is_there(&file) && !is_there(&module) {
                    return Some(format!("there is no {file}"));
                }
            }
            let typed =
                words.iter().position(|w| *w == "--").map_or(&[][..], |at| &words[at + 1..]);
            let is_cli = package == "levqor-host-cli" && *verb == "run";
            missing(typed).or_else(|| verbs.judge(typed).filter(|_| is_cli))
        }
        "levqor" | "target/release/levqor" => {
            missing(&words[1..]).or_else(|| verbs.judge(&words[1..]))
        }
        _ => None,
    }
}

/// A path into the tree among these words that is not there.
fn missing(words: &[&str]) -> Option<String> {
    let ours = |w: &&&str| w.starts_with("levqor-") && w.contains('/');
    let gone = words.iter().filter(ours).find(|w| !is_there(w));
    gone.map(|path| format!("there is no {path}"))
}

/// Code spans that name a file of the tree, or `file::test` in one.
fn spans(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split('`').skip(1).step_by(2).filter_map(|span| {
        let (path, test) = span.split_once("::").map_or((span, None), |(p, t)| (p, Some(t)));
        let tops = ["levqor-", "plugins/", "tests/", ".ci/", ".github/", ".cargo/"];
        if !tops.iter().any(|top| path.starts_with(top)) || !path.contains('/') {
            return None;
        }
        if path.contains([' ', '*', '<']) {
            return None;
        }
        if !is_there(path) {
            return Some(format!("there is no {path}"));
        }
        let test = test?;
        let named = read(path).contains(&format!("fn {test}("));
        (!named).then(|| format!("there is no {test} in {path}"))
    })
}

/// Links to files that are not there.
fn links(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', '#']).next().unwrap_or_default();
        let inside = !target.is_empty() && !target.contains("://");
        (inside && !is_there(target)).then(|| format!("there is no {target}"))
    })
}

/// The first block of Rust in a Markdown text.
fn rust_block(text: &str) -> Option<String> {
    let body = text.split_once("```rust\n")?.1;
    Some(body.split_once("```")?.0.trim_end().to_owned())
}

/// The first doctest of a module page, as rustdoc shows it.
fn doctest(source: &str) -> Option<String> {
    let page: Vec<&str> = source
        .lines()
        .map_while(|l| l.strip_prefix("//!"))
        .map(|l| l.strip_prefix(' ').unwrap_or(l))
        .skip_while(|l| *l != "```")
        .skip(1)
        .take_while(|l| *l != "```")
        .filter(|l| !l.starts_with("# "))
        .collect();
    (!page.is_empty()).then(|| page.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGUMENTS: &str = "
pub(crate) enum Command {
    /// Run it
    Run(RunArgs),
    Runs(RunsVerb),
    DryRun,
}
pub(crate) enum RunsVerb {
    List {
        limit: u32,
    },
}
";

    fn findings(readme: &str) -> Vec<String> {
        let verbs = Verbs::read(&[ARGUMENTS.to_owned()]);
        let text = format!(
            "```rust\n{}\n```\n{readme}",
            doctest(&read("levqor-core/src/lib.rs")).unwrap()
        );
        check(&text, "[alias]\nit = \"test\"\n", &verbs).into_iter().map(|f| f.what).collect()
    }

    #[test]
    fn commands_that_are_not_there_are_seen() {
        let console = |command: &str| findings(&format!("```console\n$ {command}\n```\n"));
        for good in [
            "cargo it",
            "cargo test --release --workspace",
            "levqor runs list --limit 3",
            "levqor dry-run",
            "levqor --help",
            "levqor --limit 3 runs list",
            "target/release/levqor run x.yaml",
            "cargo run -p levqor-host-cli -- run levqor-core/src/lib.rs",
            "some output of a command",
        ] {
            assert_eq!(console(good), [""; 0], "{good}");
        }
        for bad in [
            "cargo no-such-alias",
            "cargo test -p levqor-nowhere",
            "cargo run -p levqor-core --example nothing",
            "cargo run -p levqor-host-cli -- walk",
            "cargo run -p levqor-host-cli -- run levqor-core/nothing.yaml",
            "levqor walk",
            "levqor --limit 3 walk slowly",
            "levqor runs walk",
            "levqor run --fast",
        ] {
            assert_eq!(console(bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn files_and_tests_that_are_not_there_are_seen() {
        for good in [
            "`tests/it/main.rs`",
            "`tests/it/tidy/readme.rs::files_and_tests_that_are_not_there_are_seen`",
            "[licence](LICENSE-MIT) and [elsewhere](https://example.com)",
            "`plugins/*/src`",
        ] {
            assert_eq!(findings(good), [""; 0], "{good}");
        }
        for bad in [
            "`tests/it/nothing.rs`",
            "`tests/it/tidy/readme.rs::no_such_test`",
            "[licence](LICENSE-WTF)",
        ] {
            assert_eq!(findings(bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn another_program_than_the_crate_page_is_seen() {
        let verbs = Verbs::default();
        assert_eq!(check("```rust\nfn main() {}\n```\n", "", &verbs).len(), 1);
        assert_eq!(check("no code at all", "", &verbs).len(), 1);
    }
}
