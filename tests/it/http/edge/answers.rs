//! The headers of every kind of answer, and the names that are answered at all.

use std::net::Ipv4Addr;

use axum::http::Method;
use bytes::Bytes;
use serde_json::json;

use super::super::{World, hello};
use super::{RawAnswer, answers, connect_from, only, raw, read_to_end};

/// What programs read carries these, whatever it is. Not from the host's own list: that would agree
/// with itself.
const EVERY: [(&str, &str); 14] = [
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-dns-prefetch-control", "off"),
    ("vary", "Authorization"),
    ("cache-control", "no-store"),
    ("strict-transport-security", ""),
    ("server", ""),
    ("access-control-allow-origin", ""),
];

#[track_caller]
fn is_dressed(what: &str, header: impl Fn(&str) -> String) {
    for (name, expected) in EVERY {
        assert_eq!(header(name), expected, "{what}: {name}");
    }
    let permissions = header("permissions-policy");
    for feature in ["camera=()", "geolocation=()", "clipboard-write=()", "unload=()"] {
        assert!(permissions.contains(feature), "{what}: {permissions}");
    }
    assert!(header("x-request-id").starts_with("req_"), "{what}");
}

#[track_caller]
fn is_dressed_raw(what: &str, answer: &RawAnswer) {
    is_dressed(what, |name| answer.header(name).to_owned());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_a_route_is_dressed() {
    let world = World::new().await;
    let (admin, anybody) = (&world.admin, world.anybody());
    let run = json!({ "document": hello(), "input": { "who": "Ada" } });
    let huge = Bytes::from(vec![b' '; 2 * 1024 * 1024]);
    let answered = [
        (200, anybody.get("/healthz").await),
        (202, admin.post("/api/v1/run", &run).await),
        (400, anybody.get("/healthz?x=1").await),
        (
            400,
            admin
                .send_bytes(Method::POST, "/api/v1/run", Some("application/json"), Bytes::from("{"))
                .await,
        ),
        (401, anybody.post("/api/v1/run", &run).await),
        (404, anybody.get("/nothing").await),
        (405, anybody.send(Method::DELETE, "/healthz", None).await),
        (413, admin.send_bytes(Method::POST, "/api/v1/run", Some("application/json"), huge).await),
        (
            415,
            admin
                .send_bytes(Method::POST, "/api/v1/run", Some("text/plain"), Bytes::from("{}"))
                .await,
        ),
        (421, anybody.clone().header("host", "evil.example").get("/healthz").await),
        (422, admin.post("/api/v1/run", &json!({})).await),
    ];
    for (status, answer) in &answered {
        assert_eq!(answer.status.as_u16(), *status, "{answer:?}");
        is_dressed(&status.to_string(), |name| answer.header(name).to_owned());
        let media = if *status < 300 { "application/json" } else { "application/problem+json" };
        assert_eq!(answer.header("content-type"), media, "{status}");
    }
    let [.., (_, not_allowed), _, _, (_, misdirected), _] = &answered;
    assert_eq!(not_allowed.header("allow"), "GET,HEAD");
    assert_eq!(misdirected.refused(421), "request.host");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_that_no_route_made_is_dressed() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.limits.connections_per_address = 3;
    })
    .await;
    let address = world.host.address();
    let long = "y".repeat(20_000);
    for (status, code, text) in [
        (400, "request.head", "\x16\x03\x01\x02\x00garbage".to_owned()),
        (400, "request.head", "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (414, "request.target_too_long", format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")),
        (431, "request.head_too_large", format!("GET / HTTP/1.1\r\nHost: a\r\nx: {long}\r\n\r\n")),
        (501, "request.method", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (505, "request.version", "GET / HTTP/3.0\r\nHost: a\r\n\r\n".to_owned()),
    ] {
        let answer = only(&raw(address, text.as_bytes()).await);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{text:.50}");
        assert_eq!(answer.header("connection"), "close");
        assert!(answer.header("date").ends_with(" GMT"), "{answer:?}");
        is_dressed_raw(code, &answer);
    }
    // Of another address: the host may still count some of those above.
    let one = Ipv4Addr::new(127, 0, 0, 2);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect_from(one, address).await);
    }
    let answer = only(&read_to_end(&mut connect_from(one, address).await).await);
    assert_eq!((answer.status, answer.code().as_str()), (503, "limit.connections"));
    assert_eq!(answer.header("retry-after"), "1");
    is_dressed_raw("too many connections", &answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_comes_after_the_answers_before_it() {
    let world = World::new().await;
    let host = world.host.address();
    let get = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let text = raw(host, format!("{get}{get}\r\n{get}GARBAGE\n\r\n").as_bytes()).await;
    let said: Vec<u16> = answers(&text).iter().map(|answer| answer.status).collect();
    assert_eq!(said, [200, 200, 200, 400]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_names_of_ours_are_answered() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.public_url = "https://levqor.example".to_owned();
        config.hosts = vec!["other.example".to_owned()];
    })
    .await;
    let port = world.host.address().port();
    for (name, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        ("levqor.example".to_owned(), 200),
        ("LEVQOR.EXAMPLE:443".to_owned(), 200),
        ("other.example".to_owned(), 200),
        ("localhost".to_owned(), 421),
        ("evil.example".to_owned(), 421),
        (format!("evil.example:{port}"), 421),
    ] {
        let answer = world.anybody().header("host", &name).get("/healthz").await;
        assert_eq!(answer.status.as_u16(), status, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_promised_only_where_it_was_spoken() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await;
    let promised = "max-age=63072000; includeSubDomains; preload";
    for (proto, expected) in [("https", promised), ("http", "")] {
        // Over TLS the default port is another one, so the name carries its port as before.
        let answer = world.anybody().header("x-forwarded-proto", proto).get("/healthz").await;
        answer.is(200);
        assert_eq!(answer.header("strict-transport-security"), expected, "{proto}");
    }
    let stranger = World::new().await;
    let answer = stranger.anybody().header("x-forwarded-proto", "https").get("/healthz").await;
    assert_eq!(answer.header("strict-transport-security"), "");
}
