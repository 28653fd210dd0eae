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
}

impl Row {
    fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.parts.iter().copied().chain(self.within.iter().map(|(_, kind)| *kind))
    }
}

const fn row(route: &'static str, parts: &'static [Kind]) -> Row {
    Row { route, parts, within: &[] }
}

/// Every route, in the order of the table. A new one gets its line here.
const MATRIX: &[Row] = &[
    row("health", &[]),
    row("openapi", &[]),
    row("docs_api", &[]),
    row("docs_errors", &[]),
    row("docs_css", &[]),
    row("start_run", &[]),
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
    target
}

/// What is wrong with a row, for one of its ids; `a` and `b` are keys of two organizations.
async fn wrong(a: &Client, b: &Client, target: &Target, row: &Row, at: usize) -> Vec<String> {
    let kinds: Vec<Kind> = row.kinds().collect();
    let mut own = Vec::new();
    for kind in &kinds {
        own.push(kind.make(a).await);
    }
    let documented = target.parts.get(at).map(|(_, example)| example.as_str()).unwrap_or_default();
    let mut absent = own.clone();
    absent[at] = kinds[at].absent(documented);
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
    if matches!(mine, 404 | 412 | 428) {
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
    let (a, b) = (world.organization("a").await, world.organization("b").await);
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
    let (a, b) = (world.organization("a").await, world.organization("b").await);
    let (a, b) = (world.key(&a, Scopes::all()).await, world.key(&b, Scopes::all()).await);
    let kinds: BTreeSet<Kind> = MATRIX.iter().flat_map(Row::kinds).collect();
    let mut ids = vec![Kind::Run.make(&a).await];
    for kind in kinds.into_iter().filter(|kind| !matches!(kind, Kind::Fixed(_))) {
        ids.push(kind.make(&a).await);
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
