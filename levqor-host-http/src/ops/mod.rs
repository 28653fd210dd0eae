//! What an operator's host does beside answering: it says whether it is ready, takes backups,
//! follows the flags, and listens for whoever watches it.

pub(crate) mod doctor;
mod listener;
pub(crate) mod ready;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use levqor_core::engine::Engine;
use levqor_core::time::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::backup::{self, Rhythm};
use crate::config::ConfigError;
use crate::flags::Flag;
use crate::observe::otlp::{self, Collector};
use crate::observe::sentry::{self, Dsn};
use crate::serve::HostError;

/// How often the flags are read again: another host of the store may have changed them.
const REFRESH_MS: u64 = 10_000;
/// After a backup that failed, the next attempt.
const BACKUP_RETRY_MS: u64 = 15 * 60_000;

/// Since when the host is up, whether it is about to end, whether it is ready.
#[derive(Clone, Debug)]
pub struct Ops {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    started: Timestamp,
    draining: AtomicBool,
    probe: ready::Probe,
}

impl Ops {
    pub(crate) fn new(started: Timestamp) -> Self {
        let (draining, probe) = (AtomicBool::new(false), ready::Probe::default());
        Self { inner: Arc::new(Inner { started, draining, probe }) }
    }

    /// When the host started.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.inner.started
    }

    /// Whether it is about to end: what is under way is finished, nothing new is wanted.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn probe(&self) -> &ready::Probe {
        &self.inner.probe
    }
}

/// What runs beside the host until it ends.
#[derive(Debug)]
pub(crate) struct Background {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    address: Option<SocketAddr>,
}

impl Background {
    /// Where the operator's own listener is.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Ends it; a backup under way is left behind as a file that is none.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Begins it.
pub(crate) async fn start(app: &App) -> Result<Background, HostError> {
    app.flags.refresh(&app.desk).await?;
    app.flags.announce();
    app.backups.tidy();
    app.metrics.letters_found(letters(&app.engine).await?);
    let stop = CancellationToken::new();
    let mut tasks = vec![tokio::spawn(until(stop.clone(), follow_flags(app.clone())))];
    if let Some(dsn) = &app.config.sentry_dsn {
        let dsn: Dsn = dsn.reveal().parse().map_err(ConfigError::Value)?;
        if let Some(reports) = app.errors.send_away() {
            let (egress, errors) = (app.registry.egress(), app.errors.clone());
            let work = sentry::send_all(egress, dsn, reports, errors);
            tasks.push(tokio::spawn(until(stop.clone(), work)));
        }
    }
    if !app.config.otlp_url.is_empty() {
        let to = Collector::new(&app.config.otlp_url).map_err(ConfigError::Value)?;
        if let Some(spans) = app.spans.send_away() {
            let work = otlp::send_all(app.registry.egress(), to, spans);
            tasks.push(tokio::spawn(until(stop.clone(), work)));
        }
    }
    if let Some(rhythm) = Rhythm::new(app.config.backup.every_hours, app.config.backup.hour) {
        tasks.push(tokio::spawn(until(stop.clone(), take_backups(app.clone(), rhythm))));
    }
    let mut address = None;
    if let Some(listen) = listen(&app.config.ops_listen)? {
        let io = |source| HostError::Io { what: format!("cannot listen on {listen}"), source };
        let socket = TcpListener::bind(listen).await.map_err(io)?;
        address = Some(socket.local_addr().map_err(io)?);
        tasks.push(tokio::spawn(listener::serve(app.clone(), socket, stop.clone())));
    }
    Ok(Background { stop, tasks, address })
}

/// The operator's listener, which asks for no key and so is for this machine alone.
fn listen(setting: &str) -> Result<Option<SocketAddr>, ConfigError> {
    if setting.is_empty() {
        return Ok(None);
    }
    let refused = |what: &str| ConfigError::Value(format!("ops_listen is {what}"));
    let address: SocketAddr =
        setting.parse().map_err(|_| refused("an address and a port, as 127.0.0.1:7701"))?;
    if !address.ip().is_loopback() {
        return Err(refused("an address of this machine, as 127.0.0.1:7701: it asks for no key"));
    }
    Ok(Some(address))
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// Dead letters in the store; counted once, then heard.
async fn letters(engine: &Engine) -> Result<u64, HostError> {
    let (mut count, mut after) = (0, None);
    loop {
        let place = after.as_ref().map(|(organization, run)| (organization, *run));
        let page = engine.every_dead_letter(place, levqor_core::limits::PAGE_MAX).await?;
        let Some(last) = page.last() else { return Ok(count) };
        count += page.len() as u64;
        after = Some((last.organization.clone(), last.run));
    }
}

async fn follow_flags(app: App) {
    loop {
        app.engine.clock().sleep_until(app.now().plus_ms(REFRESH_MS)).await;
        if let Err(problem) = app.flags.refresh(&app.desk).await {
            tracing::warn!(
                code = problem.code(),
                "the flags cannot be read; they stay as they are"
            );
        }
    }
}

async fn take_backups(app: App, rhythm: Rhythm) {
    let mut started = app.ops.started();
    loop {
        let newest = app.backups.list().first().map(|newest| newest.created);
        let due = backup::due(rhythm, newest, app.ops.started()).max(started);
        app.engine.clock().sleep_until(due).await;
        let taken = match app.backups.begin() {
            Ok(taking) if app.flags.is_on(Flag::Backups) => {
                let (store, clock) = (app.engine.store().clone(), app.engine.clock().clone());
                taking.take(store, clock).await.is_ok()
            }
            _ => false,
        };
        if !taken {
            started = app.now().plus_ms(BACKUP_RETRY_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_without_keys_is_for_this_machine_alone() {
        assert_eq!(listen("").unwrap(), None);
        assert!(listen("127.0.0.1:7701").unwrap().is_some());
        assert!(listen("[::1]:7701").unwrap().is_some());
        for wrong in ["0.0.0.0:7701", "[::]:7701", "10.0.0.1:7701", "7701", "localhost:7701"] {
            assert_eq!(listen(wrong).unwrap_err().code(), "config.value", "{wrong}");
        }
    }
}
