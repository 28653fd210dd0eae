//! Two organizations: what is one's is for the other exactly like what is not there.
//!
//! [`MATRIX`] has one row for each route, with the kinds of the ids that it takes. For each id a thing
//! of organization A is made, and B asks for it: the answer must be that for an id that nothing has,
//! in status, headers and body, and A's thing must be as before. A then asks for it itself, so that a
//! row which reaches nothing is seen.

use std::collections::BTreeSet;

use axum::http::Method;
use levqor_host_http::caller::Scopes;
use levqor_host_http::route::{Access, Route, table};

use super::two::{Kind, Target, route};
use super::{Answered, Client, World};

/// One route: the kinds of the parts of its path in order, and of ids in its body by pointer.
struct Row {
    route: &'static str,
    parts: &'static [Kind],
    within: &'static [(&'static str, Kind)],
    /// Where the body says the last part of the path again.
    again: &'static str,
}

impl Row {
    fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.parts.iter().copied().chain(self.within.iter().map(|(_, kind)| *kind))
    }
}

const fn row(route: &'static str, parts: &'static [Kind]) -> Row {
    Row { route, parts, within: &[], again: "" }
}

/// Every route. A new one gets its line here.
#[rustfmt::skip]
const MATRIX: &[Row] = &[
    row("health", &[]),
    row("openapi", &[]),
    row("docs_api", &[]),
    row("docs_errors", &[]),
    row("docs_css", &[]),
    row("metrics", &[]),
    row("ready", &[]),
    row("uptime", &[]),
    row("queue_health", &[]),
    row("list_all_dead_letters", &[]),
    row("retry_dead_letters", &[]),
    row("list_flags", &[]),
    row("change_flags", &[]),
    row("list_backups", &[]),
    row("take_backup", &[]),
    row("csp_report", &[]),
    row("ask_link", &[]),
    row("show_link", &[]),
    row("sign_in", &[]),
    row("get_session", &[]),
    row("sign_out", &[]),
    row("switch_organization", &[]),
    row("list_audit", &[]),
    row("make_organization", &[]),
    row("list_organizations", &[]),
    row("get_organization", &[]),
    row("patch_organization", &[]),
    row("make_key", &[]),
    row("list_keys", &[]),
    row("put_user", &[]),
    row("find_user", &[]),
    row("list_members", &[]),
    row("limits", &[]),
    row("usage", &[]),
    row("usage_summary", &[]),
    row("plans", &[]),
    row("choose_plan", &[]),
    row("assign_plan", &[]),
    row("credits", &[]),
    row("credit_entries", &[]),
    row("credit_packs", &[]),
    row("grant_credits", &[]),
    row("list_connectors", &[]),
    row("list_credentials", &[]),
    row("list_dead_letters", &[]),
    row("list_deliveries", &[]),
    row("list_webhooks", &[]),
    row("create_webhook", &[]),
    row("list_subscriptions", &[]),
    row("create_subscription", &[]),
    row("intake", &[]),
    row("list_pipelines", &[]),
    row("plan", &[]),
    row("drafts", &[]),
    row("validate", &[]),
    row("estimate", &[]),
    row("list_runs", &[]),
    row("publish_signal", &[]),
    row("start_run", &[]),
    row("list_schedules", &[]),
    row("get_connector", &[Kind::Fixed("text")]),
    row("receive_webhook", &[Kind::Fixed("none")]),
    row("get_key", &[Kind::Key]),
    row("rotate_key", &[Kind::Key]),
    row("revoke_key", &[Kind::Key]),
    row("get_user", &[Kind::User]),
    row("patch_user", &[Kind::User]),
    row("get_member", &[Kind::User]),
    row("set_role", &[Kind::User]),
    row("remove_member", &[Kind::User]),
    row("put_credential", &[Kind::Credential]),
    row("delete_credential", &[Kind::Credential]),
    row("get_dead_letter", &[Kind::Dead]),
    row("retry_dead_letter", &[Kind::Dead]),
    row("discard_dead_letter", &[Kind::Dead]),
    row("get_webhook", &[Kind::Endpoint]),
    row("update_webhook", &[Kind::Endpoint]),
    row("delete_webhook", &[Kind::Endpoint]),
    row("rotate_webhook", &[Kind::Endpoint]),
    row("list_webhook_received", &[Kind::Endpoint]),
    row("get_subscription", &[Kind::Subscription]),
    row("delete_subscription", &[Kind::Subscription]),
    row("rotate_subscription", &[Kind::Subscription]),
    row("get_delivery", &[Kind::Delivery]),
    row("redeliver", &[Kind::Delivery]),
    row("get_pipeline", &[Kind::Pipeline]),
    Row { again: "/name", ..row("put_pipeline", &[Kind::Pipeline]) },
    row("delete_pipeline", &[Kind::Pipeline]),
    row("list_versions", &[Kind::Pipeline]),
    row("diff_versions", &[Kind::Pipeline]),
    row("get_version", &[Kind::Pipeline, Kind::Version]),
    row("pause_schedule", &[Kind::Pipeline, Kind::Fixed("nightly")]),
    row("resume_schedule", &[Kind::Pipeline, Kind::Fixed("nightly")]),
    row("run_schedule", &[Kind::Pipeline, Kind::Fixed("nightly")]),
    row("draft", &[Kind::Draft]),
    row("run_status", &[Kind::Run]),
    row("get_run", &[Kind::Run]),
    row("run_journal", &[Kind::Run]),
    row("run_events", &[Kind::Run]),
    row("cancel_run", &[Kind::Run]),
    row("pause_run", &[Kind::Run]),
    row("signal_run", &[Kind::Run]),
    row("resume_run", &[Kind::Run]),
    row("replay_run", &[Kind::Run]),
    Row { within: &[("/runs/0", Kind::Run)], ..row("change_runs", &[]) },
];

/// Headers whose values differ from one answer to the next.
const OF_THE_MOMENT: [&str; 4] = ["date", "x-request-id", "ratelimit", "traceparent"];

/// An answer without what differs between two equal ones: the id that was asked for, ids that are
/// made for each answer, times, the request's id.
fn settled(answered: &Answered, id: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = answered.headers.iter();
    let headers = headers.filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()));
    let mut headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_string(), words(value.to_str().unwrap_or("?"), id)))
        .collect();
    headers.sort();
    (answered.status.as_u16(), headers, words(&String::from_utf8_lossy(&answered.body), id))
}

fn words(text: &str, id: &str) -> String {
    let text = if id.is_empty() { text.to_owned() } else { text.replace(id, "<id>") };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (word, after) = rest.split_at(end);
        let made = word.split_once('_').is_some_and(|(_, body)| body.len() == 26);
        let time = word.len() == 13 && word.bytes().all(|b| b.is_ascii_digit());
        out.push_str(if made {
            "<made>"
        } else if time {
            "<time>"
        } else {
            word
        });
        rest = after;
    }
    out
}

/// What tells a foreign thing from one that is not there.
fn leak(
    foreign: &Answered,
    foreign_id: &str,
    absent: &Answered,
    absent_id: &str,
) -> Option<String> {
    let (foreign, absent) = (settled(foreign, foreign_id), settled(absent, absent_id));
    (foreign != absent).then(|| format!("foreign: {foreign:?}\n absent: {absent:?}"))
}

/// The row's request with these ids: those of the path first, then those of the body.
fn asked(target: &Target, row: &Row, ids: &[String]) -> Target {
    let (of_path, of_body) = ids.split_at(row.parts.len());
    let mut target = target.clone().with(of_path);
    for ((pointer, _), id) in row.within.iter().zip(of_body) {
        let place = target.body.as_mut().and_then(|body| body.pointer_mut(pointer));
        *place.unwrap_or_else(|| panic!("{}: nothing at {pointer}", row.route)) =
            id.as_str().into();
    }
    if let (false, Some(last)) = (row.again.is_empty(), of_path.last()) {
        let place = target.body.as_mut().and_then(|body| body.pointer_mut(row.again));
        *place.unwrap_or_else(|| panic!("{}: nothing at {}", row.route, row.again)) =
            last.as_str().into();
    }
    target
}

/// What is wrong with a row, for one of its ids; `a` and `b` are keys of two organizations.
async fn wrong(a: &Client, b: &Client, target: &Target, row: &Row, at: usize) -> Vec<String> {
    let kinds: Vec<Kind> = row.kinds().collect();
    let mut own = Vec::new();
    for kind in &kinds {
        let made = kind.make(a, &own).await;
        own.push(made);
    }
    let mut absent = own.clone();
    absent[at] = kinds[at].absent(&own[at]);
    let (real, none) = (asked(target, row, &own), asked(target, row, &absent));
    let (a, b) = match real.version(a).await {
        Some(tag) => (a.clone().header("if-match", &tag), b.clone().header("if-match", &tag)),
        None => (a.clone(), b.clone()),
    };
    let before = a.get(&real.uri()).await;
    let (foreign, nothing) = (real.call(&b).await, none.call(&b).await);
    let mut found: Vec<String> = leak(&foreign, &own[at], &nothing, &absent[at])
        .into_iter()
        .map(|leak| format!("tells a foreign {:?} from none\n{leak}", kinds[at]))
        .collect();
    let after = a.get(&real.uri()).await;
    let is_shown = target.method != Method::GET && before.status.is_success();
    if is_shown && (before.status, &before.body) != (after.status, &after.body) {
        found.push(format!("changes a foreign {:?}", kinds[at]));
    }
    let mine = real.call(&a).await.status.as_u16();
    // In the way of a change may be only what the thing itself is doing.
    if !(200..300).contains(&mine) && mine != 409 {
        found.push(format!("does not reach its own {:?}: {mine}", kinds[at]));
    }
    found
}

fn keyed(route: &Route) -> bool {
    !matches!(route.needs(), Access::Public | Access::Signed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_id_answers_exactly_like_an_absent_one() {
    let world = World::new().await;
    let (a, b) = (world.stored_organization("a").await, world.stored_organization("b").await);
    let (a, b) = (world.key(&a, Scopes::all()).await, world.key(&b, Scopes::all()).await);
    let mut found = Vec::new();
    for row in MATRIX {
        let route = route(row.route);
        if !keyed(route) {
            continue;
        }
        for (at, kind) in row.kinds().enumerate() {
            if !matches!(kind, Kind::Fixed(_)) {
                let faults = wrong(&a, &b, &Target::of(route), row, at).await;
                found.extend(faults.into_iter().map(|fault| format!("{route:?}: {fault}")));
            }
        }
    }
    assert!(found.is_empty(), "{} finding(s):\n{}", found.len(), found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_list_shows_what_is_another_organizations() {
    let world = World::new().await;
    let (a, b) = (world.stored_organization("a").await, world.stored_organization("b").await);
    let (a, b) = (world.key(&a, Scopes::all()).await, world.key(&b, Scopes::all()).await);
    let kinds: BTreeSet<Kind> = MATRIX.iter().flat_map(Row::kinds).collect();
    let mut ids = vec![Kind::Run.make(&a, &[]).await];
    for kind in kinds.into_iter().filter(|kind| !matches!(kind, Kind::Fixed(_) | Kind::Version)) {
        ids.push(kind.make(&a, &[]).await);
    }
    for route in table().iter().filter(|r| keyed(r) && r.method() == Method::GET) {
        let target = Target::of(route);
        if target.parts.is_empty() {
            let answered = target.call(&b).await;
            let text = String::from_utf8_lossy(&answered.body);
            for id in &ids {
                assert!(!text.contains(id.as_str()), "{route:?} shows {id}: {text}");
            }
        }
    }
}

#[test]
fn every_route_has_its_row() {
    let rows: Vec<&str> = MATRIX.iter().map(|row| row.route).collect();
    let routes: Vec<&str> = table().iter().map(Route::id).collect();
    let missing: Vec<_> = routes.iter().filter(|id| !rows.contains(id)).collect();
    assert!(missing.is_empty(), "routes without a row in MATRIX: {missing:?}");
    let gone: Vec<_> = rows.iter().filter(|id| !routes.contains(id)).collect();
    assert!(gone.is_empty(), "rows without a route: {gone:?}");
    assert_eq!(rows.len(), rows.iter().collect::<BTreeSet<_>>().len(), "a row stands twice");
    for row in MATRIX {
        let Target { parts, body, .. } = Target::of(route(row.route));
        assert_eq!(parts.len(), row.parts.len(), "{}: a kind for each of {parts:?}", row.route);
        for (pointer, _) in row.within {
            let body = body.as_ref().unwrap_or_else(|| panic!("{}: no body", row.route));
            assert!(body.pointer(pointer).is_some(), "{}: {pointer}", row.route);
        }
    }
}

#[cfg(test)]
mod planted;
