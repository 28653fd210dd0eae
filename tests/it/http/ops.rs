//! What an operator sees: metrics, readiness, dead letters, flags, backups; and what nobody sees.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use levqor_core::connector::Catalog;
use levqor_core::engine::Engine;
use levqor_core::ids::Organization;
use levqor_core::store::{RedbStore, Store, backup};
use serde_json::{Value, json};

use super::{Client, World, bytes_below, hello};
use crate::vendors::canary;

/// Waits until `look` says yes, looking again as soon as it said no.
async fn until<F: Future<Output = bool>>(what: &str, look: impl Fn() -> F) {
    let begun = Instant::now();
    while !look().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        tokio::task::yield_now().await;
    }
}

async fn metrics(client: &Client) -> String {
    let answered = client.get("/metrics").await;
    assert_eq!(answered.status, StatusCode::OK);
    String::from_utf8(answered.body.to_vec()).unwrap()
}

/// A sample's value; 0 where there is none.
fn value(metrics: &str, sample: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{sample} ")));
    line.map_or(0.0, |number| number.parse().unwrap())
}

fn series(metrics: &str) -> usize {
    metrics.lines().filter(|line| !line.starts_with('#')).count()
}

/// Ends as a dead letter: its vendor answers 503.
fn failing(vendor: &str) -> Value {
    json!({
        "schema": "levqor/v1",
        "name": "failing",
        "steps": [{ "id": "a", "uses": "http/get", "with": { "url": vendor },
                    "retry": { "max_attempts": 1 } }],
    })
}

/// A vendor on loopback that answers 503 to everything, and a world that may call it.
async fn with_vendor() -> (World, String) {
    let vendor = axum::Router::new().fallback(async || StatusCode::SERVICE_UNAVAILABLE);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, vendor).await });
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        let plugins = config.plugins_dir();
        std::fs::create_dir_all(&plugins).unwrap();
        let grant = "[grant.http]\nhosts = [\"127.0.0.1:*\"]\nhttp = true\n\
                     private = [\"127.0.0.1/32\"]\ncredentials = { auth = [\"127.0.0.1\"] }\n";
        std::fs::write(plugins.join("plugins.toml"), grant).unwrap();
    });
    (world.await, format!("http://{address}/x"))
}

async fn dead(world: &World, vendor: &str) -> String {
    let before = value(&metrics(&world.admin).await, "levqor_runs_total{status=\"dead\"}");
    let body = json!({ "document": failing(vendor) });
    let run = world.admin.post("/api/v1/run", &body).await.is(202);
    until("the run ends", || async {
        let now = value(&metrics(&world.admin).await, "levqor_runs_total{status=\"dead\"}");
        now > before
    })
    .await;
    run["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_happened_and_take_the_operators_key() {
    let (world, vendor) = with_vendor().await;
    assert_eq!(world.anybody().get("/metrics").await.refused(401), "auth.unauthorized");
    dead(&world, &vendor).await;
    let body = json!({ "document": hello(), "input": { "who": "Ada" } });
    world.admin.post("/api/v1/run", &body).await.is(202);
    until("the run ends", || async {
        value(&metrics(&world.admin).await, "levqor_runs_total{status=\"succeeded\"}") == 1.0
    })
    .await;
    let text = metrics(&world.admin).await;
    for (sample, wanted) in [
        ("levqor_runs_total{status=\"dead\"}", 1.0),
        ("levqor_run_duration_seconds_count", 2.0),
        ("levqor_step_duration_seconds_count{connector=\"http\",action=\"get\"}", 1.0),
        ("levqor_connector_errors_total{connector=\"http\",kind=\"unavailable\"}", 1.0),
        ("levqor_connector_5xx_total{connector=\"http\"}", 1.0),
        ("levqor_dead_letters", 1.0),
        ("levqor_queue_depth{state=\"running\"}", 0.0),
        // What a new host is given, and the month of the operator's plan.
        ("levqor_credits_total{account=\"promotional\"}", 51_000.0),
        ("levqor_http_requests_total{route=\"start_run\",status=\"202\"}", 2.0),
        ("levqor_http_requests_total{route=\"metrics\",status=\"401\"}", 1.0),
        ("levqor_http_request_duration_seconds_count{route=\"start_run\"}", 2.0),
        ("levqor_backup_last_verified_seconds", 0.0),
        ("levqor_flag_enabled{flag=\"planner\"}", 1.0),
    ] {
        assert_eq!(value(&text, sample), wanted, "{sample} in\n{text}");
    }
    assert!(value(&text, "levqor_store_commit_seconds_count") > 3.0);
    assert!(value(&text, "levqor_store_batch_size_sum") > 3.0);
    assert!(!text.contains("main") && !text.contains("organization"), "nobody is named");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_callers_send_makes_no_series() {
    let world = World::new().await;
    let round = async |from: usize, to: usize| {
        for n in from..to {
            let client = world.anybody().header("user-agent", &format!("agent-{n}"));
            client.get(&format!("/nothing/{n}?q={n}")).await;
            let key = format!("lvq_k{n}_{:032}", n);
            client.key(&key).get(&format!("/api/v1/runs/{n}?n={n}")).await;
            let method = Method::from_bytes(format!("M{n}").as_bytes()).unwrap();
            let _ = world.admin.try_send(method, "/healthz", None, Default::default()).await;
            if n % 10 == 0 {
                let mut document = hello();
                document["name"] = json!(format!("pipeline-{n}"));
                let body = json!({ "document": document, "input": { "who": n },
                                   "labels": { format!("label{n}"): format!("{n}") } });
                world.admin.post("/api/v1/run", &body).await;
            }
        }
        until("the runs end", || async {
            let text = metrics(&world.admin).await;
            value(&text, "levqor_runs_total{status=\"succeeded\"}") >= (to / 10) as f64
        })
        .await;
    };
    round(0, 20).await;
    let before = series(&metrics(&world.admin).await);
    round(20, 3_400).await;
    let after = metrics(&world.admin).await;
    assert_eq!(series(&after), before, "over 10,000 inputs:\n{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_every_services_way_and_the_own_listener_asks_for_no_key() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.ops_listen = "127.0.0.1:0".to_owned();
    });
    let world = world.await;
    let ready = world.anybody().get("/readyz").await.is(200);
    assert_eq!(ready["status"], "ready");
    assert_eq!(ready["checks"], json!({ "store": "ok", "accepting": true }));
    let modes = json!({ "store": "memory", "errors": "file", "mail": "folder",
                        "planner": "matcher", "tracing": "off", "backups": "plain" });
    assert_eq!(ready["modes"], modes);
    let own = world.anybody().at(world.host.ops_address().unwrap());
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/ops/uptime",
        "/ops/queue_health",
        "/ops/dlq",
        "/ops/flags",
        "/ops/backup",
    ] {
        assert_eq!(own.get(path).await.status, StatusCode::OK, "{path}");
        if path.starts_with("/ops/") {
            assert_eq!(world.anybody().get(path).await.refused(401), "auth.unauthorized");
        }
    }
    let health = own.get("/ops/queue_health").await.is(200);
    assert_eq!((&health["status"], &health["ready"]), (&json!("ok"), &json!(0)));
    let openmetrics = own.clone().header("accept", "application/openmetrics-text");
    let answered = openmetrics.get("/metrics").await;
    assert!(answered.header("content-type").starts_with("application/openmetrics-text"));
    assert!(answered.body.ends_with(b"# EOF\n"));
    // Nothing is changed here, nothing of organizations is read, and no page elsewhere reads it.
    assert_eq!(own.post("/ops/backup", &json!({})).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let body = json!({ "document": hello() });
    assert_eq!(own.post("/api/v1/run", &body).await.status, StatusCode::NOT_FOUND);
    let foreign = own.clone().header("host", "evil.example");
    assert_eq!(foreign.get("/metrics").await.refused(421), "request.host");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_everybody_are_found_and_retried() {
    let (world, vendor) = with_vendor().await;
    let runs = [dead(&world, &vendor).await, dead(&world, &vendor).await];
    let page = world.admin.get("/ops/dlq?limit=1").await.is(200);
    assert_eq!(page["data"][0]["run"], runs[1].as_str());
    assert_eq!(page["data"][0]["organization"], "main");
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = world.admin.get(&format!("/ops/dlq?cursor={cursor}")).await.is(200);
    assert_eq!(rest["data"][0]["run"], runs[0].as_str());
    assert_eq!(rest["next_cursor"], Value::Null);
    let retry = async |body: Value| world.admin.post("/ops/dlq/retry", &body).await;
    assert_eq!(retry(json!({})).await.refused(422), "dlq.which");
    assert_eq!(retry(json!({ "all": true, "runs": ["x"] })).await.refused(422), "dlq.which");
    let dry = retry(json!({ "all": true, "pipeline": "failing", "dry_run": true })).await.is(200);
    assert_eq!(dry["matched"].as_array().unwrap().len(), 2);
    assert_eq!(dry["started"], json!({}));
    let none = retry(json!({ "all": true, "code": "no.such" })).await.is(200);
    assert_eq!(none["matched"], json!([]));
    let one = retry(json!({ "runs": [runs[0]] })).await.is(200);
    let started = one["started"][&runs[0]].as_str().unwrap();
    assert!(started.starts_with("run_") && started != runs[0]);
    // Its vendor is as it was: it comes back, as another run.
    until("the retried run ends", || async {
        let all = world.admin.get("/ops/dlq").await.is(200);
        all["data"].as_array().unwrap().iter().any(|letter| letter["run"] == started)
    })
    .await;
    assert_eq!(value(&metrics(&world.admin).await, "levqor_dead_letters"), 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_are_changed_for_good_and_guards_are_no_flags() {
    let world = World::with(|_| {}).await;
    let of = |list: &Value, name: &str| {
        let all = list["data"].as_array().unwrap().clone();
        all.into_iter().find(|flag| flag["name"] == name).unwrap()
    };
    let list = world.admin.get("/ops/flags").await.is(200);
    assert!(list["data"].as_array().unwrap().iter().all(|flag| flag["on"] == true), "{list}");
    let change = json!({ "flags": { "planner": false } });
    let list = world.admin.send(Method::PATCH, "/ops/flags", Some(&change)).await.is(200);
    let planner = of(&list, "planner");
    assert_eq!((&planner["on"], &planner["source"]), (&json!(false), &json!("request")));
    for wrong in ["webhook_verification", "security_headers", "nothing"] {
        let change = json!({ "flags": { wrong: false } });
        world.admin.send(Method::PATCH, "/ops/flags", Some(&change)).await.refused(422);
    }
    let text = metrics(&world.admin).await;
    assert_eq!(value(&text, "levqor_flag_enabled{flag=\"planner\"}"), 0.0);
    assert!(text.contains("levqor_flag_enabled{flag=\"planner\"} 0"));
    let world = world.restarted(|_| {}).await;
    let list = world.admin.get("/ops/flags").await.is(200);
    assert_eq!(of(&list, "planner")["on"], false);
    std::fs::write(world.folder.path().join("flags.toml"), "planner = true\nmail = false").unwrap();
    let world = world.restarted(|_| {}).await;
    let list = world.admin.get("/ops/flags").await.is(200);
    assert_eq!(of(&list, "planner")["on"], false, "a request wins over the file");
    assert_eq!(of(&list, "mail")["source"], "file");
}

/// Takes a backup through the door and waits for it.
async fn backed_up(world: &World) -> Value {
    let before = world.admin.get("/ops/backup").await.is(200)["data"].as_array().unwrap().len();
    world.admin.send(Method::POST, "/ops/backup", None).await.is(202);
    until("the backup is taken", || async {
        let list = world.admin.get("/ops/backup").await.is(200);
        assert_eq!(list["failures"], json!([]), "{list}");
        list["data"].as_array().unwrap().len() > before
    })
    .await;
    world.admin.get("/ops/backup").await.is(200)["data"][0].clone()
}

async fn restored(file: &Path, folder: &Path) -> (Arc<dyn Store>, backup::Summary) {
    let store: Arc<dyn Store> = Arc::new(RedbStore::open(folder).unwrap());
    let read = std::fs::File::open(file).unwrap();
    let summary = backup::import(std::io::BufReader::new(read), &*store).await.unwrap();
    (store, summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_one_cut_that_restores_elsewhere() {
    let world = World::with(|_| {}).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|caller| {
            let (client, stop) = (world.admin.clone(), stop.clone());
            tokio::spawn(async move {
                let mut accepted = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let body = json!({ "document": hello(), "input": { "who": caller } });
                    client.post("/api/v1/run", &body).await.is(202);
                    accepted += 1;
                }
                accepted
            })
        })
        .collect();
    until("there is something", || async {
        value(&metrics(&world.admin).await, "levqor_runs_total{status=\"succeeded\"}") > 50.0
    })
    .await;
    let taken = [backed_up(&world).await, backed_up(&world).await];
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for caller in load {
        assert!(caller.await.unwrap() > 0);
    }
    assert_ne!(taken[0]["root"], taken[1]["root"], "the store went on");
    let text = metrics(&world.admin).await;
    assert_eq!(value(&text, "levqor_backups_total{result=\"verified\"}"), 2.0);
    assert!(value(&text, "levqor_backup_last_verified_seconds") > 1.6e9);
    let elsewhere = tempfile::tempdir().unwrap();
    for (n, backup) in taken.iter().enumerate() {
        let file = world.folder.path().join("backups").join(backup["file"].as_str().unwrap());
        let folder = elsewhere.path().join(n.to_string());
        let (store, summary) = restored(&file, &folder).await;
        assert_eq!(summary.root, backup["root"].as_str().unwrap());
        let engine = Engine::builder_on(store, Catalog::new()).build().await.unwrap();
        let report = engine.audit(&Organization::new("main").unwrap()).await.unwrap();
        assert!(report.is_ok(), "{report:?}");
        let bytes = std::fs::read(&file).unwrap();
        let every = (bytes.len() / 60).max(1);
        for at in (0..bytes.len()).step_by(every) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(backup::verify(&*changed).is_err(), "byte {at} of {}", bytes.len());
        }
        assert!(backup::verify(&bytes[..bytes.len() - 1]).is_err());
    }
    // The restored folder is a host's: the same key opens it.
    let admin = world.admin.clone();
    world.host.stop().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = format!("redb:{}", elsewhere.path().join("1").display());
    let mut config = levqor_host_http::Config::in_folder(folder.path());
    config.store = store;
    let host = levqor_host_http::Host::start(config).await.unwrap();
    assert!(host.admin_key().is_none());
    let body = json!({ "document": hello(), "input": { "who": "Ada" } });
    admin.at(host.address()).post("/api/v1/run", &body).await.is(202);
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_backup_is_read_by_debians_age_and_by_nobody_without_the_identity() {
    let Ok(made) = std::process::Command::new("age-keygen").output() else {
        eprintln!("`age` is not installed here: skipped");
        return;
    };
    let identity = String::from_utf8(made.stdout).unwrap();
    let recipient = identity.lines().find_map(|l| l.strip_prefix("# public key: ")).unwrap();
    let world = World::with(|config| config.backup.age_recipient = recipient.to_owned()).await;
    let taken = backed_up(&world).await;
    assert_eq!(taken["encrypted"], true);
    let backups = world.folder.path().join("backups");
    let file = backups.join(taken["file"].as_str().unwrap());
    assert_eq!(canary::find(&bytes_below(&backups), "welcome"), None);
    let keys = world.folder.path().join("identity");
    std::fs::write(&keys, identity).unwrap();
    let age = |file: &Path| {
        let mut command = std::process::Command::new("age");
        command.arg("-d").arg("-i").arg(&keys).arg(file).output().unwrap()
    };
    let opened = age(&file);
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    let summary = backup::verify(&*opened.stdout).unwrap();
    assert_eq!(summary.root, taken["root"].as_str().unwrap());
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert!(!age(&file).status.success(), "a changed byte is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_secrets_are_in_no_log_metric_or_error() {
    use levqor_connectors::credential::{Credential, Secret};
    crate::capture::install();
    let (world, vendor) = with_vendor().await;
    let in_header = "CANARY-header-7f3a91c2+/d";
    let in_query = "CANARY-query-51b8e0aa%7e";
    let in_body = "CANARY-body-c04d77e1\"\\x";
    let in_vault = "CANARY-vault-9a2e6b58==q";
    let in_path = "CANARY-path-e81f20c7";
    let main = Organization::new("main").unwrap();
    let hosts = vec!["127.0.0.1:*".parse().unwrap()];
    let credential = Credential::api_key("http", Secret::new(in_vault), hosts);
    world.host.app().vault.set(&main, &credential).unwrap();
    let mut document = failing(&vendor);
    document["steps"][0]["with"]["auth"] = json!("bearer");
    document["steps"][0]["with"]["headers"] = json!({ "x-note": in_body });
    let client = world.admin.clone().header("x-note", in_header).header("cookie", in_header);
    let body = json!({ "document": document, "input": { "note": in_body } });
    client.post("/api/v1/run", &body).await.is(202);
    let key = format!("lvq_{}_{}", "canary", in_vault.replace(|c: char| !c.is_alphanumeric(), ""));
    let query: String = in_query.bytes().map(|b| format!("%{b:02x}")).collect();
    client.clone().key(&key).get(&format!("/metrics?token={query}")).await.refused(401);
    client.get(&format!("/metrics?token={query}")).await.refused(400);
    client.get(&format!("/{in_path}/{in_path}")).await.refused(404);
    client.post("/ops/flags", &json!({ in_body: in_body })).await;
    let broken = format!("{{\"document\": {{\"{in_path}\": ").into();
    let media = Some("application/json");
    client.send_bytes(Method::POST, "/api/v1/run", media, broken).await.refused(400);
    until("the run ends", || async {
        value(&metrics(&world.admin).await, "levqor_runs_total{status=\"dead\"}") == 1.0
    })
    .await;
    let report = format!("the key {key} was refused");
    world.host.app().errors.report("test.report", &report, &[("authorization", &report)]);
    let logs = bytes_below(&world.folder.path().join("logs"));
    assert!(String::from_utf8_lossy(&logs).contains("test.report"), "the file is looked at");
    assert!(crate::capture::logged().contains("start_run"), "requests are logged");
    let text = metrics(&world.admin).await;
    let secret = key.rsplit('_').next().unwrap();
    for secret in [in_header, in_query, in_body, in_vault, in_path, secret] {
        canary::nowhere(
            &[secret],
            &[("metrics".to_owned(), text.clone().into()), ("errors".to_owned(), logs.clone())],
        );
    }
}
