//! `--server`: exit codes, and what happens to the key.

use super::Place;
use crate::http::World;

const KEY: &str = "lvq_nobody_0123456789abcdef0123456789abcdef";

/// `levqor --server URL …` with a key, to its end: exit code, stdout and stderr.
fn asked(url: &str, key: Option<&str>, words: &[&str]) -> (i32, String, String) {
    let place = Place::new();
    let mut command = place.command(["--server", url].iter().chain(words));
    command.env_remove("LEVQOR_KEY").env_remove("LEVQOR_KEY_FILE");
    if let Some(key) = key {
        command.env("LEVQOR_KEY", key);
    }
    let done = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert!(!place.dir.path().join(".levqor").exists(), "nothing is kept here");
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

#[test]
fn a_host_that_is_not_there_is_told_from_one_that_refuses() {
    // Port 1 is nobody's.
    let (exit, _, said) = asked("http://127.0.0.1:1", Some(KEY), &["runs", "list"]);
    assert_eq!(exit, 5, "{said}");
    assert!(said.contains("server.unreachable") && !said.contains(KEY), "{said}");
}

#[test]
fn a_key_is_needed_and_never_sent_in_the_clear() {
    let (exit, _, said) = asked("http://127.0.0.1:1", None, &["runs", "list"]);
    assert!(exit == 2 && said.contains("LEVQOR_KEY"), "{said}");
    let (exit, _, said) = asked("http://levqor.example", Some(KEY), &["runs", "list"]);
    assert!(exit == 2 && said.contains("unencrypted") && !said.contains(KEY), "{said}");
    let (exit, _, said) = asked("http://127.0.0.1:1", Some(KEY), &["work"]);
    assert!(exit == 2 && said.contains("own store"), "{said}");
    // What is about nothing but itself asks no host.
    let (exit, out, _) = asked("http://127.0.0.1:1", None, &["explain", "store.locked"]);
    assert!(exit == 0 && out.contains("store.locked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_the_hosts_own() {
    let world = World::new().await;
    let url = format!("http://{}", world.host.address());
    let asked = |key: &str, words: &'static [&str]| {
        let (url, key) = (url.clone(), key.to_owned());
        tokio::task::spawn_blocking(move || asked(&url, Some(&key), words))
    };
    let (exit, _, said) = asked(KEY, &["run", "hello"]).await.unwrap();
    assert!(exit == 4 && said.contains("auth.unauthorized"), "{exit} {said}");
    let admin = world.host.admin_key().unwrap().reveal();
    let (exit, _, said) = asked(admin, &["run", "no-such-pipeline"]).await.unwrap();
    assert!(exit == 4 && said.contains("request.not_found"), "{exit} {said}");
}
