//! TLS with a certificate made here: HTTP/1.1 and HTTP/2, and what does not shake hands.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use levqor_host_http::Config;
use levqor_host_http::config::TlsConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::World;
use super::raw;

/// A certificate for `localhost` in two files, and the client that trusts it.
fn certified(folder: &Path) -> (TlsConfig, rustls::RootCertStore) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    (TlsConfig::files(cert, key), roots)
}

async fn connect(
    address: SocketAddr,
    roots: &rustls::RootCertStore,
    protocol: &[u8],
) -> TlsStream<TcpStream> {
    let mut config =
        rustls::ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    stream
}

fn request(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

async fn read(response: Response<hyper::body::Incoming>) -> (u16, String, String) {
    let status = response.status().as_u16();
    let hsts = response.headers().get("strict-transport-security");
    let hsts = hsts.map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, hsts, String::from_utf8_lossy(&body).into_owned())
}

async fn world() -> (World, rustls::RootCertStore) {
    let files = tempfile::tempdir().unwrap();
    let (tls, roots) = certified(files.path());
    let world = World::with(|config: &mut Config| {
        config.store = "memory:".to_owned();
        config.tls = tls;
    })
    .await;
    (world, roots)
}

const HSTS: &str = "max-age=63072000; includeSubDomains; preload";

#[tokio::test(flavor = "multi_thread")]
async fn http_1_1_over_tls() {
    let (world, roots) = world().await;
    assert!(world.host.greeting().contains("https://"));
    let address = world.host.address();
    let stream = TokioIo::new(connect(address, &roots, b"http/1.1").await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    let driving = tokio::spawn(connection);
    let name = format!("localhost:{}", address.port());
    for (name, status) in [(name.as_str(), 200), ("evil.example", 421), (name.as_str(), 200)] {
        let mut request = request("/healthz");
        request.headers_mut().insert("host", name.parse().unwrap());
        // The answer may be read before the connection knows that it is free again.
        sender.ready().await.unwrap();
        let (got, hsts, _) = read(sender.send_request(request).await.unwrap()).await;
        assert_eq!((got, hsts.as_str()), (status, HSTS));
    }
    drop(sender);
    driving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_over_tls() {
    let (world, roots) = world().await;
    let address = world.host.address();
    let stream = TokioIo::new(connect(address, &roots, b"h2").await);
    let executor = TokioExecutor::new();
    let shaken = hyper::client::conn::http2::handshake(executor, stream).await;
    let (mut sender, connection) = shaken.unwrap();
    let driving = tokio::spawn(connection);
    let base = format!("https://localhost:{}", address.port());
    let (status, hsts, body) =
        read(sender.send_request(request(&format!("{base}/healthz"))).await.unwrap()).await;
    assert_eq!((status, hsts.as_str(), body.as_str()), (200, HSTS, "{\"status\":\"ok\"}"));
    let evil = request("https://evil.example/healthz");
    assert_eq!(read(sender.send_request(evil).await.unwrap()).await.0, 421);
    let mut two = request(&format!("{base}/healthz"));
    two.headers_mut().insert("host", "evil.example".parse().unwrap());
    let (status, _, body) = read(sender.send_request(two).await.unwrap()).await;
    assert_eq!(status, 400, "{body}");
    let mut large = request(&format!("{base}/healthz"));
    large.headers_mut().insert("x", "y".repeat(20_000).parse().unwrap());
    let (status, hsts, body) = read(sender.send_request(large).await.unwrap()).await;
    assert_eq!((status, hsts.as_str()), (431, HSTS));
    assert!(body.contains("request.head_too_large"), "{body}");
    // Streams at once, as many as are asked for.
    let many = (0..100).map(|_| sender.send_request(request(&format!("{base}/healthz"))));
    for response in futures_util::future::join_all(many.collect::<Vec<_>>()).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    drop(sender);
    driving.await.unwrap().unwrap();
}

/// Streams that are opened and reset at once, thousands of them, cost their connection; a client on
/// another one is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_resets_ends_its_connection() {
    const GOAWAY: u8 = 7;
    const ENHANCE_YOUR_CALM: u32 = 11;
    let (world, roots) = world().await;
    let address = world.host.address();
    let mut flood = connect(address, &roots, b"h2").await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, 4, 0, 0, b"");
    // GET https / of `localhost`, in HPACK.
    let head = [b"\x82\x87\x84\x41\x09".as_slice(), b"localhost"].concat();
    for stream in (1..4_000).step_by(2) {
        frame(&mut bytes, 1, 0x5, stream, &head);
        frame(&mut bytes, 3, 0, stream, &8_u32.to_be_bytes());
    }
    // It may be closed while it is still talking.
    let _ = flood.write_all(&bytes).await;
    let mut said = Vec::new();
    let _ = flood.read_to_end(&mut said).await;
    let mut rest = said.as_slice();
    let mut goaway = None;
    while let Some((head, body)) = rest.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((body, more)) = body.split_at_checked(length) else { break };
        if head[3] == GOAWAY {
            goaway = Some(u32::from_be_bytes(body[4..8].try_into().unwrap()));
        }
        rest = more;
    }
    assert_eq!(goaway, Some(ENHANCE_YOUR_CALM), "{} bytes came", said.len());
    let stream = TokioIo::new(connect(address, &roots, b"h2").await);
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
    let (mut sender, connection) = shaken.unwrap();
    tokio::spawn(connection);
    let uri = format!("https://localhost:{}/healthz", address.port());
    assert_eq!(read(sender.send_request(request(&uri)).await.unwrap()).await.0, 200);
}

/// Appends an HTTP/2 frame.
fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, body: &[u8]) {
    bytes.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(body);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_words_to_a_tls_port_are_not_answered() {
    let (world, _) = world().await;
    let said = raw(world.host.address(), b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!said.contains("HTTP/1.1"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (good, _) = certified(folder.path());
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for (tls, setting) in [
        (TlsConfig::files(&empty, &good.key), "tls.cert"),
        (TlsConfig::files(&good.cert, &empty), "tls.key"),
        (TlsConfig::files(folder.path().join("absent"), &good.key), "tls.cert"),
        (TlsConfig::files(&good.cert, ""), "tls.key"),
    ] {
        let mut config = Config::in_folder(folder.path());
        config.store = "memory:".to_owned();
        config.tls = tls;
        let refused = levqor_host_http::Host::start(config).await.unwrap_err();
        assert_eq!(refused.code(), "config.value");
        assert!(refused.to_string().starts_with(setting), "{refused}");
    }
}
