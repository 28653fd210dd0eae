//! The audit log: what was changed by whom.

use axum::http::{Method, StatusCode};
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::caller::Scope;
use crate::desk::Audit;
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Problem};
use crate::route::{Route, Tag};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/audit", "list_audit", Tag::People)
            .scope(Scope::PeopleRead)
            .about("What was changed in the organization by whom, newest first")
            .answers::<Page<Row>>(StatusCode::OK, "a page of rows")
            .to(list),
    ]
}

/// One change.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditRow")]
struct Row {
    /// When, in milliseconds since 1970, UTC.
    at: Timestamp,
    /// Who: `key:…`, `user:…`, `system:…`.
    principal: String,
    /// What was done: an operation's id, as in this description.
    action: String,
    /// To what: an id.
    target: String,
    /// The request, as in the log.
    request_id: String,
}

async fn list(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::PeopleRead)?;
    let page = &call.query.0;
    let (limit, after) = (page.limit()?, Cursor::read(page.cursor.as_deref(), "audit")?);
    let within = [organization.as_str()];
    let mut rows = app.desk.list::<Audit>(&within, after.as_deref(), limit + 1).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let last = rows.last().and_then(|row| row.parts.last()).filter(|_| has_more);
    let next = last.map(|place| Cursor::after(place, "audit"));
    let data = rows.into_iter().map(|row| {
        let Audit { at, principal, action, target, request_id } = row.record;
        Row { at, principal, action, target, request_id }
    });
    Answer::ok(&Page::new(data.collect(), next))
}
