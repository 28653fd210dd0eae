//! Connectors: what pipelines can call, with schemas and prices, and what keeps one from it.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use levqor_connectors::registry::PluginStatus;
use levqor_core::connector::{Idempotency, Manifest, Price};
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::caller::Scope;
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Problem};
use crate::route::{Route, Tag};

const MARK: &str = "connectors";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/connectors", "list_connectors", Tag::Connectors)
            .scope(Scope::PipelinesRead)
            .about("Connectors with their actions and prices, blocked ones included")
            .answers::<Page<ConnectorView>>(StatusCode::OK, "a page of connectors")
            .to(list),
        Route::new(Method::GET, "/api/v1/connectors/{connector}", "get_connector", Tag::Connectors)
            .scope(Scope::PipelinesRead)
            .about("A connector's manifest: schemas, prices, hosts, credentials")
            .answers::<ConnectorDetail>(StatusCode::OK, "the connector")
            .to(get),
    ]
}

/// A connector in a list.
#[derive(Debug, Serialize, JsonSchema)]
struct ConnectorView {
    /// What documents write before the slash.
    name: String,
    /// Its version.
    version: String,
    /// What it is for.
    description: String,
    /// SHA-256 of its component.
    sha256: String,
    /// Whether it came with the host.
    builtin: bool,
    /// Why it is not called, and what its operator has to grant; `null` where it is called.
    blocked: Option<String>,
    /// Its actions.
    actions: Vec<ActionView>,
}

/// An action in a list.
#[derive(Debug, Serialize, JsonSchema)]
struct ActionView {
    /// What documents write after the slash.
    name: String,
    /// What it does.
    title: String,
    /// Whether repeating it can do harm.
    idempotency: Idempotency,
    /// What it costs.
    price: Price,
}

/// A connector with its whole manifest.
#[derive(Debug, Serialize, JsonSchema)]
struct ConnectorDetail {
    #[serde(flatten)]
    connector: ConnectorView,
    /// What it is, can do and wishes for.
    manifest: Manifest,
}

/// What is known of each connector, by name. A plugin's path on the host's disk stays there.
fn known(app: &App) -> BTreeMap<String, (PluginStatus, Manifest)> {
    let manifests = app.registry.manifests().into_iter();
    let mut manifests: BTreeMap<_, _> = manifests.map(|m| (m.name.clone(), m)).collect();
    let plugins = app.registry.plugins().into_iter();
    let both = plugins.filter_map(|plugin| {
        let manifest = manifests.remove(&plugin.name)?;
        Some((plugin.name.clone(), (plugin, manifest)))
    });
    both.collect()
}

fn view(plugin: PluginStatus, manifest: &Manifest) -> ConnectorView {
    let actions = manifest.actions.iter().map(|(name, action)| ActionView {
        name: name.clone(),
        title: action.title.clone(),
        idempotency: action.idempotency,
        price: action.price,
    });
    ConnectorView {
        name: plugin.name,
        version: plugin.version,
        description: manifest.description.clone(),
        sha256: plugin.sha256.to_string(),
        builtin: plugin.builtin,
        blocked: plugin.blocked,
        actions: actions.collect(),
    }
}

async fn list(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::PipelinesRead)?;
    let limit = call.query.0.limit()? as usize;
    let after = Cursor::read(call.query.0.cursor.as_deref(), MARK)?.unwrap_or_default();
    let mut rest = known(&app).into_iter().filter(|(name, _)| *name > after).peekable();
    let page: Vec<ConnectorView> =
        rest.by_ref().take(limit).map(|(_, (plugin, manifest))| view(plugin, &manifest)).collect();
    let next = page.last().filter(|_| rest.peek().is_some());
    let next = next.map(|last| Cursor::after(&last.name, MARK));
    Answer::ok(&Page::new(page, next))
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::PipelinesRead)?;
    let found = known(&app).remove(call.part("connector"));
    let (plugin, manifest) = found.ok_or_else(|| Problem::not_found("connector"))?;
    Answer::ok(&ConnectorDetail { connector: view(plugin, &manifest), manifest })
}
