//! [`Host`]: the parts opened in order, served, and closed in the opposite order.
//!
//! ```text
//!  store ─▶ vault, plugins ─▶ engine ─▶ app ─▶ accept loop
//!  stop:  accept loop drained ─▶ engine drained ─▶ store closed
//! ```

mod accept;
mod connection;
mod edge;
mod first;
mod headers;
mod hosts;
mod outgoing;
mod proxies;
mod tickets;
mod tls;
mod wire;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use levqor_connectors::registry::{Registry, RegistryError};
use levqor_connectors::vault::{FileVault, VaultKey};
use levqor_core::connector::Catalog;
use levqor_core::engine::{Engine, Error as EngineError};
use levqor_core::store::{Store, StoreError};
use levqor_core::time::{Clock, SystemClock};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Beside, Parts};
use crate::backup::Backups;
use crate::caller::keys::Keys;
use crate::caller::secret::Plain;
use crate::config::{Config, ConfigError, MailConfig};
use crate::deliver::connector::Deliverer;
use crate::deliver::outbox::Post;
use crate::deliver::{self, pump};
use crate::desk::Desk;
use crate::flags::Flags;
use crate::guard::Guard;
use crate::http::Problem;
use crate::mail::{Folder, Mails, Resend};
use crate::observe::otlp::Spans;
use crate::observe::{Errors, Exchanged, Heard, Metrics, Watched};
use crate::ops::{self, Background, Ops};
use crate::people::chores;
use crate::people::pace::Links;
use crate::planning::Model;
use crate::watch::Watch;
use connection::Common;
use edge::Edge;
use tickets::Tickets;

/// Why the host does not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault cannot be opened.
    #[error(transparent)]
    Vault(#[from] levqor_connectors::credential::VaultError),
    /// The plugins cannot be read.
    #[error(transparent)]
    Plugins(#[from] RegistryError),
    /// The planner cannot go into the catalog.
    #[error(transparent)]
    Catalog(#[from] levqor_core::connector::CatalogError),
    /// The engine cannot be built, or stopped by itself.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A folder or the listening socket.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A record of the host's own cannot be read or written.
    #[error("{}", .0.detail())]
    Record(Problem),
}

impl HostError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Config(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::Vault(e) => e.code(),
            Self::Plugins(e) => e.code(),
            Self::Catalog(_) => "plugin.catalog",
            Self::Engine(e) => e.code(),
            Self::Io { .. } => "host.io",
            Self::Record(e) => e.code(),
        }
    }
}

impl From<Problem> for HostError {
    fn from(problem: Problem) -> Self {
        Self::Record(problem)
    }
}

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
        make_folder(&config.data_dir)?;
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

pub(crate) async fn open(
    config: Config,
    store: Arc<dyn Store>,
    clock: impl Clock,
    errors: Errors,
) -> Result<(App, Option<Plain>), HostError> {
    let (plans, packs) = (config.plans()?, config.packs()?);
    let vault_dir = config.data_dir.join("vault");
    let vault = Arc::new(FileVault::open(&vault_dir, VaultKey::load(&vault_dir)?)?);
    let plugins_dir = config.plugins_dir();
    let metrics = Arc::new(Metrics::new());
    let spans = Spans::default();
    let flags = Flags::load(&config.data_dir, metrics.clone())?;
    let backups = Backups::new(&config, metrics.clone()).map_err(ConfigError::Value)?;
    let store: Arc<dyn Store> = Arc::new(Watched::new(store, metrics.clone()));
    let registry = Registry::builder()
        .exchange_observer(Arc::new(Exchanged(metrics.clone())))
        .builtins()
        .folder(&plugins_dir)
        .grants_file(plugins_dir.join("plugins.toml"))
        .code_cache(config.data_dir.join("cache"))
        .vault(vault.clone())
        .state(store.clone())
        .build()
        .await?;
    let catalog = Catalog::new();
    registry.register(&catalog)?;
    let model = Model::register(&config.planner, &catalog, &registry)?;
    let desk = Desk::new(store.clone());
    let post = Post::open(&desk, &config).await?;
    let clock: Arc<dyn Clock> = Arc::new(clock);
    let egress = registry.egress();
    let deliverer = Deliverer::new(
        desk.clone(),
        vault.clone(),
        egress,
        clock.clone(),
        post.clone(),
        flags.clone(),
    );
    catalog.add(Arc::new(deliverer)).map_err(RegistryError::from)?;
    let heard = Arc::new(Heard::new(metrics.clone(), catalog.clone(), spans.clone()));
    let engine = Engine::builder_on(store.clone(), catalog)
        .clock(clock.clone())
        .plans(plans)
        .outbox(post.clone())
        .own_organizations(deliver::OWN)
        .observer(heard)
        .build()
        .await?;
    let is_shared = store.is_shared();
    let parts = Parts {
        ops: Ops::new(engine.clock().now()),
        metrics,
        spans,
        errors,
        guard: Guard::new(&config.limits, flags.clone()),
        flags,
        backups,
        watch: Watch::new(engine.clone()),
        keys: Keys::open(&desk, is_shared).await?,
        stopping: CancellationToken::new(),
        beside: Beside::default(),
        mails: mails(&config, &registry)?,
        links: Links::new(),
        post,
        packs,
        model,
        config,
        engine,
        registry,
        vault,
        desk,
    };
    let app = App::new(parts);
    let admin_key = first::prepare(&app).await?;
    chores::begin(&app);
    Ok((app, admin_key))
}

/// The vendor where its key is set, and the folder behind it.
fn mails(config: &Config, registry: &Registry) -> Result<Mails, HostError> {
    let folder = Folder::new(config.data_dir.join("mail"));
    let Some(key) = config.resend_key.clone() else { return Ok(Mails::new(None, folder)) };
    let MailConfig { from, resend_url, .. } = &config.mail;
    let vendor = Resend::new(registry.egress(), resend_url, from, key);
    let vendor = vendor.map_err(ConfigError::Value)?;
    Ok(Mails::new(Some(Arc::new(vendor)), folder))
}

fn make_folder(path: &Path) -> Result<(), HostError> {
    levqor_connectors::files::make_data_dir(path)
        .map_err(|source| HostError::Io { what: path.display().to_string(), source })
}
