//! A session: the store that was named, opened, with a catalog and an engine on it.
//!
//! Opening is the only thing here. Who drives the engine is [`crate::follow`].

use std::path::Path;
use std::sync::Arc;

use levqor_connectors::registry::Registry;
use levqor_core::engine::Engine;
use levqor_core::ids::Organization;
use levqor_core::ledger;
use levqor_core::store::{MemoryStore, Store};
use levqor_core::time::Timestamp;

use crate::args::{Global, StoreSpec};
use crate::catalog;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// What a new store is given, so that the first run needs no step before it: a few hundred calls
/// at one credit each.
const WELCOME_CREDITS: u64 = 1_000;
/// Its cause in the ledger; the same cause is never posted twice.
const WELCOME_REFERENCE: &str = "welcome";
/// The code of a store that another process has open.
const LOCKED: &str = "store.locked";

/// An opened store with an engine on it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) engine: Engine,
    pub(crate) registry: Registry,
    pub(crate) organization: Organization,
    pub(crate) global: Global,
    pub(crate) output: Output,
}

impl Session {
    /// Opens the store that was named, making it where it is not there.
    pub(crate) async fn open(global: &Global, output: Output) -> Result<Self> {
        let store = open_store(&global.store_spec())?;
        Self::on(store, global, output).await
    }

    /// Opens the store that was named; one that is not there is mostly the wrong folder.
    pub(crate) async fn open_present(global: &Global, output: Output) -> Result<Self> {
        need_present(global)?;
        Self::open(global, output).await
    }

    /// For verbs that change nothing: a store that is not there is not made, and one that another
    /// process has is done without.
    pub(crate) async fn open_to_read(global: &Global, output: Output) -> Result<Self> {
        let spec = global.store_spec();
        let store = match &spec {
            StoreSpec::Sled(path) | StoreSpec::Redb(path) if !path.exists() => memory(),
            _ => match open_store(&spec) {
                Err(failure) if failure.code == LOCKED => {
                    output.note("the store is in use: pipelines stored there are not seen");
                    memory()
                }
                opened => opened?,
            },
        };
        Self::on(store, global, output).await
    }

    async fn on(store: Arc<dyn Store>, global: &Global, output: Output) -> Result<Self> {
        let (registry, catalog) = catalog::load(global, &store, output).await?;
        let engine = Engine::builder_on(store, catalog).build().await?;
        let (global, organization) = (global.clone(), Organization::local());
        Ok(Self { engine, registry, organization, global, output })
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }

    /// Gives a ledger without a single entry its first credits.
    pub(crate) async fn welcome(&self) -> Result<()> {
        let (store, organization) = (&**self.engine.store(), &self.organization);
        let all = (Timestamp(0), Timestamp(i64::MAX));
        let page = ledger::list(store, organization, all.0, all.1, None, 1).await?;
        if !page.postings.is_empty() {
            return Ok(());
        }
        let entry = ledger::grant(WELCOME_REFERENCE, WELCOME_CREDITS, self.now())?;
        ledger::post(store, organization, &entry).await?;
        let spec = self.global.store_spec();
        self.output.note(&format!("new store {spec}: {WELCOME_CREDITS} credits to begin with"));
        Ok(())
    }

    /// The words that continue a run in a new process, as they must be typed.
    pub(crate) fn command(&self, words: &[&str]) -> String {
        let program = std::env::args().next().unwrap_or_else(|| "levqor".to_owned());
        let all = [program].into_iter().chain(self.global.to_words());
        let all = all.chain(words.iter().map(|w| (*w).to_owned()));
        all.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
    }

    /// Whether runs outlive the process.
    pub(crate) fn is_durable(&self) -> bool {
        self.global.store_spec() != StoreSpec::Memory
    }
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// Opens a store as it is named.
pub(crate) fn open_store(spec: &StoreSpec) -> Result<Arc<dyn Store>> {
    if let Some(path) = spec.path() {
        make_folder(path)?;
    }
    Ok(spec.open()?)
}

/// Refuses where no store is.
pub(crate) fn need_present(global: &Global) -> Result<()> {
    let spec = global.store_spec();
    match &spec {
        StoreSpec::Sled(path) | StoreSpec::Redb(path) if !path.exists() => {
            let message = format!("there is no store at {}", path.display());
            Err(Failure::new(Exit::Refused, "cli.no_store", message)
                .help("is it the right folder? --data-dir names another; levqor run makes one"))
        }
        _ => Ok(()),
    }
}

/// The folder around a store.
fn make_folder(path: &Path) -> Result<()> {
    let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) else {
        return Ok(());
    };
    levqor_connectors::files::make_data_dir(parent).map_err(|e| Failure::file(parent, &e))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("sled:/tmp/x"), "sled:/tmp/x");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
