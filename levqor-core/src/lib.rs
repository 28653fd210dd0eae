//! The Levqor engine.
pub mod connector;
pub mod document;
pub mod engine;
pub mod error;
pub mod expr;
pub mod ids;
pub mod ledger;
pub mod limits;
pub mod machine;
mod nearest;
pub mod pipeline;
pub mod planner;
pub mod quota;
pub mod retention;
pub mod run;
pub mod schedule;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub use error::{ErrorKind, RunError};
