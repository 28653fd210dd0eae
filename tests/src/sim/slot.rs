//! A place where one engine after the other lives: opened, paused, crashed, opened again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use levqor_core::connector::Catalog;
use levqor_core::engine::Engine;
use levqor_core::testing::{ManualClock, Rng, SeededIds};
use levqor_core::time::Timestamp;
use parking_lot::Mutex;

use super::client::Client;
use super::exec::{Exec, Group};
use super::store::SimStore;
use super::vendor::Vendor;
use super::world::Setting;

/// Clients of one engine.
const CLIENTS: u64 = 3;

/// One place.
#[derive(Debug)]
pub struct Slot {
    /// The living engine's group.
    pub group: Group,
    /// The engine, once it is open.
    pub engine: Arc<Mutex<Option<Engine>>>,
    /// Set when it ended by itself: its store failed, or it could not open.
    pub over: Arc<AtomicBool>,
    /// Not polled before.
    pub paused_until: Option<Timestamp>,
    /// Not opened before.
    pub down_until: Option<Timestamp>,
}

impl Slot {
    /// A place without an engine.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            group: 0,
            engine: Arc::default(),
            over: Arc::default(),
            paused_until: None,
            down_until: Some(Timestamp(0)),
        }
    }

    /// Whether an engine lives here.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.down_until.is_none()
    }

    /// Opens an engine here, with clients.
    pub fn open(&mut self, group: Group, exec: &Exec, setting: &Setting, rng: &mut Rng) {
        self.group = group;
        self.engine = Arc::default();
        self.over = Arc::default();
        (self.paused_until, self.down_until) = (None, None);
        let spawner = exec.spawner(group);
        let (engine, over) = (self.engine.clone(), self.over.clone());
        let (serving, setting) = (spawner.clone(), setting.clone());
        let (ids, mut dice) = (SeededIds::new(rng.next()), Rng::new(rng.next()));
        let task = async move {
            let opened = build(&setting, group, ids).await;
            let Some(opened) = opened else {
                over.store(true, Ordering::Relaxed);
                return;
            };
            *engine.lock() = Some(opened.clone());
            for _ in 0..CLIENTS {
                let client = Client {
                    engine: opened.clone(),
                    book: setting.book.clone(),
                    pipelines: setting.pipelines.clone(),
                    rng: Rng::new(dice.next()),
                    clock: setting.clock.clone(),
                };
                serving(Box::pin(client.work(setting.requests)));
            }
            let served = opened.serve_on(serving, std::future::pending()).await;
            debug_assert!(served.is_err(), "nobody told it to stop");
            over.store(true, Ordering::Relaxed);
        };
        spawner(Box::pin(task));
    }

    /// Ends the engine as a crash does.
    pub fn crash(&mut self, exec: &mut Exec, until: Timestamp) {
        self.engine.lock().take();
        exec.crash(self.group);
        self.down_until = Some(until);
        self.paused_until = None;
    }
}

async fn build(setting: &Setting, group: Group, ids: SeededIds) -> Option<Engine> {
    let store: SimStore = setting.store.handle(group, setting.shared);
    let clock: ManualClock = setting.clock.clone();
    let vendor = Vendor::new(setting.vendor.clone(), clock.clone());
    let catalog = Catalog::new().with(vendor).ok()?;
    let builder = Engine::builder(store, catalog)
        .clock(clock)
        .ids(ids)
        .slots(setting.slots)
        .lease_ms(setting.lease_ms);
    builder.build().await.ok()
}
