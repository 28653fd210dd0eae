//! Webhooks coming in: endpoints, the secrets their senders sign with, and from a signed request to
//! a run.
//!
//! ```text
//!  POST /hooks/{endpoint} ─▶ verify (pure) ─▶ event (pure) ─▶ engine.trigger_once ─▶ run
//!                                                               └ delivery id, in the same commit
//! ```
//! An endpoint that takes unsigned requests cannot be made. What this is not: what a pipeline does
//! with the event (its trigger's `input` says), and webhooks going out (`deliver`).

pub(crate) mod endpoint;
pub(crate) mod event;
pub(crate) mod receive;
pub(crate) mod received;
pub(crate) mod secrets;
pub(crate) mod verify;

use serde::{Deserialize, Serialize};

use verify::Generic;

/// Who signs, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scheme {
    Stripe,
    Slack,
    Telegram,
    Github,
    Standard,
    Twilio,
    Hmac(Generic),
}

/// Who issues an endpoint's secret where its owner names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    /// The sender: it is copied from the vendor's pages.
    Vendor,
    /// We do, and the owner hands it to the sender.
    Host,
}

impl Scheme {
    /// Its word, as documents and requests have it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Slack => "slack",
            Self::Telegram => "telegram",
            Self::Github => "github",
            Self::Standard => "standard",
            Self::Twilio => "twilio",
            Self::Hmac(_) => "hmac",
        }
    }

    pub(crate) fn issuer(&self) -> Issuer {
        match self {
            Self::Stripe | Self::Slack | Self::Twilio => Issuer::Vendor,
            Self::Telegram | Self::Github | Self::Standard | Self::Hmac(_) => Issuer::Host,
        }
    }
}
