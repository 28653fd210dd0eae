//! Requests that two readers could read differently: one meaning, or refused and closed.
//!
//! Each case is followed by a request that a smuggler would want to be read as his own: the marker.
//! It must never be answered.

use super::super::World;
use super::{answers, raw};

#[tokio::test(flavor = "multi_thread")]
async fn what_could_be_read_twice_is_not_read_at_all() {
    let world = World::new().await;
    let host = world.host.address();
    let post = format!("POST /healthz HTTP/1.1\r\nHost: {host}\r\n");
    let marker = format!("GET /marker HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let cases = [
        // CL.TE, TE.CL, and their order.
        format!("{post}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!(
            "{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
        ),
        format!("{post}content-length: 0\r\ntransfer-encoding: CHUNKED\r\n\r\n"),
        // Two lengths.
        format!("{post}Content-Length: 0\r\nContent-Length: 44\r\n\r\n"),
        format!("{post}Content-Length: 0, 0\r\n\r\n"),
        format!("{post}Content-Length: +0\r\n\r\n"),
        format!("{post}Content-Length: 0x0\r\n\r\n"),
        format!("{post}Content-Length: -1\r\n\r\n"),
        format!("{post}Content-Length: 18446744073709551616\r\n\r\n"),
        format!("{post}Content-Length : 0\r\n\r\n"),
        format!("{post} Content-Length: 0\r\n\r\n"),
        // Codings that somebody reads as chunked.
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n"),
        format!("{post}Transfer-Encoding: identity, chunked\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
        format!("{post}Transfer-Encoding:\tchunked\x0b\r\n\r\n"),
        format!("{post}Transfer-Encoding: \"chunked\"\r\n\r\n"),
        format!("{post}Transfer-Encoding\r\n : chunked\r\n\r\n"),
        format!("POST /healthz HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"),
        // Lines.
        format!("{post}X: a\r\n folded\r\n\r\n"),
        format!("{post}X: a\nContent-Length: 0\r\n\r\n"),
        format!("{post}X: a\rContent-Length: 0\r\n\r\n"),
        format!("{post}X: a\0b\r\n\r\n"),
        format!("POST /healthz HTTP/1.1\nHost: {host}\n\n"),
        // Names and targets.
        format!("{post}Host: evil.example\r\n\r\n"),
        format!("{post}Host: {host}\r\n\r\n"),
        "POST /healthz HTTP/1.1\r\n\r\n".to_owned(),
        format!("POST http://evil.example/healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("POST //evil HTTP/1.1 \r\nHost: {host}\r\n\r\n"),
        format!("POST /healthz  HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    ];
    for case in cases {
        let text = raw(host, format!("{case}{marker}").as_bytes()).await;
        let said = answers(&text);
        assert_eq!(said.len(), 1, "{case}\n{text}");
        assert_eq!((said[0].status, said[0].code().as_str()), (400, "request.head"), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_are_none_end_the_connection() {
    let world = World::new().await;
    let host = world.host.address();
    let post =
        format!("POST /healthz HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let marker = format!("GET /marker HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for body in [
        "5\nabcde\r\n0\r\n\r\n",
        "5 \r\nabcde\r\n0\r\n\r\n",
        "0x5\r\nabcde\r\n0\r\n\r\n",
        "5\r\nabcdef\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "-5\r\nabcde\r\n0\r\n\r\n",
        "5;\nabcde\r\n0\r\n\r\n",
        "0\r\nX: a\nY: b\r\n\r\n",
    ] {
        let text = raw(host, format!("{post}{body}{marker}").as_bytes()).await;
        let said = answers(&text);
        assert!(said.len() <= 1 && said.iter().all(|a| a.status != 404), "{body}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn good_requests_in_one_piece_are_all_answered() {
    let world = World::new().await;
    let host = world.host.address();
    let key = world.host.admin_key().unwrap().reveal().to_owned();
    let body = r#"{"pipeline":"absent"}"#;
    let top = format!(
        "POST /api/v1/run HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {key}\r\n"
    );
    let length = format!("{top}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!(
        "{top}Transfer-Encoding: chunked\r\n\r\n8;x=y\r\n{}\r\n{:x}\r\n{}\r\n0\r\nT: v\r\n\r\n",
        &body[..8],
        body.len() - 8,
        &body[8..]
    );
    let last =
        format!("GET http://{host}/healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let text = raw(host, format!("{length}{chunked}{length}{last}").as_bytes()).await;
    let said: Vec<u16> = answers(&text).iter().map(|answer| answer.status).collect();
    assert_eq!(said, [404, 404, 404, 200], "{text}");
}
