//! How long a host takes from its start to its first answer, as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::load::Failure;

/// What a start took.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// To the line that says where it listens.
    pub listening: Duration,
    /// To the last byte of the first answer.
    pub answered: Duration,
}

/// The host's binary beside this one.
///
/// # Errors
/// When this program's own path is not known, or there is no such file.
pub fn binary() -> Result<PathBuf, Failure> {
    let path = std::env::current_exe()?.with_file_name("levqor-host-http");
    if !path.exists() {
        return Err(format!("there is no {}: build the workspace's bins", path.display()).into());
    }
    Ok(path)
}

/// Starts the host in this folder, asks it one question and ends it.
///
/// # Errors
/// When it does not start or does not answer 200.
pub fn once(binary: &Path, folder: &Path, store: &str) -> Result<Started, Failure> {
    let begun = Instant::now();
    let mut host = Command::new(binary)
        .args(["--listen", "127.0.0.1:0", "--store", store, "--data-dir"])
        .arg(folder)
        .stderr(Stdio::piped())
        .spawn()?;
    let asked = ask(&mut host, begun);
    host.kill()?;
    host.wait()?;
    asked
}

fn ask(host: &mut Child, begun: Instant) -> Result<Started, Failure> {
    let stderr = host.stderr.take().ok_or("the host has no stderr")?;
    let mut lines = BufReader::new(stderr).lines();
    let address = loop {
        let line = lines.next().ok_or("the host ended")??;
        if let Some((_, rest)) = line.split_once("serving on http://") {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
            break rest[..end.unwrap_or(rest.len())].to_owned();
        }
    };
    let listening = begun.elapsed();
    let mut stream = TcpStream::connect(&address)?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(format!("the host answered: {answer}").into());
    }
    Ok(Started { listening, answered: begun.elapsed() })
}
