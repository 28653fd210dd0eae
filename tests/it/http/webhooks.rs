//! Webhooks coming in, through the door: endpoints and their secrets, requests signed by the
//! vendors' own SDKs, what is refused, repetitions, restarts.

use axum::http::Method;
use bytes::Bytes;
use levqor_core::ids::Organization;
use serde_json::{Value, json};

use super::signers::Signers;
use super::{Answered, Client, World, bytes_below};

/// The host's address as vendors know it.
const PUBLIC: &str = "https://hooks.example.test";
const STRIPE: &str = "whsec_0123456789abcdef0123456789abcdef";

async fn world() -> World {
    World::with(|config| config.public_url = PUBLIC.to_owned()).await
}

async fn again(world: World) -> World {
    world.restarted(|config| config.public_url = PUBLIC.to_owned()).await
}

fn main_organization() -> Organization {
    Organization::new("main").unwrap()
}

/// Stores a pipeline with one webhook trigger.
async fn pipeline(world: &World, name: &str, trigger: Value) {
    let document = json!({
        "schema": "levqor/v1",
        "name": name,
        "triggers": [trigger],
        "steps": [{ "id": "a", "uses": "core/set", "with": { "got": "${{ input.id }}" } }],
        "output": "${{ input }}",
    });
    let format = levqor_core::document::Format::Json;
    let parsed = levqor_core::document::parse(&document.to_string(), format).unwrap();
    world.host.app().engine.push(&main_organization(), &parsed).await.unwrap();
}

fn hook() -> Value {
    json!({ "id": "hook", "uses": "webhook", "with": { "verify": "none" } })
}

/// Makes an endpoint and gives its id and, where one was made, its secret.
async fn endpoint(world: &World, verify: &str, secret: Option<&str>) -> (String, String) {
    let mut body =
        json!({ "name": verify, "verify": verify, "pipeline": "take", "trigger": "hook" });
    if let Some(secret) = secret {
        body["secret"] = secret.into();
    }
    if verify == "hmac" {
        body["hmac"] = json!({ "header": "x-sign" });
    }
    let made = world.admin.post("/api/v1/webhooks", &body).await.is(201);
    let id = made["endpoint"]["id"].as_str().unwrap().to_owned();
    let secret = made["secret"].as_str().or(secret).unwrap().to_owned();
    (id, secret)
}

async fn send(
    world: &World,
    endpoint: &str,
    headers: &[(String, String)],
    media: &str,
    body: &str,
) -> Answered {
    let mut client: Client = world.anybody();
    for (name, value) in headers {
        client = client.header(name, value);
    }
    let body = Bytes::from(body.to_owned());
    client.send_bytes(Method::POST, &format!("/hooks/{endpoint}"), Some(media), body).await
}

/// How many runs of the pipeline there are.
async fn runs(world: &World) -> usize {
    let page = world.host.app().engine.list(&main_organization(), None, None, 200).await.unwrap();
    page.data.len()
}

async fn received(world: &World, endpoint: &str) -> Vec<Value> {
    let path = format!("/api/v1/webhooks/{endpoint}/deliveries");
    world.admin.get(&path).await.is(200)["data"].as_array().unwrap().clone()
}

fn now() -> i64 {
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(at.as_secs()).unwrap()
}

/// The same headers with one bit of one of them changed.
fn bent(headers: &[(String, String)], name: &str) -> Vec<(String, String)> {
    let mut bent = headers.to_vec();
    for (n, value) in &mut bent {
        if n == name {
            // The last but one: base 64 ends with padding.
            let at = value.len() - 2;
            let mut bytes = std::mem::take(value).into_bytes();
            bytes[at] ^= 1;
            *value = String::from_utf8(bytes).unwrap();
        }
    }
    bent
}

struct Vendor {
    verify: &'static str,
    sdk: &'static str,
    secret: Option<&'static str>,
    media: &'static str,
    body: String,
    signature: &'static str,
    timed: bool,
}

fn vendors(salt: &str) -> Vec<Vendor> {
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    let vendor = |verify, sdk, secret, media, body: &str, signature, timed| Vendor {
        verify,
        sdk,
        secret,
        media,
        body: body.replace("SALT", salt),
        signature,
        timed,
    };
    let slack = Some("8f742231b10e8888abcd99yyyzzz85a5");
    vec![
        vendor(
            "stripe",
            "stripe",
            Some(STRIPE),
            json,
            r#"{"id":"evt_SALT","type":"charge.failed"}"#,
            "stripe-signature",
            true,
        ),
        vendor(
            "slack",
            "slack",
            slack,
            json,
            r#"{"event_id":"Ev_SALT","type":"event_callback","event":{"type":"message","text":"ä"}}"#,
            "x-slack-signature",
            true,
        ),
        vendor("slack", "slack", slack, form, "command=%2Fdo&text=SALT", "x-slack-signature", true),
        vendor("github", "github", None, json, r#"{"ref":"SALT"}"#, "x-hub-signature-256", false),
        vendor(
            "standard",
            "standard",
            None,
            json,
            r#"{"type":"a.b","n":"SALT"}"#,
            "webhook-signature",
            true,
        ),
        vendor(
            "standard",
            "svix",
            None,
            json,
            r#"{"type":"a.b","n":"SALT"}"#,
            "svix-signature",
            true,
        ),
        vendor(
            "twilio",
            "twilio",
            Some("twilio-auth-token-of-32-letters"),
            form,
            "Body=hi+there&From=%2B1415&MessageSid=SM_SALT",
            "x-twilio-signature",
            false,
        ),
    ]
}

async fn signed(
    signers: &mut Signers,
    vendor: &Vendor,
    endpoint: &(String, String),
    at: i64,
) -> Vec<(String, String)> {
    let (id, secret) = endpoint;
    let fields: serde_json::Map<String, Value> = [
        ("Body", "hi there"),
        ("From", "+1415"),
        ("MessageSid", vendor.body.split("MessageSid=").nth(1).unwrap_or_default()),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v.into()))
    .collect();
    let request = json!({
        "vendor": vendor.sdk, "secret": secret, "body": vendor.body, "at": at,
        "id": format!("msg_{}", vendor.sdk), "url": format!("{PUBLIC}/hooks/{id}"), "form": fields,
    });
    signers.sign(&request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_vendors_own_sdks_sign_starts_one_run_and_nothing_else_does() {
    let Some(mut signers) = Signers::start().await else { return };
    let mut world = world().await;
    pipeline(&world, "take", hook()).await;
    let mut started = 0;
    for (nth, vendor) in vendors("one").iter().enumerate() {
        let name = format!("{} ({})", vendor.verify, vendor.sdk);
        let at = now();
        let endpoint = endpoint(&world, vendor.verify, vendor.secret).await;
        let headers = signed(&mut signers, vendor, &endpoint, at).await;
        let id = &endpoint.0;
        let refused =
            |answer: Answered| assert_eq!(answer.refused(401), "webhook.refused", "{name}");

        refused(send(&world, id, &[], vendor.media, &vendor.body).await);
        refused(
            send(&world, id, &bent(&headers, vendor.signature), vendor.media, &vendor.body).await,
        );
        let changed = vendor.body.replace("one", "onf");
        refused(send(&world, id, &headers, vendor.media, &changed).await);
        if vendor.timed {
            for shift in [-400, 400] {
                let stale = signed(&mut signers, vendor, &endpoint, at + shift).await;
                refused(send(&world, id, &stale, vendor.media, &vendor.body).await);
            }
        }
        assert_eq!(runs(&world).await, started, "{name}: nothing refused starts a run");

        let first = send(&world, id, &headers, vendor.media, &vendor.body).await.is(200);
        started += 1;
        assert_eq!(first["replayed"], false, "{name}");
        // Every third endpoint has the host stopped and started in the middle of the repetitions.
        for n in 0..100 {
            if n == 50 && nth % 3 == 0 {
                world = again(world).await;
            }
            let same = send(&world, id, &headers, vendor.media, &vendor.body).await.is(200);
            assert_eq!(same, json!({ "run": first["run"], "replayed": true }), "{name}");
        }
        assert_eq!(runs(&world).await, started, "{name}: a hundred repetitions are one run");

        let list = received(&world, id).await;
        assert_eq!(list[0]["outcome"], "repeated", "{name}");
        let said: Vec<&Value> = list.iter().filter(|r| r["outcome"] == "refused").collect();
        assert_eq!(said.len(), if vendor.timed { 5 } else { 3 }, "{name}: {said:?}");
        assert!(said.iter().all(|r| r["verified"] == false && r.get("run").is_none()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_binds_a_json_body_by_its_hash() {
    let Some(mut signers) = Signers::start().await else { return };
    let world = world().await;
    pipeline(&world, "take", hook()).await;
    let (id, secret) = endpoint(&world, "twilio", Some("twilio-auth-token-of-32-letters")).await;
    let body = r#"{"property": "value"}"#;
    let hash = signers.ask(&json!({ "vendor": "twilio_hash", "body": body })).await;
    let query = format!("?bodySHA256={}", hash["hash"].as_str().unwrap());
    let url = format!("{PUBLIC}/hooks/{id}{query}");
    let request = json!({ "vendor": "twilio", "secret": secret, "url": url, "body": body });
    let headers = signers.sign(&request).await;
    let json = "application/json";
    let to = format!("{id}{query}");
    let first = send(&world, &to, &headers, json, body).await.is(200);
    assert_eq!(first["replayed"], false);
    for (to, body) in [(&to, r#"{"property": "other"}"#), (&id, body)] {
        let refused = send(&world, to, &headers, json, body).await;
        assert_eq!(refused.refused(401), "webhook.refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn telegrams_token_opens_and_an_update_comes_once() {
    let world = world().await;
    pipeline(&world, "take", hook()).await;
    let (id, secret) = endpoint(&world, "telegram", None).await;
    let token = |text: &str| vec![("x-telegram-bot-api-secret-token".to_owned(), text.to_owned())];
    let body = r#"{"update_id":7,"message":{"text":"hi"}}"#;
    let json = "application/json";
    let first = send(&world, &id, &token(&secret), json, body).await.is(200);
    let same = send(&world, &id, &token(&secret), json, body).await.is(200);
    assert_eq!(
        (first["run"].clone(), same["replayed"].clone()),
        (same["run"].clone(), true.into())
    );
    let other = send(&world, &id, &token(&secret), json, r#"{"update_id":8,"message":{}}"#).await;
    assert_ne!(other.is(200)["run"], first["run"]);
    for wrong in ["", "x", &secret[1..]] {
        assert_eq!(
            send(&world, &id, &token(wrong), json, body).await.refused(401),
            "webhook.refused"
        );
    }
    assert_eq!(runs(&world).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn slacks_challenge_is_answered_when_it_is_signed_and_githubs_ping_is_no_event() {
    let Some(mut signers) = Signers::start().await else { return };
    let world = world().await;
    pipeline(&world, "take", hook()).await;
    let json = "application/json";
    let (id, secret) = endpoint(&world, "slack", Some("8f742231b10e8888abcd99yyyzzz85a5")).await;
    let body = r#"{"type":"url_verification","challenge":"c-1","token":"t"}"#;
    assert_eq!(send(&world, &id, &[], json, body).await.refused(401), "webhook.refused");
    let request = json!({ "vendor": "slack", "secret": secret, "at": now(), "body": body });
    let headers = signers.sign(&request).await;
    let answer = send(&world, &id, &headers, json, body).await.is(200);
    assert_eq!(answer["challenge"], "c-1");

    let (id, secret) = endpoint(&world, "github", None).await;
    let request = json!({ "vendor": "github", "secret": secret, "id": "d-1", "body": "{}" });
    let mut headers = signers.sign(&request).await;
    headers.iter_mut().filter(|(n, _)| n == "x-github-event").for_each(|h| h.1 = "ping".to_owned());
    assert!(send(&world, &id, &headers, json, "{}").await.is(200).get("run").is_none());
    assert_eq!(runs(&world).await, 0);
    assert_eq!(received(&world, &id).await[0]["outcome"], "answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_secrets_are_live_while_one_takes_the_others_place() {
    let Some(mut signers) = Signers::start().await else { return };
    let world = world().await;
    pipeline(&world, "take", hook()).await;
    let (id, old) = endpoint(&world, "standard", None).await;
    assert!(old.starts_with("whsec_"));
    let rotate = format!("/api/v1/webhooks/{id}/rotate");
    let new = world.admin.post(&rotate, &json!({ "overlap": "1h" })).await.is(200);
    let new = new["secret"].as_str().unwrap().to_owned();
    async fn status(world: &World, signers: &mut Signers, id: &str, secret: &str, n: u32) -> u16 {
        let message = format!("msg_{n}");
        let request = json!({
            "vendor": "standard", "secret": secret, "id": message, "at": now(), "body": "{}",
        });
        let headers = signers.sign(&request).await;
        send(world, id, &headers, "application/json", "{}").await.status.as_u16()
    }
    assert_eq!(status(&world, &mut signers, &id, &old, 1).await, 200);
    assert_eq!(status(&world, &mut signers, &id, &new, 2).await, 200);
    let last = world.admin.post(&rotate, &json!({ "overlap": "0s" })).await.is(200);
    let last = last["secret"].as_str().unwrap().to_owned();
    assert_eq!(status(&world, &mut signers, &id, &old, 3).await, 401);
    assert_eq!(status(&world, &mut signers, &id, &new, 4).await, 401);
    assert_eq!(status(&world, &mut signers, &id, &last, 5).await, 200);
    let world = again(world).await;
    assert_eq!(status(&world, &mut signers, &id, &last, 6).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_pipeline_does_not_take_is_seen_as_failed() {
    let world = world().await;
    let mut strict = hook();
    strict["input"] = json!({ "n": "${{ event.body.n }}" });
    pipeline(&world, "take", strict).await;
    let (id, secret) = endpoint(&world, "telegram", None).await;
    let token = vec![("x-telegram-bot-api-secret-token".to_owned(), secret)];
    let json = "application/json";
    let refused = send(&world, &id, &token, json, r#"{"update_id":1,"secret":"CANARY"}"#).await;
    let code = refused.refused(422);
    let bad = send(&world, &id, &token, json, "{").await;
    assert_eq!(bad.refused(422), "webhook.body");
    let list = received(&world, &id).await;
    assert_eq!((list.len(), &list[1]["outcome"]), (2, &json!("failed")));
    assert_eq!((list[1]["code"].as_str().unwrap(), &list[1]["delivery"]), (&*code, &json!("1")));
    assert!(!serde_json::to_string(&list).unwrap().contains("CANARY"), "no payload in the list");

    world.host.app().engine.remove_pipeline(&main_organization(), "take").await.unwrap();
    let gone = send(&world, &id, &token, json, r#"{"update_id":2,"n":1}"#).await;
    assert_eq!(gone.refused(422), "webhook.target");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_what_came_is_bounded_and_refusals_push_nothing_out() {
    let world = world().await;
    pipeline(&world, "take", hook()).await;
    let (id, secret) = endpoint(&world, "telegram", None).await;
    let token = |text: &str| vec![("x-telegram-bot-api-secret-token".to_owned(), text.to_owned())];
    for n in 0..110 {
        let body = json!({ "update_id": n, "message": {} }).to_string();
        send(&world, &id, &token(&secret), "application/json", &body).await.is(200);
    }
    for _ in 0..60 {
        send(&world, &id, &token("wrong"), "application/json", "{}").await.refused(401);
    }
    let list = received(&world, &id).await;
    let of = |outcome: &str| list.iter().filter(|r| r["outcome"] == outcome).count();
    assert_eq!((of("started"), of("refused")), (100, 50));
    let newest = list.iter().find(|r| r["outcome"] == "started").unwrap();
    assert_eq!(newest["delivery"], "109");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_made_changed_and_removed_and_secrets_never_shown_again() {
    let world = world().await;
    pipeline(&world, "take", hook()).await;
    let (id, secret) = endpoint(&world, "stripe", Some(STRIPE)).await;
    let (own, made) = endpoint(&world, "github", None).await;
    assert_eq!(secret, STRIPE);
    let path = format!("/api/v1/webhooks/{id}");
    let got = world.admin.get(&path).await;
    let etag = got.header("etag").to_owned();
    let got = got.is(200);
    assert_eq!(got["url"], format!("{PUBLIC}/hooks/{id}"));
    assert_eq!((&got["verify"], &got["tolerance"]), (&json!("stripe"), &json!("5m")));

    let patch = |body: Value, etag: &str| {
        let client = world.admin.clone().header("if-match", etag);
        let path = path.clone();
        async move { client.send(Method::PATCH, &path, Some(&body)).await }
    };
    let changed = patch(json!({ "name": "new", "tolerance": "1m" }), &etag).await.is(200);
    assert_eq!((&changed["name"], &changed["tolerance"]), (&json!("new"), &json!("1m")));
    assert_eq!(patch(json!({ "name": "late" }), &etag).await.refused(412), "request.precondition");
    for (body, code) in [
        (json!({ "pipeline": "none" }), "webhook.target"),
        (json!({ "trigger": "none" }), "webhook.target"),
        (json!({ "tolerance": "2h" }), "webhook.tolerance"),
        (json!({ "name": "" }), "webhook.name"),
        (json!({ "verify": "github" }), "request.invalid"),
    ] {
        assert_eq!(patch(body.clone(), "*").await.refused(422), code, "{body}");
    }
    patch(json!({ "enabled": false }), "*").await.is(200);
    let off = send(&world, &id, &[], "application/json", "{}").await;
    let absent = format!("whk_{}", "0".repeat(26));
    let none = send(&world, &absent, &[], "application/json", "{}").await;
    assert_eq!(off.refused(404), none.refused(404));
    assert_eq!(
        send(&world, "whk_x", &[], "text/plain", "").await.refused(404),
        "request.not_found"
    );

    let listed = world.admin.get("/api/v1/webhooks").await.is(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let page = world.admin.get("/api/v1/webhooks?limit=1").await.is(200);
    let next = page["next_cursor"].as_str().unwrap();
    let rest = world.admin.get(&format!("/api/v1/webhooks?limit=1&cursor={next}")).await.is(200);
    assert_ne!(page["data"][0]["id"], rest["data"][0]["id"]);
    assert!(rest["next_cursor"].is_null());

    let shown = serde_json::to_string(&listed).unwrap();
    let disk = bytes_below(world.folder.path());
    for secret in [&secret, &made] {
        assert!(!shown.contains(secret.as_str()), "a secret is shown again");
        let found = disk.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!found, "a secret lies on the disk in plain text");
    }
    world.admin.send(Method::DELETE, &path, None).await.is(204);
    world.admin.get(&path).await.refused(404);
    world.admin.send(Method::DELETE, &path, None).await.refused(404);
    world.admin.get(&format!("/api/v1/webhooks/{own}")).await.is(200);
    let names = world.host.app().vault.list(&main_organization()).unwrap();
    assert_eq!(names.len(), 1, "the secret went with its endpoint");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_when_it_is_made() {
    let world = World::new().await;
    let document = json!({ "id": "hook", "uses": "webhook", "with": { "verify": "stripe", "secret": "stripe-signing" } });
    pipeline(&world, "take", document).await;
    let base = json!({ "name": "n", "verify": "stripe", "pipeline": "take", "trigger": "hook", "secret": STRIPE });
    let with = |more: Value| {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (body, code) in [
        (with(json!({ "verify": "github" })), "webhook.target"),
        (with(json!({ "verify": "none" })), "request.invalid"),
        (with(json!({ "secret": "short" })), "webhook.secret"),
        (with(json!({ "hmac": { "header": "x" } })), "webhook.hmac"),
        (with(json!({ "verify": "hmac" })), "webhook.hmac"),
        (with(json!({ "trigger": "other" })), "webhook.target"),
        (with(json!({ "organization": "main" })), "request.invalid"),
        (with(json!({ "secret": null })), "webhook.secret"),
    ] {
        assert_eq!(world.admin.post("/api/v1/webhooks", &body).await.refused(422), code, "{body}");
    }
    world.admin.post("/api/v1/webhooks", &base).await.is(201);
    assert_eq!(
        world.anybody().post("/api/v1/webhooks", &base).await.refused(401),
        "auth.unauthorized"
    );
    pipeline(&world, "take", hook()).await;
    let twilio = with(json!({ "verify": "twilio" }));
    let refused = world.admin.post("/api/v1/webhooks", &twilio).await;
    assert_eq!(refused.refused(422), "webhook.public_url");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_can_name_its_secret_in_the_vault() {
    use levqor_connectors::credential::{Credential, Secret};
    let Some(mut signers) = Signers::start().await else { return };
    let world = world().await;
    let credential = Credential::api_key("stripe-signing", Secret::new(STRIPE), Vec::new());
    world.host.app().vault.set(&main_organization(), &credential).unwrap();
    let document = json!({ "id": "hook", "uses": "webhook", "with": { "verify": "stripe", "secret": "stripe-signing" } });
    pipeline(&world, "take", document).await;
    let body = json!({ "name": "n", "verify": "stripe", "pipeline": "take", "trigger": "hook" });
    let made = world.admin.post("/api/v1/webhooks", &body).await.is(201);
    assert!(made.get("secret").is_none(), "nothing is made where the vault has it");
    let id = made["endpoint"]["id"].as_str().unwrap();
    let body = r#"{"id":"evt_1"}"#;
    let request = json!({ "vendor": "stripe", "secret": STRIPE, "at": now(), "body": body });
    let headers = signers.sign(&request).await;
    send(&world, id, &headers, "application/json", body).await.is(200);
    world.host.app().vault.remove(&main_organization(), "stripe-signing").unwrap();
    let refused = send(&world, id, &headers, "application/json", body).await;
    assert_eq!(refused.refused(401), "webhook.refused");
    assert_eq!(received(&world, id).await[0]["code"], "no_secret");
}
