//! Egress.
mod message;
pub use message::{Auth, HttpError, Method, Placed, Request, Response};
pub(crate) mod policy {
    pub(crate) fn shown(u: &str) -> String {
        u.split(['?', '#']).next().unwrap_or("").to_owned()
    }
}
