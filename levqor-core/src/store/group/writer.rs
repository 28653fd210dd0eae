//! The one thread that writes: takes what is waiting, decides it, makes it durable, answers all.
//!
//! After a failed write or sync the state of the device is unknown, and trying again proves nothing
//! (a second fsync may report success for data the first one lost). So the writer stops for good:
//! the group in hand is answered [`CommitError::Unknown`], everything after it `Poisoned`, and
//! reads go on at the last durable group.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{oneshot, watch};

use super::Disk;
use super::overlay::{Overlay, Packs, Refused};
use super::record::Head;
use super::view::Views;
use crate::store::{Batch, CommitError, Committed, StoreError};

/// Batches in one group: past that the answers of the first wait noticeably for the last.
const GROUP_BATCHES_MAX: usize = 512;
/// Bytes of values in one group, one batch at its limit apart: bounds what a group holds in memory.
const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;

type Answer = Result<Committed, CommitError>;

/// A batch and whom to tell.
#[derive(Debug)]
struct Waiting {
    batch: Batch,
    reply: oneshot::Sender<Answer>,
}

/// Batches on their way to the writer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: Vec<Waiting>,
    /// The writer sleeps and must be woken.
    idle: bool,
    /// No more batches are taken; why.
    stopped: Option<String>,
}

impl Queue {
    /// Hands a batch to the writer and waits for the group's answer. Dropping the future does not
    /// take the batch back.
    pub(super) async fn commit(&self, batch: Batch) -> Answer {
        batch.check()?;
        let (reply, answer) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if let Some(why) = &state.stopped {
                return Err(CommitError::Poisoned(why.clone()));
            }
            state.waiting.push(Waiting { batch, reply });
            if std::mem::take(&mut state.idle) {
                self.wake.notify_one();
            }
        }
        answer.await.unwrap_or(Err(CommitError::Unknown))
    }

    /// Takes no more batches; what waits is still written.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.stopped.get_or_insert_with(|| "it was closed".to_owned());
        state.idle = false;
        self.wake.notify_one();
    }

    /// The next group, in order of arrival; `None` when there will be no more.
    fn next(&self) -> Option<Vec<Waiting>> {
        let mut state = self.state.lock();
        while state.waiting.is_empty() {
            if state.stopped.is_some() {
                return None;
            }
            state.idle = true;
            self.wake.wait(&mut state);
        }
        let mut bytes = 0;
        let fits = |waiting: &&Waiting| {
            bytes += waiting.batch.set.iter().map(|(_, value)| value.len()).sum::<usize>();
            bytes <= GROUP_BYTES_MAX
        };
        let count = state.waiting.iter().take(GROUP_BATCHES_MAX).take_while(fits).count().max(1);
        if count == state.waiting.len() {
            let room = Vec::with_capacity(count);
            return Some(std::mem::replace(&mut state.waiting, room));
        }
        Some(state.waiting.drain(..count).collect())
    }

    fn poison(&self, why: &str) {
        let waiting = {
            let mut state = self.state.lock();
            state.stopped = Some(why.to_owned());
            std::mem::take(&mut state.waiting)
        };
        for waiting in waiting {
            // Whoever gave up waiting needs no answer, here and below.
            let _ = waiting.reply.send(Err(CommitError::Poisoned(why.to_owned())));
        }
    }
}

/// What the writer thread owns, and what it shares with readers.
#[derive(Debug)]
pub(super) struct Writer<D: Disk> {
    pub(super) disk: Arc<D>,
    pub(super) views: Arc<Views<D::Raw>>,
    pub(super) queue: Arc<Queue>,
    pub(super) changed: watch::Sender<u64>,
    pub(super) head: Head,
    pub(super) packs: Packs,
}

impl<D: Disk> Writer<D> {
    /// Writes groups until the queue is closed or a write fails.
    pub(super) fn run(mut self) {
        while let Some(group) = self.queue.next() {
            let (batches, replies): (Vec<_>, Vec<_>) =
                group.into_iter().map(|waiting| (waiting.batch, waiting.reply)).unzip();
            // sled panics where others return errors; either way the device's state is unknown.
            let written = catch_unwind(AssertUnwindSafe(|| self.write(batches)));
            let written = written.unwrap_or_else(|_| {
                Err(StoreError::Unavailable("the storage library panicked".to_owned()))
            });
            match written {
                Ok(answers) => {
                    for (reply, answer) in replies.into_iter().zip(answers) {
                        let _ = reply.send(answer);
                    }
                }
                Err(error) => {
                    self.queue.poison(&error.to_string());
                    for reply in replies {
                        let _ = reply.send(Err(CommitError::Unknown));
                    }
                    return;
                }
            }
        }
    }

    /// Decides and writes one group of batches that have passed [`Batch::check`].
    pub(super) fn write(&mut self, batches: Vec<Batch>) -> Result<Vec<Answer>, StoreError> {
        let mut overlay = Overlay::new(&*self.disk, &mut self.packs, self.head.revision);
        let mut answers = Vec::with_capacity(batches.len());
        for batch in batches {
            answers.push(match overlay.decide(batch) {
                Ok(committed) => Ok(committed),
                Err(Refused::Batch(error)) => Err(error),
                Err(Refused::Disk(error)) => return Err(error),
            });
        }
        if let Some(changes) = overlay.finish(&self.head)? {
            self.views.hide(changes.olds);
            self.disk.apply(changes.writes, changes.head.sequence)?;
            self.head = changes.head;
            self.views.show(self.head.revision);
            self.changed.send_replace(self.head.revision);
        }
        Ok(answers)
    }
}
