//! Organizations, keys and objects for tests about who sees what: the one place that makes them.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::Method;
use levqor_core::ids::Organization;
use levqor_core::quota::OrganizationRecord;
use levqor_host_http::caller::key::ApiKey;
use levqor_host_http::caller::{Scope, Scopes};
use levqor_host_http::desk::Change;
use levqor_host_http::route::{self, Route, openapi};
use serde_json::Value;

use super::{Answered, Client, World};

/// A plan without daily limits: what is tested here is not quotas.
const PLAN: &str = "enterprise";
/// Enough for every run that these tests start.
const CREDITS: u64 = 10_000;

impl World {
    /// A further organization, with credits.
    pub(crate) async fn organization(&self, name: &str) -> Organization {
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
        let change = Change::of_system(organization).put(&[&key.id], &key);
        app.desk.commit(change).await.unwrap();
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
    /// Not an organization's: the same for all.
    #[expect(dead_code, reason = "no route has such a part yet")]
    Fixed(&'static str),
}

/// How an object of a kind is made: a route, called with its example.
pub(crate) enum Recipe {
    /// The id is at this pointer of the answer.
    Answered { route: &'static str, id: &'static str },
    /// Whoever makes it names it, in the route's only part.
    #[expect(dead_code, reason = "no route has such a part yet")]
    Named { route: &'static str },
}

impl Kind {
    fn recipe(self) -> Option<Recipe> {
        match self {
            Self::Run => Some(Recipe::Answered { route: "start_run", id: "/id" }),
            Self::Fixed(_) => None,
        }
    }

    /// A new object of this kind; its id.
    pub(crate) async fn make(self, client: &Client) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let made = |answered: Answered| {
            let text = String::from_utf8_lossy(&answered.body).into_owned();
            assert!(answered.status.is_success(), "{self:?}: {} {text}", answered.status);
            answered
        };
        match self.recipe() {
            Some(Recipe::Answered { route: id, id: pointer }) => {
                let answered = made(Target::of(route(id)).call(client).await);
                answered.json().pointer(pointer).unwrap().as_str().unwrap().to_owned()
            }
            Some(Recipe::Named { route: id }) => {
                let name = format!("made-{:06}", NUMBER.fetch_add(1, Ordering::Relaxed));
                made(Target::of(route(id)).with(std::slice::from_ref(&name)).call(client).await);
                name
            }
            None => self.absent(""),
        }
    }

    /// An id of this kind and of the same length that nothing has; `example` is the documented one.
    pub(crate) fn absent(self, example: &str) -> String {
        match (self, self.recipe()) {
            (Self::Fixed(text), _) => text.to_owned(),
            (_, Some(Recipe::Named { .. })) => "none-000000".to_owned(),
            _ => example.to_owned(),
        }
    }
}
