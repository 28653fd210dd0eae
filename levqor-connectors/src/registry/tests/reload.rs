//! The folder and the grants, read again while runs go on.

use super::*;
use crate::sandbox::tests::guest_with;

const TEXT: &[u8] = include_bytes!("../../../builtin/text.wasm");

fn pure(version: &str) -> Vec<u8> {
    let manifest = format!(r#"{{"name":"mine","version":"{version}","actions":{{"do":{{}}}}}}"#);
    guest_with("(i32.const 0)", &manifest, "")
}

fn wide() -> Vec<u8> {
    let manifest = r#"{"name":"mine","version":"2.0.0","actions":{"do":{}},"hosts":["a.com"]}"#;
    guest_with("(i32.const 0)", manifest, "")
}

fn version(world: &World) -> String {
    world.catalog.get("mine").unwrap().manifest().version.clone()
}

#[tokio::test]
async fn files_come_change_and_go() {
    let world = World::new("").await;
    std::fs::write(world.plugin_file("mine.wasm"), pure("1.0.0")).unwrap();
    std::fs::write(world.plugin_file("readme.txt"), "not a plugin").unwrap();
    let report = world.registry.reload().await.unwrap();
    assert_eq!((report.added, report.refused), (vec!["mine".to_owned()], vec![]));
    assert_eq!(output(world.run("mine", "do", json!([1])).await), json!([1]));
    // A call under way ends on what it began with.
    let old = world.catalog.get("mine").unwrap();
    std::fs::write(world.plugin_file("mine.wasm"), pure("1.1.0")).unwrap();
    let report = world.registry.reload().await.unwrap();
    assert_eq!(report.replaced, ["mine"]);
    assert_eq!((version(&world), &*old.manifest().version), ("1.1.0".to_owned(), "1.0.0"));
    let input = json!([2]);
    let call = Call::new(&world.organization, "do", &input);
    assert_eq!(output(old.run_task(call).await), input);
    // Nothing changed.
    assert_eq!(world.registry.reload().await.unwrap(), Reloaded::default());
    std::fs::remove_file(world.plugin_file("mine.wasm")).unwrap();
    assert_eq!(world.registry.reload().await.unwrap().removed, ["mine"]);
    assert!(world.catalog.get("mine").is_none());
}

#[tokio::test]
async fn a_bad_or_wider_file_does_not_take_the_place_of_a_good_one() {
    let world = World::new("").await;
    let file = world.plugin_file("mine.wasm");
    std::fs::write(&file, pure("1.0.0")).unwrap();
    world.registry.reload().await.unwrap();
    std::fs::write(&file, b"garbage").unwrap();
    let report = world.registry.reload().await.unwrap();
    assert_eq!((report.refused.len(), version(&world)), (1, "1.0.0".to_owned()));
    std::fs::write(&file, wide()).unwrap();
    let report = world.registry.reload().await.unwrap();
    assert!(report.refused[0].why.contains("+ hosts: a.com"), "{report:?}");
    assert_eq!(version(&world), "1.0.0");
    // What the refusal says to write is enough.
    let grant = report.refused[0].why.split("write to plugins.toml:\n").nth(1).unwrap();
    world.write_grants(grant);
    assert_eq!(world.registry.reload().await.unwrap().replaced, ["mine"]);
    assert_eq!(version(&world), "2.0.0");
    // The grant is taken back: at once.
    world.write_grants("");
    world.registry.reload().await.unwrap();
    let (_, e) = error(world.run("mine", "do", json!(0)).await);
    assert_eq!(e.code, "plugin.blocked");
    // Grants that cannot be read change nothing.
    world.write_grants("[grant.mine");
    assert_eq!(world.registry.reload().await.unwrap_err().code(), "grant.parse");
}

#[tokio::test]
async fn a_file_in_the_folder_stands_in_for_a_builtin_one_but_inherits_no_grant() {
    let world = World::new("").await;
    std::fs::write(world.plugin_file("text.wasm"), TEXT).unwrap();
    let report = world.registry.reload().await.unwrap();
    assert_eq!(report.replaced, ["text"]);
    let slack = include_bytes!("../../../builtin/slack.wasm");
    std::fs::write(world.plugin_file("slack.wasm"), slack).unwrap();
    world.registry.reload().await.unwrap();
    let status = world.registry.plugins().into_iter().find(|p| p.name == "slack").unwrap();
    assert!(status.builtin && status.blocked.is_none(), "the working one stays: {status:?}");
    let fresh = Registry::builder()
        .builtins()
        .folder(world.dir.path().join("plugins"))
        .code_cache(shared_cache())
        .build()
        .await
        .unwrap();
    let status = fresh.plugins().into_iter().find(|p| p.name == "slack").unwrap();
    assert!(!status.builtin && status.blocked.unwrap().contains("sha256"));
}

#[tokio::test]
async fn file_names_say_which_plugin_it_is() {
    let world = World::new("").await;
    std::fs::write(world.plugin_file("other.wasm"), pure("1.0.0")).unwrap();
    std::fs::write(world.plugin_file("mine@1.2.0.wasm"), pure("1.2.0")).unwrap();
    std::fs::write(world.plugin_file("mine@1.3.0.wasm"), pure("1.3.0")).unwrap();
    let report = world.registry.reload().await.unwrap();
    assert_eq!(report.added, ["mine"]);
    let whys: Vec<&str> = report.refused.iter().map(|r| r.why.as_str()).collect();
    assert!(whys.iter().any(|w| w.contains("rename it to mine.wasm")), "{whys:?}");
    assert!(whys.iter().any(|w| w.contains("already")), "{whys:?}");
}
