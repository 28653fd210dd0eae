//! The benches: what a run, a call, a sleeper, a request and the ledger cost. One JSON line for each figure.
//!
//! They share the engine's public interface with every embedder and nothing else: no batching that
//! a caller could not do, no warm state that a second process would not have.

#[cfg(feature = "plugins")]
pub mod backups;
#[cfg(feature = "plugins")]
pub mod bare;
#[cfg(feature = "plugins")]
pub mod calls;
pub mod disk;
#[cfg(feature = "plugins")]
pub mod http;
pub mod ledger;
pub mod load;
pub mod output;
pub mod start;
pub mod stores;

pub use output::Figure;
