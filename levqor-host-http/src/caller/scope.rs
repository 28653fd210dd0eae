//! Scopes: what a credential may do, in words that do not change.

use std::fmt;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One thing that a credential may do. Numbers are positions in a bit set that is stored: append-only.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[repr(u8)]
#[non_exhaustive]
pub enum Scope {
    /// See runs, journals and dead letters.
    #[serde(rename = "runs:read")]
    RunsRead = 0,
    /// Start, cancel, resume, replay and signal runs.
    #[serde(rename = "runs:write")]
    RunsWrite = 1,
    /// See pipelines, schedules and connectors; validate and estimate.
    #[serde(rename = "pipelines:read")]
    PipelinesRead = 2,
    /// Push and remove pipelines, pause schedules, plan.
    #[serde(rename = "pipelines:write")]
    PipelinesWrite = 3,
    /// See the names of credentials, never values.
    #[serde(rename = "credentials:read")]
    CredentialsRead = 4,
    /// Set and remove credentials.
    #[serde(rename = "credentials:write")]
    CredentialsWrite = 5,
    /// See webhook endpoints and deliveries.
    #[serde(rename = "webhooks:read")]
    WebhooksRead = 6,
    /// Make, change and remove webhook endpoints; deliver again.
    #[serde(rename = "webhooks:write")]
    WebhooksWrite = 7,
    /// See members, keys and the audit log.
    #[serde(rename = "people:read")]
    PeopleRead = 8,
    /// Invite and remove members, make, rotate and revoke keys.
    #[serde(rename = "people:write")]
    PeopleWrite = 9,
    /// See balance, entries, usage and limits.
    #[serde(rename = "billing:read")]
    BillingRead = 10,
    /// Change the plan, buy credits.
    #[serde(rename = "billing:write")]
    BillingWrite = 11,
    /// See the state of the whole host. For its operator.
    #[serde(rename = "ops:read")]
    OpsRead = 12,
    /// Change flags, take backups, make organizations, give credits. For its operator.
    #[serde(rename = "ops:write")]
    OpsWrite = 13,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 14] = [
        Self::RunsRead,
        Self::RunsWrite,
        Self::PipelinesRead,
        Self::PipelinesWrite,
        Self::CredentialsRead,
        Self::CredentialsWrite,
        Self::WebhooksRead,
        Self::WebhooksWrite,
        Self::PeopleRead,
        Self::PeopleWrite,
        Self::BillingRead,
        Self::BillingWrite,
        Self::OpsRead,
        Self::OpsWrite,
    ];

    /// Whether it is about the host as a whole.
    #[must_use]
    pub fn is_operators(self) -> bool {
        matches!(self, Self::OpsRead | Self::OpsWrite)
    }

    /// The scope's word: `runs:read`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunsRead => "runs:read",
            Self::RunsWrite => "runs:write",
            Self::PipelinesRead => "pipelines:read",
            Self::PipelinesWrite => "pipelines:write",
            Self::CredentialsRead => "credentials:read",
            Self::CredentialsWrite => "credentials:write",
            Self::WebhooksRead => "webhooks:read",
            Self::WebhooksWrite => "webhooks:write",
            Self::PeopleRead => "people:read",
            Self::PeopleWrite => "people:write",
            Self::BillingRead => "billing:read",
            Self::BillingWrite => "billing:write",
            Self::OpsRead => "ops:read",
            Self::OpsWrite => "ops:write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes; a list of words in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u32);

impl Scopes {
    /// Everything, the operator's part included.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Whether the scope is in it.
    #[must_use]
    pub fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The scopes, in order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u8))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let words = Vec::<Scope>::deserialize(d)?;
        let set: Self = words.iter().copied().collect();
        if set.iter().count() != words.len() {
            return Err(D::Error::custom("a scope is named twice"));
        }
        Ok(set)
    }
}

impl JsonSchema for Scopes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scopes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let scope = generator.subschema_for::<Scope>();
        schemars::json_schema!({ "type": "array", "items": scope, "uniqueItems": true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_stand_at_their_bits() {
        for (at, scope) in Scope::ALL.into_iter().enumerate() {
            assert_eq!(scope as usize, at);
            let text = serde_json::to_string(&scope).unwrap();
            assert_eq!(text, format!("\"{scope}\""));
            assert_eq!(serde_json::from_str::<Scope>(&text).unwrap(), scope);
        }
        let all = serde_json::to_string(&Scopes::all()).unwrap();
        assert_eq!(serde_json::from_str::<Scopes>(&all).unwrap(), Scopes::all());
        assert!(serde_json::from_str::<Scopes>(r#"["runs:read","runs:read"]"#).is_err());
        assert!(serde_json::from_str::<Scopes>(r#"["runs:all"]"#).is_err());
    }

    #[test]
    fn a_set_covers_what_is_in_it() {
        let few: Scopes = [Scope::RunsRead, Scope::OpsRead].into_iter().collect();
        assert!(Scopes::all().covers(few) && !few.covers(Scopes::all()));
        assert!(few.has(Scope::OpsRead) && !few.has(Scope::OpsWrite));
    }
}
