//! Rules about who depends on whom: the arrows between our crates, and what the core must not pull.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Finding;

/// Which of our crates a crate may depend on, by folder. `tests` may depend on all.
const ARROWS: [(&str, &[&str]); 5] = [
    ("levqor-core", &[]),
    ("levqor-connectors", &["levqor-core"]),
    ("levqor-host-cli", &["levqor-core", "levqor-connectors"]),
    ("levqor-host-http", &["levqor-core", "levqor-connectors"]),
    ("plugins/sdk", &[]),
];

/// What a plugin may depend on: the contract, never the host.
const PLUGIN: &[&str] = &["levqor-plugin-sdk"];

/// What must not be reachable from the core without features: each of these does IO.
const IO: [&str; 14] = [
    "axum",
    "deadpool-postgres",
    "h2",
    "hyper",
    "hyper-util",
    "redb",
    "reqwest",
    "rustls",
    "sled",
    "tokio-postgres",
    "tokio-rustls",
    "tracing-subscriber",
    "wasmtime",
    "wasmtime-wasi",
];

/// Where every foreign crate comes from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn finding(place: &str, rule: &'static str, what: String) -> Finding {
    Finding { place: place.to_owned(), rule, what }
}

fn table(text: &str) -> Table {
    text.parse().unwrap_or_else(|e| panic!("not TOML: {e}"))
}

/// Packages named in a section of dependencies, with whether they are optional.
fn packages(section: Option<&Value>) -> Vec<(String, bool)> {
    let entries = section.and_then(Value::as_table).into_iter().flatten();
    entries
        .map(|(key, value)| {
            let named = value.get("package").and_then(Value::as_str);
            let optional = value.get("optional").and_then(Value::as_bool).unwrap_or(false);
            (named.unwrap_or(key).to_owned(), optional)
        })
        .collect()
}

/// Of our crates, those that the manifest in `folder` names and must not, development included.
pub(super) fn arrows(folder: &str, manifest: &str) -> Vec<Finding> {
    let allowed = match ARROWS.iter().find(|(name, _)| *name == folder) {
        Some((_, allowed)) => allowed,
        None if folder.starts_with("plugins/") => PLUGIN,
        None => return Vec::new(),
    };
    let manifest = table(manifest);
    let mut named = Vec::new();
    for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
        named.extend(packages(manifest.get(section)));
        for (_, target) in manifest.get("target").and_then(Value::as_table).into_iter().flatten() {
            named.extend(packages(target.get(section)));
        }
    }
    named.retain(|(name, _)| name.starts_with("levqor") && !allowed.contains(&name.as_str()));
    let rule = "arrows point one way";
    named.into_iter().map(|(name, _)| finding(folder, rule, format!("names {name}"))).collect()
}

/// Crates doing IO that are reachable from the core's dependencies that are not optional. The lock
/// knows a superset: every feature that anybody in the workspace turns on.
pub(super) fn pure(core: &str, lock: &str) -> Vec<Finding> {
    let (core, lock) = (table(core), table(lock));
    let empty = Vec::new();
    let locked = lock.get("package").and_then(Value::as_array).unwrap_or(&empty);
    let mut open: Vec<String> = packages(core.get("dependencies"))
        .into_iter()
        .filter_map(|(name, optional)| (!optional).then_some(name))
        .collect();
    let mut reached = BTreeSet::new();
    while let Some(entry) = open.pop() {
        if !reached.insert(entry.clone()) {
            continue;
        }
        let mut words = entry.split(' ');
        let (name, version) = (words.next(), words.next());
        let is = |package: &&Value, key: &str, wanted: Option<&str>| {
            wanted.is_none() || package.get(key).and_then(Value::as_str) == wanted
        };
        let found = locked.iter().filter(|p| is(p, "name", name) && is(p, "version", version));
        for package in found {
            let needs = package.get("dependencies").and_then(Value::as_array).unwrap_or(&empty);
            open.extend(needs.iter().filter_map(Value::as_str).map(str::to_owned));
        }
    }
    let name = |entry: &String| entry.split(' ').next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = reached.iter().map(name).collect();
    let rule = "the core without features does no IO (I1)";
    let io = IO.iter().filter(|name| names.contains(**name));
    io.map(|name| finding("levqor-core", rule, format!("reaches {name}"))).collect()
}

/// Crates of a lock that come from elsewhere than the public registry.
pub(super) fn sources(place: &str, lock: &str) -> Vec<Finding> {
    let lock = table(lock);
    let packages = lock.get("package").and_then(Value::as_array).into_iter().flatten();
    packages
        .filter_map(|package| {
            let source = package.get("source")?.as_str()?;
            let name = package.get("name")?.as_str()?;
            let what = format!("{name} comes from {source}");
            (source != REGISTRY).then(|| finding(place, "one registry", what))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_arrow_is_seen_wherever_it_is_written() {
        for planted in [
            "[dependencies]\nlevqor-connectors = '1'",
            "[dev-dependencies]\nlevqor-connectors.workspace = true",
            "[build-dependencies]\nx = { package = 'levqor-connectors', version = '1' }",
            "[target.'cfg(unix)'.dependencies]\nlevqor-connectors = '1'",
        ] {
            assert_eq!(arrows("levqor-core", planted).len(), 1, "{planted}");
            assert_eq!(arrows("levqor-host-cli", planted), [], "{planted}");
        }
        let guest = "[dependencies]\nlevqor-plugin-sdk = '1'\nlevqor-core = '1'";
        assert_eq!(arrows("plugins/any", guest).len(), 1);
        assert_eq!(arrows("plugins/sdk", guest).len(), 2);
    }

    #[test]
    fn io_is_seen_through_others_and_not_behind_a_feature() {
        let core = "[dependencies]\na = '1'\nsled = { version = '1', optional = true }";
        let lock = |needs: &str| {
            format!(
                "[[package]]\nname = 'a'\nversion = '1.0.0'\ndependencies = ['b 2.0.0']\n
                 [[package]]\nname = 'b'\nversion = '1.0.0'\ndependencies = ['hyper']\n
                 [[package]]\nname = 'b'\nversion = '2.0.0'\ndependencies = [{needs}]\n"
            )
        };
        assert_eq!(pure(core, &lock("")), []);
        let found = pure(core, &lock("'wasmtime'"));
        assert_eq!(found[0].what, "reaches wasmtime");
    }

    #[test]
    fn a_foreign_source_is_seen() {
        let lock = format!(
            "[[package]]\nname = 'ours'\n[[package]]\nname = 'a'\nsource = '{REGISTRY}'\n
             [[package]]\nname = 'b'\nsource = 'git+https://example.com/b'\n"
        );
        assert_eq!(sources("x", &lock).len(), 1);
    }
}
