//! API keys: making, listing, rotating and revoking them.

use axum::http::{Method, StatusCode};
use levqor_core::ids::Organization;
use levqor_core::store::{Add, Counter, Revision};
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::caller::key::{ApiKey, KeyOf};
use crate::caller::{Scope, Scopes};
use crate::desk::Change;
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Problem};
use crate::people::text::Name;
use crate::route::{Route, Tag};

/// Keys of one organization: one for each program and person, with room. All keys of a host are
/// held in memory.
const KEYS_MAX: i64 = 200;
/// How long a rotated secret is accepted beside the new one where the request does not say.
const OVERLAP_SECONDS_DEFAULT: u32 = 24 * 60 * 60;
/// Longest overlap: a week is a rotation, a month is two keys.
const OVERLAP_SECONDS_MAX: u32 = 7 * 24 * 60 * 60;

pub(super) fn routes() -> Vec<Route> {
    let new = |method, path, id| Route::new(method, path, id, Tag::People);
    vec![
        new(Method::POST, "/api/v1/keys", "make_key")
            .scope(Scope::PeopleWrite)
            .about("Make an API key with scopes that the caller has itself")
            .idempotent()
            .answers::<KeyMade>(StatusCode::CREATED, "the key, its text shown this once")
            .to(make),
        new(Method::GET, "/api/v1/keys", "list_keys")
            .scope(Scope::PeopleRead)
            .about("The organization's API keys, never their secrets")
            .answers::<Page<Key>>(StatusCode::OK, "a page of keys")
            .to(list),
        new(Method::GET, "/api/v1/keys/{key}", "get_key")
            .scope(Scope::PeopleRead)
            .about("One API key")
            .answers::<Key>(StatusCode::OK, "the key")
            .to(get),
        new(Method::POST, "/api/v1/keys/{key}/rotate", "rotate_key")
            .scope(Scope::PeopleWrite)
            .about("Give a key a new secret; the old one is accepted for a while")
            .idempotent()
            .answers::<KeyMade>(StatusCode::OK, "the key, its new text shown this once")
            .to(rotate),
        new(Method::DELETE, "/api/v1/keys/{key}", "revoke_key")
            .scope(Scope::PeopleWrite)
            .about("Revoke a key; from then on nothing is accepted from it")
            .answers_media(StatusCode::NO_CONTENT, "", "it is revoked")
            .to(revoke),
    ]
}

/// An API key. Times are milliseconds since 1970, UTC.
#[derive(Debug, Serialize, JsonSchema)]
struct Key {
    /// `key_…`.
    id: String,
    /// For people.
    name: String,
    /// What it may do.
    scopes: Scopes,
    /// The last four characters of its secret.
    last4: String,
    /// When it was made.
    created: Timestamp,
    /// Who made it: `key:…`, `user:…`.
    created_by: String,
    /// When it stops to be accepted.
    expires: Option<Timestamp>,
    /// When it was last used, to the minute.
    last_used: Option<Timestamp>,
    /// Until when secrets before this one are accepted, while a rotation overlaps.
    overlap_ends: Option<Timestamp>,
}

/// A key with its text.
#[derive(Debug, Serialize, JsonSchema)]
struct KeyMade {
    /// The key.
    #[serde(flatten)]
    about: Key,
    /// What to send as `Authorization: Bearer`. Shown this once; `null` when the answer is given
    /// again.
    key: Option<String>,
}

/// A key to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MakeKey {
    /// For people.
    name: Name,
    /// What it may do: nothing that the caller may not.
    scopes: Scopes,
    /// When it stops to be accepted, in milliseconds since 1970; never where absent.
    #[serde(default, deserialize_with = "crate::http::maybe_moment")]
    expires: Option<Timestamp>,
}

/// How a key is rotated.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RotateKey {
    /// How long the secret before is accepted, in seconds; 86,400 where absent.
    #[serde(default, deserialize_with = "crate::http::maybe_whole")]
    #[schemars(range(min = 0, max = 604_800))]
    overlap_seconds: Option<u32>,
}

impl Key {
    fn of(key: &ApiKey, last_used: Option<Timestamp>, now: Timestamp) -> Self {
        let overlap = key.secrets.iter().filter_map(|secret| secret.until);
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            scopes: key.scopes,
            last4: key.last4.clone(),
            created: key.created,
            created_by: key.created_by.clone(),
            expires: key.expires,
            last_used,
            overlap_ends: overlap.filter(|until| now < *until).max(),
        }
    }
}

async fn make(app: App, call: Call<Json<MakeKey>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::PeopleWrite)?;
    let MakeKey { name, scopes, expires } = &call.body.0;
    caller.may_give(*scopes)?;
    let now = app.now();
    if expires.is_some_and(|at| at <= now) {
        return Err(Problem::invalid("key.expired", "`expires` is not in the future"));
    }
    let by = caller.principal();
    let (mut key, text) = ApiKey::make(organization.clone(), name.as_str(), *scopes, &by, now);
    key.expires = *expires;
    let change = Change::by(caller, organization, &call.head, &key.id, now);
    let change = added(change, organization, &key);
    let made = KeyMade { about: Key::of(&key, None, now), key: Some(text.reveal().to_owned()) };
    let answer = Answer::created(&format!("/api/v1/keys/{}", key.id), &made)?.secret("/key");
    let answered = app.desk.answered(change, answer).await;
    app.keys.changed(&app.desk, &key.id).await;
    answered.map_err(too_many)
}

/// The change with a new key in it.
pub(super) fn added(change: Change, organization: &Organization, key: &ApiKey) -> Change {
    change
        .insert(&[&key.id], key)
        .insert(&[organization.as_str(), &key.id], &KeyOf { id: key.id.clone() })
        .add(counted(organization, 1))
}

fn counted(organization: &Organization, delta: i64) -> Add {
    let counter = Counter::new(organization.as_str(), "people/keys");
    // Keys of the first start are not counted, so it may sink below zero.
    Add { counter, delta, min: i64::MIN, max: KEYS_MAX }
}

fn too_many(problem: Problem) -> Problem {
    if problem.code() == "store.bound" {
        let detail = format!("an organization has at most {KEYS_MAX} keys; revoke one first");
        return Problem::conflict("key.too_many", detail);
    }
    problem
}

async fn list(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PeopleRead)?;
    let page = &call.query.0;
    let (limit, after) = (page.limit()?, Cursor::read(page.cursor.as_deref(), "keys")?);
    let within = [organization.as_str()];
    let mut listed = app.desk.list::<KeyOf>(&within, after.as_deref(), limit + 1).await?;
    let has_more = listed.len() > limit as usize;
    listed.truncate(limit as usize);
    let ids: Vec<&str> = listed.iter().map(|found| found.record.id.as_str()).collect();
    let next = ids.last().filter(|_| has_more).map(|id| Cursor::after(id, "keys"));
    let places: Vec<[&str; 1]> = ids.iter().map(|id| [*id]).collect();
    let keys = app.desk.many::<ApiKey>(&places).await?;
    let used = app.keys.last_used(&app.desk, &ids).await?;
    let now = app.now();
    let both = keys.into_iter().zip(used);
    let data = both.filter_map(|(key, used)| Some(Key::of(&key?, used, now))).collect();
    Answer::ok(&Page::<Key>::new(data, next))
}

/// The organization's key of this id; another's is not there.
async fn found(
    app: &App,
    organization: &Organization,
    id: &str,
) -> Result<(ApiKey, Revision), Problem> {
    let found = app.desk.get::<ApiKey>(&[id]).await?;
    found.filter(|(key, _)| key.organization == *organization).ok_or(Problem::not_found("key"))
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PeopleRead)?;
    let (key, _) = found(&app, organization, call.part("key")).await?;
    let used = app.keys.last_used(&app.desk, &[&key.id]).await?.pop().flatten();
    Answer::ok(&Key::of(&key, used, app.now()))
}

async fn rotate(app: App, call: Call<Json<RotateKey>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::PeopleWrite)?;
    let seconds = call.body.0.overlap_seconds.unwrap_or(OVERLAP_SECONDS_DEFAULT);
    if seconds > OVERLAP_SECONDS_MAX {
        let detail = format!("`overlap_seconds` is 0 to {OVERLAP_SECONDS_MAX}");
        return Err(Problem::invalid("key.overlap_too_long", detail));
    }
    let (mut key, read) = found(&app, organization, call.part("key")).await?;
    // The caller will hold the new secret, and with it the key's scopes.
    caller.may_give(key.scopes)?;
    let now = app.now();
    let Some(text) = key.rotate(now.plus_ms(u64::from(seconds) * 1_000), now) else {
        let detail = "too many secrets of this key overlap; wait, or rotate with no overlap";
        return Err(Problem::conflict("key.too_many_overlaps", detail));
    };
    let change = Change::by(caller, organization, &call.head, &key.id, now);
    let change = change.replace(&[&key.id], read, &key);
    let used = app.keys.last_used(&app.desk, &[&key.id]).await?.pop().flatten();
    let about = Key::of(&key, used, now);
    let made = KeyMade { about, key: Some(text.reveal().to_owned()) };
    let answered = app.desk.answered(change, Answer::ok(&made)?.secret("/key")).await;
    app.keys.changed(&app.desk, &key.id).await;
    answered
}

async fn revoke(app: App, call: Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::PeopleWrite)?;
    let (key, read) = found(&app, organization, call.part("key")).await?;
    let change = Change::by(caller, organization, &call.head, &key.id, app.now())
        .remove::<ApiKey>(&[&key.id], read)
        .forget::<KeyOf>(&[organization.as_str(), &key.id])
        .forget::<crate::caller::keys::KeyUsed>(&[&key.id])
        .add(counted(organization, -1));
    let done = app.desk.commit(change).await;
    app.keys.changed(&app.desk, &key.id).await;
    done?;
    Ok(Answer::nothing())
}
