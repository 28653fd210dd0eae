//! Native tests for connectors: no sandbox, no network, plain `cargo test`.
//!
//! [`Harness`] runs one action against mocked answers and holds the connector to what a host would
//! enforce. Each [`Harness::run`] fails the test when the action
//!
//! - sends to a host, or names a credential, that the manifest does not name;
//! - sends something nobody mocks, or leaves a mock unused;
//! - puts a secret's value into a request, an output, an error or the log;
//! - gives an output that does not fit its schema;
//! - is `keyed` and writes without the idempotency key, or charges more than is held for it.

mod golden;
mod harness;
mod mock;

pub use golden::manifest_is;
pub use harness::{Harness, Ran};
pub use mock::{Mock, Sent, any, delete, get, patch, post, put};

#[cfg(test)]
mod tests;
