//! The end of a history: faults stop, people do their part, and every run must end.

use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use levqor_core::engine::{Decision, Engine};
use levqor_core::ids::{Organization, RunId};
use levqor_core::run::RunStatus;
use levqor_core::time::Clock;
use serde_json::json;

use super::client::organization;
use super::store::Faults;
use super::world::World;

/// Steps without time passing after which the engine goes round in circles.
const STILL_TICKS_MAX: u64 = 20_000;
/// Simulated time in which everything must have ended.
const HEAL_MS_MAX: u64 = 900_000;
/// Simulated time between two looks of a person.
const LOOK_MS: u64 = 400;

impl World {
    /// Heals everything and waits for every run to end.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        *self.setting.store.shared.faults.lock() = Faults::default();
        self.setting.vendor.behaves.store(true, Ordering::Relaxed);
        self.setting.book.closed.store(true, Ordering::Relaxed);
        // With two engines one may stay away: the other must do.
        let gone = (self.slots.len() > 1 && self.rng.chance(30)).then_some(0);
        let now = self.setting.clock.now();
        for index in 0..self.slots.len() {
            if gone == Some(index) && self.slots[index].is_up() {
                self.take_down(index, 0);
            }
            let slot = &mut self.slots[index];
            slot.paused_until = None;
            slot.down_until = slot.down_until.map(|_| now);
        }
        if let Some(index) = gone {
            self.slots.remove(index);
        }
        self.grant("heal", 100_000, 100_000)?;
        if self.options.trace {
            self.trace("everything heals");
        }
        let begun = self.setting.clock.now();
        let mut look = begun;
        loop {
            self.settle()?;
            if self.open_runs().is_empty() {
                break;
            }
            let now = self.setting.clock.now();
            if now.since_ms(begun) > HEAL_MS_MAX {
                return Err(format!("not ended long after the last fault: {:?}", self.open_runs()));
            }
            if now >= look {
                look = now.plus_ms(LOOK_MS);
                self.look();
                continue;
            }
            if !self.next_moment(look) {
                self.set_clock(look);
            }
        }
        self.settle()?;
        let store = &self.setting.store.shared.inner;
        self.model.audit(store).now_or_never().unwrap_or(Ok(()))
    }

    /// Lets everybody work until all wait.
    fn settle(&mut self) -> Result<(), String> {
        let until = self.report.ticks + STILL_TICKS_MAX;
        loop {
            self.reopen();
            if !self.poll()? {
                return Ok(());
            }
            if self.report.ticks > until {
                return Err("the engine works without end at one moment".to_owned());
            }
        }
    }

    fn open_runs(&self) -> Vec<(RunId, RunStatus)> {
        let runs = self.model.runs.iter();
        runs.map(|(run, m)| (*run, m.header.status)).filter(|(_, s)| !s.is_final()).collect()
    }

    /// People look at what waits for them.
    fn look(&mut self) {
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let Some(engine) = slot.engine.lock().clone() else { continue };
            let spawner = self.exec.spawner(slot.group);
            for (run, model) in &self.model.runs {
                let Ok(organization) = Organization::new(&model.organization) else { continue };
                if model.header.status == RunStatus::Paused {
                    let (engine, run) = (engine.clone(), *run);
                    spawner(Box::pin(async move {
                        let _ = engine.resume(&organization, run, Some(1_000_000)).await;
                    }));
                } else if !model.header.status.is_final() {
                    for step in model.approvals.values() {
                        let (engine, organization) = (engine.clone(), organization.clone());
                        let approval = decide(engine, organization, *run, step.to_string());
                        spawner(Box::pin(approval));
                    }
                }
            }
            for of in 0..2 {
                let engine = engine.clone();
                spawner(Box::pin(async move {
                    let _ = engine.publish(&organization(of), "go", json!({})).await;
                }));
            }
        }
    }
}

async fn decide(engine: Engine, organization: Organization, run: RunId, step: String) {
    let decision = Decision { step, approved: true, form: json!({}), by: "healer".to_owned() };
    let _ = engine.decide(&organization, run, &decision).await;
}
