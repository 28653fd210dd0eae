//! What a granted plugin can and cannot do: hosts, credentials, redirects, tokens, state, secrets.

use parking_lot::Mutex;

use super::*;
use crate::credential::{Oauth2, Secret};
use crate::egress::tests::{Does, answer, ok, server};

const CANARY: &str = "CANARY-s3cr3t-0123456789";

fn token(hosts: &[&str]) -> Credential {
    let hosts = hosts.iter().map(|h| h.parse().unwrap()).collect();
    Credential::api_key("echo", Secret::new(CANARY), hosts)
}

#[tokio::test]
async fn the_host_fills_the_credential_in_and_takes_it_out_of_the_answer() {
    let world = World::new(LOCAL).await;
    world.keep(&token(&["127.0.0.1"]));
    let (at, seen) = server(answer(ok)).await;
    let input = json!({"url": format!("http://{at}/x"), "bearer": true});
    let fetched = output(world.run("echo", "fetch", input).await);
    assert!(seen.lock()[0].contains(&format!("authorization: Bearer {CANARY}")));
    // The server echoes the request; the guest does not see the value.
    let text = fetched["text"].as_str().unwrap();
    assert!(text.contains("Bearer [redacted]") && !text.contains(CANARY), "{text}");
}

#[tokio::test]
async fn credentials_go_only_where_credential_and_grant_list_the_host() {
    let (at, seen) = server(answer(|_| ok(""))).await;
    let fetch = json!({"url": format!("http://{at}/"), "bearer": true});
    // No such credential.
    let world = World::new(LOCAL).await;
    let (_, e) = error(world.run("echo", "fetch", fetch.clone()).await);
    assert!(e.message.contains("not in the vault"), "{e}");
    // Listed for another host only.
    world.keep(&token(&["slack.com"]));
    let (_, e) = error(world.run("echo", "fetch", fetch.clone()).await);
    assert!(e.message.contains("does not list the host"), "{e}");
    // The grant gives it to another host only.
    let elsewhere = LOCAL.replace("token = [\"127.0.0.1\", \"*.test\"]", "token = [\"slack.com\"]");
    let world = World::new(&elsewhere).await;
    world.keep(&token(&["127.0.0.1"]));
    let (_, e) = error(world.run("echo", "fetch", fetch.clone()).await);
    assert!(e.message.contains("does not give the credential"), "{e}");
    // Not granted at all.
    let world = World::new(&LOCAL.replace("token =", "other =")).await;
    world.keep(&token(&["127.0.0.1"]));
    let (_, e) = error(world.run("echo", "fetch", fetch).await);
    assert!(e.message.contains("not granted"), "{e}");
    assert!(seen.lock().is_empty());
}

#[tokio::test]
async fn documents_and_operators_name_the_credential() {
    let world = World::new(&LOCAL.replace(
        "token = [\"127.0.0.1\", \"*.test\"]",
        "token = { hosts = [\"127.0.0.1\"], vault = \"fixed\" }",
    ))
    .await;
    let (at, seen) = server(answer(|_| ok(""))).await;
    for name in ["fixed", "mine", "own.token", "echo"] {
        let hosts = vec!["127.0.0.1".parse().unwrap()];
        world.keep(&Credential::api_key(name, Secret::new(format!("value-of-{name}")), hosts));
    }
    let fetch = json!({"url": format!("http://{at}/"), "bearer": true});
    for document in [None, Some("mine"), Some("own")] {
        let outcome = world.run_with("echo", "fetch", fetch.clone(), |c| c.credential = document);
        output(outcome.await);
    }
    let sent = seen.lock().join("\n");
    for value in ["value-of-fixed", "value-of-mine", "value-of-own.token"] {
        assert!(sent.contains(value), "{value}");
    }
}

#[tokio::test]
async fn a_guest_that_already_holds_the_secret_is_denied() {
    let world = World::new(LOCAL).await;
    world.keep(&token(&["127.0.0.1"]));
    let (at, seen) = server(answer(|_| ok(""))).await;
    for (place, value) in [
        ("url", format!("http://{at}/{CANARY}")),
        ("body", format!("x={CANARY}")),
        ("header", CANARY.to_owned()),
    ] {
        let mut input = json!({"url": format!("http://{at}/"), "bearer": true});
        match place {
            "url" => input["url"] = value.into(),
            "body" => input["body"] = value.into(),
            _ => input["headers"] = json!({"x-a": value}),
        }
        let (_, e) = error(world.run("echo", "fetch", input).await);
        assert!(e.message.contains("already holds"), "{place}: {e}");
        assert!(!e.message.contains(CANARY), "{e}");
    }
    assert!(seen.lock().is_empty());
}

#[tokio::test]
async fn redirects_are_checked_and_lose_the_credential_on_the_way_out() {
    let world = World::new(LOCAL).await;
    world.keep(&token(&["127.0.0.1", "*.test"]));
    let (inside, seen) = server(answer(|_| ok("arrived"))).await;
    let to = move |location: String| {
        answer(move |_| {
            format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
        })
    };
    let (hop, _) = server(to(format!("http://other.test:{}/y", inside.port()))).await;
    let url = format!("http://{hop}/x");
    // Off unless asked for.
    let input = json!({"url": url, "bearer": true});
    assert_eq!(output(world.run("echo", "fetch", input).await)["status"], 302);
    assert!(seen.lock().is_empty());
    let input = json!({"url": url, "bearer": true, "follow_redirects": true,
        "headers": {"x-api-key": "mine", "x-other": "kept"}, "body": "secret body"});
    assert_eq!(output(world.run("echo", "fetch", input).await)["text"], "arrived");
    let request = seen.lock()[0].clone();
    assert!(request.starts_with("GET /y"), "{request}");
    assert!(request.contains("x-other: kept") && !request.contains("x-api-key"), "{request}");
    assert!(!request.contains(CANARY) && !request.contains("secret body"), "{request}");
    // To where no grant leads, also one hop later.
    for target in ["http://169.254.169.254/", "http://evil.com/", "file:///etc/passwd"] {
        let (hop, _) = server(to(target.to_owned())).await;
        let input = json!({"url": format!("http://{hop}/"), "follow_redirects": true});
        let (_, e) = error(world.run("echo", "fetch", input).await);
        assert!(e.message.contains("denied") || e.code.contains("denied"), "{target}: {e}");
    }
    // In a circle.
    let turns = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&turns);
    let (circle, _) = server(answer(move |_| {
        *counted.lock() += 1;
        "HTTP/1.1 307 Again\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".to_owned()
    }))
    .await;
    let input = json!({"url": format!("http://{circle}/"), "follow_redirects": true});
    error(world.run("echo", "fetch", input).await);
    assert_eq!(*turns.lock(), 1 + crate::limits::REDIRECTS_MAX);
}

#[tokio::test]
async fn an_expired_token_is_refreshed_once_for_everybody() {
    let world = World::new(LOCAL).await;
    let (tokens, asked) = server(answer(|request| {
        assert!(request.contains("grant_type=refresh_token"), "{request}");
        assert!(request.contains("refresh_token=REFRESH-1&client_id=me&client_secret=CLIENT"));
        ok(r#"{"access_token":"ACCESS-2","expires_in":3600,"refresh_token":"REFRESH-2"}"#)
    }))
    .await;
    let (api, _) = server(answer(|request| {
        if request.contains("authorization: Bearer ACCESS-2") {
            ok("welcome")
        } else {
            "HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n".to_owned()
        }
    }))
    .await;
    let value = Oauth2 {
        refresh_token: Some(Secret::new("REFRESH-1")),
        token_url: Some(format!("http://{tokens}/token")),
        client_id: Some("me".to_owned()),
        client_secret: Some(Secret::new("CLIENT")),
        ..Oauth2::new(Secret::new("ACCESS-1"))
    };
    world.keep(&Credential::oauth2("echo", value, vec!["127.0.0.1".parse().unwrap()]));
    let input = json!({"url": format!("http://{api}/"), "bearer": true});
    let calls = (0..10).map(|_| world.run("echo", "fetch", input.clone()));
    for outcome in futures_util::future::join_all(calls).await {
        assert_eq!(output(outcome)["text"], "welcome");
    }
    assert_eq!(asked.lock().len(), 1);
    // Kept, with its end and the new refresh token.
    let kept = world.vault.get(&world.organization, "echo").unwrap().unwrap();
    let crate::credential::CredentialValue::Oauth2(kept) = kept.value else { panic!() };
    assert_eq!(kept.access_token.expose(), "ACCESS-2");
    assert_eq!(kept.refresh_token.unwrap().expose(), "REFRESH-2");
    assert_eq!(kept.expires_at_ms, Some(1_700_000_000_000 + 3_600_000));
}

#[tokio::test]
async fn a_refused_refresh_is_an_error_without_secrets() {
    let world = World::new(LOCAL).await;
    let (tokens, _) =
        server(answer(|_| "HTTP/1.1 400 Bad\r\ncontent-length: 8\r\n\r\nREFRESH-".to_owned()))
            .await;
    let value = Oauth2 {
        refresh_token: Some(Secret::new("REFRESH-1")),
        token_url: Some(format!("http://{tokens}/token")),
        expires_at_ms: Some(1),
        ..Oauth2::new(Secret::new("ACCESS-1"))
    };
    world.keep(&Credential::oauth2("echo", value, vec!["127.0.0.1".parse().unwrap()]));
    let (api, seen) = server(answer(|_| ok(""))).await;
    let input = json!({"url": format!("http://{api}/"), "bearer": true});
    let (_, e) = error(world.run("echo", "fetch", input).await);
    assert!(e.message.contains("connect the account again"), "{e}");
    assert!(!e.message.contains("REFRESH") && !e.message.contains("ACCESS"), "{e}");
    assert!(seen.lock().is_empty());
}

#[tokio::test]
async fn unanswered_writes_are_ambiguous_and_unsent_ones_are_retried() {
    let world = World::new(LOCAL).await;
    let (at, _) = server(Does::Close).await;
    let input = json!({"url": format!("http://{at}/"), "body": "x"});
    let (what, e) = error(world.run("echo", "fetch", input).await);
    assert_eq!(what, "ambiguous", "{e}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let input = json!({"url": format!("http://{free}/"), "body": "x"});
    let (what, e) = error(world.run("echo", "fetch", input).await);
    assert_eq!(what, "retry", "{e}");
    // The guest's deadline leaves it time to say so itself.
    let (at, _) = server(Does::Hang).await;
    let input = json!({"url": format!("http://{at}/"), "body": "x"});
    let outcome = world.run_with("echo", "fetch", input, |c| c.time_left_ms = 500).await;
    let (what, e) = error(outcome);
    assert_eq!(what, "ambiguous", "{e}");
    assert!(e.code.starts_with("echo."), "{e}");
}

#[tokio::test]
async fn state_needs_a_grant_is_kept_per_organization_and_has_a_quota() {
    let world = World::new("").await;
    for calls in 1..=3 {
        let said = output(world.run("echo", "remember", json!({})).await);
        assert_eq!(said, json!({"calls": calls, "version": calls}));
    }
    let other = Organization::new("other").unwrap();
    let input = json!({});
    let call = Call::new(&other, "remember", &input);
    let outcome = world.catalog.get("echo").unwrap().run_task(call).await;
    assert_eq!(output(outcome)["calls"], 1);
    let none = World::new("[grant.echo]\npartial = true\nstate = \"0\"").await;
    error(none.run("echo", "remember", json!({})).await);
    let tiny = World::new("[grant.echo]\npartial = true\nstate = \"5\"").await;
    error(tiny.run("echo", "remember", json!({})).await);
}

#[tokio::test]
async fn secrets_are_told_only_under_an_explicit_grant() {
    let world = World::new(LOCAL).await;
    world.keep(&token(&["127.0.0.1"]));
    let (_, e) = error(world.run("echo", "reveal", json!({"credential": "token"})).await);
    assert!(!e.message.contains(CANARY), "{e}");
    let world = World::new(&format!("{LOCAL}\nreveal = true")).await;
    world.keep(&token(&["127.0.0.1"]));
    let said = output(world.run("echo", "reveal", json!({"credential": "token"})).await);
    assert_eq!(said["bytes"], CANARY.len());
    error(world.run("echo", "reveal", json!({"credential": "other"})).await);
}
