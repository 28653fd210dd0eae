//! [`Watch`]: tells whoever follows a run that its journal has grown.
//!
//! ```text
//!  engine's feed (every run's commits) ──one reader──▶ a signal for each run that is followed
//! ```
//! One reader for all streams: a commit costs the same whether nobody or everybody looks. Signals
//! are hints; what is true is read from the journal. The reader runs only while somebody follows.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use levqor_core::engine::Engine;
use levqor_core::ids::RunId;
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, watch};

use crate::http::Problem;
use crate::limits::{EVENT_STREAMS_MAX, EVENT_STREAMS_PER_CREDENTIAL_MAX};

/// The followers of all runs; a cheap clone.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    engine: Engine,
    followed: Arc<Mutex<Followed>>,
    /// Somebody stopped following.
    left: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Followed {
    runs: HashMap<RunId, watch::Sender<()>>,
    by_credential: HashMap<String, usize>,
    count: usize,
    has_reader: bool,
}

impl Watch {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, followed: Arc::default(), left: Arc::default() }
    }

    /// Follows a run for a credential.
    ///
    /// # Errors
    /// `request.streams` when it follows too many at a time, or all together do.
    pub(crate) fn follow(&self, run: RunId, credential: &str) -> Result<Follower, Problem> {
        let mut followed = self.followed.lock();
        let of_credential = followed.by_credential.get(credential).copied().unwrap_or(0);
        if of_credential >= EVENT_STREAMS_PER_CREDENTIAL_MAX || followed.count >= EVENT_STREAMS_MAX
        {
            let detail = "too many event streams are open; end one first";
            let status = StatusCode::TOO_MANY_REQUESTS;
            return Err(Problem::new(status, "request.streams", detail).retry_after(5));
        }
        followed.count += 1;
        *followed.by_credential.entry(credential.to_owned()).or_default() += 1;
        let sender = followed.runs.entry(run).or_insert_with(|| watch::channel(()).0);
        let grown = sender.subscribe();
        if !followed.has_reader {
            followed.has_reader = true;
            let (engine, followed) = (self.engine.clone(), self.followed.clone());
            tokio::spawn(read(engine, followed, self.left.clone()));
        }
        drop(followed);
        let (followed, left) = (self.followed.clone(), self.left.clone());
        Ok(Follower { run, credential: credential.to_owned(), grown, followed, left })
    }
}

/// Ends as soon as nobody follows: who holds the engine keeps its store open.
async fn read(engine: Engine, followed: Arc<Mutex<Followed>>, left: Arc<Notify>) {
    let mut feed = engine.feed();
    // What was committed before the feed was there is nobody's hint.
    tell_all(&followed);
    loop {
        let hint = tokio::select! {
            hint = feed.recv() => Some(hint),
            () = left.notified() => None,
        };
        let mut followed_now = followed.lock();
        if followed_now.count == 0 {
            followed_now.has_reader = false;
            return;
        }
        let Some(hint) = hint else { continue };
        match hint {
            Ok((run, _)) => {
                if let Some(sender) = followed_now.runs.get(&run) {
                    let _ = sender.send(());
                }
            }
            Err(RecvError::Lagged(_)) => {
                drop(followed_now);
                tell_all(&followed);
            }
            Err(RecvError::Closed) => {
                followed_now.has_reader = false;
                return;
            }
        }
    }
}

fn tell_all(followed: &Mutex<Followed>) {
    for sender in followed.lock().runs.values() {
        let _ = sender.send(());
    }
}

/// One follower of one run; makes room when dropped.
#[derive(Debug)]
pub(crate) struct Follower {
    run: RunId,
    credential: String,
    grown: watch::Receiver<()>,
    followed: Arc<Mutex<Followed>>,
    left: Arc<Notify>,
}

impl Follower {
    /// Completes when the journal may have grown since the last time.
    pub(crate) async fn grown(&mut self) {
        // The sender stays as long as somebody follows.
        let _ = self.grown.changed().await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut followed = self.followed.lock();
        followed.count -= 1;
        if let Some(count) = followed.by_credential.get_mut(&self.credential) {
            *count -= 1;
            if *count == 0 {
                followed.by_credential.remove(&self.credential);
            }
        }
        // This receiver is still there.
        if followed.runs.get(&self.run).is_some_and(|sender| sender.receiver_count() <= 1) {
            followed.runs.remove(&self.run);
        }
        if followed.count == 0 {
            self.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use levqor_core::connector::Catalog;
    use levqor_core::store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn streams_are_counted_by_credential_and_make_room_when_they_end() {
        let engine = Engine::builder(MemoryStore::new(), Catalog::new()).build().await.unwrap();
        let watch = Watch::new(engine);
        let run = RunId::from_u128(7);
        let mut open = Vec::new();
        for _ in 0..EVENT_STREAMS_PER_CREDENTIAL_MAX {
            open.push(watch.follow(run, "key:a").unwrap());
        }
        assert_eq!(watch.follow(run, "key:a").unwrap_err().code(), "request.streams");
        let other = watch.follow(run, "key:b").unwrap();
        open.pop();
        assert!(watch.follow(run, "key:a").is_ok());
        drop((open, other));
        {
            let followed = watch.followed.lock();
            let left = (followed.count, followed.runs.len(), followed.by_credential.len());
            assert_eq!(left, (0, 0, 0));
        }
        while watch.followed.lock().has_reader {
            tokio::task::yield_now().await;
        }
    }
}
