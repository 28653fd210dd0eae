//! Bugs planted on purpose: each changes what the engine commits in the way that a plausible
//! mistake in it would, and each must be found by the checks.

use levqor_core::run::{Header, RunStatus};
use levqor_core::store::{Add, Batch, Expect, Key, Table, Value};
use levqor_core::testing::Rng;
use parking_lot::Mutex;

use crate::stored::{self, Place};

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mutant {
    /// A run's header is written without expecting the revision that was read.
    NoFence,
    /// Credits move in a commit of their own, after the step's.
    SplitCharge,
    /// A hold is not given back when its attempt fails.
    HoldKept,
    /// A cancelled run keeps what it held.
    CancelKeepsHold,
    /// Credits are captured twice.
    ChargeTwice,
    /// The balance has no lower bound.
    NoBound,
    /// An ended run stays among the live ones.
    DoubleFinish,
    /// A new lease does not raise the epoch.
    EpochKept,
    /// A retry is numbered as the attempt before it.
    AttemptNumber,
    /// An idempotency key is not stored.
    KeyForgotten,
    /// A dead run leaves no dead letter.
    NoDeadLetter,
    /// A journal record is lost.
    JournalLost,
    /// A pipeline's version is not stored with its first run.
    VersionLost,
    /// The header does not say when the run is due.
    TimerLost,
    /// A commit is acknowledged and never applied.
    AckedNotApplied,
}

/// A mutant at work.
#[derive(Debug)]
pub struct Planted {
    mutant: Mutant,
    state: Mutex<(Rng, u64)>,
}

impl Planted {
    /// Plants a bug.
    #[must_use]
    pub fn new(mutant: Mutant, seed: u64) -> Self {
        Self { mutant, state: Mutex::new((Rng::new(seed ^ 0xb09), 0)) }
    }

    /// Whether it is this one.
    #[must_use]
    pub fn is(&self, mutant: Mutant) -> bool {
        self.mutant == mutant
    }

    /// What is committed instead of `batch`, one after the other.
    pub fn rewrite(&self, mut batch: Batch) -> Vec<Batch> {
        let header = header_of(&batch);
        let ends = header.as_ref().is_some_and(|h| h.status.is_final());
        let captures = batch.add.iter().map(|a| a.delta).sum::<i64>() < 0;
        let releases = batch.add.iter().any(|a| &*a.counter.slot == "held" && a.delta < 0);
        match self.mutant {
            Mutant::SplitCharge if !batch.add.is_empty() && header.is_some() => {
                return self.split(batch);
            }
            Mutant::HoldKept if releases && !captures => batch.add.clear(),
            Mutant::CancelKeepsHold if header.is_some_and(|h| h.status == RunStatus::Cancelled) => {
                batch.add.clear();
            }
            Mutant::ChargeTwice if captures => {
                batch.add.iter_mut().for_each(|a| a.delta *= 2);
                unbound(&mut batch);
            }
            Mutant::NoBound => unbound(&mut batch),
            Mutant::DoubleFinish if ends => batch.delete.clear(),
            Mutant::EpochKept => edit_header(&mut batch, |h| h.epoch = h.epoch.min(1)),
            Mutant::AttemptNumber => {
                edit(&mut batch, Table::Journal, "\"attempt\":2", "\"attempt\":1")
            }
            Mutant::KeyForgotten => {
                let is_key = |k: &Key| k.as_bytes().first() == Some(&(Table::Idempotency as u8));
                batch.set.retain(|(k, _)| !is_key(k));
                batch.expect.retain(|e| !matches!(e, Expect::Absent(k) if is_key(k)));
            }
            Mutant::NoDeadLetter => drop_table(&mut batch, Table::DeadLetter),
            Mutant::JournalLost if self.state.lock().0.chance(20) => {
                drop_table(&mut batch, Table::Journal);
            }
            Mutant::VersionLost => drop_table(&mut batch, Table::Version),
            Mutant::TimerLost => edit_header(&mut batch, |h| h.due = None),
            Mutant::AckedNotApplied if ends && self.state.lock().0.chance(50) => {
                // Something must be committed for an answer: a record that means nothing.
                return vec![self.marker(&batch)];
            }
            _ => {}
        }
        vec![batch]
    }

    fn split(&self, mut batch: Batch) -> Vec<Batch> {
        let mut charge = self.marker(&batch);
        charge.add = std::mem::take(&mut batch.add);
        vec![batch, charge]
    }

    fn marker(&self, batch: &Batch) -> Batch {
        let mut marker = Batch { lane: batch.lane.clone(), ..Batch::default() };
        let mut state = self.state.lock();
        state.1 += 1;
        let key = Key::of(Table::PluginState).text("mutant").number(state.1);
        marker.insert(key, Value::from_static(b"{}"));
        marker
    }
}

fn header_of(batch: &Batch) -> Option<Header> {
    batch.set.iter().find_map(|(key, value)| match stored::place(key) {
        Place::Live(..) | Place::Done(..) => stored::header(value).ok(),
        _ => None,
    })
}

fn edit_header(batch: &mut Batch, change: impl Fn(&mut Header)) {
    for (key, value) in &mut batch.set {
        if let Place::Live(..) = stored::place(key)
            && let Ok(mut header) = stored::header(value)
        {
            change(&mut header);
            *value = serde_json::to_vec(&header).unwrap_or_default().into();
        }
    }
}

fn edit(batch: &mut Batch, table: Table, from: &str, to: &str) {
    for (key, value) in &mut batch.set {
        if key.as_bytes().first() == Some(&(table as u8)) {
            let text = String::from_utf8_lossy(value).replace(from, to);
            *value = text.into_bytes().into();
        }
    }
}

fn drop_table(batch: &mut Batch, table: Table) {
    batch.set.retain(|(key, _)| key.as_bytes().first() != Some(&(table as u8)));
}

fn unbound(batch: &mut Batch) {
    for Add { min, .. } in &mut batch.add {
        *min = i64::MIN;
    }
}
