//! The vendors' own SDKs, which sign what the webhook tests send: prepared once from their lock
//! files, run as child processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use levqor_core::ids::ContentHash;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::support::{skip, within};

/// How long a child may take for one answer: the first one loads its SDKs.
const PATIENCE: Duration = Duration::from_secs(90);

/// SDKs that answer, one request at a time.
pub(crate) struct Signers {
    node: Process,
    python: Process,
}

struct Process {
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

/// Whether the SDKs must be there.
fn required() -> bool {
    std::env::var_os("LEVQOR_REQUIRE_SPECS").is_some_and(|v| v == "1")
}

impl Signers {
    /// Starts them; `None`, said aloud, where they cannot be had.
    pub(crate) async fn start() -> Option<Self> {
        let prepared = tokio::task::spawn_blocking(prepare).await.unwrap();
        let folder = match prepared {
            Ok(folder) => folder,
            Err(why) if required() => panic!("the vendors' SDKs are required: {why}"),
            Err(why) => {
                skip(&format!("the vendors' SDKs that sign webhooks: {why}"));
                return None;
            }
        };
        let node = Process::start(&folder, "node", "sign.mjs");
        let python = Process::start(&folder, "python3", "sign.py");
        Some(Self { node, python })
    }

    /// What the SDK of `request.vendor` answers.
    pub(crate) async fn ask(&mut self, request: &Value) -> Value {
        let process = if request["vendor"] == "slack" { &mut self.python } else { &mut self.node };
        let answer = process.ask(request).await;
        assert!(answer.get("error").is_none(), "{request}: {answer}");
        answer
    }

    /// The headers that the vendor would send.
    pub(crate) async fn sign(&mut self, request: &Value) -> Vec<(String, String)> {
        let answer = self.ask(request).await;
        let pairs = answer.as_object().unwrap().iter();
        pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    }
}

impl Process {
    fn start(folder: &Path, program: &str, script: &str) -> Self {
        let mut child = tokio::process::Command::new(program)
            .arg(script)
            .current_dir(folder)
            .env("PYTHONPATH", folder.join("python"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { stdin, stdout, _child: child }
    }

    async fn ask(&mut self, request: &Value) -> Value {
        self.stdin.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let line = within(PATIENCE, "an SDK does not answer", self.stdout.next_line()).await;
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    }
}

/// Copies the scripts to the build's folder and installs what they need, once for each lock file.
fn prepare() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/http/signers");
    let text = |e: std::io::Error| e.to_string();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("webhook-signers");
    fs::create_dir_all(&target).map_err(text)?;
    // Tests of two processes must not install at the same time.
    let lock = File::create(target.join("lock")).map_err(text)?;
    lock.lock().map_err(text)?;
    let mut versions = Vec::new();
    for name in ["package.json", "package-lock.json", "requirements.txt", "sign.mjs", "sign.py"] {
        let bytes = fs::read(source.join(name)).map_err(text)?;
        fs::write(target.join(name), &bytes).map_err(text)?;
        if !name.starts_with("sign") {
            versions.extend(bytes);
        }
    }
    let versions = ContentHash::of(&versions).to_string();
    let stamp = target.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|done| done == versions) {
        return Ok(target);
    }
    let npm = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
    install(&target, "npm", &npm)?;
    let pip = ["-m", "pip", "install", "-q", "--require-hashes", "--no-deps", "--upgrade"];
    let into = ["--target", "python", "-r", "requirements.txt"];
    install(&target, "python3", &[&pip[..], &into[..]].concat())?;
    fs::write(stamp, versions).map_err(text)?;
    Ok(target)
}

fn install(folder: &Path, program: &str, words: &[&str]) -> Result<(), String> {
    let ran = Command::new(program)
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    if ran.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", words.join(" "), String::from_utf8_lossy(&ran.stderr)))
}
