//! What requests about webhook endpoints look like, and what is shown of them.

use levqor_core::document::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::hooks::Scheme;
use crate::hooks::endpoint::Endpoint;
use crate::hooks::received::{Came, Received};
use crate::hooks::verify::Generic;

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verify {
    Stripe,
    Slack,
    Telegram,
    Github,
    Standard,
    Twilio,
    Hmac,
}

/// A new endpoint.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointRequest {
    /// For people.
    #[schemars(length(min = 1, max = 64))]
    pub(super) name: String,
    /// Who signs.
    pub(super) verify: Verify,
    /// How, for `hmac` alone.
    #[serde(default, deserialize_with = "crate::http::maybe_object")]
    pub(super) hmac: Option<Generic>,
    /// How far the signed time may be from now, `5m` where not said; at most `1h`.
    #[serde(default)]
    pub(super) tolerance: Option<Duration>,
    /// The name of a stored pipeline.
    #[schemars(length(min = 1, max = 64))]
    pub(super) pipeline: String,
    /// The id of one of its `webhook` triggers.
    #[schemars(length(min = 1, max = 64))]
    pub(super) trigger: String,
    /// The secret that the vendor shows. Not needed where the trigger names one in the vault; made
    /// here for `standard`, `github`, `telegram` and `hmac`.
    #[serde(default)]
    #[schemars(length(min = 16, max = 256))]
    pub(super) secret: Option<String>,
}

/// What changes of an endpoint.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointChange {
    /// For people.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    pub(super) name: Option<String>,
    /// Whether it takes requests.
    #[serde(default)]
    pub(super) enabled: Option<bool>,
    /// How far the signed time may be from now.
    #[serde(default)]
    pub(super) tolerance: Option<Duration>,
    /// The name of a stored pipeline.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    pub(super) pipeline: Option<String>,
    /// The id of one of its `webhook` triggers.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    pub(super) trigger: Option<String>,
}

/// A rotation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateRequest {
    /// The new secret that the vendor shows; made here where that is ours to do.
    #[serde(default)]
    #[schemars(length(min = 16, max = 256))]
    pub(super) secret: Option<String>,
    /// How long the old one stays live: `24h` where not said, at most `30d`, `0s` for not at all.
    #[serde(default)]
    pub(super) overlap: Option<Duration>,
}

/// An endpoint as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookEndpoint")]
pub(super) struct EndpointView {
    /// `whk_…`.
    pub(super) id: String,
    /// For people.
    pub(super) name: String,
    /// Where senders send to.
    pub(super) url: String,
    /// Who signs.
    pub(super) verify: String,
    /// How, for `hmac`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hmac: Option<Generic>,
    /// How far the signed time may be from now.
    pub(super) tolerance: Duration,
    /// The pipeline that runs.
    pub(super) pipeline: String,
    /// The trigger that is set off.
    pub(super) trigger: String,
    /// Whether it takes requests.
    pub(super) enabled: bool,
    /// Its secrets, newest first; never their values.
    pub(super) secrets: Vec<SecretView>,
    /// When it was made, RFC 3339.
    pub(super) created_at: String,
    /// Who made it.
    pub(super) created_by: String,
}

/// A secret as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookSecret")]
pub(super) struct SecretView {
    /// When it was set, RFC 3339.
    pub(super) created_at: String,
    /// Until when it is accepted, where it was rotated out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
}

/// An endpoint with the secret that was made for it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookEndpointMade")]
pub(super) struct EndpointMade {
    /// The endpoint.
    pub(super) endpoint: EndpointView,
    /// Its secret, shown this once; absent where the caller brought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
}

/// What an endpoint received.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookReceivedList")]
pub(super) struct ReceivedList {
    /// Newest first.
    pub(super) data: Vec<ReceivedView>,
}

/// One request to an endpoint.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookReceived")]
pub(super) struct ReceivedView {
    /// When, RFC 3339.
    pub(super) at: String,
    /// What came of it.
    pub(super) outcome: Came,
    /// Whether its signature held.
    pub(super) verified: bool,
    /// The delivery's id; empty where it was refused.
    pub(super) delivery: String,
    /// What happened, in the sender's word.
    pub(super) event: String,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<String>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
    /// Bytes of its body.
    pub(super) bytes: u64,
    /// The request, as in the log.
    pub(super) request_id: String,
}

impl From<Received> for ReceivedView {
    fn from(received: Received) -> Self {
        Self {
            at: received.at.to_string(),
            verified: received.came != Came::Refused,
            outcome: received.came,
            delivery: received.delivery,
            event: received.event,
            run: received.run,
            code: received.code,
            detail: received.detail,
            bytes: received.bytes,
            request_id: received.request_id,
        }
    }
}

pub(super) fn view(app: &App, endpoint: &Endpoint) -> EndpointView {
    let base = app.config.public_url.trim_end_matches('/');
    let secrets = endpoint.secrets.iter().filter(|secret| secret.is_live(app.now()));
    EndpointView {
        id: endpoint.id.clone(),
        name: endpoint.name.clone(),
        url: format!("{base}/hooks/{}", endpoint.id),
        verify: endpoint.scheme.as_str().to_owned(),
        hmac: match &endpoint.scheme {
            Scheme::Hmac(options) => Some(options.clone()),
            _ => None,
        },
        tolerance: Duration::from_ms(endpoint.tolerance_ms),
        pipeline: endpoint.pipeline.clone(),
        trigger: endpoint.trigger.clone(),
        enabled: endpoint.enabled,
        secrets: secrets
            .map(|secret| SecretView {
                created_at: secret.created.to_string(),
                until: secret.until.map(|until| until.to_string()),
            })
            .collect(),
        created_at: endpoint.created.to_string(),
        created_by: endpoint.created_by.clone(),
    }
}
