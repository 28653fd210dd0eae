//! Users and members: kept by e-mail, changed by version, invisible elsewhere.

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::json;

use super::super::World;
use super::{delete, narrow, other, patch, put, shape};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_kept_by_e_mail_once() {
    let world = World::new().await;
    let ours = other(&world, "ours").await;
    let body = json!({ "email": " Ada@Example.COM ", "name": "Ada", "meta": { "seat": 4 } });
    let first = put(&ours, "/api/v1/users", &body).await;
    let made = first.is(201);
    assert_eq!((&made["email"], &made["role"]), (&json!("ada@example.com"), &json!("viewer")));
    assert_eq!(first.header("location"), format!("/api/v1/users/{}", made["id"].as_str().unwrap()));
    let again = put(&ours, "/api/v1/users", &body).await;
    assert_eq!((again.is(200), again.header("etag")), (made.clone(), first.header("etag")));
    let more = json!({ "email": "ada@example.com", "locale": "de-AT" });
    let changed = put(&ours, "/api/v1/users", &more).await.is(200);
    assert_eq!((&changed["name"], &changed["locale"]), (&json!("Ada"), &json!("de-AT")));
    let found = ours.get("/api/v1/users?email=ADA%40example.com").await.is(200);
    assert_eq!(found["id"], made["id"]);
    let none = ours.get("/api/v1/users?email=bob%40example.com").await;
    assert_eq!(none.refused(404), "request.not_found");
    assert_eq!(ours.get("/api/v1/users?email=x").await.refused(400), "request.query");
    assert_eq!(ours.get("/api/v1/users").await.refused(400), "request.query");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_make_one_user() {
    let world = World::new().await;
    let ours = other(&world, "ours").await;
    let body = json!({ "email": "ada@example.com" });
    let all = join_all((0..6).map(|_| put(&ours, "/api/v1/users", &body))).await;
    let made = all.iter().filter(|answered| answered.status == 201).count();
    assert_eq!(made, 1, "{:?}", all.iter().map(|a| a.status).collect::<Vec<_>>());
    let ids: std::collections::BTreeSet<String> =
        all.iter().map(|a| a.json()["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    let page = ours.get("/api/v1/members").await.is(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_changed_by_who_read_it() {
    let world = World::new().await;
    let ours = other(&world, "ours").await;
    let body = json!({ "email": "ada@example.com", "name": "Ada", "locale": "en" });
    let made = put(&ours, "/api/v1/users", &body).await;
    let path = format!("/api/v1/users/{}", made.is(201)["id"].as_str().unwrap());
    let tag = made.header("etag").to_owned();
    let change = json!({ "name": null, "meta": { "a": 1 } });
    assert_eq!(patch(&ours, &path, &change).await.refused(428), "request.if_match_missing");
    let at = ours.clone().header("if-match", &tag);
    let changed = patch(&at, &path, &change).await.is(200);
    assert_eq!(changed["name"], json!(null));
    assert_eq!((&changed["locale"], &changed["meta"]), (&json!("en"), &json!({ "a": 1 })));
    assert_eq!(patch(&at, &path, &change).await.refused(412), "request.if_match");
    let any = ours.clone().header("if-match", "*");
    for field in ["id", "email", "role", "created", "organization", "credits"] {
        let wrong = patch(&any, &path, &json!({ field: "x" })).await;
        assert_eq!(wrong.refused(422), "request.invalid", "{field}");
    }
    let heavy = json!({ "meta": { "a": "x".repeat(9_000) } });
    assert_eq!(patch(&any, &path, &heavy).await.refused(422), "user.meta_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_elsewhere_is_not_there_and_nothing_of_them_shows() {
    let world = World::new().await;
    let (ours, theirs) = (other(&world, "ours").await, other(&world, "theirs").await);
    let body = json!({ "email": "ada@example.com", "name": "Ada", "meta": { "a": 1 } });
    let made = put(&theirs, "/api/v1/users", &body).await.is(201);
    let absent = ours.get("/api/v1/users?email=nobody%40example.com").await;
    let foreign = ours.get("/api/v1/users?email=ada%40example.com").await;
    assert_eq!(shape(&absent), shape(&foreign));
    let none = "usr_00000000000000000000000000";
    let id = made["id"].as_str().unwrap();
    let any = ours.clone().header("if-match", "*");
    for (method, area, body) in [
        (Method::GET, "users", None),
        (Method::PATCH, "users", Some(json!({ "name": "x" }))),
        (Method::GET, "members", None),
        (Method::PUT, "members", Some(json!({ "role": "viewer" }))),
        (Method::DELETE, "members", None),
    ] {
        let mut shapes = Vec::new();
        for user in [id, none] {
            let path = format!("/api/v1/{area}/{user}");
            let answered = any.send(method.clone(), &path, body.as_ref()).await;
            assert_eq!(answered.status, 404, "{method} {path}");
            shapes.push(shape(&answered));
        }
        assert_eq!(shapes[0], shapes[1], "{method} {area}");
    }
    // Taken in here, too: a new member like any other.
    let taken = put(&ours, "/api/v1/users", &json!({ "email": "ada@example.com" })).await.is(201);
    assert_eq!((&taken["name"], &taken["meta"]), (&json!(null), &json!({})));
    let path = format!("/api/v1/users/{}", taken["id"].as_str().unwrap());
    patch(&any, &path, &json!({ "name": "Ours" })).await.is(200);
    let there = theirs.get(&format!("/api/v1/users/{id}")).await.is(200);
    assert_eq!(there, made, "what one organization keeps, the other does not see");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_given_by_who_could_fill_them_and_the_last_owner_stays() {
    let world = World::new().await;
    let ours = other(&world, "ours").await;
    let member = |email: &str, role: &str| json!({ "email": email, "role": role });
    let ada = put(&ours, "/api/v1/users", &member("ada@example.com", "owner")).await.is(201);
    let bob = put(&ours, "/api/v1/users", &member("bob@example.com", "admin")).await.is(201);
    let path =
        |user: &serde_json::Value| format!("/api/v1/members/{}", user["id"].as_str().unwrap());
    let lower = put(&ours, &path(&ada), &json!({ "role": "admin" })).await;
    assert_eq!(lower.refused(409), "member.last_owner");
    assert_eq!(delete(&ours, &path(&ada)).await.refused(409), "member.last_owner");
    let admin = narrow(
        &world,
        &ours,
        &[
            "runs:read",
            "runs:write",
            "pipelines:read",
            "pipelines:write",
            "credentials:read",
            "credentials:write",
            "webhooks:read",
            "webhooks:write",
            "people:read",
            "people:write",
            "billing:read",
        ],
    )
    .await;
    let up = put(&admin, &path(&bob), &json!({ "role": "owner" })).await;
    assert_eq!(up.refused(403), "auth.scope_escalation");
    assert_eq!(delete(&admin, &path(&ada)).await.refused(403), "auth.scope_escalation");
    let invited = put(&admin, "/api/v1/users", &member("eve@example.com", "owner")).await;
    assert_eq!(invited.refused(403), "auth.scope_escalation");
    let people = narrow(&world, &ours, &["people:read", "people:write"]).await;
    let invited = put(&people, "/api/v1/users", &json!({ "email": "eve@example.com" })).await;
    assert_eq!(invited.refused(403), "auth.scope_escalation");
    put(&ours, &path(&bob), &json!({ "role": "owner" })).await.is(200);
    // Two owners leave at the same moment: one of them stays.
    let (ada_path, bob_path) = (path(&ada), path(&bob));
    let (a, b) = tokio::join!(delete(&ours, &ada_path), delete(&ours, &bob_path));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
    let left = ours.get("/api/v1/members").await.is(200);
    assert_eq!(left["data"].as_array().unwrap().len(), 1);
}
