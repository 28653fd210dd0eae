//! Organizations, keys and objects for tests about who sees what: the one place that makes them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::Method;
use levqor_core::ids::Organization;
use levqor_core::quota::OrganizationRecord;
use levqor_host_http::caller::key::ApiKey;
use levqor_host_http::caller::{Scope, Scopes};
use levqor_host_http::route::{self, Route, openapi};
use serde_json::{Value, json};

use super::{Answered, Client, World};
use crate::support::within;

/// A plan without daily limits: what is tested here is not quotas.
const PLAN: &str = "enterprise";
/// Enough for every run that these tests start.
const CREDITS: u64 = 10_000;

impl World {
    /// A further organization, with credits.
    pub(crate) async fn stored_organization(&self, name: &str) -> Organization {
        let organization = Organization::new(name).unwrap();
        let app = self.host.app();
        let record = OrganizationRecord::new(PLAN, app.now());
        app.engine.set_organization(&organization, &record).await.unwrap();
        let entry = levqor_core::ledger::grant("test", CREDITS, app.now()).unwrap();
        levqor_core::ledger::post(&**app.engine.store(), &organization, &entry).await.unwrap();
        organization
    }

    /// A client with a key of this organization that has these scopes.
    pub(crate) async fn key(&self, organization: &Organization, scopes: Scopes) -> Client {
        let app = self.host.app();
        let (key, text) = ApiKey::make(organization.clone(), "test", scopes, "test", app.now());
        self.store(organization, &key).await;
        self.anybody().key(text.reveal())
    }
}

/// Every scope but this one.
pub(crate) fn all_but(scope: Scope) -> Scopes {
    Scope::ALL.into_iter().filter(|s| *s != scope).collect()
}

/// The route with this id.
pub(crate) fn route(id: &str) -> &'static Route {
    let found = route::table().iter().find(|route| route.id() == id);
    found.unwrap_or_else(|| panic!("there is no route `{id}`"))
}

/// What the description says of a route.
pub(crate) fn described(route: &Route) -> &'static Value {
    let method = route.method().as_str().to_lowercase();
    &openapi::document()["paths"][route.path()][&method]
}

/// A route as a request needs it: what the description says of path, query and body.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) method: Method,
    /// With parts as `{name}`.
    pub(crate) path: String,
    /// Names of the parts, with the documented example of each.
    pub(crate) parts: Vec<(String, String)>,
    /// The parameters that must be sent, with the example of each.
    pub(crate) query: Vec<(String, String)>,
    /// The documented example of the JSON body.
    pub(crate) body: Option<Value>,
    /// Whether it asks for the version that it changes.
    pub(crate) is_versioned: bool,
}

impl Target {
    pub(crate) fn of(route: &Route) -> Self {
        let about = described(route);
        let parameters = about["parameters"].as_array().unwrap();
        let of = |place: &str, needed: bool| {
            let here = parameters.iter().filter(|p| p["in"] == place);
            let wanted = here.filter(|p| !needed || p["required"] == true);
            let text = |v: &Value| v.as_str().map_or(v.to_string(), str::to_owned);
            wanted.map(|p| (text(&p["name"]), text(&p["example"]))).collect::<Vec<_>>()
        };
        let content = &about["requestBody"]["content"]["application/json"];
        let body = &content["examples"]["usual"]["value"];
        Self {
            method: route.method().clone(),
            path: route.path().to_owned(),
            parts: of("path", true),
            query: of("query", true),
            body: (!body.is_null()).then(|| body.clone()),
            is_versioned: of("header", false).iter().any(|(name, _)| name == "If-Match"),
        }
    }

    /// The same with these parts, in order.
    pub(crate) fn with(mut self, ids: &[String]) -> Self {
        for ((_, value), id) in self.parts.iter_mut().zip(ids) {
            value.clone_from(id);
        }
        self
    }

    /// What is asked for: path and query.
    pub(crate) fn uri(&self) -> String {
        let mut uri = self.path.clone();
        for (name, value) in &self.parts {
            uri = uri.replace(&format!("{{{name}}}"), value);
        }
        for (at, (name, value)) in self.query.iter().enumerate() {
            uri.push_str(&format!("{}{name}={value}", if at == 0 { '?' } else { '&' }));
        }
        uri
    }

    pub(crate) async fn call(&self, client: &Client) -> Answered {
        client.send(self.method.clone(), &self.uri(), self.body.as_ref()).await
    }

    /// The version of what it changes, where it asks for one.
    pub(crate) async fn version(&self, client: &Client) -> Option<String> {
        if !self.is_versioned {
            return None;
        }
        let answered = client.get(&self.uri()).await;
        Some(answered.header("etag").to_owned()).filter(|tag| !tag.is_empty())
    }
}

/// What an id in a path or a body is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Run,
    /// The run of a dead letter.
    Dead,
    Pipeline,
    /// A version of the pipeline before it in the path.
    Version,
    Credential,
    Draft,
    Endpoint,
    Subscription,
    /// What a subscription was told, or is about to be.
    Delivery,
    Key,
    User,
    /// Not an organization's: the same for all, or known only within the part before it.
    Fixed(&'static str),
}

/// How an object of a kind is made: a route, called with its example.
struct Recipe {
    route: &'static str,
    /// Where the answer has the id; empty where whoever makes it names it, in the only part.
    id: &'static str,
    /// What must be there first, and where the body names it.
    first: Option<(&'static str, Kind)>,
    /// Where the body says its name again.
    again: &'static str,
}

const fn answered(route: &'static str, id: &'static str) -> Recipe {
    Recipe { route, id, first: None, again: "" }
}

impl Kind {
    fn recipe(self) -> Option<Recipe> {
        let recipe = match self {
            Self::Run | Self::Dead => answered("start_run", "/id"),
            Self::Draft => answered("plan", "/id"),
            Self::Subscription => answered("create_subscription", "/subscription/id"),
            Self::Key => answered("make_key", "/id"),
            Self::User => answered("put_user", "/id"),
            Self::Credential => answered("put_credential", ""),
            Self::Pipeline => Recipe { again: "/name", ..answered("put_pipeline", "") },
            Self::Endpoint => Recipe {
                first: Some(("/pipeline", Self::Pipeline)),
                ..answered("create_webhook", "/endpoint/id")
            },
            Self::Version | Self::Delivery | Self::Fixed(_) => return None,
        };
        Some(recipe)
    }

    /// A new object of this kind; its id. `before` are the ids before it in the same request.
    pub(crate) async fn make(self, client: &Client, before: &[String]) -> String {
        let Some(recipe) = self.recipe() else {
            return match self {
                Self::Fixed(text) => text.to_owned(),
                Self::Delivery => delivery(client).await,
                _ => {
                    let pipeline = before.last().map(String::as_str).unwrap_or_default();
                    let stored = client.get(&format!("/api/v1/pipelines/{pipeline}")).await;
                    stored.is(200)["version"].as_str().unwrap().to_owned()
                }
            };
        };
        let mut target = Target::of(route(recipe.route));
        let name = new_name();
        if recipe.id.is_empty() {
            target = target.with(std::slice::from_ref(&name));
        }
        put(&mut target, recipe.again, &name);
        if let Some((place, kind)) = recipe.first {
            let first = Box::pin(kind.make(client, &[])).await;
            put(&mut target, place, &first);
        }
        if self == Self::Dead {
            target.body = Some(json!({ "document": dead() }));
        }
        let client = client.clone().header("if-none-match", "*");
        let made = target.call(&client).await;
        let text = String::from_utf8_lossy(&made.body).into_owned();
        assert!(made.status.is_success(), "{self:?}: {} {text}", made.status);
        let id = match recipe.id {
            "" => name,
            pointer => made.json().pointer(pointer).unwrap().as_str().unwrap().to_owned(),
        };
        if self == Self::Dead {
            let letter = format!("/api/v1/dead-letters/{id}");
            let there = async {
                while client.get(&letter).await.status != 200 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            within(Duration::from_secs(60), "the run is no dead letter", there).await;
        }
        id
    }

    /// An id like this one that nothing has, of the same length.
    pub(crate) fn absent(self, real: &str) -> String {
        let kept = &real[..real.len().saturating_sub(6)];
        match self {
            Self::Fixed(text) => text.to_owned(),
            Self::Pipeline | Self::Credential => new_name(),
            _ => format!("{kept}000000"),
        }
    }
}

fn new_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("made-{:06}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn put(target: &mut Target, pointer: &str, id: &str) {
    if pointer.is_empty() {
        return;
    }
    let place = target.body.as_mut().and_then(|body| body.pointer_mut(pointer));
    *place.unwrap_or_else(|| panic!("{}: nothing at {pointer}", target.path)) = id.into();
}

/// A delivery to a receiver that is not there.
async fn delivery(client: &Client) -> String {
    let list = "/api/v1/webhooks/deliveries";
    let before = client.get(list).await.is(200)["data"].as_array().unwrap().len();
    Box::pin(Kind::Subscription.make(client, &[])).await;
    let run = json!({ "document": super::hello() });
    client.post("/api/v1/run", &run).await.is(202);
    super::until(async || {
        let listed = client.get(list).await.is(200)["data"].as_array().unwrap().clone();
        let id = listed.first().map(|newest| newest["id"].as_str().unwrap().to_owned());
        id.filter(|_| listed.len() > before)
    })
    .await
}

/// A document whose run a person must look at.
fn dead() -> Value {
    json!({
        "schema": "levqor/v1", "name": "dead",
        "steps": [{ "id": "f", "uses": "core/fail",
                    "with": { "code": "gave_up", "message": "as told", "kind": "ambiguous" } }],
    })
}
