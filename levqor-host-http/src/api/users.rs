//! Users: a member's profile, found and kept by e-mail address.

use axum::http::{Method, StatusCode};
use levqor_core::ids::Organization;
use levqor_core::store::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::members::may_give;
use crate::app::App;
use crate::caller::Scope;
use crate::desk::Change;
use crate::http::{Answer, Call, Json, Problem, etag};
use crate::people::member::{self, Member};
use crate::people::text::{Locale, Name};
use crate::people::{Email, Role};
use crate::route::{Route, Tag};

/// How often a write is decided again when somebody else was first. Each time one of them wins.
const TRIES: usize = 8;

pub(super) fn routes() -> Vec<Route> {
    let new = |method, path, id| Route::new(method, path, id, Tag::People);
    vec![
        new(Method::PUT, "/api/v1/users", "put_user")
            .scope(Scope::PeopleWrite)
            .about("Make a person a member by e-mail address, or change what is kept of them")
            .answers::<Member>(StatusCode::CREATED, "the person is a member now")
            .answers::<Member>(StatusCode::OK, "the person was a member before")
            .to(put),
        new(Method::GET, "/api/v1/users", "find_user")
            .scope(Scope::PeopleRead)
            .about("The member with this e-mail address")
            .answers::<Member>(StatusCode::OK, "the member")
            .to(find),
        new(Method::GET, "/api/v1/users/{user}", "get_user")
            .scope(Scope::PeopleRead)
            .about("One member's profile")
            .answers::<Member>(StatusCode::OK, "the profile, its version as `ETag`")
            .to(get),
        new(Method::PATCH, "/api/v1/users/{user}", "patch_user")
            .scope(Scope::PeopleWrite)
            .about("Change a profile that was read: what is absent stays, `null` removes")
            .header("If-Match", "the `ETag` of the version that was read")
            .answers::<Member>(StatusCode::OK, "the profile as it is now")
            .to(patch),
    ]
}

/// A person to be made a member, or changed; what is absent stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PutUser {
    /// The address; upper and lower case are the same.
    email: Email,
    /// What the person may do; `viewer` for a new member where absent.
    #[serde(default)]
    role: Option<Role>,
    /// For people.
    #[serde(default)]
    name: Option<Name>,
    /// The person's language.
    #[serde(default)]
    locale: Option<Locale>,
    /// Free notes, in place of those that are there.
    #[serde(default)]
    meta: Option<Map<String, Value>>,
}

/// A change of a profile.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PatchUser {
    /// For people.
    #[serde(default, deserialize_with = "named")]
    name: Option<Option<Name>>,
    /// The person's language.
    #[serde(default, deserialize_with = "named")]
    locale: Option<Option<Locale>>,
    /// Free notes, in place of those that are there.
    #[serde(default, deserialize_with = "named")]
    meta: Option<Option<Map<String, Value>>>,
}

/// Which member is looked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FindUser {
    /// The address.
    email: Email,
}

/// A member that is there, be it `null`: absent and `null` are two things.
fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

/// The answer with a member, and its version.
pub(super) fn answer(status: StatusCode, member: &Member) -> Result<Answer, Problem> {
    Ok(Answer::json(status, member)?.etag(&etag::of(member)))
}

/// The organization's member of this id; a person elsewhere is not there.
pub(super) async fn found(
    app: &App,
    organization: &Organization,
    user: &str,
) -> Result<(Member, Revision), Problem> {
    member::by_id(&app.desk, organization, user).await?.ok_or(Problem::not_found("user"))
}

async fn put(app: App, call: Call<Json<PutUser>>) -> Result<Answer, Problem> {
    if let Some(meta) = &call.body.0.meta {
        member::check_meta(meta)?;
    }
    for _ in 1..TRIES {
        match put_once(&app, &call).await {
            Err(problem) if problem.code() == "store.conflict" => {}
            answered => return answered,
        }
    }
    put_once(&app, &call).await
}

async fn put_once(app: &App, call: &Call<Json<PutUser>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::PeopleWrite)?;
    let (wanted, now) = (&call.body.0, app.now());
    let known = member::by_email(&app.desk, organization, &wanted.email).await?;
    let by = |id: &str| Change::by(caller, organization, &call.head, id, now);
    let Some((before, read)) = known else {
        let role = wanted.role.unwrap_or(Role::Viewer);
        may_give(caller, role)?;
        let who = (&wanted.email, role);
        let (made, change) = member::join(&app.desk, by, organization, who, now).await?;
        let made = with(made, wanted);
        let change = change.insert(&[organization.as_str(), &made.id], &made);
        app.desk.commit(change).await.map_err(|e| member::bound(e, true))?;
        let location = format!("/api/v1/users/{}", made.id);
        let answered = answer(StatusCode::CREATED, &made)?;
        return Ok(answered.text_header(axum::http::header::LOCATION, &location));
    };
    let mut after = with(before.clone(), wanted);
    if after == before {
        return answer(StatusCode::OK, &before);
    }
    if after.role != before.role {
        may_give(caller, before.role)?;
        may_give(caller, after.role)?;
    }
    after.changed = now;
    let change = member::rewrite(by(&after.id), organization, (&before, read), &after);
    app.desk.commit(change).await.map_err(|e| member::bound(e, false))?;
    answer(StatusCode::OK, &after)
}

/// The member with what the request names in place of what was there.
fn with(mut member: Member, wanted: &PutUser) -> Member {
    if let Some(role) = wanted.role {
        member.role = role;
    }
    if wanted.name.is_some() {
        member.name.clone_from(&wanted.name);
    }
    if wanted.locale.is_some() {
        member.locale.clone_from(&wanted.locale);
    }
    if let Some(meta) = &wanted.meta {
        member.meta.clone_from(meta);
    }
    member
}

async fn find(app: App, call: Call<(), Json<FindUser>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PeopleRead)?;
    let found = member::by_email(&app.desk, organization, &call.query.0.email).await?;
    let (member, _) = found.ok_or(Problem::not_found("user"))?;
    answer(StatusCode::OK, &member)
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PeopleRead)?;
    let (member, _) = found(&app, organization, call.part("user")).await?;
    answer(StatusCode::OK, &member)
}

async fn patch(app: App, call: Call<Json<PatchUser>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::PeopleWrite)?;
    let (before, read) = found(&app, organization, call.part("user")).await?;
    etag::check(&call.head.headers, &etag::of(&before))?;
    let (wanted, mut after) = (&call.body.0, before.clone());
    if let Some(name) = &wanted.name {
        after.name.clone_from(name);
    }
    if let Some(locale) = &wanted.locale {
        after.locale.clone_from(locale);
    }
    if let Some(meta) = &wanted.meta {
        after.meta = meta.clone().unwrap_or_default();
        member::check_meta(&after.meta)?;
    }
    if after == before {
        return answer(StatusCode::OK, &before);
    }
    let now = app.now();
    after.changed = now;
    let change = Change::by(caller, organization, &call.head, &after.id, now);
    let change = member::rewrite(change, organization, (&before, read), &after);
    match app.desk.commit(change).await {
        // Another request was between the reading and the commit: that is what If-Match is about.
        Err(problem) if problem.code() == "store.conflict" => {
            etag::check(&call.head.headers, "").and(Err(problem))
        }
        done => done.and(answer(StatusCode::OK, &after)),
    }
}
