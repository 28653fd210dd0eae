//! What the requests of hostile plugins meet: a server that must not be reached, and names that
//! mean another address each time they are looked up.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use levqor_connectors::egress::{ResolveError, Resolver};
use parking_lot::Mutex;
use tokio::net::TcpListener;

/// What a server was asked.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
}

/// A server on loopback that keeps what it is asked.
///
/// `/to/<url>` redirects there, `/echo` says the request's headers back, `/drip` answers without
/// end, `/big` with more than a host takes; everything else is 200.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(super) async fn on(address: Ipv4Addr, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((address, port)).await?;
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let app = Router::new().fallback(answer).with_state(seen.clone());
        let address = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, seen })
    }

    pub(super) async fn start() -> Self {
        Self::on(Ipv4Addr::LOCALHOST, 0).await.unwrap()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }
}

async fn answer(State(seen): State<Arc<Mutex<Vec<Seen>>>>, request: Request) -> Response {
    let path = request.uri().to_string();
    let headers = request.headers().clone();
    seen.lock().push(Seen { path: path.clone(), headers: headers.clone() });
    if let Some(to) = path.strip_prefix("/to/") {
        return (StatusCode::FOUND, [(header::LOCATION, to.to_owned())]).into_response();
    }
    if path.starts_with("/echo") {
        let all: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        return all.join("\n").into_response();
    }
    if path.starts_with("/drip") {
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            Some((Ok::<_, std::convert::Infallible>("x"), ()))
        });
        return axum::body::Body::from_stream(drops).into_response();
    }
    if path.starts_with("/big") {
        return "x".repeat(11 << 20).into_response();
    }
    // No connection is kept: each request of a name looks it up again.
    ([(header::CONNECTION, "close")], "hello").into_response()
}

/// A name server that answers each look-up with the next of its lists.
#[derive(Debug)]
pub(super) struct Liar {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Liar {
    pub(super) fn new(answers: &[&[&str]]) -> Self {
        let parse = |list: &&[&str]| list.iter().map(|a| a.parse().unwrap()).collect();
        Self { answers: answers.iter().map(parse).collect(), asked: AtomicUsize::new(0) }
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Resolver for Liar {
    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let n = self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.answers[n % self.answers.len()].clone())
    }
}
