//! Rooms, and how a record is written: `{"v":1,"r":{…}}`.

use levqor_core::store::{Key, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::TABLE;
use crate::http::Problem;

/// Format version of every record here.
const FORMAT: u8 = 1;

/// Every kind of record, in one list: what its key is and who writes it. Names are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Room {
    /// `(key)`: API keys. Written by `api::keys` and at the first start.
    Key,
    /// `(organization, key)`: an organization's keys, for its list.
    KeyOf,
    /// `(organization, time backwards and id)`: what was changed by whom. Written with each change.
    Audit,
    /// `(key)`: when a key was last used, to the minute. Written late, by `caller::keys`.
    KeyUsed,
    /// `(organization)`: every organization, with its name. Written by `api::organizations`.
    Organization,
    /// `(organization, user)`: members, each with the profile that this organization keeps.
    Member,
    /// `(organization, e-mail)`: the same member by e-mail.
    MemberEmail,
    /// `(user, organization)`: where a person is a member, for signing in.
    MemberOf,
    /// `(e-mail)`: whose it is, over all organizations. Nobody outside is told.
    UserEmail,
    /// `(digest)`: sessions of people. Written by `api::sessions`.
    Session,
    /// `(digest)`: sign-in links that were mailed and not yet used.
    Link,
    /// `(organization, digest)`: what was answered to a request with an `Idempotency-Key`.
    Once,
    /// `(time, organization, digest)`: the same by the time when it may go. Written with it.
    OnceDue,
    /// `(time, digest)`: sessions and links by the time when they may go. Written with them.
    SessionDue,
    /// `(organization, draft)`: drafts of pipelines. Written by `planning`.
    Draft,
    /// `(organization, time backwards, draft)`: an organization's drafts, newest first.
    DraftOf,
    /// `(endpoint)`: webhook endpoints. Written by `api::endpoints`.
    Hook,
    /// `(organization, endpoint)`: an organization's endpoints, for its list.
    HookOf,
    /// `(endpoint, list, time backwards)`: what an endpoint received lately. By `hooks::received`.
    HookReceived,
    /// `(subscription)`: who is told of what. Written by `api::outbound`.
    Subscription,
    /// `(organization, subscription)`: an organization's subscriptions, for its list.
    SubscriptionOf,
    /// `(organization, run and sequence number)`: what is still to be told. By `deliver::outbox`.
    Outbox,
    /// `(organization, delivery)`: deliveries and their attempts. By `deliver`.
    Delivery,
    /// `(organization, time backwards, delivery)`: the same, newest first, for the list.
    DeliveryAt,
    /// `("all")`: flags that requests changed. Written by `api::ops`.
    Flags,
    /// `("ready")`: the commit that shows that the store takes commits. Written by `ops::ready`.
    Probe,
}

impl Room {
    /// The room's name, as it stands in keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::KeyOf => "key_of",
            Self::Audit => "audit",
            Self::KeyUsed => "key_used",
            Self::Organization => "organization",
            Self::Member => "member",
            Self::MemberEmail => "member_email",
            Self::MemberOf => "member_of",
            Self::UserEmail => "user_email",
            Self::Session => "session",
            Self::Link => "link",
            Self::Once => "once",
            Self::OnceDue => "once_due",
            Self::SessionDue => "session_due",
            Self::Draft => "draft",
            Self::DraftOf => "draft_of",
            Self::Hook => "hook",
            Self::HookOf => "hook_of",
            Self::HookReceived => "hook_received",
            Self::Subscription => "subscription",
            Self::SubscriptionOf => "subscription_of",
            Self::Outbox => "outbox",
            Self::Delivery => "delivery",
            Self::DeliveryAt => "delivery_at",
            Self::Flags => "flags",
            Self::Probe => "probe",
        }
    }
}

/// Something that the host stores.
pub trait Record: Serialize + DeserializeOwned + Send + Sync {
    /// Where it stands.
    const ROOM: Room;
}

#[derive(Serialize, Deserialize)]
struct Stored<R> {
    v: u8,
    r: R,
}

pub(super) fn key(room: Room, parts: &[&str]) -> Key {
    parts.iter().fold(Key::of(TABLE).text(room.as_str()), |key, part| key.text(part))
}

/// The parts of a key after its room.
pub(super) fn parts(key: &Key) -> Vec<String> {
    let body = key.as_bytes().get(1..).unwrap_or_default();
    let body = body.strip_suffix(&[0]).unwrap_or(body);
    let parts = body.split(|byte| *byte == 0).skip(1);
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

pub(super) fn write<R: Record>(record: &R) -> Value {
    // Our own types hold no map with keys that are not text: this cannot fail.
    serde_json::to_vec(&Stored { v: FORMAT, r: record }).unwrap_or_default().into()
}

pub(super) fn read<R: Record>(value: &Value) -> Result<R, Problem> {
    let stored: Stored<R> = serde_json::from_slice(value).map_err(|error| {
        // Where and what kind, never the text: a record may hold what is not for a log.
        let (line, kind) = (error.column(), error.classify());
        tracing::error!(room = R::ROOM.as_str(), at = line, ?kind, "a record cannot be read");
        Problem::internal()
    })?;
    if stored.v != FORMAT {
        tracing::error!(room = R::ROOM.as_str(), v = stored.v, "a record of an unknown format");
        return Err(Problem::internal());
    }
    Ok(stored.r)
}
