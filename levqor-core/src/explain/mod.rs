//! What every stable code means: its cause, and the next thing to type.
//!
//! Codes are one namespace for the engine, its connectors and its hosts, so their texts stand
//! together, where every host can show them. They are append-only, and so are these tables. A test
//! of the command line reads the sources of the crates and fails when a code has no text.
//!
//! ```
//! let found = levqor_core::explain::find("store.locked").unwrap();
//! assert!(found.cause.contains("Another process"));
//! ```

mod cli;
mod document;
mod host;
mod http;
mod money;
mod plugin;
mod run;
mod store;

/// A code, its cause and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The code: `family.word`.
    pub code: &'static str,
    /// Why it happens, as a sentence without its full stop.
    pub cause: &'static str,
    /// What to type or write next.
    pub next: &'static str,
}

/// A row of a table: code, cause, what to do.
type Row = (&'static str, &'static str, &'static str);

const TABLES: &[&[Row]] = &[
    document::ROWS,
    run::ROWS,
    money::ROWS,
    plugin::ROWS,
    store::ROWS,
    http::ROWS,
    host::ROWS,
    cli::ROWS,
];

/// Every explanation, by family.
pub fn all() -> impl Iterator<Item = Explanation> {
    let rows = TABLES.iter().flat_map(|table| table.iter());
    rows.map(|(code, cause, next)| Explanation { code, cause, next })
}

/// The explanation of a code.
#[must_use]
pub fn find(code: &str) -> Option<Explanation> {
    all().find(|e| e.code == code)
}
