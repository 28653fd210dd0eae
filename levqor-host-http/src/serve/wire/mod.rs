//! [`Wire`]: HTTP/1.1 bytes on their way to hyper, one whole head at a time.
//!
//! ```text
//!  socket ─▶ held ─▶ head whole? one meaning? ─▶ hyper ─▶ service ─▶ answer
//!              │          │ no                                        │
//!              │          └─▶ our own refusal, after what is being answered; then the end
//!              └─ the next request's bytes wait here until this one is answered
//! ```
//! hyper answers a bad head by itself, with a bare status line: without our headers, without a
//! problem document. It also keeps one deadline for an idle connection and a slow head. So heads are
//! read here first; hyper gets those that it will take, and for the others an end of file, after
//! which the refusal is written before the socket is shut. The price is a head parsed twice, about
//! a microsecond.
//!
//! What it is not: a second HTTP implementation. It finds where a request ends and says whether its
//! head is acceptable; hyper reads both again. A body that is not what its head says is an error of
//! reading, which the handler's reader turns into a 400.

mod chunks;
mod head;
mod paced;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::http::Problem;
use crate::limits::{HEAD_BYTES_MAX, HEAD_TIME, IDLE_TIME, LINGER_TIME};
use chunks::Chunks;
use head::{Framing, Head};
pub(super) use paced::Paced;

/// Bytes asked of the socket at once while a head is read.
const READ_BYTES: usize = 2 * 1024;

/// Writes a problem as a whole answer that ends its connection.
pub(super) type Refuse = Arc<dyn Fn(&Problem) -> Bytes + Send + Sync>;

/// Requests of a connection that are not answered yet: counted up by the wire when it hands a head
/// on, down when the answer's body is finished or dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Open(Arc<Answering>);

#[derive(Debug, Default)]
struct Answering {
    count: AtomicUsize,
    reader: AtomicWaker,
}

impl Open {
    pub(super) fn count(&self) -> usize {
        self.0.count.load(Ordering::Acquire)
    }

    pub(super) fn begin(&self) {
        self.0.count.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn end(&self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.reader.wake();
    }

    /// Wakes this reader when an answer ends: hyper, once told that there is nothing to read, asks
    /// again only when it is woken.
    fn wake_at_end(&self, cx: &Context<'_>) {
        self.0.reader.register(cx.waker());
    }
}

/// Where in the stream of requests the next byte is.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// In a head that is not whole; so much of it was looked at.
    Head {
        seen: usize,
    },
    /// In a head that is handed on, with so much left.
    Handing {
        left: usize,
        body: Framing,
    },
    Length {
        left: u64,
    },
    Chunked(Chunks),
    /// Nothing more is read.
    Ended,
}

/// See the module.
pub(super) struct Wire<S> {
    inner: S,
    refuse: Refuse,
    open: Open,
    part: Part,
    /// Read and not handed on.
    held: BytesMut,
    /// When to give up waiting for a head, and while the connection is shut.
    deadline: Option<Pin<Box<Sleep>>>,
    /// The first head has no time to idle before it.
    is_first: bool,
    /// Whether hyper has written out all of the last answer.
    is_flushed: bool,
    /// What is said before the end.
    last_words: Bytes,
    is_refused: bool,
    is_shut: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(inner: S, open: Open, refuse: Refuse) -> Self {
        Self {
            inner,
            refuse,
            open,
            part: Part::Head { seen: 0 },
            held: BytesMut::new(),
            deadline: None,
            is_first: true,
            is_flushed: true,
            last_words: Bytes::new(),
            is_refused: false,
            is_shut: false,
        }
    }

    fn is_past(&mut self, cx: &mut Context<'_>, time: Duration) -> bool {
        let timer = || Box::pin(tokio::time::sleep(time));
        self.deadline.get_or_insert_with(timer).as_mut().poll(cx).is_ready()
    }

    /// Ends the reading with a refusal, which is written when the socket is shut.
    fn end_with(&mut self, problem: Option<&Problem>) {
        self.part = Part::Ended;
        self.deadline = None;
        if let Some(problem) = problem {
            self.last_words = (self.refuse)(problem);
            self.is_refused = true;
        }
    }

    /// Reads until a head is whole and good, or nothing more is to be read.
    fn poll_head(&mut self, cx: &mut Context<'_>, seen: usize) -> Poll<io::Result<()>> {
        if self.open.count() > 0 {
            return self.poll_gone(cx);
        }
        if !self.held.is_empty() {
            match head::check(&self.held, seen) {
                Head::Whole { bytes, body } => {
                    self.open.begin();
                    self.part = Part::Handing { left: bytes, body };
                    (self.deadline, self.is_first, self.is_flushed) = (None, false, false);
                    return Poll::Ready(Ok(()));
                }
                Head::Bad(problem) => {
                    self.end_with(Some(&problem));
                    return Poll::Ready(Ok(()));
                }
                Head::Partial => {}
            }
            self.part = Part::Head { seen: self.held.len() };
        }
        let was_empty = self.held.is_empty();
        match self.poll_more(cx) {
            Poll::Ready(Ok(0)) => self.end_with(None),
            Poll::Ready(Ok(_)) if was_empty && !self.is_first => self.deadline = None,
            Poll::Ready(read) => {
                let _ = read?;
            }
            Poll::Pending => {
                let is_idle = self.held.is_empty() && !self.is_first;
                if !self.is_past(cx, if is_idle { IDLE_TIME } else { HEAD_TIME }) {
                    return Poll::Pending;
                }
                // Who has sent nothing is not spoken to: it may be a browser's spare connection.
                let slow = head::slow();
                self.end_with(Some(&slow).filter(|_| !self.held.is_empty()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// While a request is answered, hyper reads to learn whether the peer is gone. What comes
    /// instead is kept until the answer is out.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open.wake_at_end(cx);
        while self.held.len() < HEAD_BYTES_MAX {
            if ready!(self.poll_more(cx))? == 0 {
                self.end_with(None);
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buf = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
        self.held.extend_from_slice(buf.filled());
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Moves up to `most` held bytes to hyper.
    fn hand(&mut self, buf: &mut ReadBuf<'_>, most: usize) -> usize {
        let count = most.min(self.held.len()).min(buf.remaining());
        buf.put_slice(&self.held[..count]);
        self.held.advance(count);
        if self.held.is_empty() {
            // An idle connection keeps no buffer.
            self.held = BytesMut::new();
        }
        count
    }

    /// Hands on bytes of a body of so much left.
    fn poll_length(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        left: u64,
    ) -> Poll<io::Result<()>> {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let mut count = self.hand(buf, most);
        if count == 0 {
            let room = most.min(buf.remaining());
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
            count = part.filled().len();
            buf.advance(count);
        }
        self.part = match left - count as u64 {
            0 => Part::Head { seen: 0 },
            left => Part::Length { left },
        };
        Poll::Ready(Ok(()))
    }

    fn poll_chunked(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        mut chunks: Chunks,
    ) -> Poll<io::Result<()>> {
        if self.held.is_empty() && ready!(self.poll_more(cx))? == 0 {
            return Poll::Ready(Ok(()));
        }
        let most = self.held.len().min(buf.remaining());
        let Some(count) = chunks.advance(&self.held[..most]) else {
            self.end_with(None);
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        };
        self.hand(buf, count);
        self.part = match chunks {
            Chunks::Done => Part::Head { seen: 0 },
            chunks => Part::Chunked(chunks),
        };
        Poll::Ready(Ok(()))
    }

    fn poll_last_words(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.last_words.is_empty() {
            let count = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.last_words))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.last_words.advance(count);
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    /// Throws away what still comes, for a moment: closing a socket with unread bytes would take
    /// the answer back.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_past(cx, LINGER_TIME) {
            self.held.clear();
            if !matches!(ready!(self.poll_more(cx)), Ok(1..)) {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this.part {
                Part::Head { seen } => ready!(this.poll_head(cx, seen))?,
                Part::Handing { left, body } => {
                    let left = left - this.hand(buf, left);
                    this.part = match (left, body) {
                        (0, Framing::Length(0)) => Part::Head { seen: 0 },
                        (0, Framing::Length(left)) => Part::Length { left },
                        (0, Framing::Chunked) => Part::Chunked(Chunks::begin()),
                        _ => Part::Handing { left, body },
                    };
                    return Poll::Ready(Ok(()));
                }
                Part::Length { left } => return this.poll_length(cx, buf, left),
                Part::Chunked(chunks) => return this.poll_chunked(cx, buf, chunks),
                // hyper closes when it reads the end, and an answer that it has not written out
                // yet would be lost: it reads the end after that.
                Part::Ended if this.last_words.is_empty() || this.is_flushed => {
                    return Poll::Ready(Ok(()));
                }
                Part::Ended => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// hyper flushes when it has handed over all that it holds.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        if self.open.count() == 0 && !self.is_flushed {
            self.is_flushed = true;
            if matches!(self.part, Part::Ended) {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.is_shut {
            ready!(this.poll_last_words(cx))?;
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            (this.is_shut, this.deadline) = (true, None);
        }
        let is_mid_body = !matches!(this.part, Part::Head { .. } | Part::Ended);
        if is_mid_body || this.is_refused { this.poll_linger(cx) } else { Poll::Ready(Ok(())) }
    }
}
