//! `http`: any HTTP API. `request` does anything once, `get` reads, `paginate` reads a whole list.
//!
//! The credential is always named `auth`; where it goes is the step's choice. Which hosts may be
//! reached, and by which credential, is the operator's.

use std::collections::BTreeMap;

use levqor_plugin_sdk::prelude::*;

mod pages;

/// The name of the one credential.
const CREDENTIAL: &str = "auth";

export_connector!(connector);

/// The connector, as the host sees it.
pub fn connector() -> Connector {
    Connector::new("http", env!("CARGO_PKG_VERSION"))
        .description("Any HTTP API: requests, reads and paged lists")
        .host("*")
        .credential(Credential::api_key(CREDENTIAL))
        .action(Action::new("request", request).title("Send a request of any method"))
        .action(Action::new("get", get).title("Read an address").safe())
        .action(
            Action::new("paginate", pages::paginate)
                .title("Read all items of a list that comes in pages")
                .safe()
                .timeout_ms(120_000),
        )
}

/// Where the credential `auth` goes.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Preset {
    /// `Authorization: Bearer …`
    Bearer,
    /// `Authorization: Basic …`
    Basic,
    /// In the header of this name
    Header(String),
    /// In the query parameter of this name
    Query(String),
}

/// HTTP method.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl From<Verb> for Method {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Get => Self::Get,
            Verb::Head => Self::Head,
            Verb::Post => Self::Post,
            Verb::Put => Self::Put,
            Verb::Patch => Self::Patch,
            Verb::Delete => Self::Delete,
            Verb::Options => Self::Options,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Send {
    method: Verb,
    url: String,
    /// Added to the address, encoded
    #[serde(default)]
    query: BTreeMap<String, Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Body as JSON; at most one of `json`, `text` and `form`
    json: Option<Value>,
    /// Body as it is
    text: Option<String>,
    /// Body as a form
    form: Option<BTreeMap<String, Value>>,
    /// Where the credential `auth` goes; none is sent where absent
    auth: Option<Preset>,
    /// Header for the step's idempotency key, where the other side knows one
    idempotency_header: Option<String>,
    /// Statuses that are a success; all 2xx where absent
    expect: Option<Vec<u16>>,
    #[serde(default)]
    follow_redirects: bool,
    timeout_ms: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    status: u16,
    /// Names in lower case
    headers: BTreeMap<String, String>,
    /// The body, where it is JSON
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Value>,
    /// The body, where it is not
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

fn request(ctx: &Ctx, input: Send) -> Result<Answer> {
    let bodies = [input.json.is_some(), input.text.is_some(), input.form.is_some()];
    if bodies.iter().filter(|given| **given).count() > 1 {
        return Err(TaskError::invalid_input("only one of `json`, `text` and `form` can be sent"));
    }
    let mut request = prepare(
        ctx.request(input.method.into(), input.url),
        &input.query,
        input.headers,
        input.auth.as_ref(),
    );
    if let Some(header) = &input.idempotency_header {
        request = request.idempotency_key(header);
    }
    if let Some(json) = &input.json {
        request = request.json(json);
    } else if let Some(form) = &input.form {
        request = request.form(form.iter().map(|(name, value)| (name, show(value))));
    }
    if input.follow_redirects {
        request = request.follow_redirects();
    }
    if let Some(timeout_ms) = input.timeout_ms {
        request = request.timeout_ms(timeout_ms);
    }
    answer(request.body_opt(input.text), input.expect.as_deref())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Get {
    url: String,
    /// Added to the address, encoded
    #[serde(default)]
    query: BTreeMap<String, Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Where the credential `auth` goes; none is sent where absent
    auth: Option<Preset>,
    /// Statuses that are a success; all 2xx where absent
    expect: Option<Vec<u16>>,
    #[serde(default)]
    follow_redirects: bool,
}

fn get(ctx: &Ctx, input: Get) -> Result<Answer> {
    let mut request = prepare(ctx.get(input.url), &input.query, input.headers, input.auth.as_ref());
    if input.follow_redirects {
        request = request.follow_redirects();
    }
    answer(request, input.expect.as_deref())
}

/// What all actions share: query, headers, credential.
fn prepare<'a>(
    mut request: HttpRequest<'a>,
    query: &BTreeMap<String, Value>,
    headers: BTreeMap<String, String>,
    auth: Option<&Preset>,
) -> HttpRequest<'a> {
    for (name, value) in query {
        match value {
            Value::Null => {}
            Value::Array(values) => {
                request = values.iter().fold(request, |r, value| r.query(name, show(value)));
            }
            value => request = request.query(name, show(value)),
        }
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    match auth {
        None => request,
        Some(Preset::Bearer) => request.bearer(CREDENTIAL),
        Some(Preset::Basic) => request.basic(CREDENTIAL),
        Some(Preset::Header(name)) => request.auth_header(name, CREDENTIAL),
        Some(Preset::Query(name)) => request.auth_query(name, CREDENTIAL),
    }
}

/// Texts as they are, everything else as JSON.
fn show(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn answer(request: HttpRequest<'_>, expect: Option<&[u16]>) -> Result<Answer> {
    let response = request.send_any()?;
    let expected = expect.map_or(response.is_success(), |these| these.contains(&response.status));
    if !expected {
        return Err(unexpected(&response));
    }
    let json = json_of(&response);
    let text = if json.is_none() { Some(response.text()) } else { None };
    let headers = response.headers.iter();
    let headers = headers
        .map(|(name, value)| (name.to_lowercase(), String::from_utf8_lossy(value).into_owned()));
    Ok(Answer { status: response.status, headers: headers.collect(), json, text })
}

/// A success nobody expected is an error too.
fn unexpected(response: &Response) -> TaskError {
    match response.is_success() {
        true => TaskError::permanent(format!("status {} was not expected", response.status))
            .code("unexpected_status"),
        false => response.to_error(),
    }
}

fn json_of(response: &Response) -> Option<Value> {
    let kind = response.header("content-type")?.split(';').next()?.trim().to_lowercase();
    let is_json = kind == "application/json" || kind.ends_with("+json");
    if is_json { response.json().ok() } else { None }
}
