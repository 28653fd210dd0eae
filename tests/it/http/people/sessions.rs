//! Signing in by a mailed link: used once, bound to one organization, safe from other pages.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::Method;
use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{Answered, Client, World};
use super::{delete, other, put};

/// Mails of the host so far, oldest first by nothing: names are random.
fn mails(world: &World) -> Vec<String> {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let Ok(folder) = std::fs::read_dir(world.folder.path().join("mail")) else { return Vec::new() };
    let paths = folder.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "eml")).map(|p| read(&p)).collect()
}

/// The mails when there are this many of them.
async fn mails_of(world: &World, count: usize) -> Vec<String> {
    let late = Instant::now() + Duration::from_secs(60);
    loop {
        let all = mails(world);
        if all.len() >= count {
            return all;
        }
        assert!(Instant::now() < late, "{} of {count} mails", all.len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A new link's secret, asked for by this address.
async fn link(world: &World, email: &str) -> String {
    let before = mails(world);
    world.anybody().post("/auth/link", &json!({ "email": email })).await.is(202);
    let all = mails_of(world, before.len() + 1).await;
    let mail = all.iter().find(|mail| !before.contains(mail)).unwrap();
    assert!(mail.contains(&format!("\r\nTo: {}\r\n", email.to_lowercase())), "{mail}");
    let after = mail.split("/auth/link#").nth(1).unwrap();
    after.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// The client as a browser on the host's own page sends.
fn browser(world: &World, answered: &Answered) -> Client {
    let cookie = answered.header("set-cookie").split(';').next().unwrap();
    let client = world.anybody().header("cookie", cookie).header("x-levqor-csrf", "1");
    client.header("sec-fetch-site", "same-origin")
}

async fn signed_in(world: &World, email: &str) -> (Client, Value) {
    let token = link(world, email).await;
    let answered = world.anybody().post("/auth/session", &json!({ "token": token })).await;
    (browser(world, &answered), answered.is(200))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_signs_in_to_an_organization_of_their_own() {
    let world = World::new().await;
    let token = link(&world, "Ada@Example.com").await;
    let page = world.anybody().get("/auth/link").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let body = json!({ "token": token });
    let answered = world.anybody().post("/auth/session", &body).await;
    let session = answered.is(200);
    let cookie = answered.header("set-cookie");
    assert!(
        cookie.starts_with("lvq=") && cookie.contains("; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    assert_eq!(
        (&session["user"]["email"], &session["user"]["role"]),
        (&json!("ada@example.com"), &json!("owner"))
    );
    let again = world.anybody().post("/auth/session", &body).await;
    assert_eq!(again.refused(401), "auth.link", "a link works once");
    let ada = browser(&world, &answered);
    assert_eq!(ada.get("/auth/session").await.is(200), session);
    let own = ada.get("/api/v1/organization").await.is(200);
    assert_eq!((&own["id"], &own["plan"]), (&session["organization"], &json!("free")));
    // Another of their own, and not without end.
    for name in ["two", "three"] {
        let made = ada.post("/api/v1/organizations", &json!({ "name": name })).await.is(201);
        assert_eq!(made["key"], Value::Null);
    }
    let body = json!({ "name": "four" });
    let many = ada.post("/api/v1/organizations", &body).await;
    assert_eq!(many.refused(409), "organization.too_many");
    let paid = ada.post("/api/v1/organizations", &json!({ "name": "x", "plan": "pro" })).await;
    assert_eq!(paid.refused(403), "auth.scope_missing");
    assert_eq!(ada.get("/api/v1/organizations").await.refused(403), "auth.scope_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_used_by_one_of_many() {
    let world = World::new().await;
    let body = json!({ "token": link(&world, "ada@example.com").await });
    let anybody = world.anybody();
    let all =
        futures_util::future::join_all((0..20).map(|_| anybody.post("/auth/session", &body))).await;
    let used = all.iter().filter(|answered| answered.status == 200).count();
    assert_eq!(used, 1, "{:?}", all.iter().map(|a| a.status).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_says_nothing_about_an_address() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.signup = "invited".to_owned();
    })
    .await;
    let ours = other(&world, "ours").await;
    put(&ours, "/api/v1/users", &json!({ "email": "ada@example.com" })).await.is(201);
    let mut answers = Vec::new();
    for email in ["eve@example.com", "ada@example.com"] {
        let answered = world.anybody().post("/auth/link", &json!({ "email": email })).await;
        answered.is(202);
        answers.push((answered.status, answered.body.clone()));
    }
    assert_eq!(answers[0], answers[1]);
    let all = mails_of(&world, 1).await;
    assert!(all.len() == 1 && all[0].contains("To: ada@example.com"), "members only");
    // One mailbox is not flooded, and who asks is told the same all the same.
    for _ in 0..8 {
        world.anybody().post("/auth/link", &json!({ "email": "ada@example.com" })).await.is(202);
    }
    mails_of(&world, 5).await;
    let mut asked = 10;
    let flooded = loop {
        let body = json!({ "email": format!("u{asked}@example.com") });
        let answered = world.anybody().post("/auth/link", &body).await;
        if answered.status != 202 {
            break answered;
        }
        asked += 1;
        assert!(asked < 100);
    };
    assert_eq!(flooded.refused(429), "auth.too_many_links");
    assert!(flooded.header("retry-after").parse::<u64>().unwrap() > 3_000);
    assert_eq!(mails(&world).len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_cookie_needs_what_another_page_cannot_send() {
    let world = World::new().await;
    let (ada, _) = signed_in(&world, "ada@example.com").await;
    let body = json!({ "name": "k", "scopes": ["runs:read"] });
    let keys = "/api/v1/keys";
    ada.post(keys, &body).await.is(201);
    let refused = |answered: Answered| assert_eq!(answered.refused(403), "auth.csrf");
    refused(ada.clone().header("x-levqor-csrf", "0").post(keys, &body).await);
    refused(ada.clone().header("sec-fetch-site", "cross-site").post(keys, &body).await);
    refused(ada.clone().header("sec-fetch-site", "same-site").post(keys, &body).await);
    let text = Bytes::from(body.to_string());
    refused(ada.send_bytes(Method::POST, keys, Some("text/plain"), text.clone()).await);
    let bare = world.anybody().header("cookie", &cookie_of(&ada));
    refused(bare.post(keys, &body).await);
    let host = world.host.address();
    let marked = bare.clone().header("x-levqor-csrf", "1");
    refused(marked.clone().header("origin", "http://evil.example").post(keys, &body).await);
    refused(marked.clone().header("origin", "null").post(keys, &body).await);
    marked.header("origin", &format!("http://{host}")).post(keys, &body).await.is(201);
    bare.get(keys).await.is(200);
    let token = link(&world, "ada@example.com").await;
    let foreign = world.anybody().header("sec-fetch-site", "cross-site");
    refused(foreign.post("/auth/session", &json!({ "token": token })).await);
}

fn cookie_of(client: &Client) -> String {
    client.sent("cookie").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_told_and_is_new_at_each_step() {
    let world = World::new().await;
    let (first, _) = signed_in(&world, "ada@example.com").await;
    // Signing in again with the old cookie ends the old one: nobody goes on under a planted id.
    let token = link(&world, "ada@example.com").await;
    let answered = first.post("/auth/session", &json!({ "token": token })).await;
    let second = browser(&world, &answered);
    assert_ne!(cookie_of(&first), cookie_of(&second));
    assert_eq!(first.get("/auth/session").await.refused(401), "auth.unauthorized");
    let made = second.post("/api/v1/organizations", &json!({ "name": "two" })).await.is(201);
    let two = &made["organization"]["id"];
    let switched = second.post("/auth/session/organization", &json!({ "organization": two })).await;
    assert_eq!(&switched.is(200)["organization"], two);
    let third = browser(&world, &switched);
    assert_eq!(second.get("/auth/session").await.refused(401), "auth.unauthorized");
    assert_eq!(&third.get("/api/v1/organization").await.is(200)["id"], two);
    for foreign in ["main", "org_00000000000000000000000000"] {
        let body = json!({ "organization": foreign });
        let refused = third.post("/auth/session/organization", &body).await;
        assert_eq!(refused.refused(404), "request.not_found", "{foreign}");
    }
    let json = Some("application/json");
    let out = third.send_bytes(Method::DELETE, "/auth/session", json, Bytes::new()).await;
    out.is(204);
    assert_eq!(out.header("clear-site-data"), "\"cache\", \"cookies\", \"storage\"");
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    assert_eq!(third.get("/auth/session").await.refused(401), "auth.unauthorized");
    let by_key = world.admin.get("/auth/session").await;
    assert_eq!(by_key.refused(404), "request.not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_idle_old_or_late_is_refused() {
    use levqor_core::time::Timestamp;
    use levqor_host_http::desk::Change;
    use levqor_host_http::people::session::{Link, Session};

    let world = World::new().await;
    let app = world.host.app();
    let back = |at: Timestamp, ms: i64| Timestamp(at.as_millis() - ms);
    let minute = 60_000;
    let (ada, _) = signed_in(&world, "ada@example.com").await;
    // As if it had last been used, or had begun, so many minutes ago.
    for (idle, age, lives) in [(29, 29, true), (0, 719, true), (31, 31, false), (0, 721, false)] {
        let found = app.desk.list::<Session>(&[], None, 10).await.unwrap().pop().unwrap();
        let mut session = found.record.clone();
        session.seen = back(app.now(), idle * minute);
        session.ends = back(app.now(), (age - 720) * minute);
        let change = Change::of_system(&session.organization);
        let change = change.replace(&[&found.parts[0]], found.revision, &session);
        app.desk.commit(change).await.unwrap();
        let answered = ada.get("/auth/session").await;
        if lives {
            answered.is(200);
            let after = app.desk.get::<Session>(&[&found.parts[0]]).await.unwrap().unwrap().0;
            assert!(app.now().since_ms(after.seen) < 60_000, "its use is noted");
        } else {
            assert_eq!(answered.refused(401), "auth.unauthorized", "{idle} {age}");
        }
    }
    let token = link(&world, "ada@example.com").await;
    let found = app.desk.list::<Link>(&[], None, 10).await.unwrap().pop().unwrap();
    let mut late = found.record.clone();
    assert!(late.until.since_ms(app.now()) > 14 * 60_000);
    late.until = app.now();
    let change = Change::of_system(&levqor_core::ids::Organization::local());
    let change = change.replace(&[&found.parts[0]], found.revision, &late);
    app.desk.commit(change).await.unwrap();
    let refused = world.anybody().post("/auth/session", &json!({ "token": token })).await;
    assert_eq!(refused.refused(401), "auth.link");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_follow_the_role_at_once() {
    let world = World::new().await;
    let ours = other(&world, "ours").await;
    let invited = json!({ "email": "ada@example.com", "role": "admin" });
    let user = put(&ours, "/api/v1/users", &invited).await.is(201);
    let (ada, session) = signed_in(&world, "ada@example.com").await;
    assert_eq!(session["organizations"].as_array().unwrap().len(), 1);
    // Others who take her in, too, do not move her.
    for n in 0..4 {
        let another = other(&world, &format!("another {n}")).await;
        put(&another, "/api/v1/users", &json!({ "email": "ada@example.com" })).await.is(201);
    }
    let (_, again) = signed_in(&world, "ada@example.com").await;
    assert_eq!(again["organization"], session["organization"]);
    assert_eq!(again["organizations"].as_array().unwrap().len(), 5);
    let body = json!({ "name": "k", "scopes": ["runs:write"] });
    ada.post("/api/v1/keys", &body).await.is(201);
    let wide = json!({ "name": "k", "scopes": ["billing:write"] });
    assert_eq!(ada.post("/api/v1/keys", &wide).await.refused(403), "auth.scope_escalation");
    let member = format!("/api/v1/members/{}", user["id"].as_str().unwrap());
    put(&ours, &member, &json!({ "role": "viewer" })).await.is(200);
    assert_eq!(ada.post("/api/v1/keys", &body).await.refused(403), "auth.scope_missing");
    delete(&ours, &member).await.is(204);
    assert_eq!(ada.get("/api/v1/organization").await.refused(401), "auth.unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_of_a_session_is_stored() {
    let world = World::with(|_| {}).await;
    let token = link(&world, "ada@example.com").await;
    let answered = world.anybody().post("/auth/session", &json!({ "token": token })).await;
    let ada = browser(&world, &answered);
    let cookie = cookie_of(&ada).split_once('=').unwrap().1.to_owned();
    let world = world.restarted(|_| {}).await;
    ada.at(world.host.address()).get("/auth/session").await.is(200);
    let stored = super::super::bytes_below(&world.folder.path().join("store"));
    for secret in [&token, &cookie] {
        assert!(!stored.windows(secret.len()).any(|w| w == secret.as_bytes()));
    }
    assert!(stored.windows(15).any(|w| w == b"ada@example.com"), "the look finds what is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_the_vendor_does_not_take_is_a_file() {
    // Nobody listens there: the port was free a moment ago and is not ours.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.resend_key = Some(levqor_host_http::caller::secret::Plain::of("re_canary"));
        config.mail.resend_url = format!("http://{closed}");
    })
    .await;
    assert!(world.host.greeting().contains("the vendor"), "{}", world.host.greeting());
    assert_eq!(link(&world, "ada@example.com").await.len(), 43);
    let plain = World::new().await;
    assert!(plain.host.greeting().contains("no LEVQOR_RESEND_KEY"), "{}", plain.host.greeting());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendor_is_sent_what_it_documents() {
    use axum::http::HeaderMap;
    use axum::{Json, Router, routing};

    let (sender, mut taken) = tokio::sync::mpsc::unbounded_channel::<(HeaderMap, Value)>();
    let take = move |headers: HeaderMap, Json(body): Json<Value>| {
        let _ = sender.send((headers, body));
        async { Json(json!({ "id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794" })) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let vendor = Router::new().route("/emails", routing::post(take));
    let serving = tokio::spawn(async move { axum::serve(listener, vendor).await });
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.resend_key = Some(levqor_host_http::caller::secret::Plain::of("re_canary"));
        config.mail.resend_url = format!("http://{address}");
        config.mail.from = "Levqor <in@levqor.example>".to_owned();
        config.public_url = "http://localhost:7700".to_owned();
    })
    .await;
    world.anybody().post("/auth/link", &json!({ "email": "ada@example.com" })).await.is(202);
    let (headers, body) = taken.recv().await.unwrap();
    assert_eq!(headers["authorization"], "Bearer re_canary");
    assert!(headers["idempotency-key"].to_str().unwrap().starts_with("mail_"));
    assert_eq!(body["from"], "Levqor <in@levqor.example>");
    assert_eq!(body["to"], json!(["ada@example.com"]));
    assert!(body["text"].as_str().unwrap().contains("http://localhost:7700/auth/link#"), "{body}");
    assert!(body["html"].as_str().unwrap().contains("<a href="), "{body}");
    assert!(mails(&world).is_empty());
    serving.abort();
}
