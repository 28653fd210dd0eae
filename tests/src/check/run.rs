//! One run as its commits say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use levqor_core::ids::{Organization, RunId};
use levqor_core::pipeline::Pipeline;
use levqor_core::run::{At, Event, Header, JournalRecord, RunState, RunStatus};
use levqor_core::time::Timestamp;

/// A step's attempts.
#[derive(Clone, Debug, Default)]
struct Attempts {
    last: u32,
    open: bool,
    succeeded: bool,
}

/// One run as its commits say.
#[derive(Debug)]
pub struct RunModel {
    /// Whose.
    pub organization: String,
    /// The last header.
    pub header: Header,
    /// Which engine's handle wrote it.
    pub by: u32,
    /// The fold of its journal.
    pub state: RunState,
    /// Labels it was started with.
    pub labels: BTreeMap<String, String>,
    /// Whether several engines may work on the store.
    shared: bool,
    /// Whether it continues or replays another run.
    pub continues: bool,
    /// Approvals that wait.
    pub approvals: BTreeMap<At, Arc<str>>,
    /// Events it waits for.
    pub events: BTreeSet<Arc<str>>,
    paused: bool,
    epoch: u64,
    captured: u64,
    open_holds: BTreeMap<(At, u32), u64>,
    attempts: BTreeMap<At, Attempts>,
    waits: BTreeMap<At, (Timestamp, bool)>,
    /// Ids of steps that were called.
    names: BTreeMap<At, Arc<str>>,
}

impl RunModel {
    /// A run whose first record this is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(
        run: RunId,
        organization: &str,
        by: u32,
        header: &Header,
        record: &JournalRecord,
        pipeline: Arc<Pipeline>,
        shared: bool,
    ) -> Result<Self, String> {
        let mut model = Self::begin(run, organization, by, header, record, pipeline, shared)?;
        let rest = JournalRecord { events: record.events[1..].to_vec(), ..record.clone() };
        model.commit(by, header, Some(&rest))?;
        Ok(model)
    }

    fn begin(
        run: RunId,
        organization: &str,
        by: u32,
        header: &Header,
        record: &JournalRecord,
        pipeline: Arc<Pipeline>,
        shared: bool,
    ) -> Result<Self, String> {
        let Some(Event::RunStarted(started)) = record.events.first() else {
            return Err(format!("{run}: its journal does not begin at its start"));
        };
        if started.hash != header.hash || started.hash != pipeline.hash() {
            return Err(format!("{run}: started with another version than its header says"));
        }
        let id = Organization::new(organization).map_err(|e| e.to_string())?;
        Ok(Self {
            organization: organization.to_owned(),
            header: Header { seq: 0, epoch: 0, lease: None, ..header.clone() },
            by,
            shared,
            state: RunState::new(run, id, pipeline, (**started).clone()),
            labels: started.labels.clone(),
            continues: started.origin.is_some(),
            approvals: BTreeMap::new(),
            events: BTreeSet::new(),
            paused: false,
            epoch: 0,
            captured: 0,
            open_holds: BTreeMap::new(),
            attempts: BTreeMap::new(),
            waits: BTreeMap::new(),
            names: BTreeMap::new(),
        })
    }

    /// A run as its whole journal and its last header say.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn replay(
        run: RunId,
        organization: &str,
        header: &Header,
        journal: &[JournalRecord],
        pipeline: Arc<Pipeline>,
    ) -> Result<Self, String> {
        let first = journal.first().ok_or_else(|| format!("{run}: no journal"))?;
        let mut model = Self::begin(run, organization, 0, header, first, pipeline, false)?;
        for (index, record) in journal.iter().enumerate() {
            for event in &record.events[usize::from(index == 0)..] {
                model.event(event, record.at).map_err(|e| format!("{run}: {e}"))?;
                model.state.apply(event).map_err(|e| format!("{run}: {e}"))?;
            }
        }
        model.compare(header)?;
        model.header = header.clone();
        Ok(model)
    }

    /// Attempts so far of a step of the document itself, by its id.
    #[must_use]
    pub fn attempts_of(&self, step: &str) -> u32 {
        self.step(step).map_or(0, |attempts| attempts.last)
    }

    /// Whether a step of the document itself has succeeded.
    #[must_use]
    pub fn has_succeeded(&self, step: &str) -> bool {
        self.step(step).is_some_and(|attempts| attempts.succeeded)
    }

    fn step(&self, step: &str) -> Option<&Attempts> {
        let at = self.names.iter().find(|(_, name)| &***name == step).map(|(at, _)| at)?;
        self.attempts.get(at)
    }

    /// Credits in open holds, by this count.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.open_holds.values().sum()
    }

    /// Credits captured, by this count.
    #[must_use]
    pub fn captured(&self) -> u64 {
        self.captured
    }

    /// Takes in one commit of the run: its new header, and its journal record where it has one.
    ///
    /// # Errors
    /// Whatever must not happen.
    pub fn commit(
        &mut self,
        by: u32,
        header: &Header,
        record: Option<&JournalRecord>,
    ) -> Result<(), String> {
        let id = self.state.id();
        let wrong = |what: String| Err(format!("{id}: {what}"));
        let before = self.header.clone();
        if before.status.is_final() && before.seq > 0 {
            return wrong(format!("written after it ended as {}", before.status.as_str()));
        }
        if header.epoch < before.epoch {
            return wrong(format!("the epoch fell from {} to {}", before.epoch, header.epoch));
        }
        let holder = |h: &Header| h.lease.as_ref().map(|l| l.holder.clone());
        let changes = header.lease.is_some() && holder(header) != holder(&before);
        if changes && header.epoch != before.epoch + 1 {
            return wrong(format!("a new lease at epoch {} after {}", header.epoch, before.epoch));
        }
        let wanted = before.seq + u64::from(record.is_some());
        if header.seq != wanted {
            return wrong(format!("its header counts {} records, not {wanted}", header.seq));
        }
        if let Some(record) = record {
            self.record(by, &before, header, record)?;
        }
        self.compare(header)?;
        (self.header, self.by) = (header.clone(), by);
        Ok(())
    }

    fn record(
        &mut self,
        by: u32,
        before: &Header,
        header: &Header,
        record: &JournalRecord,
    ) -> Result<(), String> {
        let id = self.state.id();
        if record.epoch < self.epoch || record.epoch != header.epoch {
            return Err(format!("{id}: a record of epoch {} in {}", record.epoch, header.epoch));
        }
        self.epoch = record.epoch;
        let calls = record.events.iter().any(is_of_driver);
        // A store of one's own is taken over at once: nobody else can be alive.
        let leased = self.shared && before.lease.as_ref().is_some_and(|l| l.until > record.at);
        if calls && leased && by != self.by && header.epoch == before.epoch {
            return Err(format!("{id}: engine {by} drove it under another's lease"));
        }
        for event in &record.events {
            self.event(event, record.at).map_err(|e| format!("{id}: {e}"))?;
            self.state.apply(event).map_err(|e| format!("{id}: {e}"))?;
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, now: Timestamp) -> Result<(), String> {
        match event {
            Event::AttemptOpened { at, attempt, hold, step, .. } => {
                self.names.entry(at.clone()).or_insert_with(|| step.clone());
                if self.paused {
                    return Err(format!("a step began at {at:?} while the run was paused"));
                }
                let step = self.attempts.entry(at.clone()).or_default();
                if step.open || step.succeeded || *attempt != step.last + 1 {
                    return Err(format!("attempt {attempt} opened at {at:?} after {step:?}"));
                }
                (step.open, step.last) = (true, *attempt);
                self.open_holds.insert((at.clone(), *attempt), *hold);
            }
            Event::AttemptSucceeded { at, attempt, charged, .. } => {
                let hold = self.close(at, *attempt)?;
                if *charged > hold {
                    return Err(format!("{charged} charged of a hold of {hold} at {at:?}"));
                }
                self.captured += charged;
                self.succeed(at)?;
            }
            Event::AttemptFailed { at, attempt, .. }
            | Event::AttemptInterrupted { at, attempt, .. } => {
                self.close(at, *attempt)?;
            }
            Event::StepCancelled { at, .. } => {
                if let Some(step) = self.attempts.get(at).filter(|s| s.open) {
                    let attempt = step.last;
                    self.close(at, attempt)?;
                }
                self.waits.remove(at);
                self.approvals.remove(at);
            }
            Event::StepFailed { at, .. } => {
                self.waits.remove(at);
                self.approvals.remove(at);
            }
            Event::StepWaiting { at, step, waits_for, due } => self.wait(at, step, waits_for, *due),
            Event::StepSucceeded { at, .. } => {
                if let Some((due, sleeps)) = self.waits.remove(at)
                    && sleeps
                    && due > now
                {
                    return Err(format!("the sleep at {at:?} ended before it was due"));
                }
                self.approvals.remove(at);
                self.succeed(at)?;
            }
            Event::StepReused { at, .. } => self.succeed(at)?,
            Event::RunPaused { .. } => self.paused = true,
            Event::RunUnpaused { .. } => self.paused = false,
            _ => {}
        }
        Ok(())
    }

    fn wait(
        &mut self,
        at: &At,
        step: &Arc<str>,
        waits_for: &levqor_core::run::WaitFor,
        due: Option<Timestamp>,
    ) {
        use levqor_core::run::WaitFor;
        match waits_for {
            WaitFor::Approval(_) => {
                self.approvals.insert(at.clone(), step.clone());
            }
            WaitFor::Event(name) => {
                self.events.insert(name.clone());
            }
            WaitFor::Sleep => {}
        }
        if let Some(due) = due {
            self.waits.insert(at.clone(), (due, *waits_for == WaitFor::Sleep));
        }
    }

    fn close(&mut self, at: &At, attempt: u32) -> Result<u64, String> {
        let step = self.attempts.entry(at.clone()).or_default();
        if !step.open || step.last != attempt {
            return Err(format!("attempt {attempt} ended at {at:?} after {step:?}"));
        }
        step.open = false;
        self.open_holds.remove(&(at.clone(), attempt)).ok_or_else(|| format!("no hold at {at:?}"))
    }

    fn succeed(&mut self, at: &At) -> Result<(), String> {
        let step = self.attempts.entry(at.clone()).or_default();
        if std::mem::replace(&mut step.succeeded, true) {
            return Err(format!("the step at {at:?} succeeded twice"));
        }
        Ok(())
    }

    /// The fold of the journal is what the header says.
    fn compare(&self, header: &Header) -> Result<(), String> {
        let id = self.state.id();
        let folded = self.state.status();
        let same = match (folded, header.status) {
            (RunStatus::Running, RunStatus::Waiting) => true,
            (a, b) => a == b,
        };
        if !same {
            return Err(format!(
                "{id}: its header says {:?}, its journal {folded:?}",
                header.status
            ));
        }
        let tally = self.state.tally();
        if tally != header.tally {
            return Err(format!(
                "{id}: its header counts {:?}, its journal {tally:?}",
                header.tally
            ));
        }
        if tally.open() != self.held() || tally.captured != self.captured {
            return Err(format!(
                "{id}: {} held and {} captured by its events, {tally:?} by its fold",
                self.held(),
                self.captured
            ));
        }
        if header.status.is_final() && (self.held() > 0 || header.lease.is_some()) {
            return Err(format!("{id}: it ended with {} credits held or a lease", self.held()));
        }
        Ok(())
    }
}

/// Whether only the holder of the lease may write this.
fn is_of_driver(event: &Event) -> bool {
    matches!(
        event,
        Event::AttemptOpened { .. }
            | Event::AttemptSucceeded { .. }
            | Event::AttemptFailed { .. }
            | Event::AttemptInterrupted { .. }
            | Event::StepEntered { .. }
            | Event::StepWaiting { .. }
    )
}
