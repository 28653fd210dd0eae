//! Who is slow is let go, who leaves is let go, and a host that stops lets its last answers out.
//!
//! These wait for the host's own deadlines, some seconds, all at once.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::World;
use super::{PATIENCE, connect_from, only, raw, read_to_end};

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_and_bodies_are_let_go() {
    let world = World::new().await;
    let host = world.host.address();
    let key = world.host.admin_key().unwrap().reveal().to_owned();
    let silent = async { raw(host, b"").await };
    let half = async { raw(host, b"GET /healthz HTTP/1.1\r\nHost:").await };
    let dribbled = async {
        let mut stream = TcpStream::connect(host).await.unwrap();
        let (mut from, mut to) = stream.split();
        let mut said = Vec::new();
        let read = from.read_to_end(&mut said);
        let write = async {
            to.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
            while to.write_all(b"x: y\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        };
        tokio::select! {
            read = read => drop(read.unwrap()),
            () = write => {}
            () = tokio::time::sleep(PATIENCE) => panic!("a dribble is never ended"),
        }
        String::from_utf8_lossy(&said).into_owned()
    };
    let body = format!(
        "POST /api/v1/run HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {key}\r\nContent-Length: 1000\r\n\r\n{{"
    );
    let slow_body = async { raw(host, body.as_bytes()).await };
    let begun = Instant::now();
    let (silent, half, dribbled, slow_body) = tokio::join!(silent, half, dribbled, slow_body);
    assert!(begun.elapsed() >= Duration::from_secs(5), "the head has five seconds");
    assert_eq!(silent, "", "who says nothing is told nothing");
    for (text, code) in [
        (half, "request.head_slow"),
        (dribbled, "request.head_slow"),
        (slow_body, "request.body_slow"),
    ] {
        let answer = only(&text);
        assert_eq!((answer.status, answer.code().as_str()), (408, code));
        assert_eq!(answer.header("x-frame-options"), "DENY");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_may_idle_longer_than_a_head_may_take() {
    let world = World::new().await;
    let host = world.host.address();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let get = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(get.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // More than a head's time.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let last = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(last.as_bytes()).await.unwrap();
    assert!(read_to_end(&mut stream).await.contains("HTTP/1.1 200"), "it was closed while idle");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_leaves_connections_for_others() {
    let world = World::with(|config| {
        config.store = "memory:".to_owned();
        config.limits.connections_per_address = 2;
    })
    .await;
    let host = world.host.address();
    let one = Ipv4Addr::new(127, 0, 0, 2);
    let mut held = vec![connect_from(one, host).await, connect_from(one, host).await];
    let mut third = connect_from(one, host).await;
    assert_eq!(only(&read_to_end(&mut third).await).code(), "limit.connections");
    world.anybody().get("/healthz").await.is(200);
    held.pop();
    // The host sees the end of a connection a moment later.
    let begun = Instant::now();
    loop {
        let mut again = connect_from(one, host).await;
        let get = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let _ = again.write_all(get.as_bytes()).await;
        if only(&read_to_end(&mut again).await).status == 200 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "a place is never free again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_host_closes_idle_connections() {
    let World { host, folder, .. } = World::new().await;
    let address = host.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    let get = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    idle.write_all(get.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    let stopped = tokio::time::timeout(PATIENCE, host.stop()).await;
    stopped.expect("it stops").unwrap();
    let _ = read_to_end(&mut idle).await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    drop(folder);
}
