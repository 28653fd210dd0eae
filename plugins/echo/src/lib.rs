//! `echo`: a test double. It says back what it hears, and misbehaves on request in each way a host
//! must survive. For tests and benches only: its manifest wishes for everything.

use std::collections::BTreeMap;
use std::hint::black_box;

use levqor_plugin_sdk::prelude::*;
use levqor_plugin_sdk::{input_schema, output_schema};

export_connector!(connector);

/// A JSON object of any keys.
type Object = BTreeMap<String, Value>;

/// The connector, as the host sees it.
pub fn connector() -> Connector {
    Connector::new("echo", env!("CARGO_PKG_VERSION"))
        .description("A test double: says back what it hears, misbehaves on request")
        .host("*")
        .credential(Credential::api_key("token"))
        .wants_state()
        .wants_secrets()
        .action(Action::new("say", say).title("Say it back, with `echoed: true`").safe().price(0))
        .action(Action::new("write", say).title("The same as a write").price(1))
        .action(Action::new("context", context).title("Say what the engine told").safe().price(0))
        .action(Action::new("fetch", fetch).title("Send one request").safe().price(0))
        .action(Action::new("fail", fail).title("Fail as asked").price(1))
        .action(Action::new("charge", charge).title("Cost as asked").price_up_to(1, 100))
        .action(Action::new("remember", remember).title("Count calls in its state").price(0))
        .action(Action::new("reveal", reveal).title("Tell a secret's length").safe().price(0))
        .action(
            Action::raw("misbehave", input_schema::<Misbehave>, output_schema::<Value>, misbehave)
                .title("Misbehave as asked")
                .price(0),
        )
}

/// Parses, changes and writes its input: the work of the benches' 1 KiB call.
fn say(_: &Ctx, mut input: Object) -> Result<Object> {
    input.insert("echoed".to_owned(), Value::Bool(true));
    Ok(input)
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Serialize, JsonSchema)]
struct Context {
    run: String,
    step: String,
    attempt: u32,
    idempotency_key: String,
    time_left_ms: u64,
    config: Value,
    traceparent: Option<String>,
    now_unix_ms: u64,
}

fn context(ctx: &Ctx, _: Nothing) -> Result<Context> {
    Ok(Context {
        run: ctx.run_id().to_owned(),
        step: ctx.step_id().to_owned(),
        attempt: ctx.attempt(),
        idempotency_key: ctx.idempotency_key().to_owned(),
        time_left_ms: ctx.time_left_ms(),
        config: ctx.config()?,
        traceparent: ctx.traceparent().map(str::to_owned),
        now_unix_ms: ctx.now_unix_ms(),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fetch {
    /// Any address, also ones no host should let pass
    url: String,
    /// Fill in the credential `token` as bearer token
    #[serde(default)]
    bearer: bool,
    #[serde(default)]
    follow_redirects: bool,
    /// Sent as they are
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Sent by POST where given
    body: Option<String>,
    timeout_ms: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct Fetched {
    status: u16,
    headers: BTreeMap<String, String>,
    text: String,
}

fn fetch(ctx: &Ctx, input: Fetch) -> Result<Fetched> {
    let method = if input.body.is_some() { Method::Post } else { Method::Get };
    let mut request = ctx.request(method, input.url);
    if input.bearer {
        request = request.bearer("token");
    }
    if input.follow_redirects {
        request = request.follow_redirects();
    }
    for (name, value) in input.headers {
        request = request.header(name, value);
    }
    if let Some(timeout_ms) = input.timeout_ms {
        request = request.timeout_ms(timeout_ms);
    }
    let response = request.body_opt(input.body).send_any()?;
    let headers = response.headers.iter();
    let headers = headers.map(|(n, v)| (n.clone(), String::from_utf8_lossy(v).into_owned()));
    Ok(Fetched { status: response.status, headers: headers.collect(), text: response.text() })
}

/// Which error of the contract.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Case {
    InvalidInput,
    Auth,
    NotFound,
    Conflict,
    RateLimited,
    Transient,
    Permanent,
    Ambiguous,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fail {
    case: Case,
    #[serde(default)]
    message: String,
    code: Option<String>,
    /// With `rate_limited`
    retry_after_ms: Option<u64>,
    /// Works from this attempt on
    until_attempt: Option<u32>,
}

fn fail(ctx: &Ctx, input: Fail) -> Result<Value> {
    if input.until_attempt.is_some_and(|works| ctx.attempt() >= works) {
        return Ok(json!({ "attempt": ctx.attempt() }));
    }
    let message = input.message;
    let error = match input.case {
        Case::InvalidInput => TaskError::invalid_input(message),
        Case::Auth => TaskError::auth(message),
        Case::NotFound => TaskError::not_found(message),
        Case::Conflict => TaskError::conflict(message),
        Case::RateLimited => TaskError::rate_limited(message, input.retry_after_ms),
        Case::Transient => TaskError::transient(message),
        Case::Permanent => TaskError::permanent(message),
        Case::Ambiguous => TaskError::ambiguous(message),
    };
    Err(match input.code {
        Some(code) => error.code(code),
        None => error,
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Charge {
    credits: u64,
}

fn charge(ctx: &Ctx, input: Charge) -> Result<Value> {
    ctx.charge(input.credits);
    Ok(json!({ "charged": input.credits }))
}

#[derive(Serialize, JsonSchema)]
struct Remembered {
    calls: u64,
    version: u64,
}

fn remember(ctx: &Ctx, _: Nothing) -> Result<Remembered> {
    let (calls, version) = ctx.state().get("calls")?.unwrap_or((0, 0));
    let version = ctx.state().put("calls", &(calls + 1), Some(version))?;
    Ok(Remembered { calls: calls + 1, version })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reveal {
    credential: String,
}

fn reveal(ctx: &Ctx, input: Reveal) -> Result<Value> {
    Ok(json!({ "bytes": ctx.reveal(&input.credential)?.len() }))
}

/// How to misbehave.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case")]
enum Misbehave {
    /// Never come back
    Loop,
    /// Take memory until there is none
    Allocate,
    /// Call itself until the stack ends
    Recurse,
    /// Execute `unreachable`
    Trap,
    /// Panic with a message
    Panic,
    /// Answer with this many bytes
    HugeOutput { bytes: usize },
    /// Answer with what is not JSON
    BadJson,
    /// Send a Host header of its own choice
    ForgedHost { url: String, host: String },
    /// Write this many log lines
    FloodLog { lines: u32 },
    /// Send this many headers
    ManyHeaders { url: String, headers: u32 },
    /// Send this many requests at the same time
    ManyRequests { url: String, requests: u32 },
}

fn misbehave(ctx: &Ctx, input: &str) -> Result<String> {
    let input = levqor_plugin_sdk::parse(input)?;
    match input {
        Misbehave::Loop => endless(),
        Misbehave::Allocate => exhaust(),
        Misbehave::Recurse => Ok(descend(1).to_string()),
        Misbehave::Trap => trap(),
        Misbehave::Panic => panicking(),
        Misbehave::HugeOutput { bytes } => Ok(format!("\"{}\"", "x".repeat(bytes))),
        Misbehave::BadJson => Ok("{\"not\": json".to_owned()),
        Misbehave::ForgedHost { url, host } => status(ctx.get(url).header("host", host).send_any()),
        Misbehave::FloodLog { lines } => {
            for line in 0..lines {
                ctx.log(Level::Error, "flood", &[("line", &line.to_string())]);
            }
            Ok(lines.to_string())
        }
        Misbehave::ManyHeaders { url, headers } => {
            let request = (0..headers).fold(ctx.get(url), |r, i| r.header(format!("x-{i}"), "x"));
            status(request.send_any())
        }
        Misbehave::ManyRequests { url, requests } => {
            let sent = ctx.send_all((0..requests).map(|_| ctx.get(&*url)).collect());
            Ok(json!({ "answered": sent.iter().filter(|r| r.is_ok()).count() }).to_string())
        }
    }
}

fn status(response: Result<Response>) -> Result<String> {
    Ok(json!({ "status": response?.status }).to_string())
}

fn endless() -> ! {
    loop {
        black_box(());
    }
}

fn exhaust() -> ! {
    let mut taken = Vec::new();
    loop {
        taken.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "what it is for")]
fn descend(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    descend(depth + 1) + frame[0]
}

#[cfg(target_arch = "wasm32")]
fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() -> ! {
    std::process::abort()
}

#[expect(clippy::panic, reason = "what it is for")]
fn panicking() -> ! {
    panic!("echo was asked to panic")
}
