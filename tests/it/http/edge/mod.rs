//! The edge through its door: headers, names, heads, limits, deadlines, TLS.

mod answers;
mod deadlines;
mod heads;
mod limits;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Longer than any deadline that is waited for here: a guard, not a measure.
const PATIENCE: Duration = Duration::from_secs(40);

/// An answer as it came over a socket.
#[derive(Debug)]
struct RawAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl RawAnswer {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A connection from this address of the machine.
async fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(to).await.unwrap()
}

/// Writes these bytes and reads all that comes until the host closes.
async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The host may have said enough and closed before all is written.
    let _ = stream.write_all(bytes).await;
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await;
    assert!(read.is_ok(), "the host did not close: {}", String::from_utf8_lossy(&all));
    String::from_utf8_lossy(&all).into_owned()
}

/// The answers in what a connection said, by their `Content-Length`.
fn answers(text: &str) -> Vec<RawAnswer> {
    let (mut all, mut rest) = (Vec::new(), text);
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
            .collect();
        let mut answer =
            RawAnswer { status: status.parse().unwrap_or(0), headers, body: String::new() };
        let length: usize = answer.header("content-length").parse().unwrap_or(0);
        answer.body = after[..length].to_owned();
        rest = &after[length..];
        all.push(answer);
    }
    assert!(rest.is_empty(), "more than answers: {rest}");
    all
}

/// The only answer.
#[track_caller]
fn only(text: &str) -> RawAnswer {
    let mut all = answers(text);
    assert_eq!(all.len(), 1, "{text}");
    all.remove(0)
}
