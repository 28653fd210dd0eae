//! Grants: what the operator allows, and what follows from it for a plugin.
//!
//! A capability exists only where the manifest asks **and** the operator grants. What it is not: it
//! enforces nothing itself; [`Effective`] is handed to the sandbox's broker, which does.

mod effective;
mod file;

pub use effective::{Blocked, Effective, EffectiveCredential, Lack, Origin};
pub use file::{CredentialGrant, Grant, GrantError, Grants};
