//! `openai`: chat and embeddings, from OpenAI or any service that speaks its protocol.
//!
//! The operator's configuration: `base_url`, `model` (the default for chat), `anonymous` (send no
//! key, for local services), `max_tokens_field` (older services know `max_tokens` only) and
//! `credits_per_1k_tokens` (charge what was used instead of the listed price).

use levqor_plugin_sdk::prelude::*;

mod refusal;

/// Where the API is, unless the operator's `base_url` says otherwise.
const API: &str = "https://api.openai.com/v1";
/// The model for chat where neither the step nor the operator says.
const CHAT_MODEL: &str = "gpt-4o-mini";
/// The model for embeddings where the step does not say.
const EMBEDDING_MODEL: &str = "text-embedding-3-small";
/// The most one call may cost, held before it: a long answer at a usual rate.
const CREDITS_MAX: u64 = 100;
/// Models think for a while.
const CHAT_MS: u64 = 120_000;

export_connector!(connector);

/// The connector, as the host sees it.
pub fn connector() -> Connector {
    Connector::new("openai", env!("CARGO_PKG_VERSION"))
        .description("Chat and embeddings from OpenAI or a compatible service")
        .host("api.openai.com")
        // Only where the operator grants another host beside a `base_url`.
        .host("*")
        .credential(Credential::api_key("api_key"))
        // Asking again changes nothing but the bill, which the retry policy caps.
        .action(
            Action::new("chat", chat)
                .title("Answer a prompt, as text or as JSON of a given schema")
                .safe()
                .price_up_to(1, CREDITS_MAX)
                .timeout_ms(CHAT_MS),
        )
        .action(
            Action::new("embeddings", embeddings)
                .title("Turn texts into vectors")
                .safe()
                .price_up_to(1, CREDITS_MAX),
        )
}

#[derive(Default, Deserialize)]
struct Config {
    model: Option<String>,
    #[serde(default)]
    anonymous: bool,
    max_tokens_field: Option<String>,
    credits_per_1k_tokens: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Chat {
    /// What to answer; or use `messages`
    prompt: Option<String>,
    /// A whole conversation
    #[serde(default)]
    messages: Vec<Message>,
    /// Instructions before everything else
    system: Option<String>,
    /// The operator's default where absent
    model: Option<String>,
    /// JSON Schema of the answer, which is then in `json`
    schema: Option<Value>,
    #[schemars(range(min = 0.0, max = 2.0))]
    temperature: Option<f64>,
    #[schemars(range(min = 1))]
    max_tokens: Option<u32>,
    seed: Option<i64>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Message {
    role: Role,
    content: String,
}

/// Who speaks.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Role {
    System,
    Developer,
    User,
    Assistant,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    text: String,
    /// The answer as JSON, where a schema was given
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Value>,
    /// The model that answered
    model: String,
    /// `stop`, or `length` for an answer cut at `max_tokens`
    finish_reason: String,
    usage: Usage,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    total_tokens: u64,
}

#[derive(Deserialize)]
struct Completion {
    model: String,
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
struct Choice {
    message: Reply,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Reply {
    content: Option<String>,
    refusal: Option<String>,
}

fn chat(ctx: &Ctx, input: Chat) -> Result<Answer> {
    let config: Config = ctx.config()?;
    let wants_json = input.schema.is_some();
    let body = chat_body(input, &config)?;
    let completion: Completion = post(ctx, &config, "chat/completions", &body)?;
    charge(ctx, &config, completion.usage);
    let Some(choice) = completion.choices.into_iter().next() else {
        return Err(TaskError::permanent("the model gave no answer").code("no_choice"));
    };
    let finish_reason = choice.finish_reason.unwrap_or_else(|| "stop".to_owned());
    if finish_reason == "content_filter" {
        return Err(TaskError::permanent("the answer was filtered").code("content_filter"));
    }
    let text = match (choice.message.content, choice.message.refusal) {
        (Some(text), _) => text,
        (None, Some(why)) => {
            return Err(TaskError::permanent(format!("the model refused: {why}")).code("refused"));
        }
        (None, None) => String::new(),
    };
    let json = if wants_json { Some(read_json(&text, &finish_reason)?) } else { None };
    Ok(Answer { text, json, model: completion.model, finish_reason, usage: completion.usage })
}

fn chat_body(input: Chat, config: &Config) -> Result<Value> {
    let message = |role, content| Message { role, content };
    let mut messages: Vec<Message> =
        input.system.into_iter().map(|content| message(Role::System, content)).collect();
    messages.extend(input.messages);
    messages.extend(input.prompt.map(|content| message(Role::User, content)));
    if !messages.iter().any(|m| matches!(m.role, Role::User | Role::Assistant)) {
        return Err(TaskError::invalid_input("one of `prompt` and `messages` is needed"));
    }
    let model = input.model.or_else(|| config.model.clone());
    let mut body = json!({
        "model": model.as_deref().unwrap_or(CHAT_MODEL),
        "messages": messages,
        "temperature": input.temperature,
        "seed": input.seed,
    });
    if let Some(fields) = body.as_object_mut() {
        // Some services refuse a null where nothing is meant.
        fields.retain(|_, value| !value.is_null());
        if let Some(max) = input.max_tokens {
            let field = config.max_tokens_field.as_deref().unwrap_or("max_completion_tokens");
            fields.insert(field.to_owned(), max.into());
        }
        if let Some(schema) = input.schema {
            let answer = json!({ "name": "answer", "schema": schema, "strict": true });
            let format = json!({ "type": "json_schema", "json_schema": answer });
            fields.insert("response_format".to_owned(), format);
        }
    }
    Ok(body)
}

fn read_json(text: &str, finish_reason: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| match finish_reason {
        "length" => TaskError::permanent("the answer was cut at `max_tokens`").code("incomplete"),
        _ => TaskError::permanent(format!("the answer is not JSON: {e}")).code("not_json"),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Embed {
    #[schemars(length(min = 1, max = 2048))]
    texts: Vec<String>,
    model: Option<String>,
    /// Length of the vectors, for models that can
    #[schemars(range(min = 1))]
    dimensions: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct Embedded {
    /// One vector for each text, in order
    embeddings: Vec<Vec<f64>>,
    model: String,
    usage: Usage,
}

#[derive(Deserialize)]
struct Vectors {
    model: String,
    data: Vec<Vector>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
struct Vector {
    index: usize,
    embedding: Vec<f64>,
}

fn embeddings(ctx: &Ctx, input: Embed) -> Result<Embedded> {
    let config: Config = ctx.config()?;
    let mut body = json!({
        "model": input.model.as_deref().unwrap_or(EMBEDDING_MODEL),
        "input": input.texts,
        "encoding_format": "float",
    });
    if let Some(dimensions) = input.dimensions {
        body["dimensions"] = dimensions.into();
    }
    let mut vectors: Vectors = post(ctx, &config, "embeddings", &body)?;
    if vectors.data.len() != input.texts.len() {
        return Err(TaskError::permanent("not one vector for each text").code("bad_response"));
    }
    charge(ctx, &config, vectors.usage);
    vectors.data.sort_by_key(|vector| vector.index);
    let embeddings = vectors.data.into_iter().map(|vector| vector.embedding).collect();
    Ok(Embedded { embeddings, model: vectors.model, usage: vectors.usage })
}

fn post<T: serde::de::DeserializeOwned>(
    ctx: &Ctx,
    config: &Config,
    path: &str,
    body: &Value,
) -> Result<T> {
    let mut request = ctx.post(format!("{}/{path}", ctx.base_url(API)?)).json(body);
    if !config.anonymous {
        request = request.bearer("api_key");
    }
    let response = request.send_any()?;
    if response.is_success() { response.json() } else { Err(refusal::refused(&response)) }
}

/// Charges what was used, rounded up, where the operator set a rate.
fn charge(ctx: &Ctx, config: &Config, usage: Usage) {
    if let Some(rate) = config.credits_per_1k_tokens {
        ctx.charge(usage.total_tokens.saturating_mul(rate).div_ceil(1_000).min(CREDITS_MAX));
    }
}
