//! How long a wire waits, on a clock that is moved by hand. What it reads and refuses is shown through
//! the door, in the integration tests.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, advance};

use super::*;
use crate::limits::WRITE_STALL;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

/// The peer's end, and a wire whose first request has been read and answered.
async fn answered() -> (DuplexStream, Wire<DuplexStream>) {
    let (mut peer, socket) = duplex(1_024);
    let open = Open::default();
    let mut wire = Wire::new(socket, open.clone(), Arc::new(|_| Bytes::from_static(b"refused")));
    peer.write_all(GET).await.unwrap();
    let mut head = vec![0; GET.len()];
    wire.read_exact(&mut head).await.unwrap();
    assert_eq!((head.as_slice(), open.count()), (GET, 1));
    open.end();
    wire.flush().await.unwrap();
    (peer, wire)
}

/// When the wire reads the end, from now on.
async fn end_of(wire: &mut Wire<DuplexStream>) -> Duration {
    let begun = Instant::now();
    assert_eq!(wire.read(&mut [0; 8]).await.unwrap(), 0);
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_may_idle_for_a_minute() {
    let (_peer, mut wire) = answered().await;
    let took = end_of(&mut wire).await;
    assert!((IDLE_TIME..IDLE_TIME + SECOND).contains(&took), "{took:?}");
    assert!(wire.last_words.is_empty(), "who has said nothing is not spoken to");
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_of_a_head_ends_the_idling() {
    let (mut peer, mut wire) = answered().await;
    let mut room = [0; 8];
    let mut read = Box::pin(wire.read(&mut room));
    assert!(futures_util::poll!(&mut read).is_pending());
    advance(IDLE_TIME - SECOND).await;
    assert!(futures_util::poll!(&mut read).is_pending());
    peer.write_all(&GET[..9]).await.unwrap();
    assert!(futures_util::poll!(&mut read).is_pending());
    // The minute is over meanwhile; what counts now is the head's own time.
    advance(2 * SECOND).await;
    assert!(futures_util::poll!(&mut read).is_pending());
    advance(HEAD_TIME).await;
    assert!(matches!(futures_util::poll!(&mut read), Poll::Ready(Ok(0))));
    drop(read);
    assert_eq!(wire.last_words, b"refused".as_slice());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_of_its_answer_is_let_go() {
    let (mut peer, socket) = duplex(64);
    let mut paced = Paced::new(socket);
    // A byte now and then is enough: each write that makes way begins the time anew.
    let slow = async {
        for _ in 0..4 {
            tokio::time::sleep(WRITE_STALL - SECOND).await;
            let mut some = [0; 64];
            peer.read_exact(&mut some).await.unwrap();
        }
    };
    let both = async { tokio::join!(paced.write_all(&[7; 64 * 5]), slow).0 };
    tokio::time::timeout(10 * WRITE_STALL, both).await.unwrap().unwrap();
    let begun = Instant::now();
    let error = paced.write_all(&[7; 64]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!((WRITE_STALL..WRITE_STALL + SECOND).contains(&begun.elapsed()));
}
