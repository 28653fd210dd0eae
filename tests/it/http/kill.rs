//! The real program, killed while requests are under way: what was acknowledged is there after it,
//! and one key has started one run.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::json;

use super::{Answered, Client, hello};

const KEY: &str = "lvq_ops_0123456789abcdef0123456789abcdef0123";
/// Requests at the same time.
const CLIENTS: usize = 200;
/// Answers after which the program is killed, one round each.
const KILLED_AFTER: [usize; 5] = [0, 1, 10, 60, 150];

/// `levqor-host-http` in a process of its own; killed when dropped.
struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(crate::cli::built("levqor-host-http"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LEVQOR_")) {
            command.env_remove(name);
        }
        command
            .current_dir(folder)
            .env("LEVQOR_DATA_DIR", folder.join("data"))
            .env("LEVQOR_LISTEN", "127.0.0.1:0")
            .env("LEVQOR_ADMIN_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("no address in {said:?}")).unwrap();
            let found = line.split_once("http://").map(|(_, rest)| rest.trim().parse());
            if let Some(Ok(address)) = found {
                break address;
            }
            said.push(line);
        };
        // Nobody may be stopped by a pipe that is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn client(&self) -> Client {
        Client::new(self.address).key(KEY)
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn post(client: &Client, round: usize) -> Result<Answered, String> {
    let body = json!({
        "document": hello(),
        "input": { "who": round },
        "labels": { "round": round.to_string() },
    });
    let keyed = client.clone().header("idempotency-key", &format!("round-{round}"));
    keyed
        .try_send(Method::POST, "/api/v1/run", Some("application/json"), body.to_string().into())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_starts_one_run_whenever_the_host_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for (round, killed_after) in KILLED_AFTER.into_iter().enumerate() {
        let mut program = Program::start(folder.path());
        let (client, answered) = (program.client(), AtomicUsize::new(0));
        let (soon, reached) = tokio::sync::oneshot::channel();
        let soon = std::sync::Mutex::new(Some(soon));
        let one = async |_: usize| {
            let answer = post(&client, round).await;
            let count = answered.fetch_add(usize::from(answer.is_ok()), Ordering::SeqCst) + 1;
            if count >= killed_after
                && let Some(soon) = soon.lock().unwrap().take()
            {
                let _ = soon.send(());
            }
            answer.ok()
        };
        let kill = async {
            if killed_after > 0 {
                let _ = reached.await;
            }
            program.kill();
        };
        let (before, ()) = tokio::join!(join_all((0..CLIENTS).map(one)), kill);
        let before: Vec<Answered> = before.into_iter().flatten().collect();
        acknowledged += before.len();
        let program = Program::start(folder.path());
        let client = program.client();
        let after = join_all((0..CLIENTS).map(|_| post(&client, round))).await;
        let after = after.into_iter().map(Result::unwrap);
        let all: Vec<Answered> = before.into_iter().chain(after).collect();
        for answer in &all {
            assert_eq!(answer.status, 202, "{:?}", answer.body);
            assert_eq!(answer.body, all[0].body, "round {round}");
        }
        let runs = client.get(&format!("/api/v1/runs?label.round={round}")).await.is(200);
        let ids: Vec<_> =
            runs["data"].as_array().unwrap().iter().map(|r| r["id"].clone()).collect();
        assert_eq!(ids, [all[0].json()["id"].clone()], "round {round}: one key, one run");
    }
    assert!(acknowledged > 0, "no answer came before a kill");
}
