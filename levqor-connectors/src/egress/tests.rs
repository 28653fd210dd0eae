//! Egress against a server on loopback that misbehaves, and a DNS that changes its mind.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A DNS that gives each of these answers once, then the last one for ever.
#[derive(Debug)]
pub(crate) struct Script(Mutex<VecDeque<Vec<IpAddr>>>);

impl Script {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |a: &&[&str]| a.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(parse).collect())))
    }
}

#[async_trait]
impl Resolver for Script {
    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let mut answers = self.0.lock();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        answer.ok_or(ResolveError)
    }
}

/// What a test server does with each connection.
#[derive(Clone)]
pub(crate) enum Does {
    /// Answers every request by this function of its raw text.
    Answer(Arc<dyn Fn(&str) -> String + Send + Sync>),
    /// Reads the request and closes.
    Close,
    /// Reads the request and stays silent.
    Hang,
    /// Sends a head and then body bytes without end.
    Flood,
    /// Sends one byte of a body every 20 ms.
    Drip,
}

/// A server on loopback; its address, and every request it read.
pub(crate) async fn server(does: Does) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, does.clone(), Arc::clone(&log)));
        }
    });
    (address, seen)
}

async fn serve(mut stream: TcpStream, does: Does, log: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read_request(&mut stream).await {
        log.lock().push(request.clone());
        match &does {
            Does::Answer(answer) => {
                let text = answer(&request);
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Does::Close => return,
            Does::Hang => tokio::time::sleep(Duration::from_secs(60)).await,
            Does::Flood => {
                let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
                let mut sent = stream.write_all(head).await;
                while sent.is_ok() {
                    sent = stream.write_all(&[b'x'; 65536]).await;
                }
                return;
            }
            Does::Drip => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
                let mut sent = stream.write_all(head).await;
                while sent.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    sent = stream.write_all(b"x").await;
                }
                return;
            }
        }
    }
}

/// One request with a `content-length` body, as text.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let (mut all, mut part) = (Vec::new(), [0_u8; 8192]);
    loop {
        if let Some(end) = memchr::memmem::find(&all, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|l| l.strip_prefix("content-length: "))
                .map_or(0, |n| n.trim().parse::<usize>().unwrap());
            if all.len() >= end + 4 + length {
                return Some(String::from_utf8_lossy(&all).into_owned());
            }
        }
        match stream.read(&mut part).await {
            Ok(n) if n > 0 => all.extend_from_slice(&part[..n]),
            _ => return None,
        }
    }
}

pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn answer(text: impl Fn(&str) -> String + Send + Sync + 'static) -> Does {
    Does::Answer(Arc::new(text))
}

pub(crate) fn local_policy() -> Policy {
    Policy {
        http: true,
        private: vec!["127.0.0.0/8".parse().unwrap()],
        ..Policy::for_hosts(vec!["*:*".parse().unwrap()])
    }
}

fn egress(resolver: Arc<dyn Resolver>) -> Egress {
    Egress::new(EgressOptions { resolver, ..EgressOptions::default() }).unwrap()
}

async fn send(egress: &Egress, policy: &Policy, request: Request) -> Result<Response, HttpError> {
    let outgoing = Outgoing::new(&request, policy.check(&request.url)?)?;
    let ms = u64::from(request.timeout_ms.unwrap_or(5_000));
    let deadline = Instant::now() + Duration::from_millis(ms);
    egress.exchange(policy, outgoing, deadline, 1 << 20).await
}

#[tokio::test]
async fn an_answer_comes_back_whole() {
    let (at, seen) = server(answer(|_| {
        "HTTP/1.1 429 Slow\r\nretry-after: 3\r\nx-a: b\r\ncontent-length: 2\r\n\r\nhi".to_owned()
    }))
    .await;
    let mut request = Request::new(Method::Post, format!("http://{at}/p?q=1"));
    request.body = Some(b"body".to_vec());
    request.headers.push(("X-Mine".to_owned(), b"v".to_vec()));
    let got = send(&egress(Script::new(&[&[]])), &local_policy(), request).await.unwrap();
    assert_eq!(
        (got.status, got.body.as_slice(), got.retry_after_ms),
        (429, &b"hi"[..], Some(3_000))
    );
    let seen = seen.lock()[0].to_lowercase();
    assert!(seen.starts_with("post /p?q=1 http/1.1\r\n"), "{seen}");
    assert!(seen.contains("content-length: 4\r\n") && seen.contains("x-mine: v\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {at}\r\n")) && seen.ends_with("body"), "{seen}");
}

#[tokio::test]
async fn errors_say_whether_anything_was_sent() {
    let e = egress(Script::new(&[&[]]));
    let policy = local_policy();
    let post = |at: SocketAddr, scheme: &str| {
        let mut request = Request::new(Method::Post, format!("{scheme}://{at}/"));
        request.body = Some(b"x".to_vec());
        request.timeout_ms = Some(300);
        request
    };
    // Nobody listens.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = send(&e, &policy, post(free, "http")).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect(_)), "{error}");
    // Not TLS.
    let (at, _) = server(answer(|_| ok(""))).await;
    let error = send(&e, &policy, post(at, "https")).await.unwrap_err();
    assert!(!error.was_sent(), "{error}");
    // A name without address.
    let named = Request::new(Method::Get, format!("http://nowhere.test:{}/", at.port()));
    let error = send(&e, &policy, named).await.unwrap_err();
    assert!(matches!(error, HttpError::Dns(_)), "{error}");
    // Connected, but the handshake never ends: nothing of the request left.
    let (at, _) = server(Does::Hang).await;
    let error = send(&e, &policy, post(at, "https")).await.unwrap_err();
    assert_eq!(error, HttpError::Timeout);
    for does in [Does::Close, Does::Hang, Does::Drip] {
        let (at, _) = server(does).await;
        let error = send(&e, &policy, post(at, "http")).await.unwrap_err();
        assert!(matches!(error, HttpError::SentWithoutAnswer(_)), "{error}");
    }
    let (at, _) = server(answer(|_| "nonsense\r\n\r\n".to_owned())).await;
    assert!(send(&e, &policy, post(at, "http")).await.unwrap_err().was_sent());
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_with_its_own_error() {
    let (at, _) = server(Does::Flood).await;
    let request = Request::new(Method::Get, format!("http://{at}/"));
    let error = send(&egress(Script::new(&[&[]])), &local_policy(), request).await.unwrap_err();
    assert_eq!(error, HttpError::ResponseTooLarge(1 << 20));
    let (at, _) =
        server(answer(|_| "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_owned())).await;
    let request = Request::new(Method::Get, format!("http://{at}/"));
    let error = send(&egress(Script::new(&[&[]])), &local_policy(), request).await.unwrap_err();
    assert_eq!(error, HttpError::ResponseTooLarge(1 << 20));
}

#[tokio::test]
async fn a_name_with_any_special_address_is_refused() {
    let (at, seen) = server(answer(|_| ok("internal"))).await;
    let url = format!("http://rebind.test:{}/", at.port());
    let closed = Policy { private: Vec::new(), ..local_policy() };
    let sets: [&[&str]; 6] = [
        &["127.0.0.1"],
        &["1.1.1.1", "127.0.0.1"],
        &["127.0.0.1", "1.1.1.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["169.254.169.254"],
    ];
    for set in sets {
        let e = egress(Script::new(&[set]));
        let error = send(&e, &closed, Request::new(Method::Get, url.as_str())).await.unwrap_err();
        assert!(matches!(error, HttpError::Denied(_)), "{set:?}: {error}");
        assert!(!error.to_string().contains("127"), "{error}");
    }
    // Rebinding: the first look-up is clean, the second is not. Whatever is looked up for a
    // connection is what was checked, so loopback is never reached.
    let e = egress(Script::new(&[&["203.0.113.1"], &["127.0.0.1"]]));
    for _ in 0..5 {
        let mut request = Request::new(Method::Get, url.as_str());
        request.timeout_ms = Some(100);
        assert!(send(&e, &closed, request).await.is_err());
    }
    assert!(seen.lock().is_empty());
}

#[tokio::test]
async fn pooled_connections_stay_with_their_grant() {
    let (at, seen) = server(answer(|_| ok("in"))).await;
    let url = format!("http://intranet.test:{}/", at.port());
    let e = egress(Script::new(&[&["127.0.0.1"]]));
    let open = local_policy();
    for _ in 0..2 {
        send(&e, &open, Request::new(Method::Get, url.as_str())).await.unwrap();
    }
    // A live pooled connection to this very origin exists; another grant does not get it.
    let closed = Policy { private: Vec::new(), ..local_policy() };
    let error = send(&e, &closed, Request::new(Method::Get, url.as_str())).await.unwrap_err();
    assert!(matches!(error, HttpError::Denied(_)), "{error}");
    assert_eq!(seen.lock().len(), 2);
}

#[test]
fn headers_that_are_the_hosts_are_refused() {
    let policy = Policy::for_hosts(vec!["a.com".parse().unwrap()]);
    let with = |name: &str, value: &[u8]| {
        let mut request = Request::new(Method::Get, "https://a.com/");
        request.headers.push((name.to_owned(), value.to_vec()));
        Outgoing::new(&request, policy.check(&request.url).unwrap()).map(drop)
    };
    for name in [
        "Host",
        "HOST",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "TE",
        "Upgrade",
        "Proxy-Authorization",
        "Expect",
    ] {
        assert!(matches!(with(name, b"x"), Err(HttpError::Denied(_))), "{name}");
    }
    for (name, value) in [("a b", &b"x"[..]), ("", b"x"), ("x", b"a\r\nHost: evil"), ("x\n", b"")] {
        assert!(matches!(with(name, value), Err(HttpError::InvalidRequest(_))), "{name}");
    }
    assert!(with("X-Fine", b"ok \xff").is_ok());
    let mut many = Request::new(Method::Get, "https://a.com/");
    many.headers = (0..32_769).map(|i| (format!("h{i}"), Vec::new())).collect();
    assert!(Outgoing::new(&many, policy.check(&many.url).unwrap()).is_err());
}
