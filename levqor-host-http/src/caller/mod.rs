//! Who asks: a [`Caller`] made from the credential of a request and from nothing else.

pub mod authenticate;
pub(crate) mod cookie;
pub(crate) mod csrf;
pub mod key;
pub mod keys;
pub mod scope;
pub mod secret;
pub(crate) mod session;

use levqor_core::ids::Organization;
use serde::{Deserialize, Serialize};

pub use scope::{Scope, Scopes};

use crate::http::Problem;

/// What a credential turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Credential {
    /// An API key, by its public id.
    Key(String),
    /// A person's console session.
    Session {
        /// The person.
        user: String,
    },
}

/// An authenticated request's organization, credential and scopes.
#[derive(Clone, Debug)]
pub struct Caller {
    organization: Organization,
    credential: Credential,
    scopes: Scopes,
}

impl Caller {
    /// A credential of another organization than the operator's is worth nothing for the host as a
    /// whole, whatever it was given.
    pub(crate) fn new(organization: Organization, credential: Credential, scopes: Scopes) -> Self {
        let is_operator = organization.as_str() == crate::people::organization::OPERATOR;
        let scopes = scopes.iter().filter(|scope| is_operator || !scope.is_operators()).collect();
        Self { organization, credential, scopes }
    }

    /// Whoever reaches the operator's own listener: may look, and nothing else.
    pub(crate) fn at_the_operators_listener() -> Self {
        let organization = Organization::new(crate::people::organization::OPERATOR);
        let organization = organization.unwrap_or_else(|_| Organization::local());
        let credential = Credential::Key("ops_listen".to_owned());
        Self::new(organization, credential, [Scope::OpsRead].into_iter().collect())
    }

    /// The organization to act for, if the credential has this scope. The only way to an
    /// organization: what acts for one has said what for.
    ///
    /// # Errors
    /// `auth.scope_missing`.
    pub fn may(&self, scope: Scope) -> Result<&Organization, Problem> {
        if self.scopes.has(scope) {
            return Ok(&self.organization);
        }
        Err(Problem::forbidden(scope))
    }

    /// The organization whose desk keeps what this caller's keyed requests were answered. It
    /// allows nothing: to act for the organization, say what for ([`Caller::may`]).
    pub(crate) fn desk_of(&self) -> &Organization {
        &self.organization
    }

    /// Whether the caller may hand these scopes on: nobody gives what they lack.
    ///
    /// # Errors
    /// `auth.scope_escalation`.
    pub(crate) fn may_give(&self, scopes: Scopes) -> Result<(), Problem> {
        if self.scopes.covers(scopes) {
            return Ok(());
        }
        Err(Problem::escalation(scopes.iter().filter(|scope| !self.scopes.has(*scope))))
    }

    /// What the credential allows.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// What the credential is.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The caller in words, for audit rows and runs: `key:…`, `user:…`.
    #[must_use]
    pub fn principal(&self) -> String {
        match &self.credential {
            Credential::Key(id) => format!("key:{id}"),
            Credential::Session { user } => format!("user:{user}"),
        }
    }

    /// Whose part of the places at work it takes; not a way to act for the organization.
    pub(crate) fn limit_organization(&self) -> &str {
        self.organization.as_str()
    }

    /// What limits and caches are kept by.
    #[must_use]
    pub fn limit_key(&self) -> String {
        self.principal()
    }
}
