//! A plugin that does everything wrong: stopped, named, and without harm to anybody else.

use std::time::Instant;

use levqor_core::error::ErrorKind;

use super::*;
use crate::egress::tests::{answer, ok, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_misbehaviour_has_its_code() {
    let world = World::new("").await;
    // Compiled first: that is not part of the time measured.
    output(world.run("echo", "say", json!({})).await);
    let table = [
        (json!({"mode": "loop"}), "plugin.timeout"),
        (json!({"mode": "allocate"}), "plugin.memory"),
        (json!({"mode": "recurse"}), "plugin.stack plugin.trap"),
        (json!({"mode": "trap"}), "plugin.trap"),
        (json!({"mode": "panic"}), "plugin.trap"),
        // Whichever limit its copies meet first.
        (
            json!({"mode": "huge_output", "bytes": 18_000_000}),
            "plugin.output_too_large plugin.memory",
        ),
        (json!({"mode": "huge_output", "bytes": 200_000_000}), "plugin.memory"),
        (json!({"mode": "bad_json"}), "plugin.bad_output"),
    ];
    for (input, codes) in table {
        let started = Instant::now();
        let outcome = world
            .run_with("echo", "misbehave", input.clone(), |call| call.time_left_ms = 1_000)
            .await;
        let (what, e) = error(outcome);
        assert_eq!((what, e.kind), ("failed", ErrorKind::PluginTrap), "{input}: {e}");
        assert!(codes.split(' ').any(|code| code == e.code), "{input}: {e}");
        assert!(started.elapsed().as_millis() < 3_000, "{input}: {:?}", started.elapsed());
        if input["mode"] == "panic" {
            assert!(e.message.contains("echo was asked to panic"), "{e}");
        }
        // The next call is unharmed.
        assert_eq!(output(world.run("echo", "say", json!({"a": 1})).await)["a"], 1);
    }
    assert_eq!(
        output(world.run("echo", "misbehave", json!({"mode": "flood_log", "lines": 5000})).await),
        5000
    );
}

#[tokio::test]
async fn what_a_guest_may_not_send_is_not_sent() {
    let world = World::new(LOCAL).await;
    let (at, seen) = server(answer(|_| ok(""))).await;
    let url = format!("http://{at}/");
    let denied = [
        json!({"mode": "forged_host", "url": url, "host": "evil.com"}),
        json!({"mode": "many_headers", "url": url, "headers": 32_769}),
    ];
    for input in denied {
        error(world.run("echo", "misbehave", input).await);
    }
    let input = json!({"mode": "many_requests", "url": url, "requests": 33});
    assert_eq!(output(world.run("echo", "misbehave", input).await)["answered"], 0);
    assert!(seen.lock().is_empty());
    let input = json!({"mode": "many_requests", "url": url, "requests": 32});
    assert_eq!(output(world.run("echo", "misbehave", input).await)["answered"], 32);
}

#[tokio::test]
async fn without_a_grant_no_address_is_reached() {
    let world = World::new("").await;
    let (at, seen) = server(answer(|_| ok(""))).await;
    for connector in ["echo", "http"] {
        let (action, input) = match connector {
            "echo" => ("fetch", json!({"url": format!("http://{at}/")})),
            _ => ("get", json!({"url": format!("http://{at}/")})),
        };
        let (_, e) = error(world.run(connector, action, input).await);
        let hint = format!("[grant.{connector}] of plugins.toml");
        assert!(e.message.contains(&hint), "{e}");
    }
    assert!(seen.lock().is_empty());
}

#[tokio::test]
async fn the_breaker_opens_for_one_organization_and_closes_again() {
    let world = World::new("").await;
    let trap = json!({"mode": "trap"});
    for _ in 0..crate::limits::BREAKER_FAILURES {
        let (_, e) = error(world.run("echo", "misbehave", trap.clone()).await);
        assert_eq!(e.code, "plugin.trap");
    }
    let outcome = world.run("echo", "say", json!({})).await;
    let Outcome::Retry { after_ms: Some(ms), error: e } = outcome else { panic!("{outcome:?}") };
    assert_eq!((e.code.as_str(), ms), ("plugin.circuit_open", crate::limits::BREAKER_COOL_DOWN_MS));
    // Another organization is not punished.
    let (other, input) = (Organization::new("other").unwrap(), json!({"a": 1}));
    let echo = world.catalog.get("echo").unwrap();
    output(echo.run_task(Call::new(&other, "say", &input)).await);
    world.clock.advance_ms(crate::limits::BREAKER_COOL_DOWN_MS);
    output(world.run("echo", "say", json!({})).await);
    output(world.run("echo", "say", json!({})).await);
}
