//! Members: who belongs to the organization, in which role.

use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;

use super::users::{answer, found};
use crate::app::App;
use crate::caller::{Caller, Credential, Scope};
use crate::desk::Change;
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Problem};
use crate::people::Role;
use crate::people::member::{self, Member};
use crate::people::organization::is_operator;
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    let new = |method, path, id| Route::new(method, path, id, Tag::People);
    vec![
        new(Method::GET, "/api/v1/members", "list_members")
            .scope(Scope::PeopleRead)
            .about("The organization's members")
            .answers::<Page<Member>>(StatusCode::OK, "a page of members")
            .to(list),
        new(Method::GET, "/api/v1/members/{user}", "get_member")
            .scope(Scope::PeopleRead)
            .about("One member")
            .answers::<Member>(StatusCode::OK, "the member")
            .to(get),
        new(Method::PUT, "/api/v1/members/{user}", "set_role")
            .scope(Scope::PeopleWrite)
            .about("Give a member a role that the caller could fill itself")
            .answers::<Member>(StatusCode::OK, "the member in that role")
            .to(set_role),
        new(Method::DELETE, "/api/v1/members/{user}", "remove_member")
            .scope(Scope::PeopleWrite)
            .about("End a membership; the person's sessions here end with it")
            .answers_media(StatusCode::NO_CONTENT, "", "it is ended")
            .to(remove),
    ]
}

/// A role to be given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetRole {
    /// The role.
    role: Role,
}

async fn list(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PeopleRead)?;
    let page = &call.query.0;
    let (limit, after) = (page.limit()?, Cursor::read(page.cursor.as_deref(), "members")?);
    let within = [organization.as_str()];
    let mut all = app.desk.list::<Member>(&within, after.as_deref(), limit + 1).await?;
    let has_more = all.len() > limit as usize;
    all.truncate(limit as usize);
    let last = all.last().filter(|_| has_more);
    let next = last.map(|found| Cursor::after(&found.record.id, "members"));
    let data = all.into_iter().map(|found| found.record).collect();
    Answer::ok(&Page::<Member>::new(data, next))
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PeopleRead)?;
    let (member, _) = found(&app, organization, call.part("user")).await?;
    answer(StatusCode::OK, &member)
}

/// A role is given and taken only by who could fill it: an admin neither makes nor unmakes owners.
pub(super) fn may_give(caller: &Caller, role: Role) -> Result<(), Problem> {
    let organization = caller.may(Scope::PeopleWrite)?;
    caller.may_give(role.scopes(is_operator(organization)))
}

async fn set_role(app: App, call: Call<Json<SetRole>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::PeopleWrite)?;
    let (before, read) = found(&app, organization, call.part("user")).await?;
    let role = call.body.0.role;
    if role == before.role {
        return answer(StatusCode::OK, &before);
    }
    may_give(caller, before.role)?;
    may_give(caller, role)?;
    let now = app.now();
    let after = Member { role, changed: now, ..before.clone() };
    let change = Change::by(caller, organization, &call.head, &after.id, now);
    let change = member::rewrite(change, organization, (&before, read), &after);
    app.desk.commit(change).await.map_err(|e| member::bound(e, false))?;
    answer(StatusCode::OK, &after)
}

async fn remove(app: App, call: Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::PeopleWrite)?;
    let (member, read) = found(&app, organization, call.part("user")).await?;
    let is_own = matches!(caller.credential(), Credential::Session { user } if *user == member.id);
    if !is_own {
        may_give(caller, member.role)?;
    }
    let change = Change::by(caller, organization, &call.head, &member.id, app.now());
    let change = member::leave(change, organization, (&member, read));
    app.desk.commit(change).await.map_err(|e| member::bound(e, false))?;
    Ok(Answer::nothing())
}
