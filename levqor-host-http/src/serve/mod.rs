//! [`Host`]: the parts opened in order, served, and closed in the opposite order.
//!
//! ```text
//!  store ─▶ vault, plugins ─▶ engine ─▶ app ─▶ accept loop
//!  stop:  accept loop drained ─▶ engine drained ─▶ store closed
//! ```

mod accept;
mod connection;
mod edge;
mod error;
mod first;
mod headers;
mod hosts;
mod open;
mod outgoing;
mod proxies;
mod tickets;
mod tls;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use levqor_core::engine::Error as EngineError;
use levqor_core::time::{Clock, SystemClock};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::caller::secret::Plain;
use crate::config::Config;
use crate::deliver::pump;
use crate::observe::Errors;
use crate::ops::{self, Background};
use connection::Common;
use edge::Edge;
pub use error::HostError;
pub(crate) use open::open;
use tickets::Tickets;

/// A host that serves.
#[derive(Debug)]
pub struct Host {
    app: App,
    address: SocketAddr,
    admin_key: Option<Plain>,
    stop_accepting: CancellationToken,
    stop_engine: CancellationToken,
    accepting: JoinHandle<()>,
    driving: JoinHandle<Result<levqor_core::engine::Served, EngineError>>,
    pumping: JoinHandle<()>,
    background: Background,
}

impl Host {
    /// Opens everything and serves. Needs a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// [`HostError`]; nothing is left running then.
    pub async fn start(config: Config) -> Result<Self, HostError> {
        Self::start_with(config, SystemClock).await
    }

    /// The same by another clock than the machine's: quotas, schedules, leases, expiry. Deadlines of
    /// connections are the machine's in any case.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub async fn start_with(config: Config, clock: impl Clock) -> Result<Self, HostError> {
        let errors = Errors::in_folder(&config.data_dir.join("logs"));
        Self::start_reporting(config, clock, errors).await
    }

    /// The same, with a place for errors that the program's log knows as well.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub async fn start_reporting(
        config: Config,
        clock: impl Clock,
        errors: Errors,
    ) -> Result<Self, HostError> {
        let spec = config.store_spec()?;
        open::make_folder(&config.data_dir)?;
        let store = spec.open()?;
        let tls = tls::acceptor(&config.tls)?;
        let (app, admin_key) = open(config, store, clock, errors).await?;
        let edge = Arc::new(Edge::new(app.clone())?);
        let listen = app.config.listen;
        let io = |source| HostError::Io { what: format!("cannot listen on {listen}"), source };
        let listener = accept::listener(listen).map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        let background = ops::start(&app).await?;
        let (stop_accepting, stop_engine) = (app.stopping.clone(), CancellationToken::new());
        let driven = app.engine.clone();
        let stopped = stop_engine.clone();
        let driving = tokio::spawn(async move { driven.serve(stopped.cancelled_owned()).await });
        let common = Common { edge, tls, stopping: app.stopping.clone() };
        let tickets = Tickets::new(&app.config.limits);
        let stop = stop_accepting.clone();
        let accepting = tokio::spawn(accept::accept(listener, common, tickets, stop));
        let pumping = tokio::spawn(pump::run(app.clone(), stop_engine.clone()));
        Ok(Self {
            app,
            address,
            admin_key,
            stop_accepting,
            stop_engine,
            accepting,
            driving,
            pumping,
            background,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the operator's own listener is, where the settings name one.
    #[must_use]
    pub fn ops_address(&self) -> Option<SocketAddr> {
        self.background.address()
    }

    /// Its parts.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The admin key that was made at this start, shown this once.
    #[must_use]
    pub fn admin_key(&self) -> Option<&Plain> {
        self.admin_key.as_ref()
    }

    /// What is told at the start.
    #[must_use]
    pub fn greeting(&self) -> String {
        let scheme = if self.app.config.tls.is_none() { "http" } else { "https" };
        let mails = self.app.mails.about();
        let mut text = format!("serving on {scheme}://{}\n{mails}", self.address);
        if let Some(address) = self.ops_address() {
            text.push_str(&format!("\noperator: http://{address}"));
        }
        if let Some(key) = &self.admin_key {
            text.push_str("\nadmin key, shown this once: ");
            text.push_str(key.reveal());
        }
        text
    }

    /// Serves until Ctrl-C or SIGTERM, then stops.
    ///
    /// # Errors
    /// As [`Host::stop`]; also when the engine stops by itself because its store failed.
    pub async fn until_signal(mut self) -> Result<(), HostError> {
        let ended = tokio::select! {
            () = signalled() => None,
            ended = &mut self.driving => Some(ended),
        };
        match ended {
            None => self.stop().await,
            Some(ended) => {
                self.app.stopping.cancel();
                self.stop_accepting.cancel();
                let _ = self.accepting.await;
                self.app.beside.end().await;
                self.background.stop().await;
                flatten(ended).map(drop)
            }
        }
    }

    /// Answers what is under way, lets calls under way finish, and ends.
    ///
    /// # Errors
    /// When the engine's store failed.
    pub async fn stop(self) -> Result<(), HostError> {
        self.app.ops.drain();
        self.app.stopping.cancel();
        self.stop_accepting.cancel();
        let _ = self.accepting.await;
        self.app.beside.end().await;
        self.stop_engine.cancel();
        let _ = self.pumping.await;
        let ended = self.driving.await;
        self.background.stop().await;
        flatten(ended).map(drop)
    }
}

fn flatten<T>(
    ended: Result<Result<T, EngineError>, tokio::task::JoinError>,
) -> Result<T, HostError> {
    let io = |e: tokio::task::JoinError| HostError::Io {
        what: "the engine's loop ended".to_owned(),
        source: std::io::Error::other(e),
    };
    Ok(ended.map_err(io)??)
}

/// Ctrl-C, or what a supervisor sends.
async fn signalled() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = term.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
