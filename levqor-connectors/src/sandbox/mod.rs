//! The sandbox: WebAssembly components, run with nothing but what a call's broker grants.
//!
//! ```text
//!  bytes ──Plugin::load──▶ Plugin ──call──▶ fresh Store { guard, deadline, empty WASI }
//!                                             │ imports                │ answer or Fault
//!                                             ▼                        ▼
//!                                           Broker                  Outcome
//! ```
//!
//! What it is not: it has no network, no vault and no grants; those stand behind the broker.

mod bindings;
mod broker;
mod code_cache;
mod connector;
mod fault;
mod guard;
mod host;
mod imports;
mod outcome;
mod plugin;
mod state;
mod stderr;
#[cfg(test)]
pub(crate) mod tests;

#[cfg(test)]
pub(crate) use broker::Nothing;
pub(crate) use broker::{Broker, Scope, StateEntry, StateError};
pub use code_cache::is_code_file;
pub use connector::PluginConnector;
pub use fault::Fault;
pub use host::{HostError, HostOptions, PluginHost};
pub use plugin::{CallLimits, LoadError, Plugin};
