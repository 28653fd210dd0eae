//! The plugin host of Levqor: WebAssembly components as connectors, and every outbound request.

pub mod egress;
mod files;
pub mod limits;
pub mod sandbox;
mod text;
