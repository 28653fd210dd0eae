//! The README's requests, run as they stand there: by bash and curl, against a host.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use levqor_host_http::Config;
use tokio::process::Command;

use super::World;
use crate::support::within;

/// The pipeline sleeps three seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The shell blocks of the section about the host.
fn blocks(readme: &str) -> Vec<String> {
    let section = readme.split_once("\n## Run the host\n").unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// What the lines print, each on its own.
async fn printed(lines: &str, address: std::net::SocketAddr, admin: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let run = Command::new("bash")
        .args(["-euo", "pipefail", "-c", lines])
        .current_dir(root)
        .env("LEVQOR", format!("http://{address}"))
        .env("ADMIN", admin)
        .stdin(Stdio::null())
        .output();
    let done = within(PATIENCE, "the README's requests do not end", run).await.unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}");
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_requests_work_as_written() {
    let readme = include_str!("../../../README.md");
    let blocks = blocks(readme);
    let [variables, requests, ..] = blocks.as_slice() else { panic!("few blocks: {blocks:?}") };
    // These two are the reader's to fill in; here they come from the environment.
    assert_eq!(variables, "export LEVQOR=http://127.0.0.1:7700 ADMIN=lvq_...\n");
    let lines: Vec<&str> = requests.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| line.contains("curl -fsS")));

    let world = World::with(|config: &mut Config| config.store = "memory:".to_owned()).await;
    let admin = world.host.admin_key().unwrap().reveal().to_owned();
    let said = printed(requests, world.host.address(), &admin).await;
    let ended = r#""event":"run.finished","output":"HELLO, ADA!","status":"succeeded""#;
    for wanted in ["\"hello\"", "step.succeeded", ended, "\"available\":51000"] {
        assert!(said.contains(wanted), "no {wanted} in:\n{said}");
    }
    assert!(!said.contains(&admin));
}
