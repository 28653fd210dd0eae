//! [`Member`]: a person in one organization, and the changes to the list of members.
//!
//! Every function here makes a change or reads; committing is the caller's. Bounds are kept by
//! counters inside the commit, so that they hold under any race: at least one owner where there was
//! one, no more than `MEMBERS_MAX` members.

use levqor_core::ids::Organization;
use levqor_core::store::{Add, Counter, Revision};
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::text::{Locale, Name};
use super::{Email, Role};
use crate::desk::{Change, Desk, Record, Room};
use crate::http::Problem;
use crate::ids;

/// Members of one organization: a large company's; a list for a product's users is another thing.
pub(crate) const MEMBERS_MAX: i64 = 10_000;
/// Bytes of the notes that an organization keeps about a member.
pub(crate) const META_BYTES_MAX: usize = 8 * 1024;

/// A member, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "User")]
#[non_exhaustive]
pub struct Member {
    /// `usr_…`.
    pub id: String,
    /// The address that the person is known by.
    pub email: Email,
    /// What the person may do here.
    pub role: Role,
    /// For people.
    #[serde(default)]
    pub name: Option<Name>,
    /// The person's language.
    #[serde(default)]
    pub locale: Option<Locale>,
    /// Free notes of the organization's own.
    #[serde(default)]
    pub meta: Map<String, Value>,
    /// When the person became a member.
    pub created: Timestamp,
    /// When this record last changed.
    pub changed: Timestamp,
}

impl Record for Member {
    const ROOM: Room = Room::Member;
}

/// From an address to the member, within one organization.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MemberEmail {
    pub(crate) user: String,
}

impl Record for MemberEmail {
    const ROOM: Room = Room::MemberEmail;
}

/// One organization of a person.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MemberOf {
    pub(crate) organization: Organization,
    pub(crate) since: Timestamp,
}

impl Record for MemberOf {
    const ROOM: Room = Room::MemberOf;
}

/// From an address to the person.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserEmail {
    pub(crate) user: String,
}

impl Record for UserEmail {
    const ROOM: Room = Room::UserEmail;
}

/// A member that was read, with its revision.
pub(crate) type Found = Option<(Member, Revision)>;

/// The member of this id.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn by_id(desk: &Desk, of: &Organization, user: &str) -> Result<Found, Problem> {
    desk.get::<Member>(&[of.as_str(), user]).await
}

/// The member with this address. Looks at nothing outside the organization.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn by_email(
    desk: &Desk,
    of: &Organization,
    email: &Email,
) -> Result<Found, Problem> {
    match desk.get::<MemberEmail>(&[of.as_str(), email.as_str()]).await? {
        Some((found, _)) => by_id(desk, of, &found.user).await,
        None => Ok(None),
    }
}

/// A new member with this address, and the change (begun with the person's id) with all that
/// belongs to it but the member itself. A person who is known elsewhere keeps the id.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn join(
    desk: &Desk,
    begin: impl FnOnce(&str) -> Change,
    of: &Organization,
    (email, role): (&Email, Role),
    now: Timestamp,
) -> Result<(Member, Change), Problem> {
    let known = desk.get::<UserEmail>(&[email.as_str()]).await?;
    let is_known = known.is_some();
    let id = known.map_or_else(|| ids::make("usr"), |(known, _)| known.user);
    let member = Member {
        id,
        email: email.clone(),
        role,
        name: None,
        locale: None,
        meta: Map::new(),
        created: now,
        changed: now,
    };
    let user = member.id.as_str();
    let mut change = begin(user)
        .insert(&[of.as_str(), email.as_str()], &MemberEmail { user: user.to_owned() })
        .insert(&[user, of.as_str()], &MemberOf { organization: of.clone(), since: now })
        .add(moved(of, "members", 1, MEMBERS_MAX));
    if !is_known {
        change = change.insert(&[email.as_str()], &UserEmail { user: user.to_owned() });
    }
    if role == Role::Owner {
        change = change.add(moved(of, "owners", 1, MEMBERS_MAX));
    }
    Ok((member, change))
}

/// The change of a member's record; what a new role means for the count of owners included.
pub(crate) fn rewrite(
    change: Change,
    of: &Organization,
    (before, read): (&Member, Revision),
    after: &Member,
) -> Change {
    let change = change.replace(&[of.as_str(), &after.id], read, after);
    match (before.role == Role::Owner, after.role == Role::Owner) {
        (true, false) => change.add(moved(of, "owners", -1, MEMBERS_MAX)),
        (false, true) => change.add(moved(of, "owners", 1, MEMBERS_MAX)),
        _ => change,
    }
}

/// The change that ends a membership.
pub(crate) fn leave(
    change: Change,
    of: &Organization,
    (member, read): (&Member, Revision),
) -> Change {
    let change = change
        .remove::<Member>(&[of.as_str(), &member.id], read)
        .forget::<MemberEmail>(&[of.as_str(), member.email.as_str()])
        .forget::<MemberOf>(&[&member.id, of.as_str()])
        .add(moved(of, "members", -1, MEMBERS_MAX));
    if member.role == Role::Owner {
        return change.add(moved(of, "owners", -1, MEMBERS_MAX));
    }
    change
}

/// A counter of the organization's people. One owner stays: the bound below is looked at only when
/// it sinks.
fn moved(of: &Organization, what: &str, delta: i64, max: i64) -> Add {
    let min = i64::from(what == "owners");
    let counter = Counter::new(of.as_str(), format!("people/{what}"));
    Add { counter, delta, min, max }
}

/// A refused bound in the words of its cause.
pub(crate) fn bound(problem: Problem, is_new: bool) -> Problem {
    match (problem.code(), is_new) {
        ("store.bound", true) => {
            let detail = format!("an organization has at most {MEMBERS_MAX} members");
            Problem::conflict("member.too_many", detail)
        }
        ("store.bound", false) => {
            let detail = "the last owner stays one: make somebody else an owner first";
            Problem::conflict("member.last_owner", detail)
        }
        _ => problem,
    }
}

/// Whether the notes are within their bound.
///
/// # Errors
/// 422 `user.meta_too_large`.
pub(crate) fn check_meta(meta: &Map<String, Value>) -> Result<(), Problem> {
    let bytes = serde_json::to_vec(meta).map_or(usize::MAX, |text| text.len());
    if bytes <= META_BYTES_MAX {
        return Ok(());
    }
    Err(Problem::invalid("user.meta_too_large", format!("`meta` is over {META_BYTES_MAX} bytes")))
}
