//! The manifest as JSON: what `describe` answers. Written here, read by the host with unknown keys
//! refused; [`crate::Connector`] is how authors make one.

use schemars::Schema;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Version of the plugin contract these guests are built for.
pub const ABI: &str = "0.1";

/// Whether an action may be repeated when it is not known if it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Idempotency {
    /// Repeating changes nothing (reads, upserts).
    Safe,
    /// The other side honours [`crate::Ctx::idempotency_key`].
    Keyed,
    /// Repeating may do it twice. The default: fail closed.
    #[default]
    Unsafe,
}

/// How a credential's secret gets into a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CredentialKind {
    /// One secret string, used as bearer token, header, query parameter or path part.
    ApiKey,
    /// User name and password.
    Basic,
    /// OAuth 2 access token that the host refreshes.
    Oauth2,
}

/// The whole manifest, ready to be written as JSON.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Manifest {
    pub(crate) abi: &'static str,
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) description: &'static str,
    #[serde(serialize_with = "in_order")]
    pub(crate) actions: Vec<(&'static str, ActionManifest)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hosts: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) credentials: Vec<CredentialManifest>,
    pub(crate) wants: Wants,
}

/// One action of a [`Manifest`].
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct ActionManifest {
    pub(crate) title: &'static str,
    pub(crate) input_schema: Schema,
    pub(crate) output_schema: Schema,
    pub(crate) idempotency: Idempotency,
    pub(crate) price: Price,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
}

/// Credits for one successful call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Price {
    pub(crate) base: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<u64>,
}

/// One credential of a [`Manifest`].
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct CredentialManifest {
    pub(crate) name: &'static str,
    pub(crate) kind: CredentialKind,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) scopes: &'static [&'static str],
    pub(crate) required: bool,
}

/// Capabilities beyond HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Wants {
    pub(crate) state: bool,
    pub(crate) reveal_secrets: bool,
}

/// As a JSON object in the order written: people read actions in the order the author gave.
fn in_order<S: Serializer>(
    actions: &[(&'static str, ActionManifest)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(actions.len()))?;
    for (name, action) in actions {
        map.serialize_entry(name, action)?;
    }
    map.end()
}

impl Manifest {
    /// The manifest as the JSON text the host reads.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Only maps with string keys and plain values are in here: writing cannot fail, and an
        // empty text would be refused by the host.
        to_text(self)
    }
}

fn to_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
