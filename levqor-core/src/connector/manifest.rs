//! [`Manifest`]: the single source for validation, forms, the planner's tool list, prices and docs.
//!
//! For a plugin it is a *wish list*: what it may really do is the manifest **and** the operator's
//! grant, decided in `levqor-connectors`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::check_id;
use crate::limits;

/// What a connector is, can do, and wishes for. JSON, as plugins' `describe` returns it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the plugin contract: `0.1`.
    #[serde(default = "abi")]
    pub abi: String,
    /// The name documents use before the slash, `slack` in `slack/post_message`.
    pub name: String,
    /// Semantic version of the connector.
    pub version: String,
    /// One line for people and for the planner.
    #[serde(default)]
    pub description: String,
    /// Its actions by name.
    pub actions: IndexMap<String, ActionManifest>,
    /// Hosts it wishes to reach: `api.stripe.com`, `*.slack.com`, `*` (any the operator grants).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Credentials it can use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialManifest>,
    /// Capabilities beyond HTTP that it wishes for.
    #[serde(default)]
    pub wants: Wants,
}

fn abi() -> String {
    "0.1".to_owned()
}

/// One action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionManifest {
    /// One line for people and for the planner.
    #[serde(default)]
    pub title: String,
    /// JSON Schema (2020-12) of the step's `with`.
    #[serde(default = "any_schema")]
    pub input_schema: Value,
    /// JSON Schema of the output.
    #[serde(default = "any_schema")]
    pub output_schema: Value,
    /// Whether repeating it can do harm.
    #[serde(default)]
    pub idempotency: Idempotency,
    /// What it costs.
    #[serde(default)]
    pub price: Price,
    /// Time one call may take, in milliseconds; a step may ask for less or more, up to 15 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

fn any_schema() -> Value {
    Value::Bool(true)
}

impl ActionManifest {
    /// An action that costs nothing, takes and gives anything, and may be repeated only by a person.
    #[must_use]
    pub fn free() -> Self {
        Self { price: Price { base: 0, max: None }, ..Self::default() }
    }

    /// The same action, of this idempotency.
    #[must_use]
    pub fn idempotency(mut self, idempotency: Idempotency) -> Self {
        self.idempotency = idempotency;
        self
    }
}

impl Default for ActionManifest {
    fn default() -> Self {
        Self {
            title: String::new(),
            input_schema: any_schema(),
            output_schema: any_schema(),
            idempotency: Idempotency::default(),
            price: Price::default(),
            timeout_ms: None,
        }
    }
}

/// Whether an action may be repeated when it is not known if it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Idempotency {
    /// Repeating changes nothing (reads, upserts).
    Safe,
    /// The other side honours the idempotency key.
    Keyed,
    /// Repeating may do it twice; an unknown outcome goes to a person. The default: fail closed.
    #[default]
    Unsafe,
}

/// The price of one successful call in credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Charged for each success unless the connector reports less or more.
    pub base: u64,
    /// Held before the call, the most that can be charged; `base` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

impl Price {
    /// What is held before the call.
    #[must_use]
    pub fn hold(self) -> u64 {
        self.max.unwrap_or(self.base).max(self.base)
    }
}

impl Default for Price {
    /// One credit.
    fn default() -> Self {
        Self { base: 1, max: None }
    }
}

/// How a credential's secret gets into a request; the host does it, the plugin never sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CredentialKind {
    /// No secret at all.
    None,
    /// One secret string, used as bearer token, header, query parameter or path part.
    ApiKey,
    /// User name and password.
    Basic,
    /// OAuth 2 access token that the host refreshes.
    Oauth2,
}

/// A credential the connector can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialManifest {
    /// What the plugin calls it: `bot_token`.
    pub name: String,
    /// Its kind.
    pub kind: CredentialKind,
    /// OAuth scopes it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Whether calls fail without it.
    #[serde(default)]
    pub required: bool,
}

/// Capabilities beyond HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wants {
    /// Small durable state of its own.
    #[serde(default)]
    pub state: bool,
    /// To read a secret's value itself (SMTP, request signing).
    #[serde(default)]
    pub reveal_secrets: bool,
}

/// Why a manifest cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("manifest of `{name}`: {problem}")]
pub struct ManifestError {
    /// The connector.
    pub name: String,
    /// What is wrong.
    pub problem: String,
}

impl Manifest {
    /// A manifest with this name and version and no action yet.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            abi: abi(),
            name: name.into(),
            version: version.into(),
            description: String::new(),
            actions: IndexMap::new(),
            hosts: Vec::new(),
            credentials: Vec::new(),
            wants: Wants::default(),
        }
    }

    /// The same with one more action.
    #[must_use]
    pub fn action(mut self, name: impl Into<String>, action: ActionManifest) -> Self {
        self.actions.insert(name.into(), action);
        self
    }

    /// Checks names, versions, times and that the schemas are JSON Schemas.
    ///
    /// # Errors
    /// The first [`ManifestError`] found.
    pub fn check(&self) -> Result<(), ManifestError> {
        let fail = |problem: String| Err(ManifestError { name: self.name.clone(), problem });
        if self.abi != "0.1" {
            return fail(format!("abi `{}` is not known (this engine knows 0.1)", self.abi));
        }
        if check_id(&self.name).is_err() || matches!(self.name.as_str(), "core" | "pipeline") {
            return fail("the name is not an id, or is reserved".to_owned());
        }
        if self.actions.is_empty() {
            return fail("it has no action".to_owned());
        }
        for (name, action) in &self.actions {
            if check_id(name).is_err() {
                return fail(format!("action name `{name}` is not an id"));
            }
            if action.timeout_ms.is_some_and(|t| t == 0 || t > limits::CALL_MS_MAX) {
                return fail(format!(
                    "action `{name}`: timeout_ms is 1 to {}",
                    limits::CALL_MS_MAX
                ));
            }
            for schema in [&action.input_schema, &action.output_schema] {
                if let Err(e) = jsonschema::meta::validate(schema) {
                    return fail(format!("action `{name}`: not a JSON Schema: {e}"));
                }
            }
        }
        Ok(())
    }
}
