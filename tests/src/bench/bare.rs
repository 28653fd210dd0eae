//! Servers that do less, on the host's own HTTP stack: what an intake is measured against.
//!
//! [`constant`] reads the body and answers. [`durable`] also parses it and answers once it is in a
//! file, many bodies to one sync: the least that a durable intake can do. Neither checks a key, counts
//! a quota, knows a pipeline or drives a run.

use std::convert::Infallible;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::load::Failure;

/// As a store's writer takes them.
const GROUP_MAX: usize = 512;
/// The file is written from the front again past this, as a log whose files take turns.
const TURN_BYTES: usize = 4 * 1024 * 1024;

type Answer = Response<Full<Bytes>>;
/// A body, and whom to tell that it is durable.
type Waiting = (Bytes, oneshot::Sender<()>);

/// A server that reads the body and answers one constant.
///
/// # Errors
/// When it cannot listen.
pub async fn constant() -> Result<SocketAddr, Failure> {
    serve(|request| async move {
        let _ = request.into_body().collect().await;
        answer(StatusCode::ACCEPTED)
    })
    .await
}

/// A server that parses the body and answers when it is durable in a file of `folder`.
///
/// # Errors
/// When it cannot listen, or make the file.
pub async fn durable(folder: &Path) -> Result<SocketAddr, Failure> {
    let mut file = File::create(folder.join("bare"))?;
    // Laid out first, so that a sync need not change the file's size.
    file.write_all(&vec![0; TURN_BYTES * 2])?;
    file.sync_all()?;
    let (queue, waiting) = mpsc::channel::<Waiting>();
    std::thread::Builder::new()
        .name("bare".to_owned())
        .spawn(move || write(&mut file, &waiting))?;
    serve(move |request| {
        let queue = queue.clone();
        async move {
            let Ok(body) = request.into_body().collect().await else {
                return answer(StatusCode::BAD_REQUEST);
            };
            let body = body.to_bytes();
            if serde_json::from_slice::<Value>(&body).is_err() {
                return answer(StatusCode::BAD_REQUEST);
            }
            let (tell, told) = oneshot::channel();
            let queued = queue.send((body, tell)).is_ok();
            let is_durable = queued && told.await.is_ok();
            answer(if is_durable { StatusCode::ACCEPTED } else { StatusCode::SERVICE_UNAVAILABLE })
        }
    })
    .await
}

/// Ends at the first failure: those who wait are told by their dropped channel.
fn write(file: &mut File, waiting: &mpsc::Receiver<Waiting>) {
    let (mut frame, mut written) = (Vec::new(), TURN_BYTES);
    while let Ok(first) = waiting.recv() {
        let group: Vec<Waiting> =
            std::iter::once(first).chain(waiting.try_iter().take(GROUP_MAX - 1)).collect();
        frame.clear();
        group.iter().for_each(|(body, _)| frame.extend_from_slice(body));
        if put(file, &frame, &mut written).is_err() {
            return;
        }
        for (_, tell) in group {
            let _ = tell.send(());
        }
    }
}

fn put(file: &mut File, frame: &[u8], written: &mut usize) -> std::io::Result<()> {
    if *written >= TURN_BYTES {
        file.seek(SeekFrom::Start(0))?;
        *written = 0;
    }
    file.write_all(frame)?;
    *written += frame.len();
    file.sync_data()
}

async fn serve<H, F>(handler: H) -> Result<SocketAddr, Failure>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let handler = handler.clone();
            let service = hyper::service::service_fn(move |request| {
                let answered = handler(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(served);
        }
    });
    Ok(address)
}

fn answer(status: StatusCode) -> Answer {
    let body = br#"{"id":"run_00000000000000000000000000","status":"queued"}"#;
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}
