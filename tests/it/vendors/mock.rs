//! The validating mocks: prepared once, started as child processes, asked what they judged.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use levqor_core::ids::ContentHash;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;

use crate::support::{skip, within};

/// A mock that listens; it ends with this value.
pub(super) struct Mock {
    /// Where the vendor's API is.
    pub(super) url: String,
    address: String,
    _child: Child,
}

/// Whether the mocks must be there.
fn required() -> bool {
    std::env::var_os("LEVQOR_REQUIRE_SPECS").is_some_and(|v| v == "1")
}

/// The prepared folder, or a skip said aloud.
fn folder() -> Option<PathBuf> {
    match prepare() {
        Ok(folder) => Some(folder),
        Err(why) if required() => panic!("the vendors' mocks are required: {why}"),
        Err(why) => {
            skip(&format!("the vendors' mocks: {why}"));
            None
        }
    }
}

/// Copies the mocks to the build's folder and installs what they need, once for each lock file.
fn prepare() -> Result<PathBuf, String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/specs");
    let source = std::env::var_os("LEVQOR_SPECS").map_or(beside, PathBuf::from);
    if !source.join("run-mock.mjs").is_file() {
        return Err(format!("{} holds none (set LEVQOR_SPECS)", source.display()));
    }
    // Somebody has installed it there already.
    if source.join("node_modules").is_dir() {
        return Ok(source);
    }
    let text = |e: std::io::Error| e.to_string();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor-mocks");
    fs::create_dir_all(&target).map_err(text)?;
    // Tests of two processes must not install at the same time.
    let lock = File::create(target.join("lock")).map_err(text)?;
    lock.lock().map_err(text)?;
    for entry in fs::read_dir(&source).map_err(text)? {
        let entry = entry.map_err(text)?;
        if entry.file_type().map_err(text)?.is_file() {
            // A copy is as read-only as what it was made from.
            let to = target.join(entry.file_name());
            let _ = fs::remove_file(&to);
            fs::copy(entry.path(), to).map_err(text)?;
        }
    }
    let versions = fs::read(target.join("package-lock.json")).map_err(text)?;
    let versions = ContentHash::of(&versions).to_string();
    let stamp = target.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|done| done == versions) {
        return Ok(target);
    }
    let installed = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&target)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("npm: {e}"))?;
    if !installed.status.success() {
        return Err(format!("npm ci: {}", String::from_utf8_lossy(&installed.stderr)));
    }
    fs::write(stamp, versions).map_err(text)?;
    Ok(target)
}

impl Mock {
    /// Starts one vendor's mock; `None` where it was skipped.
    pub(super) async fn start(vendor: &str) -> Option<Self> {
        let folder = folder()?;
        let mut child = tokio::process::Command::new("node")
            .args(["run-mock.mjs", vendor])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let first = stdout.read_line(&mut line);
        within(Duration::from_secs(90), "the mock does not listen", first).await.unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let url = said["url"].as_str().unwrap().to_owned();
        let address = url.split('/').nth(2).unwrap().to_owned();
        Some(Self { url, address, _child: child })
    }

    /// Queues a fault.
    pub(super) async fn fault(&self, fault: Value) {
        self.control("POST", "fault", &fault.to_string()).await;
    }

    /// Forgets requests and faults.
    pub(super) async fn reset(&self) {
        self.control("POST", "reset", "").await;
    }

    /// Everything it was asked, as it judged it.
    pub(super) async fn requests(&self) -> Vec<Value> {
        let text = self.control("GET", "requests", "").await;
        serde_json::from_str(&text).unwrap()
    }

    /// Checks that every request fits the vendor's description and carries the credential.
    pub(super) async fn judged_well(&self, bearer: &str) -> Vec<Value> {
        let requests = self.requests().await;
        for request in &requests {
            let shown = format!("{} {}: {}", request["method"], request["url"], request["problem"]);
            assert_eq!(request["verdict"], "ok", "{shown}");
            assert_eq!(request["headers"]["authorization"], format!("Bearer {bearer}"), "{shown}");
        }
        requests
    }

    async fn control(&self, method: &str, what: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let head = format!(
            "{method} /__mock/{what} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{head}");
        body.to_owned()
    }
}
