//! What a grant comes to: what the manifest asks, what the deployer allows, what is pinned.

use levqor_core::connector::{ActionManifest, CredentialKind, CredentialManifest};

use super::super::file::Grants;
use super::*;

fn manifest(hosts: &[&str]) -> Manifest {
    let mut manifest = Manifest::new("p", "1.0.0").action("a", ActionManifest::default());
    manifest.hosts = hosts.iter().map(|h| (*h).to_owned()).collect();
    manifest.credentials = vec![CredentialManifest {
        name: "key".to_owned(),
        kind: CredentialKind::ApiKey,
        scopes: Vec::new(),
        required: true,
    }];
    manifest
}

fn pure() -> Manifest {
    Manifest::new("p", "1.0.0").action("a", ActionManifest::default())
}

fn file() -> ContentHash {
    ContentHash([0xab; 32])
}

fn of(manifest: &Manifest, origin: Origin, toml: &str) -> Result<Effective, Blocked> {
    let grants = Grants::parse(toml).unwrap();
    Effective::of(manifest, file(), origin, grants.get("p"))
}

fn pinned(rest: &str) -> String {
    format!("[grant.p]\nsha256 = \"{}\"\n{rest}", file())
}

#[test]
fn plugins_that_ask_for_nothing_need_no_grant() {
    for origin in [Origin::Builtin, Origin::Folder] {
        let effective = of(&pure(), origin, "").unwrap();
        assert!(effective.policy.hosts.is_empty() && effective.credentials.is_empty());
        assert_eq!(effective.limits.memory_bytes, limits::MEMORY_BYTES_MAX);
    }
}

#[test]
fn builtin_plugins_have_their_named_hosts_and_never_the_star() {
    let effective = of(&manifest(&["a.com", "*"]), Origin::Builtin, "").unwrap();
    assert_eq!(effective.policy.hosts, ["a.com".parse().unwrap()]);
    assert_eq!(effective.credentials["key"].hosts, ["a.com".parse().unwrap()]);
    let mut wants = manifest(&["*"]);
    wants.wants.state = true;
    wants.wants.reveal_secrets = true;
    let effective = of(&wants, Origin::Builtin, "").unwrap();
    assert!(!effective.reveal && effective.state_bytes == STATE_BYTES_BUILTIN);
    assert!(effective.policy.check("https://a.com/").is_err());
    let granted = "[grant.p]\nhosts = [\"b.com\"]";
    let effective = of(&manifest(&["*"]), Origin::Builtin, granted).unwrap();
    assert!(effective.policy.check("https://b.com/").is_ok());
    assert_eq!(effective.credentials["key"].hosts, ["b.com".parse().unwrap()]);
}

#[test]
fn foreign_plugins_are_blocked_until_granted_and_pinned() {
    let m = manifest(&["a.com"]);
    let blocked = of(&m, Origin::Folder, "").unwrap_err();
    assert_eq!(
        blocked.lacks,
        [
            Lack::NotPinned { found: file() },
            Lack::Host("a.com".to_owned()),
            Lack::Credential("key".to_owned())
        ]
    );
    // What the error says to type is enough.
    let effective = of(&m, Origin::Folder, &blocked.suggestion).unwrap();
    assert!(effective.policy.check("https://a.com/").is_ok());
    let text = blocked.to_string();
    assert!(text.contains("[grant.p]") && text.contains("+ hosts: a.com"), "{text}");
}

#[test]
fn a_changed_file_or_a_wider_manifest_needs_a_new_grant() {
    let grant = pinned("hosts = [\"a.com\"]\ncredentials = { key = [\"a.com\"] }");
    assert!(of(&manifest(&["a.com"]), Origin::Folder, &grant).is_ok());
    let other = grant.replace("abab", "cdcd");
    let blocked = of(&manifest(&["a.com"]), Origin::Folder, &other).unwrap_err();
    assert!(matches!(blocked.lacks[..], [Lack::Changed { .. }]));
    let blocked = of(&manifest(&["a.com", "b.com"]), Origin::Folder, &grant).unwrap_err();
    assert_eq!(blocked.lacks, [Lack::Host("b.com".to_owned())]);
    let mut wants = manifest(&["a.com"]);
    wants.wants.state = true;
    wants.wants.reveal_secrets = true;
    let blocked = of(&wants, Origin::Folder, &grant).unwrap_err();
    assert_eq!(blocked.lacks, [Lack::State, Lack::Reveal]);
    // Less than asked for is fine once the operator says so; more never comes of it.
    let effective = of(&wants, Origin::Folder, &format!("{grant}\npartial = true")).unwrap();
    assert!(!effective.reveal && effective.state_bytes == 0);
}

#[test]
fn a_grant_gives_nothing_the_manifest_does_not_ask_for() {
    let grant = pinned(
        "hosts = [\"*\"]\ncredentials = { key = [\"a.com\"], other = [\"a.com\"] }\n\
         reveal = true\nstate = \"1MiB\"",
    );
    let effective = of(&manifest(&["a.com"]), Origin::Folder, &grant).unwrap();
    assert!(effective.policy.check("https://a.com/").is_ok());
    assert!(effective.policy.check("https://b.com/").is_err());
    assert!(!effective.credentials.contains_key("other"));
    assert!(!effective.reveal && effective.state_bytes == 0);
}

#[test]
fn limits_and_config() {
    let grant = "[grant.p]\nmemory = \"1MiB\"\ntimeout = \"2s\"\nconfig = { a = [1] }";
    let effective = of(&pure(), Origin::Builtin, grant).unwrap();
    assert_eq!(effective.limits, CallLimits { memory_bytes: 1 << 20, time_ms: 2_000 });
    assert_eq!(effective.config, r#"{"a":[1]}"#);
    assert!(of(&pure(), Origin::Builtin, "[grant.p]\nmemory = \"65MiB\"").is_err());
}
