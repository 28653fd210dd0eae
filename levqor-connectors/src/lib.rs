//! The plugin host of Levqor: WebAssembly components as connectors, and every outbound request.

pub mod credential;
pub mod egress;

mod files;
pub mod grant;
mod granted;
pub mod limits;
mod plugin_state;
pub mod sandbox;
mod text;
pub mod vault;
