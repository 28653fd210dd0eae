//! [`Subscription`]: who wants to be told of what.

use levqor_core::ids::Organization;
use levqor_core::run::RunStatus;
use levqor_core::store::Revision;
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::desk::{Desk, Record, Room};
use crate::hooks::endpoint::SealedSecret;
use crate::http::Problem;

/// What every subscription's id begins with.
pub(crate) const PREFIX: &str = "sub";
/// Subscriptions of one organization: each run's end becomes a delivery for each.
pub(crate) const SUBSCRIPTIONS_MAX: u32 = 20;

/// Something that is told. Words are append-only.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[schemars(rename = "WebhookEvent")]
pub(crate) enum Topic {
    /// A run succeeded.
    #[serde(rename = "run.succeeded")]
    Succeeded,
    /// A run failed.
    #[serde(rename = "run.failed")]
    Failed,
    /// A run was cancelled.
    #[serde(rename = "run.cancelled")]
    Cancelled,
    /// A run is a dead letter: a person decides.
    #[serde(rename = "run.dead")]
    Dead,
    /// A run is paused: by a person, or by its budget.
    #[serde(rename = "run.paused")]
    Paused,
}

impl Topic {
    /// What a run's new status is told as; nothing for those that say nothing has ended.
    pub(crate) fn of(status: RunStatus) -> Option<Self> {
        match status {
            RunStatus::Succeeded => Some(Self::Succeeded),
            RunStatus::Failed => Some(Self::Failed),
            RunStatus::Cancelled => Some(Self::Cancelled),
            RunStatus::Dead => Some(Self::Dead),
            RunStatus::Paused => Some(Self::Paused),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "run.succeeded",
            Self::Failed => "run.failed",
            Self::Cancelled => "run.cancelled",
            Self::Dead => "run.dead",
            Self::Paused => "run.paused",
        }
    }
}

/// A subscription as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subscription {
    /// `sub_…`.
    pub(crate) id: String,
    pub(crate) organization: Organization,
    /// The receiver.
    pub(crate) url: String,
    pub(crate) topics: Vec<Topic>,
    /// Newest first.
    pub(crate) secrets: Vec<SealedSecret>,
    pub(crate) created: Timestamp,
    pub(crate) created_by: String,
    /// When the receiver answered 410, and so wanted nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gone: Option<Timestamp>,
}

impl Record for Subscription {
    const ROOM: Room = Room::Subscription;
}

/// A subscription in its organization's list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SubscriptionOf {
    pub(crate) id: String,
}

impl Record for SubscriptionOf {
    const ROOM: Room = Room::SubscriptionOf;
}

/// The organization's subscriptions.
pub(crate) async fn all(
    desk: &Desk,
    organization: &Organization,
) -> Result<Vec<(Subscription, Revision)>, Problem> {
    let mut all = Vec::new();
    let within = [organization.as_str()];
    for item in desk.list::<SubscriptionOf>(&within, None, SUBSCRIPTIONS_MAX + 1).await? {
        all.extend(desk.get::<Subscription>(&[&item.record.id]).await?);
    }
    Ok(all)
}

impl Subscription {
    /// Whether it is told of this.
    pub(crate) fn wants(&self, topic: Topic) -> bool {
        self.gone.is_none() && self.topics.contains(&topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_that_ends_something_is_told() {
        let all = [
            RunStatus::Queued,
            RunStatus::Running,
            RunStatus::Waiting,
            RunStatus::Paused,
            RunStatus::Succeeded,
            RunStatus::Failed,
            RunStatus::Cancelled,
            RunStatus::Dead,
        ];
        for status in all {
            let told = Topic::of(status);
            assert_eq!(told.is_some(), status.is_final() || status == RunStatus::Paused);
            if let Some(topic) = told {
                let text = serde_json::to_value(topic).unwrap();
                assert_eq!(text, topic.as_str());
            }
        }
    }
}
