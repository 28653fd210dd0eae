//! The accept loop: which connections are taken, and the end of all.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use super::connection::{self, Common};
use super::edge::Link;
use super::tickets::Tickets;
use crate::limits::{ACCEPT_PAUSE, BACKLOG, DRAIN_TIME, SEND_BUFFER_BYTES};

/// Listens; connections have their buffers from the socket they were accepted on.
pub(super) fn listener(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the last connections of the host before.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

/// Takes connections until told to stop, then waits for answers under way.
pub(super) async fn accept(
    listener: TcpListener,
    common: Common,
    tickets: Tickets,
    stop: CancellationToken,
) {
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let local = accepted.as_ref().ok().and_then(|(stream, _)| stream.local_addr().ok());
        let (stream, link) = match (accepted, local) {
            (Ok((stream, peer)), Some(local)) => (stream, Link { peer, local, is_tls: false }),
            (Ok(_), None) => continue,
            (Err(error), _) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let address = link.peer.ip();
        let Some(ticket) = tickets.take(address, common.edge.proxies.has(address)) else {
            turn_away(&common, stream, link);
            continue;
        };
        let (common, watcher) = (common.clone(), connections.watcher());
        tokio::spawn(async move {
            connection::serve(common, stream, link, watcher).await;
            drop(ticket);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIME, connections.shutdown()).await.is_err() {
        tracing::warn!("connections were cut that did not end in time");
    }
}

/// Says why, as far as that goes without waiting, and closes.
fn turn_away(common: &Common, stream: TcpStream, link: Link) {
    tracing::debug!(peer = %link.peer, "a connection too many");
    if common.tls.is_none()
        && let Ok(mut stream) = stream.into_std()
    {
        let _ = stream.write(&common.edge.too_many(link));
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
}
