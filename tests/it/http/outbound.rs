//! Webhooks going out, through the door: a receiver that fails and then takes them, signatures
//! checked by the SDK of Standard Webhooks, restarts, once more, and enough.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::signers::Signers;
use super::{World, hello};
use crate::support::within;

/// No delivery of a test takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers what it is told, and keeps what it gets.
#[derive(Clone)]
pub(super) struct Receiver {
    url: String,
    inner: Arc<Inner>,
}

struct Inner {
    /// What to answer next; then `always`.
    script: Mutex<VecDeque<u16>>,
    always: Mutex<u16>,
    got: Mutex<Vec<Got>>,
    came: Notify,
}

#[derive(Clone, Debug)]
pub(super) struct Got {
    headers: Map<String, Value>,
    body: String,
}

impl Got {
    fn id(&self) -> &str {
        self.headers["webhook-id"].as_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Receiver {
    pub(super) async fn start(script: &[u16], always: u16) -> Self {
        let inner = Arc::new(Inner {
            script: Mutex::new(script.iter().copied().collect()),
            always: Mutex::new(always),
            got: Mutex::default(),
            came: Notify::new(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?token=CANARY", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(take)).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.inner.got.lock().clone()
    }

    /// Waits until this many requests have come.
    pub(super) async fn has(&self, count: usize) -> Vec<Got> {
        let came = async {
            loop {
                let next = self.inner.came.notified();
                if self.inner.got.lock().len() >= count {
                    return;
                }
                next.await;
            }
        };
        within(PATIENCE, "no webhook comes", came).await;
        self.got()
    }
}

async fn take(State(inner): State<Arc<Inner>>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let headers = head.headers.iter();
    let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap().into())).collect();
    inner.got.lock().push(Got { headers, body: String::from_utf8(body.to_vec()).unwrap() });
    let scripted = inner.script.lock().pop_front();
    let status = scripted.unwrap_or(*inner.always.lock());
    inner.came.notify_waiters();
    StatusCode::from_u16(status).unwrap()
}

pub(super) fn quick(config: &mut levqor_host_http::Config) {
    config.webhooks.private = vec!["127.0.0.0/8".to_owned()];
    config.webhooks.retry_delay = "5ms".to_owned();
}

pub(super) async fn subscribe(
    world: &World,
    receiver: &Receiver,
    events: &[&str],
) -> (String, String) {
    let body = json!({ "url": receiver.url, "events": events });
    let made = world.admin.post("/api/v1/webhooks/outbound", &body).await.is(201);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["subscription"]["id"]), text(&made["secret"]))
}

pub(super) async fn run(world: &World, document: Value) -> String {
    let body = json!({ "document": document, "input": { "who": "Ada" } });
    world.admin.post("/api/v1/run", &body).await.is(202)["id"].as_str().unwrap().to_owned()
}

fn failing() -> Value {
    json!({
        "schema": "levqor/v1", "name": "sad",
        "steps": [{ "id": "a", "uses": "core/fail", "with": { "message": "no" } }],
    })
}

async fn deliveries(world: &World) -> Vec<Value> {
    let page = world.admin.get("/api/v1/webhooks/deliveries").await.is(200);
    page["data"].as_array().unwrap().clone()
}

/// Waits until the newest delivery stands so.
async fn settled(world: &World, status: &str) -> Value {
    let ends = async {
        loop {
            if let Some(first) = deliveries(world).await.first()
                && first["status"] == status
            {
                return first.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(PATIENCE, "the delivery does not settle", ends).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_is_asked_again_and_the_signature_holds_each_time() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        quick(config);
    })
    .await;
    let receiver = Receiver::start(&[500, 503, 429], 204).await;
    let (subscription, secret) = subscribe(&world, &receiver, &["run.succeeded"]).await;
    let run_id = run(&world, hello()).await;
    run(&world, failing()).await;
    let got = receiver.has(4).await;
    let delivery = settled(&world, "delivered").await;
    let statuses: Vec<&Value> =
        delivery["attempts"].as_array().unwrap().iter().map(|a| &a["response_status"]).collect();
    assert_eq!(statuses, [500, 503, 429, 204]);
    assert_eq!(
        (&delivery["subscription"], &delivery["event"]),
        (&json!(subscription), &json!("run.succeeded"))
    );
    assert!(got.iter().all(|g| g.id() == delivery["id"]), "one id for every attempt");
    let told = got[0].json();
    assert_eq!((&told["type"], &told["data"]["run"]), (&json!("run.succeeded"), &json!(run_id)));
    assert_eq!(
        (&told["data"]["pipeline"], &told["data"]["status"]),
        (&json!("hello"), &json!("succeeded"))
    );
    assert_eq!(deliveries(&world).await.len(), 1, "the failed run is told to nobody");

    let Some(mut signers) = Signers::start().await else { return };
    for got in &got {
        let mut request = json!({ "vendor": "verify", "secret": secret, "body": got.body, "headers": got.headers });
        assert_eq!(signers.ask(&request).await["holds"], true);
        request["body"] = format!("{} ", got.body).into();
        assert_eq!(signers.ask(&request).await["holds"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_outlives_the_host_and_is_sent_when_it_is_back() {
    let world = World::with(quick).await;
    let receiver = Receiver::start(&[], 500).await;
    let (_, secret) = subscribe(&world, &receiver, &["run.failed"]).await;
    run(&world, failing()).await;
    receiver.has(2).await;
    let world = world.restarted(quick).await;
    *receiver.inner.always.lock() = 200;
    let delivery = settled(&world, "delivered").await;
    assert_eq!(deliveries(&world).await.len(), 1);
    let first = &receiver.got()[0];
    assert!(receiver.got().iter().all(|g| g.id() == first.id()));
    assert_eq!(delivery["event"], "run.failed");

    // Subscriptions are known again too.
    run(&world, failing()).await;
    let both = async {
        while deliveries(&world).await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(PATIENCE, "the second run is not told", both).await;
    let shown = serde_json::to_string(&deliveries(&world).await).unwrap();
    assert!(!shown.contains(&secret) && !shown.contains("CANARY"), "{shown}");
    let disk = super::bytes_below(world.folder.path());
    assert!(!disk.windows(secret.len()).any(|w| w == secret.as_bytes()), "the secret is sealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_told_nothing_more() {
    let world = World::with(quick).await;
    let receiver = Receiver::start(&[410], 200).await;
    let (subscription, _) = subscribe(&world, &receiver, &["run.succeeded"]).await;
    run(&world, hello()).await;
    let delivery = settled(&world, "failed").await;
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(delivery["attempts"][0]["response_status"], 410);
    let path = format!("/api/v1/webhooks/outbound/{subscription}");
    let off = async {
        while world.admin.get(&path).await.is(200)["enabled"] == true {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(PATIENCE, "it is still subscribed", off).await;
    let again =
        format!("/api/v1/webhooks/deliveries/{}/redeliver", delivery["id"].as_str().unwrap());
    let refused = world.admin.send(axum::http::Method::POST, &again, None).await;
    assert_eq!(refused.refused(409), "webhook.unsubscribed");
    run(&world, hello()).await;
    let world = world.restarted(quick).await;
    assert_eq!((deliveries(&world).await.len(), receiver.got().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_can_be_sent_once_more_under_the_same_id() {
    let world = World::with(quick).await;
    let receiver = Receiver::start(&[], 200).await;
    subscribe(&world, &receiver, &["run.succeeded", "run.dead"]).await;
    run(&world, hello()).await;
    let delivery = settled(&world, "delivered").await;
    let id = delivery["id"].as_str().unwrap();
    let path = format!("/api/v1/webhooks/deliveries/{id}");
    let post = |path: String| {
        let admin = world.admin.clone();
        async move { admin.send(axum::http::Method::POST, &path, None).await }
    };
    for count in 2..=3 {
        assert_eq!(post(format!("{path}/redeliver")).await.is(202)["status"], "pending");
        let got = receiver.has(count).await;
        assert_eq!((got.len(), got[0].id()), (count, got[count - 1].id()));
        assert_eq!(got[0].body, got[count - 1].body);
        settled(&world, "delivered").await;
    }
    *receiver.inner.always.lock() = 500;
    post(format!("{path}/redeliver")).await.is(202);
    receiver.has(4).await;
    assert_eq!(post(format!("{path}/redeliver")).await.refused(409), "webhook.pending");
    assert_eq!(
        post(format!("/api/v1/webhooks/deliveries/msg_{}/redeliver", "0".repeat(26)))
            .await
            .refused(404),
        "request.not_found"
    );
    assert_eq!(world.admin.get(&path).await.is(200)["status"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_given_up_cost_nothing_and_are_told_to_nobody() {
    let world = World::with(|config| {
        quick(config);
        config.webhooks.retry_delay = "1ms".to_owned();
    })
    .await;
    let receiver = Receiver::start(&[], 500).await;
    subscribe(&world, &receiver, &["run.succeeded", "run.failed", "run.dead"]).await;
    let organization = levqor_core::ids::Organization::new("main").unwrap();
    run(&world, hello()).await;
    receiver.has(1).await;
    // An unwilling receiver is asked fifteen times, over seconds here and a day otherwise.
    let delivery = settled(&world, "failed").await;
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 15);
    assert_eq!(deliveries(&world).await.len(), 1, "the deliveries' own runs are told to nobody");
    let engine = &world.host.app().engine;
    let listed = engine.list(&organization, None, None, 50).await.unwrap();
    assert_eq!(listed.data.len(), 1, "and are not among the organization's runs");
    let dead = engine.dead_letters(&organization, None, 50).await.unwrap();
    assert!(dead.data.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_are_public_https_unless_the_operator_says_so() {
    let world = World::new().await;
    let subscribe = async |url: &str, events: Value| {
        let body = json!({ "url": url, "events": events });
        world.admin.post("/api/v1/webhooks/outbound", &body).await
    };
    for url in [
        "http://a.example/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::ffff:10.0.0.1]/",
        "https://u:p@a.example/",
        "file:///etc/passwd",
        "x",
    ] {
        let refused = subscribe(url, json!(["run.failed"])).await;
        assert_eq!(refused.refused(422), "webhook.url", "{url}");
    }
    let good = "https://a.example/hook";
    for events in [json!([]), json!(["run.started"]), json!("run.failed")] {
        subscribe(good, events).await.refused(422);
    }
    let made = subscribe(good, json!(["run.failed"])).await.is(201);
    let (first, path) = (&made["secret"], "/api/v1/webhooks/outbound");
    let one = format!("{path}/{}", made["subscription"]["id"].as_str().unwrap());
    let new = world.admin.post(&format!("{one}/rotate"), &json!({ "overlap": "1h" })).await.is(200);
    assert_ne!(&new["secret"], first);
    let listed = world.admin.get(path).await.is(200);
    assert!(!listed.to_string().contains("whsec_"));
    world.admin.send(axum::http::Method::DELETE, &one, None).await.is(204);
    assert_eq!(world.admin.get(&one).await.refused(404), "request.not_found");
    assert!(
        world
            .host
            .app()
            .vault
            .list(&levqor_core::ids::Organization::new("main").unwrap())
            .unwrap()
            .is_empty()
    );
    // The action is the host's: nobody else's pipeline can send with it.
    let document = json!({
        "schema": "levqor/v1", "name": "thief",
        "steps": [{ "id": "a", "uses": "webhook/deliver", "with": { "organization": "main", "delivery": "msg_x" } }],
    });
    let run = run(&world, document).await.parse().unwrap();
    let ended = world
        .host
        .app()
        .engine
        .wait(&levqor_core::ids::Organization::new("main").unwrap(), run)
        .await
        .unwrap();
    assert_eq!(ended.error.unwrap().code, "webhook.not_yours");
}
