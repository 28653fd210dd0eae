//! The route table, its scopes and the description, held against what the host really answers.

use axum::http::Method;
use levqor_core::ids::Organization;
use levqor_host_http::caller::Scopes;
use levqor_host_http::route::{Access, Route, table};
use serde_json::{Value, json};

use super::two::{Target, all_but, described, route};
use super::{Answered, World};

/// Routes that are about another organization by their purpose: the operator's two.
const OPERATORS: [&str; 3] = ["assign_plan", "grant_credits", "switch_organization"];

/// What the description says that a route may answer, and what it did.
fn undeclared(route: &Route, answered: &Answered) -> Option<String> {
    let responses = &described(route)["responses"];
    let status = answered.status.as_str();
    let range = format!("{}XX", &status[..1]);
    let declared = [status, &range].into_iter().map(|key| &responses[key]).find(|r| !r.is_null());
    let Some(declared) = declared else { return Some(format!("answers {status}, undeclared")) };
    let media = answered.header("content-type").split(';').next().unwrap_or_default().to_owned();
    let mut known = declared["content"].as_object().into_iter().flatten().map(|(media, _)| media);
    let empty = declared["content"].is_null() && answered.body.is_empty();
    let good = empty || known.any(|m| m.split(';').next() == Some(media.as_str()));
    (!good).then(|| format!("answers {status} as `{media}`, undeclared"))
}

/// Which part of a route's promise about credentials an answer breaks.
fn judge(route: &Route, with: &str, answered: &Answered) -> Option<String> {
    let status = answered.status.as_u16();
    let json = serde_json::from_slice(&answered.body).unwrap_or(Value::Null);
    let code = json["code"].as_str().unwrap_or_default().to_owned();
    let is = |wanted: u16, wanted_code: &str| status == wanted && code == wanted_code;
    let open = matches!(route.needs(), Access::Public | Access::Signed);
    let good = match with {
        "no key" | "a wrong key" if open => status < 500,
        "no key" | "a wrong key" => is(401, "auth.unauthorized"),
        "every other scope" => is(403, "auth.scope_missing"),
        // What else it may refuse is not about the declared scope.
        _ => status != 401 && code != "auth.scope_missing" && status < 500,
    };
    (!good).then(|| format!("with {with} it answers {status} {code}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_asks_for_the_scope_that_it_declares() {
    let world = World::new().await;
    // The operator's: others' keys have no scope of the host as a whole.
    let organization = Organization::new("main").unwrap();
    let wrong = world.anybody().key(&format!("lvq_nobody_{}", "s".repeat(43)));
    let mut found = Vec::new();
    for route in table() {
        let mut clients = vec![("no key", world.anybody()), ("a wrong key", wrong.clone())];
        match route.needs() {
            Access::Scope(scope) => {
                let others = world.key(&organization, all_but(scope)).await;
                let only = world.key(&organization, [scope].into_iter().collect()).await;
                clients.extend([("every other scope", others), ("its scope", only)]);
            }
            Access::Caller => {
                clients.push(("any key", world.key(&organization, Scopes::all()).await));
            }
            _ => {}
        }
        for (with, client) in clients {
            let answered = Target::of(route).call(&client).await;
            let faults = [judge(route, with, &answered), undeclared(route, &answered)];
            found.extend(faults.into_iter().flatten().map(|fault| format!("{route:?}: {fault}")));
        }
    }
    assert!(found.is_empty(), "{} finding(s):\n{}", found.len(), found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_operators_takes_no_other_organizations_key() {
    let world = World::new().await;
    let other = world.stored_organization("a").await;
    let other = world.key(&other, Scopes::all()).await;
    let scoped = |route: &&Route| matches!(route.needs(), Access::Scope(s) if s.is_operators());
    let mut seen = 0;
    for route in table().iter().filter(scoped) {
        let answered = Target::of(route).call(&other).await;
        assert_eq!(answered.refused(403), "auth.scope_missing", "{route:?}");
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_can_name_an_organization() {
    let world = World::new().await;
    world.stored_organization("a").await;
    let client = &world.admin;
    for route in table().iter().filter(|r| !matches!(r.needs(), Access::Public | Access::Signed)) {
        for name in ["organization", "organization_id", "org", "account"] {
            let mut target = Target::of(route);
            target.query.push((name.to_owned(), "a".to_owned()));
            let answered = target.call(client).await;
            assert_eq!(answered.refused(400), "request.query", "{route:?} {name}");
            let mut target = Target::of(route);
            if OPERATORS.contains(&route.id()) && name == "organization" {
                continue;
            }
            if let Some(body) = &mut target.body {
                body[name] = json!("a");
                let code = target.call(client).await.refused(422);
                // A document's members are the engine's to refuse.
                let known = code == "request.invalid" || code == "document.invalid";
                assert!(known, "{route:?} {name}: {code}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_takes_the_methods_that_are_described_and_no_other() {
    let world = World::new().await;
    let methods = [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE];
    for route in table() {
        let here = |m: &Method| table().iter().any(|r| r.path() == route.path() && r.method() == m);
        let path = Target::of(route).uri();
        for method in methods.iter().chain([&Method::TRACE]).filter(|m| !here(m)) {
            let answered = world.admin.send(method.clone(), &path, None).await;
            assert_eq!(answered.refused(405), "request.method", "{method} {path}");
            assert!(answered.header("allow").contains(route.method().as_str()), "{path}");
        }
    }
    for path in ["/", "/api", "/api/v1", "/api/v2/run", "/api/v1/run/", "//api/v1/run", "/%61pi"] {
        let known = table().iter().any(|r| r.path() == path);
        let answered = world.admin.get(path).await;
        assert!(known || answered.refused(404) == "request.not_found", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_served_and_kept() {
    let world = World::new().await;
    for (path, media) in [
        ("/api/v1/openapi.json", "application/json"),
        ("/docs/api", "text/html; charset=utf-8"),
        ("/docs/errors", "text/html; charset=utf-8"),
        ("/docs/api.css", "text/css; charset=utf-8"),
    ] {
        let first = world.anybody().get(path).await;
        assert_eq!((first.status.as_u16(), first.header("content-type")), (200, media), "{path}");
        let again = world.anybody().header("if-none-match", first.header("etag"));
        let again = again.get(path).await;
        assert_eq!(again.status.as_u16(), 304, "{path}");
        assert!(again.body.is_empty());
        assert_eq!(again.header("etag"), first.header("etag"));
    }
    let served = world.anybody().get("/api/v1/openapi.json").await.json();
    assert_eq!(&served, levqor_host_http::route::openapi::document());
    let problem = world.anybody().get("/api/v1/nothing").await.json();
    let kind = problem["type"].as_str().unwrap();
    let page = world.anybody().get(kind.split('#').next().unwrap()).await;
    let anchor = format!("id=\"{}\"", kind.split_once('#').unwrap().1);
    assert!(String::from_utf8_lossy(&page.body).contains(&anchor));
}

#[test]
fn each_broken_promise_is_seen() {
    let answered = |status: u16, code: &str| Answered {
        status: axum::http::StatusCode::from_u16(status).unwrap(),
        headers: [("content-type", "application/problem+json")]
            .into_iter()
            .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()))
            .collect(),
        body: json!({ "code": code }).to_string().into(),
    };
    let run = route("start_run");
    for (with, status, code) in [
        ("no key", 202, ""),
        ("no key", 403, "auth.scope_missing"),
        ("a wrong key", 404, "request.not_found"),
        ("every other scope", 202, ""),
        ("every other scope", 404, "request.not_found"),
        ("its scope", 403, "auth.scope_missing"),
        ("its scope", 500, "host.internal"),
    ] {
        assert!(judge(run, with, &answered(status, code)).is_some(), "{with} {status} {code}");
    }
    assert!(judge(run, "no key", &answered(401, "auth.unauthorized")).is_none());
    assert!(undeclared(run, &answered(200, "")).is_some(), "another success");
    assert!(undeclared(run, &answered(202, "")).is_some(), "another media type");
    assert!(undeclared(run, &answered(418, "x")).is_none());
}
