//! [`Delivery`]: one message to one receiver, and every attempt to get it there.

use levqor_core::ids::{ContentHash, Organization, RunId};
use levqor_core::store::Revision;
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::subscription::Topic;
use crate::desk::{Change, Desk, Record, Room};
use crate::http::Problem;
use crate::ids;

/// Attempts that a delivery remembers, newest last: three whole turns.
const ATTEMPTS_KEPT: usize = 48;
/// How long a delivery is kept.
const KEPT_MS: u64 = 30 * 86_400_000;
/// Old ones removed in one go.
const PRUNED: u32 = 100;
/// Tries to note an attempt while somebody else changes the same record.
const NOTE_TRIES: u32 = 4;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DeliveryStatus")]
pub(crate) enum State {
    /// It will be sent, or sent again.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Given up: every attempt failed, or nobody wants it any more.
    Failed,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) at: Timestamp,
    /// The receiver's status, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Stable code of what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    pub(crate) took_ms: u64,
}

/// A delivery as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// `msg_…`: also the message's `webhook-id`, the same however often it is sent.
    pub(crate) id: String,
    pub(crate) organization: Organization,
    pub(crate) subscription: String,
    pub(crate) topic: Topic,
    pub(crate) run: RunId,
    /// The message, exactly as it is sent and signed.
    pub(crate) body: String,
    pub(crate) state: State,
    pub(crate) attempts: Vec<Attempt>,
    /// How often a person wanted it once more.
    pub(crate) turn: u32,
    pub(crate) created: Timestamp,
}

impl Record for Delivery {
    const ROOM: Room = Room::Delivery;
}

/// A delivery in the list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeliveryAt {
    pub(crate) id: String,
}

impl Record for DeliveryAt {
    const ROOM: Room = Room::DeliveryAt;
}

/// What is told of a run: who it is and how it stands. What it made is asked for with a key.
pub(crate) fn body(
    topic: Topic,
    run: RunId,
    pipeline: &str,
    created: Timestamp,
    at: Timestamp,
) -> String {
    let status = topic.as_str().strip_prefix("run.").unwrap_or_default();
    json!({
        "type": topic.as_str(),
        "timestamp": at.to_string(),
        "data": {
            "run": run.to_string(),
            "pipeline": pipeline,
            "status": status,
            "created_at": created.to_string(),
        },
    })
    .to_string()
}

impl Delivery {
    /// The id of what is told to a subscription about one change of one run.
    pub(crate) fn id_of(subscription: &str, run: RunId, seq: u64) -> String {
        let hash = ContentHash::of(format!("{subscription}/{run}/{seq}").as_bytes());
        ids::of("msg", &hash.0)
    }

    /// Where it stands in the list.
    pub(crate) fn place(&self) -> String {
        place(self.created, &self.id)
    }

    /// Where it is stored.
    pub(crate) fn parts(&self) -> [&str; 2] {
        [self.organization.as_str(), &self.id]
    }

    fn note(&mut self, attempt: Attempt, state: State) {
        self.state = state;
        self.attempts.push(attempt);
        let over = self.attempts.len().saturating_sub(ATTEMPTS_KEPT);
        self.attempts.drain(..over);
    }
}

fn place(at: Timestamp, id: &str) -> String {
    let back = u64::MAX - u64::try_from(at.as_millis()).unwrap_or(0);
    format!("{back:016x}-{id}")
}

/// The organization's delivery of this id.
pub(crate) async fn find(
    desk: &Desk,
    organization: &Organization,
    id: &str,
) -> Result<Option<(Delivery, Revision)>, Problem> {
    desk.get::<Delivery>(&[organization.as_str(), id]).await
}

/// Stores a delivery that is new; one that is there already stays as it is.
pub(crate) async fn keep(desk: &Desk, delivery: &Delivery) -> Result<(), Problem> {
    if find(desk, &delivery.organization, &delivery.id).await?.is_some() {
        return Ok(());
    }
    let listed = DeliveryAt { id: delivery.id.clone() };
    let place = [delivery.organization.as_str(), &delivery.place()];
    let change = Change::of_system(&delivery.organization)
        .insert(&delivery.parts(), delivery)
        .put(&place, &listed);
    match desk.commit(change).await {
        // Somebody else was quicker with the same one.
        Err(problem) if problem.code() == "store.conflict" => Ok(()),
        other => other,
    }
}

/// Notes an attempt and where the delivery stands after it.
pub(crate) async fn note(
    desk: &Desk,
    organization: &Organization,
    id: &str,
    attempt: &Attempt,
    state: State,
) -> Result<(), Problem> {
    let mut tries = 0;
    loop {
        let Some((mut delivery, read)) = find(desk, organization, id).await? else { return Ok(()) };
        delivery.note(attempt.clone(), state);
        let parts = [organization.as_str(), id];
        let change = Change::of_system(organization).replace(&parts, read, &delivery);
        match desk.commit(change).await {
            Err(problem) if problem.code() == "store.conflict" && tries < NOTE_TRIES => tries += 1,
            other => return other,
        }
    }
}

/// Removes what is older than deliveries are kept.
pub(crate) async fn prune(
    desk: &Desk,
    organization: &Organization,
    now: Timestamp,
) -> Result<(), Problem> {
    let before = Timestamp(now.as_millis().saturating_sub_unsigned(KEPT_MS));
    let after = place(before, "");
    let old = desk.list::<DeliveryAt>(&[organization.as_str()], Some(&after), PRUNED).await?;
    let mut change = Change::of_system(organization);
    if old.is_empty() {
        return Ok(());
    }
    for item in &old {
        let parts: Vec<&str> = item.parts.iter().map(String::as_str).collect();
        change = change.forget::<DeliveryAt>(&parts);
        change = change.forget::<Delivery>(&[organization.as_str(), &item.record.id]);
    }
    desk.commit(change).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use levqor_core::store::MemoryStore;

    use super::*;

    fn delivery(n: u64, at: i64) -> Delivery {
        let run = RunId::from_u128(u128::from(n));
        Delivery {
            id: Delivery::id_of("sub_a", run, 1),
            organization: Organization::local(),
            subscription: "sub_a".to_owned(),
            topic: Topic::Failed,
            run,
            body: body(Topic::Failed, run, "p", Timestamp(0), Timestamp(at)),
            state: State::Pending,
            attempts: Vec::new(),
            turn: 0,
            created: Timestamp(at),
        }
    }

    #[tokio::test]
    async fn what_is_kept_twice_is_there_once_and_old_ones_go() {
        let desk = Desk::new(Arc::new(MemoryStore::new()));
        let (of, day) = (Organization::local(), 86_400_000);
        for n in 0..4 {
            let delivery = delivery(n, 1_000 + i64::try_from(n).unwrap() * day);
            keep(&desk, &delivery).await.unwrap();
            keep(&desk, &delivery).await.unwrap();
        }
        let count = async || desk.list::<DeliveryAt>(&["local"], None, 10).await.unwrap().len();
        assert_eq!(count().await, 4);
        prune(&desk, &of, Timestamp(1_001 + 31 * day)).await.unwrap();
        assert_eq!(count().await, 2);
        assert!(find(&desk, &of, &delivery(0, 0).id).await.unwrap().is_none());
        assert!(find(&desk, &of, &delivery(3, 0).id).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn attempts_are_noted_and_bounded() {
        let desk = Desk::new(Arc::new(MemoryStore::new()));
        let (of, one) = (Organization::local(), delivery(1, 5));
        keep(&desk, &one).await.unwrap();
        for n in 0..60 {
            let attempt = Attempt { at: Timestamp(n), status: Some(500), code: None, took_ms: 1 };
            note(&desk, &of, &one.id, &attempt, State::Pending).await.unwrap();
        }
        let (read, _) = find(&desk, &of, &one.id).await.unwrap().unwrap();
        assert_eq!(read.attempts.len(), ATTEMPTS_KEPT);
        assert_eq!(read.attempts.last().unwrap().at, Timestamp(59));
    }

    #[test]
    fn a_change_has_one_id_for_each_subscription() {
        let run = RunId::from_u128(7);
        let ids =
            [("sub_a", 1), ("sub_a", 2), ("sub_b", 1)].map(|(s, q)| Delivery::id_of(s, run, q));
        assert!(ids.iter().all(|id| ids::is("msg", id)), "{ids:?}");
        assert!(ids[0] != ids[1] && ids[0] != ids[2]);
        assert_eq!(ids[0], Delivery::id_of("sub_a", run, 1));
    }
}
