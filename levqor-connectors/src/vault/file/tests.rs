//! The file vault: what is sealed reads back, what was changed or swapped is refused.

use super::*;
use crate::credential::{CredentialValue, Oauth2, Secret};

fn key(byte: &str) -> VaultKey {
    VaultKey::parse(&byte.repeat(32)).unwrap()
}

fn org(name: &str) -> Organization {
    Organization::new(name).unwrap()
}

fn api(name: &str, value: &str) -> Credential {
    Credential::api_key(name, Secret::new(value), vec!["a.com".parse().unwrap()])
}

#[test]
fn values_come_back_and_the_file_holds_none() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FileVault::open(dir.path(), key("ab")).unwrap();
    vault.set(&org("a"), &api("one", "CANARY-1")).unwrap();
    vault.set(&org("b"), &api("one", "CANARY-2")).unwrap();
    let basic = Credential::basic("two", "me", Secret::new("CANARY-3"), Vec::new());
    vault.set(&org("a"), &basic).unwrap();
    let token = Oauth2 {
        refresh_token: Some(Secret::new("CANARY-5")),
        token_url: Some("https://a.com/token".to_owned()),
        client_id: Some("id".to_owned()),
        client_secret: Some(Secret::new("CANARY-6")),
        expires_at_ms: Some(7),
        ..Oauth2::new(Secret::new("CANARY-4"))
    };
    vault.set(&org("a"), &Credential::oauth2("three", token, Vec::new())).unwrap();
    // Another process sees it.
    let vault = FileVault::open(dir.path(), key("ab")).unwrap();
    let get = |o: &str, n: &str| vault.get(&org(o), n).unwrap().unwrap();
    assert_eq!(get("a", "one").primary().expose(), "CANARY-1");
    assert_eq!(get("b", "one").primary().expose(), "CANARY-2");
    let CredentialValue::Basic { user, password } = get("a", "two").value else { panic!() };
    assert_eq!((user.as_str(), password.expose()), ("me", "CANARY-3"));
    let CredentialValue::Oauth2(token) = get("a", "three").value else { panic!() };
    assert_eq!(token.refresh_token.unwrap().expose(), "CANARY-5");
    assert_eq!(token.client_secret.unwrap().expose(), "CANARY-6");
    assert_eq!((token.expires_at_ms, token.client_id.as_deref()), (Some(7), Some("id")));
    assert!(vault.get(&org("c"), "one").unwrap().is_none());
    let text = fs::read_to_string(dir.path().join("vault.json")).unwrap();
    assert!(!text.contains("CANARY"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = fs::metadata(dir.path().join("vault.json")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn another_key_opens_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FileVault::open(dir.path(), key("ab")).unwrap();
    vault.set(&org("a"), &api("one", "x")).unwrap();
    let error = FileVault::open(dir.path(), key("ac")).unwrap_err();
    assert_eq!(error.code(), "vault.key");
    for bad in ["", "abc", &"zz".repeat(32), &"ab".repeat(31)] {
        assert!(VaultKey::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn swapped_edited_and_damaged_entries_do_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FileVault::open(dir.path(), key("ab")).unwrap();
    for (o, n, v) in [("a", "one", "1"), ("a", "two", "2"), ("b", "one", "3")] {
        vault.set(&org(o), &api(n, v)).unwrap();
    }
    vault.set(&org("a"), &api("one", "new")).unwrap();
    let path = dir.path().join("vault.json");
    let good: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(good["entries"][0]["label"]["version"], 2);
    type Edit = fn(&mut serde_json::Value);
    let edits: [(&str, Edit); 7] = [
        ("sealed values swapped", |v| {
            let other = v["entries"][1]["sealed"].clone();
            v["entries"][0]["sealed"] = other;
        }),
        ("value and nonce of another name", |v| {
            let mut other = v["entries"][1].clone();
            other["label"] = v["entries"][0]["label"].clone();
            v["entries"][0] = other;
        }),
        ("value and nonce of another organization", |v| {
            let mut other = v["entries"][2].clone();
            other["label"] = v["entries"][0]["label"].clone();
            v["entries"][0] = other;
        }),
        ("a host more", |v| {
            v["entries"][0]["label"]["hosts"] = serde_json::json!(["a.com", "evil.com"]);
        }),
        ("another version", |v| v["entries"][0]["label"]["version"] = 1.into()),
        ("another kind", |v| v["entries"][0]["label"]["kind"] = "oauth2".into()),
        ("no seal", |v| v["entries"][0]["sealed"] = "".into()),
    ];
    for (what, edit) in edits {
        let mut bad = good.clone();
        edit(&mut bad);
        fs::write(&path, bad.to_string()).unwrap();
        let fresh = FileVault::open(dir.path(), key("ab")).unwrap();
        let error = fresh.get(&org("a"), "one").unwrap_err();
        assert_eq!(error.code(), "vault.corrupt", "{what}");
    }
    fs::write(&path, r#"{"format":2,"entries":[]}"#).unwrap();
    assert_eq!(FileVault::open(dir.path(), key("ab")).unwrap_err().code(), "vault.format");
    fs::write(&path, "{").unwrap();
    assert_eq!(FileVault::open(dir.path(), key("ab")).unwrap_err().code(), "vault.corrupt");
}

#[test]
fn removing_and_names() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FileVault::open(dir.path(), VaultKey::in_dir(dir.path()).unwrap()).unwrap();
    vault.set(&org("a"), &api("one", "x")).unwrap();
    assert!(!vault.remove(&org("b"), "one").unwrap());
    assert!(vault.remove(&org("a"), "one").unwrap());
    assert!(vault.list(&org("a")).unwrap().is_empty());
    for bad in ["", "a b", "ä", "a/b"] {
        assert_eq!(vault.set(&org("a"), &api(bad, "x")).unwrap_err().code(), "vault.invalid");
    }
}

#[test]
fn writers_do_not_lose_each_others_changes() {
    let dir = tempfile::tempdir().unwrap();
    FileVault::open(dir.path(), key("ab")).unwrap();
    std::thread::scope(|scope| {
        for t in 0..4 {
            let path = dir.path();
            scope.spawn(move || {
                let vault = FileVault::open(path, key("ab")).unwrap();
                for i in 0..5 {
                    vault.set(&org("a"), &api(&format!("c{t}-{i}"), "x")).unwrap();
                }
            });
        }
    });
    let vault = FileVault::open(dir.path(), key("ab")).unwrap();
    assert_eq!(vault.list(&org("a")).unwrap().len(), 20);
}
