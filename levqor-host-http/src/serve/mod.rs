//! [`Host`]: the parts opened in order, served, and closed in the opposite order.
//!
//! ```text
//!  store ─▶ vault, plugins ─▶ engine ─▶ app ─▶ accept loop
//!  stop:  accept loop drained ─▶ engine drained ─▶ store closed
//! ```

mod accept;
mod edge;
mod first;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use levqor_connectors::registry::{Registry, RegistryError};
use levqor_connectors::vault::{FileVault, VaultKey};
use levqor_core::connector::Catalog;
use levqor_core::engine::{Engine, Error as EngineError};
use levqor_core::quota::Plans;
use levqor_core::store::{Store, StoreError};
use levqor_core::time::SystemClock;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Parts};
use crate::caller::secret::Plain;
use crate::config::{Config, ConfigError};
use crate::deliver::connector::Deliverer;
use crate::deliver::outbox::Post;
use crate::deliver::{self, pump};
use crate::desk::Desk;
use crate::http::Problem;
use crate::limits::CACHE_BYTES;

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
}

impl Host {
    /// Opens everything and serves. Needs a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// [`HostError`]; nothing is left running then.
    pub async fn start(config: Config) -> Result<Self, HostError> {
        let spec = config.store_spec()?;
        make_folder(&config.data_dir)?;
        let store = spec.open(CACHE_BYTES)?;
        let (app, admin_key) = open(config, store).await?;
        let listen = app.config.listen;
        let bound = TcpListener::bind(listen).await;
        let io = |source| HostError::Io { what: format!("cannot listen on {listen}"), source };
        let listener = bound.map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        let (stop_accepting, stop_engine) = (CancellationToken::new(), CancellationToken::new());
        let driven = app.engine.clone();
        let stopped = stop_engine.clone();
        let driving = tokio::spawn(async move { driven.serve(stopped.cancelled_owned()).await });
        let pumping = tokio::spawn(pump::run(app.clone(), stop_engine.clone()));
        let router = edge::around(app.clone(), address);
        let accepting = tokio::spawn(accept::accept(listener, router, stop_accepting.clone()));
        Ok(Self {
            app,
            address,
            admin_key,
            stop_accepting,
            stop_engine,
            accepting,
            driving,
            pumping,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
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
        let mut text = format!("serving on http://{}", self.address);
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
                self.stop_accepting.cancel();
                let _ = self.accepting.await;
                flatten(ended).map(drop)
            }
        }
    }

    /// Answers what is under way, lets calls under way finish, and ends.
    ///
    /// # Errors
    /// When the engine's store failed.
    pub async fn stop(self) -> Result<(), HostError> {
        self.stop_accepting.cancel();
        let _ = self.accepting.await;
        self.stop_engine.cancel();
        let _ = self.pumping.await;
        flatten(self.driving.await).map(drop)
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
) -> Result<(App, Option<Plain>), HostError> {
    let vault_dir = config.data_dir.join("vault");
    let vault = Arc::new(FileVault::open(&vault_dir, VaultKey::load(&vault_dir)?)?);
    let plugins_dir = config.plugins_dir();
    let registry = Registry::builder()
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
    let desk = Desk::new(store.clone());
    let post = Post::open(&desk, &config).await?;
    let (clock, egress) = (Arc::new(SystemClock), registry.egress());
    let deliverer = Deliverer::new(desk.clone(), vault.clone(), egress, clock, post.clone());
    catalog.add(Arc::new(deliverer)).map_err(RegistryError::from)?;
    let engine = Engine::builder_on(store, catalog)
        .plans(Plans::default())
        .outbox(post.clone())
        .own_organizations(deliver::OWN)
        .build()
        .await?;
    let app = App::new(Parts { config, engine, registry, vault, desk, post });
    let admin_key = first::prepare(&app).await?;
    Ok((app, admin_key))
}

/// The data folder, with a note for git that what is in it is not source.
fn make_folder(path: &Path) -> Result<(), HostError> {
    if path.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(path)
        .and_then(|()| std::fs::write(path.join(".gitignore"), "*\n"))
        .map_err(|source| HostError::Io { what: path.display().to_string(), source })
}
