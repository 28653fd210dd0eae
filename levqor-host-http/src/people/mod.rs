//! People: organizations, their members, and the pure rules about both.
//!
//! ```text
//!  user (an e-mail address) ──member, with a role──▶ organization ──▶ scopes of a session
//! ```
//! A person is one user over all organizations, known by the e-mail address. What an organization
//! keeps about a person (name, role, notes) is in its own member record: two organizations see
//! nothing of each other, and neither learns that the other knows the same address. What it is not:
//! the place of credentials ([`crate::caller`]) or of handlers (`api`).

pub(crate) mod chores;
pub mod email;
pub mod member;
pub mod organization;
pub(crate) mod pace;
pub mod role;
pub mod session;
pub mod text;

pub use email::Email;
pub use role::Role;
