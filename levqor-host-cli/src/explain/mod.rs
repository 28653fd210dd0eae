//! What every stable code means: its cause, and the next thing to type.
//!
//! Codes are append-only, and so are these tables. A test reads the sources of the crates and fails
//! when a code has no text.

mod cli;
mod document;
mod money;
mod plugin;
mod run;
mod store;
#[cfg(test)]
mod tests;

/// A code, its cause and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    pub(crate) code: &'static str,
    /// Why it happens, as a sentence without its full stop.
    pub(crate) cause: &'static str,
    /// What to type or write next.
    pub(crate) next: &'static str,
}

/// A row of a table: code, cause, what to do.
type Row = (&'static str, &'static str, &'static str);

const TABLES: &[&[Row]] =
    &[document::ROWS, run::ROWS, money::ROWS, plugin::ROWS, store::ROWS, cli::ROWS];

/// Every explanation, by family.
pub(crate) fn all() -> impl Iterator<Item = Explanation> {
    let rows = TABLES.iter().flat_map(|table| table.iter());
    rows.map(|(code, cause, next)| Explanation { code, cause, next })
}

/// The explanation of a code.
pub(crate) fn find(code: &str) -> Option<Explanation> {
    all().find(|e| e.code == code)
}
