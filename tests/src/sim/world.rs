//! [`World`]: one seed's history, step by step.

use std::sync::{Arc, LazyLock};

use futures_util::FutureExt;
use levqor_core::connector::Catalog;
use levqor_core::document::PipelineDocument;
use levqor_core::ids::RunId;
use levqor_core::ledger;
use levqor_core::pipeline::{Pipeline, compile};
use levqor_core::run::RunStatus;
use levqor_core::testing::{ManualClock, Rng};
use levqor_core::time::{Clock, Timestamp};

use super::client::{Book, Told, organization};
use super::exec::{Exec, Group};
use super::slot::Slot;
use super::store::{Faults, SimStore};
use super::vendor::{Vendor, VendorState};
use super::{Options, Report, docs};
use crate::check::Model;

/// Documents that seeds choose from: compiling one takes longer than running it.
const DOCUMENTS: u64 = 400;
/// Steps of the chaos at most.
const CHAOS_TICKS: u64 = 1_500;
/// Chaos in which nothing happens for so long is over: only housekeeping is left.
const IDLE_MS: u64 = 60_000;
/// When a history begins.
const EPOCH: Timestamp = Timestamp(1_700_000_000_000);

/// What all engines of a seed have in common.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The data.
    pub store: SimStore,
    /// The time.
    pub clock: ManualClock,
    /// The world outside.
    pub vendor: Arc<VendorState>,
    /// What clients remember.
    pub book: Arc<Book>,
    /// What clients start.
    pub pipelines: Arc<Vec<Arc<Pipeline>>>,
    /// Whether there are two engines.
    pub shared: bool,
    /// How long a lease lasts.
    pub lease_ms: u64,
    /// Runs driven at the same time.
    pub slots: usize,
    /// Requests of each client.
    pub requests: u64,
}

/// Which faults a seed has, in thousandths of its steps.
#[derive(Clone, Copy, Debug)]
struct Chaos {
    crash: u64,
    pause: u64,
    jump: u64,
}

/// One seed's history.
#[derive(Debug)]
pub struct World {
    pub(super) options: Options,
    pub(super) rng: Rng,
    pub(super) exec: Exec,
    pub(super) setting: Setting,
    pub(super) slots: Vec<Slot>,
    pub(super) model: Model,
    pub(super) report: Report,
    started: std::collections::BTreeMap<usize, RunId>,
    chaos: Chaos,
    next_group: Group,
}

/// Compiled once for the process: the document's number decides everything.
static PIPELINES: LazyLock<Vec<Arc<Pipeline>>> = LazyLock::new(|| {
    let clock = ManualClock::new(EPOCH);
    let catalog = Catalog::new().with(Vendor::new(VendorState::new(0), clock)).unwrap_or_default();
    (0..DOCUMENTS)
        .map(|seed| {
            let document = docs::document(seed);
            let parsed = PipelineDocument::from_value(&document);
            let made = parsed.and_then(|parsed| compile(&parsed, None, &catalog, &|_| None));
            made.map_err(|issues| format!("{document:#}\n{issues:#?}"))
        })
        .collect::<Result<_, _>>()
        .unwrap_or_else(|problem| std::panic::resume_unwind(Box::new(problem)))
});

impl World {
    /// The world of a seed, before anything happened.
    #[must_use]
    pub fn new(seed: u64, options: Options) -> Self {
        let mut rng = Rng::new(seed);
        let clock = ManualClock::new(EPOCH);
        let store = SimStore::new(rng.next(), clock.clone(), options.mutant);
        let shared = rng.chance(50);
        let count = 1 + rng.below(4);
        let pipelines: Vec<_> = (0..count).filter_map(|_| rng.pick(&PIPELINES).cloned()).collect();
        let mut model = Model::default();
        model.shared = shared;
        model.pipelines.extend(pipelines.iter().map(|p| (p.hash(), p.clone())));
        let setting = Setting {
            store,
            clock,
            vendor: VendorState::new(rng.next()),
            book: Arc::default(),
            pipelines: Arc::new(pipelines),
            shared,
            lease_ms: 200 + rng.below(1_500),
            slots: if rng.chance(30) { 2 } else { 64 },
            requests: 3 + rng.below(8),
        };
        let mut some = |percent: u64, most: u64| {
            if rng.chance(percent) { 1 + rng.below(most) } else { 0 }
        };
        let chaos = Chaos { crash: some(60, 12), pause: some(50, 15), jump: some(15, 4) };
        *setting.store.shared.faults.lock() = Faults {
            yields: some(80, 50),
            slow: some(40, 20),
            unknown: some(40, 8),
            unavailable_tenths: some(20, 4),
        };
        Self {
            options,
            exec: Exec::default(),
            slots: (0..=usize::from(shared)).map(|_| Slot::empty()).collect(),
            setting,
            model,
            report: Report { hash: 0xcbf2_9ce4_8422_2325, ..Report::default() },
            started: Default::default(),
            chaos,
            next_group: 0,
            rng,
        }
    }

    /// Lives through the seed.
    ///
    /// # Errors
    /// What was violated, and at which step.
    pub fn run(mut self) -> Result<Report, String> {
        let lived = self.live();
        lived.map_err(|what| format!("at tick {}: {what}", self.report.ticks))?;
        self.report.simulated_ms = self.setting.clock.now().since_ms(EPOCH);
        self.report.runs = self.model.runs.len() as u64;
        Ok(self.report)
    }

    fn live(&mut self) -> Result<(), String> {
        self.grant("begin", 150, 12)?;
        while self.report.ticks < CHAOS_TICKS {
            if !self.chaos_tick()? {
                break;
            }
        }
        self.heal()
    }

    pub(super) fn grant(&mut self, what: &str, rich: u64, poor: u64) -> Result<(), String> {
        for (index, credits) in [(0, rich), (1, poor)] {
            let entry = ledger::grant(what, credits, self.setting.clock.now());
            let entry = entry.map_err(|e| e.to_string())?;
            let organization = organization(index);
            let store = self.setting.store.handle(Group::MAX, false);
            let posting =
                ledger::posting_batch(&organization, &entry).map_err(|e| e.to_string())?;
            let done = store.shared.inner_commit(posting);
            done.map_err(|e| format!("a grant failed: {e}"))?;
        }
        self.check()
    }

    /// One step of the chaos; `false` when nothing can happen any more.
    fn chaos_tick(&mut self) -> Result<bool, String> {
        self.reopen();
        let roll = self.rng.below(1_000);
        let Chaos { crash, pause, jump } = self.chaos;
        if roll < crash {
            self.crash();
        } else if roll < crash + pause {
            self.pause();
        } else if roll < crash + pause + jump {
            let ms = self.rng.below(20_000);
            self.set_clock(self.setting.clock.now().plus_ms(ms));
        } else if roll < crash + pause + jump + 20 {
            let ms = 1 + self.rng.below(60);
            self.set_clock(self.setting.clock.now().plus_ms(ms));
        } else if !self.poll()? {
            return Ok(self.next_moment(self.setting.clock.now().plus_ms(IDLE_MS)));
        }
        Ok(true)
    }

    /// Polls one task and checks everything; `false` when all wait.
    pub(super) fn poll(&mut self) -> Result<bool, String> {
        let now = self.setting.clock.now();
        let slots = &self.slots;
        let awake = |group: Group| {
            let slot = slots.iter().find(|s| s.group == group && s.is_up());
            slot.is_some_and(|s| s.paused_until.is_none_or(|until| until <= now))
        };
        let Some(task) = self.exec.poll_one(&mut self.rng, &awake) else { return Ok(false) };
        self.report.ticks += 1;
        self.note(task as u64);
        if self.options.trace {
            self.trace(&format!("task {task}"));
        }
        self.check()?;
        Ok(true)
    }

    /// Moves to the next moment at which something happens; `false` where that is after `last`.
    pub(super) fn next_moment(&mut self, last: Timestamp) -> bool {
        let now = self.setting.clock.now();
        let mut moments: Vec<Timestamp> = self.setting.clock.next_wake().into_iter().collect();
        for slot in &self.slots {
            moments.extend(slot.paused_until.filter(|until| *until > now));
            moments.extend(slot.down_until);
        }
        let Some(next) = moments.into_iter().min().filter(|next| *next <= last) else {
            return false;
        };
        // A sleeper of a paused engine is due already: let a little time pass.
        self.set_clock(if next > now { next } else { now.plus_ms(1) });
        true
    }

    pub(super) fn set_clock(&mut self, to: Timestamp) {
        self.setting.clock.set(to);
        self.note(to.0.cast_unsigned());
        if self.options.trace {
            self.trace("the clock moved");
        }
    }

    pub(super) fn reopen(&mut self) {
        let now = self.setting.clock.now();
        for index in 0..self.slots.len() {
            if self.slots[index].over.load(std::sync::atomic::Ordering::Relaxed)
                && self.slots[index].is_up()
            {
                self.take_down(index, 0);
            }
            if self.slots[index].down_until.is_some_and(|until| until <= now) {
                self.next_group += 1;
                let slot = &mut self.slots[index];
                slot.open(self.next_group, &self.exec, &self.setting, &mut self.rng);
                if self.options.trace {
                    self.trace(&format!("engine {} opens in slot {index}", self.next_group));
                }
            }
        }
    }

    fn crash(&mut self) {
        let index = self.rng.below(self.slots.len() as u64) as usize;
        if self.slots[index].is_up() {
            let down = self.rng.below(3 * self.setting.lease_ms);
            self.take_down(index, down);
        }
    }

    pub(super) fn take_down(&mut self, index: usize, down_ms: u64) {
        if self.options.trace {
            self.trace(&format!("engine {} crashes", self.slots[index].group));
        }
        let until = self.setting.clock.now().plus_ms(down_ms);
        self.slots[index].crash(&mut self.exec, until);
        self.report.crashes += 1;
        self.note(index as u64);
    }

    fn pause(&mut self) {
        let index = self.rng.below(self.slots.len() as u64) as usize;
        let ms = self.rng.below(10 * self.setting.lease_ms);
        self.slots[index].paused_until = Some(self.setting.clock.now().plus_ms(ms));
        if self.options.trace {
            self.trace(&format!("engine {} pauses for {ms} ms", self.slots[index].group));
        }
        self.note(ms);
    }

    /// Checks every commit and every answer since the last check.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let log = std::mem::take(&mut *self.setting.store.shared.log.lock());
        let any = !log.is_empty();
        for applied in log {
            self.report.commits += 1;
            for (key, value) in &applied.batch.set {
                self.note_bytes(key.as_bytes());
                self.note_bytes(value);
            }
            if self.options.trace {
                self.trace_commit(&applied);
            }
            let before = self.model.runs.len();
            let run = self.model.commit(applied.by, &applied.batch)?;
            if let Some(run) = run.filter(|_| self.model.runs.len() > before) {
                self.wanted(run)?;
            }
        }
        if any {
            let store = &self.setting.store.shared.inner;
            self.model.balances(store).now_or_never().unwrap_or(Ok(()))?;
        }
        let told = std::mem::take(&mut *self.setting.book.told.lock());
        told.into_iter().try_for_each(|told| self.is_true(&told))?;
        if let Some(wrong) = self.setting.vendor.wrong() {
            return Err(wrong);
        }
        self.setting.book.wrong.lock().first().map_or(Ok(()), |wrong| Err(wrong.clone()))
    }

    /// Somebody asked for this run, and nobody else got one for the same request.
    fn wanted(&mut self, run: RunId) -> Result<(), String> {
        let model = &self.model.runs[&run];
        if model.continues {
            return Ok(());
        }
        let request = model.labels.get("request").and_then(|r| r.parse::<usize>().ok());
        let requests = self.setting.book.requests.lock();
        let Some((index, request)) = request.and_then(|i| Some((i, requests.get(i)?))) else {
            return Err(format!("{run}: nobody asked for it"));
        };
        if model.organization != request.organization.as_str() || model.header.hash != request.hash
        {
            return Err(format!("{run}: not what request {index} asked for"));
        }
        if let Some(other) = self.started.insert(index, run) {
            return Err(format!("{run} and {other} were both started for request {index}"));
        }
        let same = |other: &usize| {
            let other = &requests[*other];
            request.key.is_some()
                && other.key == request.key
                && other.organization == request.organization
        };
        if let Some(other) = self.started.keys().find(|i| **i != index && same(i)) {
            return Err(format!("{run}: requests {other} and {index} have one key and two runs"));
        }
        Ok(())
    }

    /// What a client was told is true.
    fn is_true(&self, told: &Told) -> Result<(), String> {
        let status = |run: &RunId| self.model.runs.get(run).map(|m| m.header.status);
        match told {
            Told::Started(index, run) => {
                let requests = self.setting.book.requests.lock();
                let model = self.model.runs.get(run).ok_or(format!("{run} was lost"))?;
                let same = requests.get(*index).is_some_and(|r| {
                    r.organization.as_str() == model.organization && r.hash == model.header.hash
                });
                if same { Ok(()) } else { Err(format!("{run} answers another request")) }
            }
            Told::Continued(organization, run) => {
                let model = self.model.runs.get(run).ok_or(format!("{run} was lost"))?;
                if organization.as_str() == model.organization {
                    return Ok(());
                }
                Err(format!("{run} is another organization's"))
            }
            Told::Cancelled(run) if status(run) != Some(RunStatus::Cancelled) => {
                Err(format!("{run} was cancelled and is {:?}", status(run)))
            }
            Told::Paused(run) if status(run).is_none() => Err(format!("{run} was lost")),
            _ => Ok(()),
        }
    }

    fn note(&mut self, number: u64) {
        self.note_bytes(&number.to_be_bytes());
    }

    fn note_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.report.hash = (self.report.hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    #[expect(clippy::print_stdout, reason = "a trace is for reading")]
    pub(super) fn trace(&self, what: &str) {
        let ms = self.setting.clock.now().since_ms(EPOCH);
        println!("{:>6} {ms:>7} ms  {what}", self.report.ticks);
    }

    fn trace_commit(&self, applied: &super::store::Applied) {
        for (key, value) in &applied.batch.set {
            let text = String::from_utf8_lossy(value);
            let text: String = text.chars().take(600).collect();
            let place = crate::stored::place(key);
            self.trace(&format!("  engine {} sets {place:?} = {text}", applied.by));
        }
        for add in &applied.batch.add {
            self.trace(&format!("  adds {} {:+}", add.counter.slot, add.delta));
        }
    }
}
