//! The parts of a host, opened in order: store, vault, plugins, engine, people.
//!
//! It does not listen; that is [`super::Host`].

use std::path::Path;
use std::sync::Arc;

use levqor_connectors::registry::{Registry, RegistryError};
use levqor_connectors::vault::{FileVault, VaultKey};
use levqor_core::connector::Catalog;
use levqor_core::engine::Engine;
use levqor_core::store::Store;
use levqor_core::time::Clock;
use tokio_util::sync::CancellationToken;

use super::error::HostError;
use super::first;
use crate::app::{App, Beside, Parts};
use crate::backup::Backups;
use crate::caller::keys::Keys;
use crate::caller::secret::Plain;
use crate::config::{Config, ConfigError, MailConfig};
use crate::deliver;
use crate::deliver::connector::Deliverer;
use crate::deliver::outbox::Post;
use crate::desk::Desk;
use crate::flags::Flags;
use crate::guard::Guard;
use crate::mail::{Folder, Mails, Resend};
use crate::observe::otlp::Spans;
use crate::observe::{Errors, Exchanged, Heard, Metrics, Watched};
use crate::ops::Ops;
use crate::people::chores;
use crate::people::pace::Links;
use crate::planning::Model;
use crate::watch::Watch;

/// Everything but what listens: store, vault and plugins, the engine, the host's own records. Returns
/// the admin key too, where this is the first start.
///
/// # Errors
/// [`HostError`]; nothing is left running then.
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

pub(super) fn make_folder(path: &Path) -> Result<(), HostError> {
    levqor_connectors::files::make_data_dir(path)
        .map_err(|source| HostError::Io { what: path.display().to_string(), source })
}
