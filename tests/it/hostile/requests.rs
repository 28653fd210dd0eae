//! Requests that should not be made: to addresses inside, by other spellings, through redirects
//! and name servers that lie, with credentials that are somebody else's.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use levqor_connectors::egress::EgressOptions;
use levqor_core::error::ErrorKind;
use levqor_core::ids::Organization;
use levqor_core::run::RunStatus;
use serde_json::json;

use super::network::{Liar, Server};
use super::{Honest, SLACK, World};
use crate::capture;
use crate::support::{figure, skip};

/// Every host and port, as far as it is public; plain http too.
const PUBLIC: &str = "[grant.echo]\npartial = true\nhosts = [\"*:*\"]\nhttp = true\n\
                      credentials = { token = [\"*\"] }\n";

/// `127.0.0.1` is granted, and nothing else of this machine.
const LOOPBACK: &str = "[grant.echo]\npartial = true\nhosts = [\"127.0.0.1:*\", \"127.0.0.2:*\"]\n\
                        http = true\nprivate = [\"127.0.0.1/32\"]\n\
                        credentials = { token = [\"127.0.0.1\"] }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_of_an_inner_address_is_reached() {
    let world = World::new(PUBLIC).await;
    let honest = Honest::begin(&world).await;
    let server = Server::start().await;
    let port = server.port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "0177.0.0.01",
        "127.1",
        "127.0.1",
        "0",
        "0.0.0.0",
        "127.0.0.1.",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "127.0.0.1%00.example.com",
        "example.com@127.0.0.1",
        "127.0.0.1\\@example.com",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
    ];
    let mut slowest = Duration::ZERO;
    for host in hosts {
        let with = json!({"url": format!("http://{host}:{port}/secret"), "timeout_ms": 2_000});
        let (detail, took) = world.echo("fetch", with, 3_000).await;
        assert_eq!(detail.summary.status, RunStatus::Failed, "{host}: {:?}", detail.output);
        let error = detail.error.unwrap();
        let known = ["echo.denied", "echo.invalid_request", "echo.dns"];
        assert!(known.contains(&error.code.as_str()), "{host}: {error:?}");
        if error.code == "echo.denied" {
            assert_eq!(error.kind, ErrorKind::PolicyDenied, "{host}: {error:?}");
        }
        assert!(!error.message.contains("/secret"), "{host}: {error:?}");
        assert!(took < Duration::from_millis(3_050) + SLACK, "{host} took {took:?}");
        slowest = slowest.max(took);
    }
    assert!(server.seen().is_empty(), "{:?}", server.seen());
    let (runs, _) = honest.end().await;
    assert!(runs > 0);
    figure(&format!("{} inner addresses refused, the slowest after {slowest:?}", hosts.len()));
    // Denials are for the operator's audit.
    assert!(capture::logged().contains("a request of a plugin was denied"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_grant_does_not_list_is_denied() {
    let world = World::new(LOOPBACK).await;
    let server = Server::start().await;
    // The check can fail: what is granted is reached.
    let (detail, _) = world.echo("fetch", json!({"url": server.url("/ok")}), 5_000).await;
    assert_eq!(detail.output.unwrap()["status"], 200);
    assert_eq!(server.seen().len(), 1);

    let port = server.port();
    let elsewhere = [
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("ftp://127.0.0.1:{port}/"),
        "file:///etc/passwd".to_owned(),
        "https://example.com/".to_owned(),
        "https://127.0.0.1.example.com/".to_owned(),
        format!("http://user:password@127.0.0.1:{port}/"),
    ];
    for url in &elsewhere {
        let (detail, _) = world.echo("fetch", json!({ "url": url }), 5_000).await;
        let error = detail.error.unwrap();
        assert_eq!(
            (error.kind, error.code.as_str()),
            (ErrorKind::PolicyDenied, "echo.denied"),
            "{url}: {error:?}"
        );
    }
    // The same by a redirect: each hop is looked at anew.
    for url in &elsewhere {
        let with = json!({"url": server.url(&format!("/to/{url}")), "follow_redirects": true});
        let (detail, _) = world.echo("fetch", with, 5_000).await;
        let error = detail.error.unwrap();
        assert_eq!(error.code, "echo.denied", "redirect to {url}: {error:?}");
    }
    // Not followed unless asked for; followed three times at most.
    let (detail, _) = world.echo("fetch", json!({"url": server.url("/to/nowhere")}), 5_000).await;
    assert_eq!(detail.output.unwrap()["status"], 302);
    let round = server.url("/to/").to_string();
    let with =
        json!({"url": format!("{round}{round}{round}{round}{round}/x"), "follow_redirects": true});
    let (detail, _) = world.echo("fetch", with, 5_000).await;
    assert_eq!(detail.error.unwrap().code, "echo.no_answer");
    let reached: Vec<String> = server.seen().into_iter().map(|s| s.path).collect();
    assert!(reached.iter().all(|p| p == "/ok" || p.starts_with("/to/")), "{reached:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_and_answers_have_bounds() {
    let world = World::new(LOOPBACK).await;
    let honest = Honest::begin(&world).await;
    let server = Server::start().await;
    let table = [
        (
            json!({"mode": "forged_host", "url": server.url("/"), "host": "internal.example"}),
            (ErrorKind::PolicyDenied, "echo.denied"),
        ),
        (
            json!({"mode": "many_headers", "url": server.url("/"), "headers": 32_769}),
            (ErrorKind::InvalidInput, "echo.invalid_request"),
        ),
    ];
    for (with, expected) in table {
        let (detail, took) = world.echo("misbehave", with.clone(), 5_000).await;
        let error = detail.error.unwrap();
        assert_eq!((error.kind, error.code.as_str()), expected, "{with}: {error:?}");
        assert!(took < Duration::from_millis(5_050) + SLACK, "{with} took {took:?}");
    }
    for name in ["transfer-encoding", "content-length", "connection", "proxy-authorization"] {
        let with = json!({"url": server.url("/"), "headers": {name: "1"}});
        let (detail, _) = world.echo("fetch", with, 5_000).await;
        assert_eq!(detail.error.unwrap().code, "echo.denied", "{name}");
    }
    let with = json!({"url": server.url("/"), "headers": {"x-a": "1\r\nx-b: 2"}});
    let (detail, _) = world.echo("fetch", with, 5_000).await;
    assert_eq!(detail.error.unwrap().code, "echo.invalid_request");
    assert!(server.seen().is_empty(), "{:?}", server.seen());

    // An answer that never ends, and one that is too long.
    let (detail, took) = world.echo("fetch", json!({"url": server.url("/drip")}), 500).await;
    let error = detail.error.unwrap();
    assert!(["echo.no_answer", "plugin.timeout"].contains(&error.code.as_str()), "{error:?}");
    assert!(took < Duration::from_millis(550) + SLACK, "{took:?}");
    figure(&format!("an answer without end: {} after {took:?} of 500 ms", error.code));
    let (detail, _) = world.echo("fetch", json!({"url": server.url("/big")}), 20_000).await;
    assert_eq!(detail.error.unwrap().code, "echo.response_too_large");
    let (runs, _) = honest.end().await;
    assert!(runs > 0);
}

/// The name is looked up where it is connected to, and once: an answer that is fine the first time
/// and inner the second time leads nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_changes_its_address_leads_nowhere_inside() {
    // On loopback 127.0.0.9 stands for the world outside: it is granted, 127.0.0.1 is not.
    let inside = Server::start().await;
    let Ok(outside) = Server::on(Ipv4Addr::new(127, 0, 0, 9), inside.port()).await else {
        return skip("names that change: this machine has only one loopback address");
    };
    let grants = "[grant.echo]\npartial = true\nhosts = [\"rebind.test:*\"]\nhttp = true\n\
                  private = [\"127.0.0.9/32\"]\n";
    let liar = Arc::new(Liar::new(&[
        &["127.0.0.9"],
        &["127.0.0.1"],
        &["127.0.0.9", "127.0.0.1"],
        &["::ffff:127.0.0.1"],
        &["127.0.0.9"],
        &["10.0.0.1", "127.0.0.9"],
        &[],
    ]));
    let mut options = EgressOptions::default();
    options.resolver = liar.clone();
    let world = World::with(grants, options).await;
    let url = format!("http://rebind.test:{}/", inside.port());
    let (mut answered, mut denied, mut unknown) = (0, 0, 0);
    for _ in 0..70 {
        let (detail, _) = world.echo("fetch", json!({ "url": url }), 5_000).await;
        match detail.error.map(|e| (e.kind, e.code)) {
            None => answered += 1,
            Some((ErrorKind::PolicyDenied, code)) if code == "echo.denied" => denied += 1,
            Some((_, code)) if code == "echo.dns" => unknown += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(inside.seen().is_empty(), "{:?}", inside.seen());
    assert_eq!(outside.seen().len(), answered);
    assert_eq!((answered, denied, unknown, liar.asked()), (20, 40, 10, 70));
    figure("names that change their address: 70 look-ups, 40 denied, 0 requests inside");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_go_where_they_belong_and_nowhere_else() {
    let world = World::new(LOOPBACK).await;
    let server = Server::start().await;
    let fetch = |path: &str| json!({"url": server.url(path), "bearer": true});
    let local = Organization::local();

    let (detail, _) = world.echo("fetch", fetch("/"), 5_000).await;
    let error = detail.error.unwrap();
    assert_eq!(error.code, "echo.unknown_credential");
    assert_eq!(error.kind, ErrorKind::Unauthorized);

    // Another organization's is as good as none.
    let other = super::organization(&world, "other").await;
    world.credential(&other, "echo", "canary-of-other-e1b2", &["127.0.0.1"]);
    let (detail, _) = world.echo("fetch", fetch("/"), 5_000).await;
    assert_eq!(detail.error.unwrap().code, "echo.unknown_credential");

    // One that lists another host, though plugin and grant would let it pass.
    world.credential(&local, "echo", "canary-elsewhere-93cd", &["api.vendor.example"]);
    let (detail, _) = world.echo("fetch", fetch("/"), 5_000).await;
    let error = detail.error.unwrap();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::PolicyDenied, "echo.denied"));
    assert!(server.seen().is_empty(), "{:?}", server.seen());

    // The right one goes out, and does not come back though the other side says it.
    world.credential(&local, "echo", "canary-right-5a77e0", &["127.0.0.1"]);
    let (detail, _) = world.echo("fetch", fetch("/echo"), 5_000).await;
    let output = detail.output.unwrap().to_string();
    let sent = server.seen().pop().unwrap();
    assert_eq!(sent.headers["authorization"], "Bearer canary-right-5a77e0");
    assert!(output.contains("authorization") && !output.contains("canary"), "{output}");
    // It does not follow a redirect to another origin.
    let second = Server::start().await;
    let with = json!({"url": server.url(&format!("/to/{}", second.url("/end"))),
                      "bearer": true, "follow_redirects": true});
    let (detail, _) = world.echo("fetch", with, 5_000).await;
    assert_eq!(detail.output.unwrap()["status"], 200);
    assert!(!second.seen()[0].headers.contains_key("authorization"));
    let logged = capture::logged();
    for canary in ["canary-of-other-e1b2", "canary-elsewhere-93cd", "canary-right-5a77e0"] {
        assert!(!logged.contains(canary), "{canary} was logged");
    }
}
