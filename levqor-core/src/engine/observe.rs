//! [`Observer`]: what happened in the engine, as typed events, for metrics and traces.
//!
//! What it is not: a place for decisions or for what must not be lost. A run's truth is its
//! journal; an observer of a process that dies between a commit and its event never hears of it.

use std::fmt;

use super::{Engine, Inner, codec};
use crate::connector::{Call, Outcome};
use crate::engine::{DeadLetter, Error};
use crate::error::ErrorKind;
use crate::ids::{Organization, RunId};
use crate::limits::PAGE_MAX;
use crate::run::RunStatus;
use crate::store::{Key, Table};
use crate::time::Timestamp;

/// Hears what happened. Called on the engine's own tasks, some of them under way with a run: it
/// must return at once, must not panic, and must not call the engine.
///
/// Every event is told once at most. [`Observed::RunAccepted`], [`Observed::RunEnded`] and the dead
/// letters' are told after their commit was acknowledged; of a commit whose outcome stayed unknown
/// nothing may be told.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, what: &Observed<'_>);
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Observed<'a> {
    /// A run was accepted.
    RunAccepted {
        /// Whose.
        organization: &'a Organization,
        /// Which.
        run: RunId,
    },
    /// A run ended.
    RunEnded(RunEnded<'a>),
    /// A connector was called and answered, or ran out of time. Told before the outcome is
    /// committed: a call of a worker that has lost its run is told as well.
    Called(Called<'a>),
    /// A dead letter was retried, discarded, or went with its run when that one's retention ended.
    /// One is made with every run that ends as `dead`.
    DeadLetterGone {
        /// Whose.
        organization: &'a Organization,
        /// Of which run.
        run: RunId,
    },
}

/// The end of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunEnded<'a> {
    /// Whose.
    pub organization: &'a Organization,
    /// Which.
    pub run: RunId,
    /// Its pipeline's name.
    pub pipeline: &'a str,
    /// How it ended.
    pub status: RunStatus,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Credits that it cost.
    pub credits: u64,
    /// W3C trace context it was started with.
    pub traceparent: Option<&'a str>,
}

/// One call of a connector.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Called<'a> {
    /// For whom.
    pub organization: &'a Organization,
    /// In which run.
    pub run: RunId,
    /// By which step, with its iterations.
    pub step: &'a str,
    /// Which attempt of it, from 1.
    pub attempt: u32,
    /// The connector's name, as the catalog has it.
    pub connector: &'a str,
    /// The action's name, as the manifest has it.
    pub action: &'a str,
    /// When the call began, by the engine's clock.
    pub began: Timestamp,
    /// Milliseconds until there was an outcome.
    pub took_ms: u64,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// W3C trace context of the run.
    pub traceparent: Option<&'a str>,
}

impl<'a> Called<'a> {
    pub(crate) fn of(
        call: &Call<'a>,
        connector: &'a str,
        began: Timestamp,
        now: Timestamp,
        outcome: &'a Outcome,
    ) -> Self {
        let Call { organization, run, step, attempt, action, traceparent, .. } = *call;
        let took_ms = now.since_ms(began);
        Self {
            organization,
            run,
            step,
            attempt,
            connector,
            action,
            began,
            took_ms,
            outcome,
            traceparent,
        }
    }

    /// The kind of its error; `None` where it worked.
    #[must_use]
    pub fn error_kind(&self) -> Option<ErrorKind> {
        match self.outcome {
            Outcome::Done { .. } => None,
            Outcome::Retry { error, .. }
            | Outcome::Failed { error }
            | Outcome::Ambiguous { error } => Some(error.kind),
        }
    }
}

/// What an engine has in hand at this moment, read from memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// Runs that are ready and wait for a slot.
    pub ready: usize,
    /// Runs that are driven.
    pub running: usize,
    /// Runs that wait for time, an event, a person or a budget.
    pub parked: usize,
    /// Runs that stand behind others of their concurrency key.
    pub lined_up: usize,
    /// Since when the one that has been ready longest is ready.
    pub oldest_ready: Option<Timestamp>,
}

/// A dead letter with whose it is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FoundLetter {
    /// Whose.
    pub organization: Organization,
    /// Of which run.
    pub run: RunId,
    /// The letter.
    pub letter: DeadLetter,
}

impl Engine {
    /// What this engine has in hand. Touches no store; takes time with the number of ready runs.
    #[must_use]
    pub fn load(&self) -> Load {
        let hot = self.inner.hot.lock();
        Load {
            ready: hot.ready.len(),
            running: hot.active.len(),
            parked: hot.parked.len(),
            lined_up: hot.keys.values().map(|line| line.line.len()).sum(),
            oldest_ready: hot.ready.oldest(),
        }
    }

    /// Dead letters of every organization, by organization and newest first, after this one's. For
    /// operators: what an organization sees is [`Engine::dead_letters`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn every_dead_letter(
        &self,
        after: Option<(&Organization, RunId)>,
        limit: u32,
    ) -> Result<Vec<FoundLetter>, Error> {
        let mut range = Key::of(Table::DeadLetter).prefix();
        if let Some((organization, run)) = after {
            range = range.after(&codec::dead_letter_key(organization, run));
        }
        let found = self.inner.store.scan(&range, limit.clamp(1, PAGE_MAX)).await?;
        let mut letters = Vec::with_capacity(found.len());
        for (key, record) in found {
            let (organization, run) = codec::read_run_key(&key)?;
            let letter = codec::read(&record.value, "dead letter")?;
            letters.push(FoundLetter { organization, run, letter });
        }
        Ok(letters)
    }
}

impl Inner {
    pub(crate) fn tell(&self, what: &Observed<'_>) {
        if let Some(observer) = &self.observer {
            observer.observe(what);
        }
    }

    /// After a commit of this header: whether it ended the run.
    pub(crate) fn tell_if_ended(&self, organization: &Organization, live: &super::cell::Live) {
        if self.observer.is_none() || !live.header.status.is_final() {
            return;
        }
        let header = &live.header;
        self.tell(&Observed::RunEnded(RunEnded {
            organization,
            run: live.state.id(),
            pipeline: &header.pipeline,
            status: header.status,
            created: header.created,
            ended: header.ended.unwrap_or(header.created),
            credits: header.tally.captured,
            traceparent: live.state.started.traceparent.as_deref(),
        }));
    }
}
