//! The way out: wasm imports in the sandbox, [`crate::testing`]'s world natively. One type per
//! target instead of a trait object, so that imports nobody calls are absent from the component:
//! what a plugin can ever do is read off its import list.

#[cfg(target_family = "wasm")]
mod wasm;
#[cfg(target_family = "wasm")]
pub(crate) use wasm::Backend;
#[cfg(target_family = "wasm")]
pub(crate) use wasm::run_task;

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::{Backend, Exchange, World};
