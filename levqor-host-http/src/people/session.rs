//! Sessions of people and the links that begin them, stored under digests of their secrets.

use levqor_core::ids::Organization;
use levqor_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Email;
use crate::desk::{Change, Desk, Record, Room, due_place};
use crate::http::Problem;

/// How long a session lives without a request.
pub(crate) const IDLE_MS: u64 = 30 * 60 * 1_000;
/// How long it lives at most: a day at work.
pub(crate) const LIFE_MS: u64 = 12 * 60 * 60 * 1_000;
/// How exactly the last request is kept: one write a minute, not one a request.
pub(crate) const SEEN_MS: u64 = 60 * 1_000;
/// How long a sign-in link works: until the mail has come and was read.
pub(crate) const LINK_MS: u64 = 15 * 60 * 1_000;
/// Records that one commit of the sweeper removes.
const SWEEP_MAX: u32 = 256;

/// A session, under the digest of what its cookie holds. It is bound to one organization; what may
/// be done in it is the member's role at each request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Session {
    /// `usr_…`.
    pub user: String,
    /// Where the person acts.
    pub organization: Organization,
    /// When it was last used, to the minute.
    pub seen: Timestamp,
    /// When it ends at the latest.
    pub ends: Timestamp,
}

impl Record for Session {
    const ROOM: Room = Room::Session;
}

impl Session {
    /// A new one.
    #[must_use]
    pub fn new(user: &str, organization: &Organization, now: Timestamp) -> Self {
        let (user, organization) = (user.to_owned(), organization.clone());
        Self { user, organization, seen: now, ends: now.plus_ms(LIFE_MS) }
    }

    /// Whether it is accepted now.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.ends && now.since_ms(self.seen) < IDLE_MS
    }
}

/// A sign-in link that was mailed, under the digest of its secret. It is used once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// Who signs in by it.
    pub email: Email,
    /// Until when.
    pub until: Timestamp,
}

impl Record for Link {
    const ROOM: Room = Room::Link;
}

/// A place in the list of what may go.
#[derive(Debug, Serialize, Deserialize)]
struct Due {}

impl Record for Due {
    const ROOM: Room = Room::SessionDue;
}

/// The change with a new session in it.
pub(crate) fn begun(change: Change, digest: &str, session: &Session) -> Change {
    change.insert(&[digest], session).put(&[&due_place(session.ends), digest], &Due {})
}

/// The change with a new link in it.
pub(crate) fn linked(change: Change, digest: &str, link: &Link) -> Change {
    change.insert(&[digest], link).put(&[&due_place(link.until), digest], &Due {})
}

/// Removes some of the sessions and links whose time is over; whether there may be more.
///
/// # Errors
/// When the store cannot be read or does not take it.
pub(crate) async fn sweep(desk: &Desk, now: Timestamp) -> Result<bool, Problem> {
    let old = desk.list::<Due>(&[], None, SWEEP_MAX).await?;
    let is_over = |place: &String| *place < due_place(now);
    let (mut change, mut count) = (Change::of_system(&Organization::local()), 0);
    for due in old.iter().filter(|due| due.parts.first().is_some_and(is_over)) {
        let parts: Vec<&str> = due.parts.iter().map(String::as_str).collect();
        if let [_, digest] = parts.as_slice() {
            change = change.forget::<Session>(&[digest]).forget::<Link>(&[digest]);
        }
        change = change.remove::<Due>(&parts, due.revision);
        count += 1;
    }
    if count > 0 {
        desk.commit(change).await?;
    }
    Ok(count == SWEEP_MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use levqor_core::store::MemoryStore;

    use super::*;

    #[test]
    fn a_session_ends_idle_or_old() {
        let minute = 60_000_i64;
        let mut session = Session::new("usr_1", &Organization::local(), Timestamp(0));
        for (seen, at, live) in
            [(0, 29, true), (0, 30, false), (700, 719, true), (719, 720, false), (25, 54, true)]
        {
            session.seen = Timestamp(seen * minute);
            assert_eq!(session.is_live(Timestamp(at * minute)), live, "{seen} {at}");
        }
    }

    #[tokio::test]
    async fn what_is_over_goes() {
        let desk = Desk::new(Arc::new(MemoryStore::new()));
        let local = Organization::local();
        let (old, new) = (Timestamp(0), Timestamp(1_000_000_000));
        for (digest, at) in [("a", old), ("b", new)] {
            let session = Session::new("usr_1", &local, at);
            let link = Link { email: Email::new("a@b.cd").unwrap(), until: at.plus_ms(LINK_MS) };
            let change = begun(Change::of_system(&local), digest, &session);
            desk.commit(linked(change, &format!("l{digest}"), &link)).await.unwrap();
        }
        assert!(!sweep(&desk, new).await.unwrap());
        assert!(desk.get::<Session>(&["a"]).await.unwrap().is_none());
        assert!(desk.get::<Link>(&["la"]).await.unwrap().is_none());
        assert!(desk.get::<Session>(&["b"]).await.unwrap().is_some());
        assert!(desk.get::<Link>(&["lb"]).await.unwrap().is_some());
    }
}
