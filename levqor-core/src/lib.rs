//! The Levqor engine.
pub mod connector;
pub mod error;
pub mod ids;
pub mod limits;
pub mod store;
pub mod time;
pub use error::{ErrorKind, RunError};
