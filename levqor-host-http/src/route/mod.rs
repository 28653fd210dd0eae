//! The one route table: routing, scopes and the OpenAPI document are read from it.
//!
//! ```text
//!  api::*::routes() ─▶ table() ─┬▶ router (dispatch: authenticate ▸ limit ▸ read ▸ handler)
//!                               └▶ openapi document
//! ```

mod body;
pub(crate) mod dispatch;
pub mod openapi;
mod router;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, LazyLock};

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};

pub(crate) use router::{router, router_of};

use crate::app::App;
use crate::caller::{Caller, Scope};
use crate::http::{Answer, Body, Call, Head, Problem, ProblemDocument, Query};
use crate::limits::BODY_BYTES_MAX;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Anybody: health, pages, sign-in.
    Public,
    /// A credential with this scope.
    Scope(Scope),
    /// Any valid credential: what a caller asks about itself.
    Caller,
    /// Whoever can sign the body as its endpoint says: webhooks.
    Signed,
    /// Whoever reaches the operator's own listener; no route of the table is open this way.
    Operator,
}

/// The chapter of the API's description that a route is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Tag {
    /// Starting and following runs.
    Runs,
    /// Goals in words, drafts, validation, estimates.
    Planning,
    /// Pipelines and schedules.
    Pipelines,
    /// Connectors and credentials.
    Connectors,
    /// Webhooks in and out.
    Webhooks,
    /// Organizations, members, users, keys, sessions.
    People,
    /// Credits, usage, plans.
    Money,
    /// For the operator.
    Ops,
    /// The API itself.
    Meta,
}

impl Tag {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Planning => "planning",
            Self::Pipelines => "pipelines",
            Self::Connectors => "connectors",
            Self::Webhooks => "webhooks",
            Self::People => "people",
            Self::Money => "money",
            Self::Ops => "ops",
            Self::Meta => "meta",
        }
    }

    /// What its routes are about, for readers of the API's description.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Runs => "Start a pipeline and follow it: states, journals, live events.",
            Self::Planning => "From a goal in words to a document, checked and priced.",
            Self::Pipelines => "Stored documents with their versions, and their schedules.",
            Self::Connectors => "What documents can call, and the credentials that go along.",
            Self::Webhooks => "Events that come in signed, and events that go out signed.",
            Self::People => "Organizations, members, API keys and sessions.",
            Self::Money => "Credits, usage, plans and their limits.",
            Self::Ops => "The state of the whole host, for its operator.",
            Self::Meta => "The API itself: its description, its pages, whether it lives.",
        }
    }
}

type Handler = Arc<
    dyn Fn(App, Arc<Head>, Option<Caller>, Bytes) -> BoxFuture<'static, Result<Answer, Problem>>
        + Send
        + Sync,
>;

/// One way into the host.
#[derive(Clone)]
pub struct Route {
    pub(crate) id: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) tag: Tag,
    pub(crate) access: Access,
    pub(crate) summary: &'static str,
    pub(crate) takes_key: bool,
    /// Its answers are kept by the desk, with the effect.
    pub(crate) is_once: bool,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body_bytes_max: usize,
    pub(crate) answers: Vec<AnswerDoc>,
    pub(crate) body: fn(&mut SchemaGenerator) -> Option<(&'static str, Schema)>,
    pub(crate) query: fn(&mut SchemaGenerator) -> Option<Schema>,
    handler: Handler,
}

/// One documented answer.
#[derive(Clone)]
pub(crate) struct AnswerDoc {
    pub(crate) status: StatusCode,
    pub(crate) about: &'static str,
    pub(crate) media: &'static str,
    pub(crate) schema: Option<fn(&mut SchemaGenerator) -> Schema>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.method, self.path, self.id)
    }
}

impl Route {
    /// A route whose handler comes with [`Route::to`]. `id` is its stable name in the API's
    /// description, in audit rows and in metrics.
    #[must_use]
    pub fn new(method: Method, path: &'static str, id: &'static str, tag: Tag) -> Self {
        Self {
            id,
            method,
            path,
            tag,
            access: Access::Public,
            summary: "",
            takes_key: false,
            is_once: false,
            headers: Vec::new(),
            body_bytes_max: BODY_BYTES_MAX,
            answers: Vec::new(),
            body: |_| None,
            query: |_| None,
            handler: Arc::new(|_, _, _, _| async { Err(Problem::internal()) }.boxed()),
        }
    }

    /// Who may call it.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// A credential with this scope may call it.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        self.access(Access::Scope(scope))
    }

    /// What it does, in one sentence.
    #[must_use]
    pub fn about(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// It takes `Idempotency-Key`. Its handler ends with [`crate::desk::Desk::answered`]; those
    /// about runs hand the key to the engine, which keeps it with the run.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.takes_key = true;
        self.is_once = self.tag != Tag::Runs;
        self.header("Idempotency-Key", "the same key with the same request does it once")
    }

    /// It looks at this request header.
    #[must_use]
    pub fn header(mut self, name: &'static str, about: &'static str) -> Self {
        self.headers.push((name, about));
        self
    }

    /// A body of at most this many bytes.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// It answers JSON of this shape with this status.
    #[must_use]
    pub fn answers<T: JsonSchema>(self, status: StatusCode, about: &'static str) -> Self {
        let schema = |generator: &mut SchemaGenerator| generator.subschema_for::<T>();
        self.answer(AnswerDoc { status, about, media: "application/json", schema: Some(schema) })
    }

    /// It answers a body of this media type, or none where that is empty.
    #[must_use]
    pub fn answers_media(
        self,
        status: StatusCode,
        media: &'static str,
        about: &'static str,
    ) -> Self {
        self.answer(AnswerDoc { status, about, media, schema: None })
    }

    /// It refuses with this status for a reason of its own.
    #[must_use]
    pub fn refuses(self, status: StatusCode, about: &'static str) -> Self {
        let schema = |generator: &mut SchemaGenerator| generator.subschema_for::<ProblemDocument>();
        let (media, schema) = ("application/problem+json", Some(schema as _));
        self.answer(AnswerDoc { status, about, media, schema })
    }

    fn answer(mut self, answer: AnswerDoc) -> Self {
        self.answers.push(answer);
        self
    }

    /// Its handler, whose types are what the description says of query and body.
    #[must_use]
    pub fn to<B, Q, F, Fut>(mut self, handler: F) -> Self
    where
        B: Body,
        Q: Query,
        F: Fn(App, Call<B, Q>) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        self.body = B::describe;
        self.query = Q::describe;
        self.handler = Arc::new(move |app, head, who, bytes| {
            let call = Q::read(&head.uri).and_then(|query| {
                let body = B::read(&head, bytes)?;
                Ok(Call::new(head, who, query, body))
            });
            match call {
                Ok(call) => handler(app, call).boxed(),
                Err(problem) => std::future::ready(Err(problem)).boxed(),
            }
        });
        self
    }

    /// Its stable name.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Its method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Its path, with parts as `{name}`.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Who may call it.
    #[must_use]
    pub fn needs(&self) -> Access {
        self.access
    }

    pub(crate) async fn call(
        &self,
        app: App,
        head: Arc<Head>,
        who: Option<Caller>,
        body: Bytes,
    ) -> Result<Answer, Problem> {
        (self.handler)(app, head, who, body).await
    }
}

/// Every route there is.
#[must_use]
pub fn table() -> &'static [Route] {
    static TABLE: LazyLock<Vec<Route>> = LazyLock::new(|| {
        let table = crate::api::routes();
        let mut seen = BTreeSet::new();
        for route in &table {
            let is_new = seen.insert(route.id.to_owned())
                && seen.insert(format!("{} {}", route.method, route.path));
            debug_assert!(is_new, "{route:?} stands in the table twice");
        }
        table
    });
    &TABLE
}
