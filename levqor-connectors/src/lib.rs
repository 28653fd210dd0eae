//! The plugin host of Levqor: WebAssembly components as connectors, and every outbound request.
//!
//! ```text
//!  Registry ─▶ Entry: Connector ─▶ sandbox (fresh instance) ─imports─▶ broker ─▶ egress ─▶ wire
//!   built-in     grant ∩ manifest     memory, time, no IO                 │
//!   folder                                                             credential ◀── vault
//! ```
//! A plugin never does IO and never sees a secret. A capability exists only where its manifest asks
//! for it *and* the operator grants it. This crate is the only one of Levqor's that dials out for
//! plugins, and nothing in it installs a process-wide default.

pub mod builtin;
pub mod credential;
pub mod egress;
pub mod files;
pub mod grant;
mod granted;
pub mod inspect;
pub mod limits;
mod plugin_state;
pub mod registry;
pub mod sandbox;
mod text;
pub mod vault;
