//! The outbox: what has to be told, written with what happened.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ipnet::IpNet;
use levqor_core::engine::{Outbox, StatusChange};
use levqor_core::ids::{Organization, RunId};
use levqor_core::store::{Key, Value};
use levqor_core::time::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::subscription::{Subscription, Topic};
use crate::config::Config;
use crate::desk::{Desk, Record, Room, key_of, value_of};
use crate::serve::HostError;

/// Subscriptions read at once while opening.
const PAGE: u32 = 200;

/// Something to be told, until each of its deliveries has a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Posted {
    /// A run's status changed.
    Status {
        topic: Topic,
        run: RunId,
        pipeline: String,
        seq: u64,
        created: Timestamp,
        at: Timestamp,
    },
    /// A person wants a delivery once more; `turn` tells one wish from the next.
    Again { delivery: String, turn: u32 },
}

impl Record for Posted {
    const ROOM: Room = Room::Outbox;
}

/// What the engine asks, and what wakes the pump.
#[derive(Debug)]
pub(crate) struct Post {
    /// Networks that receivers may be in although they are not public.
    pub(crate) private: Vec<IpNet>,
    /// Wait before the second attempt.
    pub(crate) retry_delay_ms: u64,
    /// Who is told of what, as far as this process knows: it is the only one on its store that
    /// makes subscriptions.
    wanted: Mutex<HashMap<Organization, HashSet<Topic>>>,
    /// Runs whose change is in a commit under way.
    pending: Mutex<HashSet<RunId>>,
    /// There is something in the outbox.
    pub(crate) ready: Notify,
}

impl Post {
    /// Reads who is told of what.
    pub(crate) async fn open(desk: &Desk, config: &Config) -> Result<Arc<Self>, HostError> {
        let post = Arc::new(Self {
            private: config.webhooks.networks()?,
            retry_delay_ms: config.webhooks.retry_delay_ms()?,
            wanted: Mutex::default(),
            pending: Mutex::default(),
            ready: Notify::new(),
        });
        let mut after = None;
        loop {
            let found = desk.list::<Subscription>(&[], after.as_deref(), PAGE).await?;
            let Some(last) = found.last() else { return Ok(post) };
            after = Some(last.record.id.clone());
            found.iter().for_each(|item| post.add(&item.record));
        }
    }

    /// One more subscription.
    pub(crate) fn add(&self, subscription: &Subscription) {
        let mut wanted = self.wanted.lock();
        let topics = wanted.entry(subscription.organization.clone()).or_default();
        topics.extend(subscription.topics.iter().filter(|topic| subscription.wants(**topic)));
    }

    /// What is left after one has gone.
    pub(crate) fn set(&self, organization: &Organization, left: &[Subscription]) {
        self.wanted.lock().remove(organization);
        left.iter().for_each(|subscription| self.add(subscription));
    }

    /// Whether a commit of this run is one that the outbox had something to say to.
    pub(crate) fn committed(&self, run: RunId) -> bool {
        self.pending.lock().remove(&run)
    }
}

impl Outbox for Post {
    fn records(&self, change: &StatusChange<'_>) -> Vec<(Key, Value)> {
        let Some(topic) = Topic::of(change.status) else { return Vec::new() };
        let wanted = self.wanted.lock();
        if !wanted.get(change.organization).is_some_and(|topics| topics.contains(&topic)) {
            return Vec::new();
        }
        drop(wanted);
        self.pending.lock().insert(change.run);
        let posted = Posted::Status {
            topic,
            run: change.run,
            pipeline: change.pipeline.to_owned(),
            seq: change.seq,
            created: change.created,
            at: change.at,
        };
        let name = format!("{}-{:08x}", change.run, change.seq);
        vec![(key_of::<Posted>(&[change.organization.as_str(), &name]), value_of(&posted))]
    }
}
