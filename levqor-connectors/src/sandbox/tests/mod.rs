//! The sandbox against hand-written guests that misbehave in every way there is.

use std::time::{Duration, Instant};

use levqor_core::connector::{Call, Connector, Outcome};
use levqor_core::error::ErrorKind;
use levqor_core::ids::Organization;
use serde_json::{Value, json};

use super::*;

const MANIFEST: &str = r#"{"name":"hand","version":"1.0.0","actions":{"do":{}}}"#;

/// A guest whose `describe` has this body and whose manifest is this text.
pub(crate) fn guest_with(describe: &str, manifest: &str, imports: &str) -> Vec<u8> {
    let length: String =
        (manifest.len() as u32).to_le_bytes().iter().map(|b| format!("\\{b:02x}")).collect();
    let text = include_str!("guest.wat")
        .replace("(result i32) DESCRIBE", &format!("(result i32) {describe}"))
        .replace("\"MANIFEST\"", &format!("{manifest:?}"))
        .replace("LENGTH", &length)
        .replace("\n  IMPORTS\n", &format!("\n{imports}\n"));
    wat::parse_str(text).unwrap()
}

/// A guest that describes itself properly and does what its input says.
pub(crate) fn guest() -> Vec<u8> {
    guest_with("(i32.const 0)", MANIFEST, "")
}

fn host() -> PluginHost {
    PluginHost::new(HostOptions::default()).unwrap()
}

async fn connector(memory_bytes: usize) -> PluginConnector {
    let plugin = Plugin::load(&host(), &guest()).await.unwrap();
    let limits = CallLimits { memory_bytes, time_ms: 60_000 };
    PluginConnector::new(plugin, std::sync::Arc::new(Nothing), limits, "{}".into()).unwrap()
}

async fn run(connector: &PluginConnector, input: Value, time_left_ms: u64) -> Outcome {
    let organization = Organization::local();
    let mut call = Call::new(&organization, "do", &input);
    call.time_left_ms = time_left_ms;
    connector.run_task(call).await
}

fn code(outcome: &Outcome) -> (&'static str, ErrorKind, &str) {
    match outcome {
        Outcome::Failed { error } => ("failed", error.kind, &error.code),
        Outcome::Retry { error, .. } => ("retry", error.kind, &error.code),
        Outcome::Ambiguous { error } => ("ambiguous", error.kind, &error.code),
        other => panic!("not an error: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_every_way_to_fail() {
    let connector = connector(8 << 20).await;
    let echo = json!({"a": [1, 2, "x"]});
    assert_eq!(run(&connector, echo.clone(), 5_000).await, Outcome::done(echo.clone()));
    let table = [
        (json!(1), "plugin.timeout"),
        (json!(2), "plugin.memory"),
        (json!(3), "plugin.stack"),
        (json!(4), "plugin.trap"),
        (json!(5), "plugin.memory"), // 20 MiB of 8
        (json!(6), "plugin.bad_output"),
        (json!(7), "plugin.trap"),
    ];
    for (input, expected) in table {
        let outcome = run(&connector, input.clone(), 200).await;
        assert_eq!(code(&outcome), ("failed", ErrorKind::PluginTrap, expected), "{input}");
        // The host is unharmed.
        assert_eq!(run(&connector, echo.clone(), 5_000).await, Outcome::done(echo.clone()));
    }
    let said = run(&connector, json!(8), 5_000).await;
    assert_eq!(code(&said), ("failed", ErrorKind::Conflict, "hand.conflict"));
}

#[tokio::test]
async fn output_over_the_limit_is_refused_before_it_is_copied() {
    let outcome = run(&connector(64 << 20).await, json!(5), 5_000).await;
    assert_eq!(code(&outcome).2, "plugin.output_too_large");
}

#[tokio::test]
async fn a_loop_ends_at_its_deadline_and_others_run_meanwhile() {
    let connector = connector(8 << 20).await;
    let started = Instant::now();
    let looping = run(&connector, json!(1), 300);
    let other = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let outcome = run(&connector, json!("x"), 5_000).await;
        (outcome, started.elapsed())
    };
    // One thread: without yielding, the second call would wait for the loop's end.
    let (looped, (answered, at)) = tokio::join!(looping, other);
    assert_eq!(code(&looped).2, "plugin.timeout");
    assert_eq!(answered, Outcome::done(json!("x")));
    assert!(at < Duration::from_millis(290), "answered after {at:?}");
    // 50 ms is the promise; the machine of a test may be busy.
    assert!(started.elapsed() < Duration::from_millis(300 + 500), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_calls_than_places_wait_for_their_turn() {
    let options = HostOptions { calls_max: 2, ..HostOptions::default() };
    let host = PluginHost::new(options).unwrap();
    let plugin = Plugin::load(&host, &guest()).await.unwrap();
    let connector = PluginConnector::sealed(plugin).unwrap();
    let calls = (0..50).map(|i| run(&connector, json!([i]), 5_000));
    for (i, outcome) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!(outcome, Outcome::done(json!([i])));
    }
    // Both places taken by loops: the third call does not get its turn in time.
    let looping =
        futures_util::future::join(run(&connector, json!(1), 400), run(&connector, json!(1), 400));
    let late = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        run(&connector, json!(0), 50).await
    };
    let (_, late) = tokio::join!(looping, late);
    assert_eq!(code(&late), ("retry", ErrorKind::Unavailable, "plugin.busy"));
}

#[tokio::test]
async fn a_dropped_call_leaves_the_host_usable() {
    let connector = connector(8 << 20).await;
    for _ in 0..20 {
        let call = run(&connector, json!(1), 60_000);
        let dropped = tokio::time::timeout(Duration::from_millis(15), call).await;
        assert!(dropped.is_err());
    }
    assert_eq!(run(&connector, json!([]), 5_000).await, Outcome::done(json!([])));
}

#[tokio::test]
async fn unknown_actions_do_not_reach_the_guest() {
    let connector = connector(8 << 20).await;
    let (organization, input) = (Organization::local(), json!(1));
    let outcome = connector.run_task(Call::new(&organization, "other", &input)).await;
    assert_eq!(code(&outcome).2, "connector.unknown_action");
}

#[tokio::test]
async fn works_without_a_pool() {
    let options = HostOptions { pooling: false, ..HostOptions::default() };
    let host = PluginHost::new(options).unwrap();
    assert!(!host.is_pooling());
    let connector = PluginConnector::sealed(Plugin::load(&host, &guest()).await.unwrap()).unwrap();
    assert_eq!(run(&connector, json!([1]), 5_000).await, Outcome::done(json!([1])));
    assert_eq!(code(&run(&connector, json!(3), 5_000).await).2, "plugin.stack");
}

#[tokio::test]
async fn files_that_are_not_plugins_are_refused_with_their_reason() {
    let clock = r#"(import "levqor:connector/clock@0.1.0" (instance
        (export "now-unix-ms" (func (result u64)))))"#;
    let foreign = r#"(import "wasi:clocks/monotonic-clock@9.9.9" (instance
        (export "open" (func (result u64)))))"#;
    let sockets = r#"(import "wasi:sockets/instance-network@0.2.6" (instance
        (export "network" (type (sub resource)))))"#;
    let table: [(&str, Vec<u8>, &str); 9] = [
        ("sockets", guest_with("(i32.const 0)", MANIFEST, sockets), "plugin.contract"),
        ("empty", Vec::new(), "plugin.not_a_component"),
        ("text", b"hello".to_vec(), "plugin.not_a_component"),
        ("a core module", wat::parse_str("(module)").unwrap(), "plugin.not_a_component"),
        ("no exports", wat::parse_str("(component)").unwrap(), "plugin.contract"),
        ("foreign import", guest_with("(i32.const 0)", MANIFEST, foreign), "plugin.contract"),
        ("traps", guest_with("unreachable", MANIFEST, ""), "plugin.describe"),
        ("not JSON", guest_with("(i32.const 0)", "nope", clock), "plugin.manifest"),
        (
            "no action",
            guest_with("(i32.const 0)", r#"{"name":"x","version":"1","actions":{}}"#, ""),
            "plugin.manifest",
        ),
    ];
    let host = host();
    for (what, bytes, expected) in table {
        let error = Plugin::load(&host, &bytes).await.unwrap_err();
        assert_eq!(error.code(), expected, "{what}: {error}");
    }
    let big = vec![0_u8; crate::limits::COMPONENT_BYTES_MAX + 1];
    assert_eq!(Plugin::load(&host, &big).await.unwrap_err().code(), "plugin.too_large");
}

#[tokio::test]
async fn describe_is_stopped_too() {
    let guest = guest_with("(loop $l (br $l)) (i32.const 0)", MANIFEST, "");
    let started = Instant::now();
    let error = Plugin::load(&host(), &guest).await.unwrap_err();
    assert!(matches!(error, LoadError::Describe(Fault::Timeout { .. })), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn compiled_code_is_kept_and_a_changed_file_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let options =
        || HostOptions { code_cache: Some(dir.path().join("code")), ..HostOptions::default() };
    let plugin = Plugin::load(&PluginHost::new(options()).unwrap(), &guest()).await.unwrap();
    let host = PluginHost::new(options()).unwrap();
    let cache = host.inner.code_cache.as_ref().unwrap();
    let file = cache.file(plugin.digest());
    let good = std::fs::read(&file).unwrap();
    assert!(cache.load(plugin.digest(), &host.inner.engine).is_some());
    for at in [0, 40, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&file, &bad).unwrap();
        assert!(cache.load(plugin.digest(), &host.inner.engine).is_none(), "byte {at}");
    }
    std::fs::write(&file, &good[..20]).unwrap();
    // Compiled anew, and the good copy is back.
    Plugin::load(&host, &guest()).await.unwrap();
    assert!(cache.load(plugin.digest(), &host.inner.engine).is_some());
}
