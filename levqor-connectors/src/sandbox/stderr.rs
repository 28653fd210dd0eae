//! [`Tail`]: the last bytes a guest wrote to its stderr, for the message of a trap.
//!
//! Writing never blocks and never fails, however much the guest writes: old bytes fall out. Nothing
//! of it reaches the host's own stderr.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::limits;
use crate::text::clean;

/// A shared, bounded tail of bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock();
        let bytes = &bytes[bytes.len().saturating_sub(limits::STDERR_BYTES_MAX)..];
        let over = (kept.len() + bytes.len()).saturating_sub(limits::STDERR_BYTES_MAX);
        kept.drain(..over);
        kept.extend_from_slice(bytes);
    }

    /// What was written last, as one line without control characters; empty when nothing was.
    pub(crate) fn text(&self) -> String {
        let kept = self.0.lock();
        clean(String::from_utf8_lossy(&kept).trim(), limits::MESSAGE_BYTES_MAX)
    }
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Tail {
    async fn ready(&mut self) {}
}

impl OutputStream for Tail {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::STDERR_BYTES_MAX)
    }
}

impl AsyncWrite for Tail {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_end_and_no_control_characters() {
        let tail = Tail::default();
        for _ in 0..10_000 {
            tail.push(b"noise ");
        }
        tail.push(b"panicked at \x1b[31mhere\n");
        let text = tail.text();
        assert!(tail.0.lock().len() <= limits::STDERR_BYTES_MAX);
        assert!(text.len() <= limits::MESSAGE_BYTES_MAX + 8, "{}", text.len());
        assert!(!text.contains('\x1b'));
    }
}
