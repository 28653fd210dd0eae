//! The HTTP host under load: durable intake over kept connections.
//!
//! The load generator is here too, and as bare as can be: bytes that were made once, written, and an
//! answer read to its `Content-Length`. It takes its processor time from the same machine, in all
//! measurements the same; a heavier client would make the two look more alike than they are.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use levqor_core::document::{self, Format};
use levqor_core::ids::{Organization, RunId};
use levqor_core::ledger;
use levqor_host_http::config::LimitsConfig;
use levqor_host_http::{Config, Host};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::load::Failure;

/// The operator's organization, whose key the host makes at its first start.
const ORGANIZATION: &str = "main";
/// A route of the host that takes a body and answers a constant: what its own stack costs, with its
/// deadlines, its checks of heads and its headers.
pub const CONSTANT_PATH: &str = "/ops/csp-report";
/// After every bench.
const LATER: &str = "2199-01-01T00:00:00Z";
/// Bytes of an intake's body.
const BODY_BYTES: usize = 1_024;

/// A host with a stored pipeline and credits for many runs.
#[derive(Debug)]
pub struct Intake {
    /// The host.
    pub host: Host,
    key: String,
}

/// What a load came to.
#[derive(Debug)]
pub struct Loaded {
    /// From the first request to the last answer.
    pub whole: Duration,
    /// Each request's time.
    pub times: Vec<Duration>,
    /// The last answer's body.
    pub last: Vec<u8>,
}

/// Starts a host on this store without rates.
///
/// # Errors
/// When the host does not start.
pub async fn intake(folder: &Path, store: &str) -> Result<Intake, Failure> {
    let mut config = Config::in_folder(folder);
    config.store = store.to_owned();
    config.limits = LimitsConfig::off();
    let host = Host::start(config).await?;
    let engine = &host.app().engine;
    let organization = Organization::new(ORGANIZATION)?;
    let grant = ledger::grant("bench", 1_000_000_000, engine.clock().now())?;
    ledger::post(&**engine.store(), &organization, &grant).await?;
    let text = three_sets().to_string();
    let parsed = document::parse(&text, Format::Json).map_err(|issues| format!("{issues:?}"))?;
    engine.push(&organization, &parsed).await?;
    let key = host.admin_key().map(|key| key.reveal().to_owned()).unwrap_or_default();
    Ok(Intake { host, key })
}

/// Three steps of the engine's own.
fn three_sets() -> Value {
    json!({"schema": "levqor/v1", "name": "intake", "steps": [
        {"id": "a", "uses": "core/set", "with": {"text": "${{ input.text }}"}},
        {"id": "b", "uses": "core/set", "with": {"n": 1}},
        {"id": "c", "uses": "core/set", "with": {"n": "${{ steps.b.output.n + 1 }}"}},
    ], "output": "${{ steps.c.output.n }}"})
}

impl Intake {
    /// The request, for this path; with `later` its runs are accepted and none is driven.
    #[must_use]
    pub fn request(&self, path: &str, later: bool) -> Bytes {
        let body = |pad: &str| {
            let mut body = json!({"pipeline": "intake", "input": {"text": pad}});
            if later {
                body["delay_until"] = json!(LATER);
            }
            body.to_string()
        };
        let body = body(&"x".repeat(BODY_BYTES - body("").len()));
        debug_assert_eq!(body.len(), BODY_BYTES);
        let address = self.host.address();
        let key = &self.key;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
        );
        Bytes::from(head + &body)
    }

    /// Waits until the run that an answer names has ended well.
    ///
    /// # Errors
    /// When it has not.
    pub async fn ended(&self, answer: &[u8]) -> Result<(), Failure> {
        let answer: Value = serde_json::from_slice(answer)?;
        let run: RunId = answer["id"].as_str().unwrap_or_default().parse()?;
        let organization = Organization::new(ORGANIZATION)?;
        let result = self.host.app().engine.wait(&organization, run).await?;
        let is_good = result.output.as_deref() == Some(&json!(2));
        if is_good { Ok(()) } else { Err(format!("a run came to {result:?}").into()) }
    }
}

/// Sends the request so many times over so many kept connections, each as soon as the one before is
/// answered.
///
/// # Errors
/// When an answer has another status.
pub async fn closed_loop(
    address: SocketAddr,
    request: &Bytes,
    requests: usize,
    connections: usize,
    status: u16,
) -> Result<Loaded, Failure> {
    let mut lines = Vec::new();
    for _ in 0..connections {
        let line = Line::open(address).await?;
        lines.push((line, request.clone()));
    }
    let begun = Instant::now();
    let callers: Vec<_> = lines
        .into_iter()
        .map(|(mut line, request)| {
            tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..requests / connections {
                    let begun = Instant::now();
                    line.ask(&request, status).await?;
                    times.push(begun.elapsed());
                }
                Ok::<_, Failure>((times, line.body().to_vec()))
            })
        })
        .collect();
    let (mut times, mut last) = (Vec::with_capacity(requests), Vec::new());
    for caller in callers {
        let (own, body) = caller.await??;
        times.extend(own);
        last = body;
    }
    Ok(Loaded { whole: begun.elapsed(), times, last })
}

/// A kept connection.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    read: Vec<u8>,
    body_at: usize,
}

impl Line {
    /// Connects.
    ///
    /// # Errors
    /// When that fails.
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new(), body_at: 0 })
    }

    /// Asks once and reads the whole answer.
    ///
    /// # Errors
    /// When it has another status, or the connection fails.
    pub async fn ask(&mut self, request: &[u8], status: u16) -> Result<(), Failure> {
        self.stream.write_all(request).await?;
        self.read.clear();
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("the host closed the connection".into());
            }
            let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            self.body_at = end + 4;
            let head = String::from_utf8_lossy(&self.read[..end]);
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
            });
            let whole = self.body_at + length.unwrap_or(0_usize);
            let got: u16 = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
            while self.read.len() < whole {
                if self.stream.read_buf(&mut self.read).await? == 0 {
                    return Err("the answer ends early".into());
                }
            }
            if got == status {
                return Ok(());
            }
            return Err(format!("answered {got}: {}", String::from_utf8_lossy(self.body())).into());
        }
    }

    /// The last answer's body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.read[self.body_at..]
    }
}
