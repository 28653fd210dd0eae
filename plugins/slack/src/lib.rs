//! `slack`: messages, channels and people, through Slack's Web API.
//!
//! Slack answers 200 with `ok: false` when it refuses; [`refused`] says what each word means.

use levqor_plugin_sdk::prelude::*;

/// Where the API is, unless the operator's `base_url` says otherwise.
const API: &str = "https://slack.com/api";
/// Slack recommends pages of at most this many channels.
const PAGE_CHANNELS: usize = 200;
/// Pages read in one call: Slack may answer with few channels, or none, and a cursor.
const PAGES_MAX: usize = 100;
/// Channels listed where the step does not say.
const CHANNELS_DEFAULT: usize = 1_000;

export_connector!(connector);

/// The connector, as the host sees it.
pub fn connector() -> Connector {
    const SCOPES: &[&str] =
        &["chat:write", "channels:read", "groups:read", "users:read", "users:read.email"];
    Connector::new("slack", env!("CARGO_PKG_VERSION"))
        .description("Messages, channels and people in Slack")
        .host("slack.com")
        // Only where the operator grants another host beside a `base_url` (GovSlack, a mock).
        .host("*")
        .credential(Credential::api_key("bot_token").scopes(SCOPES).required())
        .action(Action::new("post_message", post_message).title("Post a message to a channel"))
        .action(
            Action::new("update_message", update_message).title("Replace a message's text").safe(),
        )
        .action(Action::new("list_channels", list_channels).title("List channels").safe())
        .action(
            Action::new("lookup_user", lookup_user).title("Find a person by e-mail address").safe(),
        )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PostMessage {
    /// Channel id or name: `C024BE91L` or `#general`
    channel: String,
    /// The message; with blocks, what notifications show
    text: Option<String>,
    /// Block Kit blocks
    blocks: Option<Vec<Value>>,
    /// `ts` of the message to answer to
    thread_ts: Option<String>,
    /// Show an answer in the channel too
    reply_broadcast: Option<bool>,
    /// Show previews of links
    unfurl_links: Option<bool>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Message {
    /// Channel id
    channel: String,
    /// The message's id within its channel
    ts: String,
}

fn post_message(ctx: &Ctx, input: PostMessage) -> Result<Message> {
    if input.text.is_none() && input.blocks.is_none() {
        return Err(
            TaskError::invalid_input("one of `text` and `blocks` is needed").code("no_text")
        );
    }
    let body = json!({
        "channel": input.channel,
        "text": input.text,
        "blocks": input.blocks,
        "thread_ts": input.thread_ts,
        "reply_broadcast": input.reply_broadcast,
        "unfurl_links": input.unfurl_links,
    });
    post(ctx, "chat.postMessage", body)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UpdateMessage {
    /// Channel id
    channel: String,
    /// The message's `ts`
    ts: String,
    text: Option<String>,
    blocks: Option<Vec<Value>>,
}

fn update_message(ctx: &Ctx, input: UpdateMessage) -> Result<Message> {
    let body = json!({
        "channel": input.channel, "ts": input.ts, "text": input.text, "blocks": input.blocks,
    });
    post(ctx, "chat.update", body)
}

/// A kind of conversation.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ChannelType {
    PublicChannel,
    PrivateChannel,
    Mpim,
    Im,
}

impl ChannelType {
    fn as_str(&self) -> &'static str {
        match self {
            Self::PublicChannel => "public_channel",
            Self::PrivateChannel => "private_channel",
            Self::Mpim => "mpim",
            Self::Im => "im",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListChannels {
    /// Kinds to list; public channels where absent
    types: Option<Vec<ChannelType>>,
    #[serde(default)]
    exclude_archived: bool,
    /// At most this many
    #[serde(default = "channels_default")]
    #[schemars(range(min = 1, max = 10_000))]
    max: usize,
    /// `next_cursor` of an earlier call, to go on from there
    cursor: Option<String>,
}

fn channels_default() -> usize {
    CHANNELS_DEFAULT
}

#[derive(Serialize, JsonSchema)]
struct Channels {
    channels: Vec<Channel>,
    /// Where there are more: the cursor to go on with
    next_cursor: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Channel {
    id: String,
    /// Direct messages have none
    name: Option<String>,
    #[serde(default)]
    is_private: bool,
    #[serde(default)]
    is_archived: bool,
    /// Whether the bot is in it
    #[serde(default)]
    is_member: bool,
    num_members: Option<u64>,
}

#[derive(Deserialize)]
struct ChannelsPage {
    channels: Vec<Channel>,
    response_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    next_cursor: Option<String>,
}

fn list_channels(ctx: &Ctx, input: ListChannels) -> Result<Channels> {
    let url = format!("{}/conversations.list", ctx.base_url(API)?);
    let types: Option<Vec<&str>> =
        input.types.as_ref().map(|types| types.iter().map(ChannelType::as_str).collect());
    let mut found = Channels { channels: Vec::new(), next_cursor: input.cursor };
    for _ in 0..PAGES_MAX {
        let left = input.max - found.channels.len();
        let request = ctx
            .get(&*url)
            .query("limit", left.min(PAGE_CHANNELS).to_string())
            .query("exclude_archived", input.exclude_archived.to_string())
            .query_opt("types", types.as_ref().map(|types| types.join(",")))
            .query_opt("cursor", found.next_cursor.as_deref());
        let page: ChannelsPage = call(request)?;
        // Slack may give more than it was asked for.
        found.channels.extend(page.channels.into_iter().take(left));
        let next = page.response_metadata.and_then(|m| m.next_cursor).filter(|c| !c.is_empty());
        // A cursor that stands still would give the same page for ever.
        let stuck = next == found.next_cursor;
        found.next_cursor = next;
        if found.next_cursor.is_none() || stuck || found.channels.len() >= input.max {
            break;
        }
    }
    Ok(found)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LookupUser {
    email: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct User {
    id: String,
    name: String,
    real_name: Option<String>,
    /// Time zone: `Europe/Berlin`
    tz: Option<String>,
    #[serde(default)]
    is_bot: bool,
    #[serde(default)]
    deleted: bool,
}

#[derive(Deserialize)]
struct UserReply {
    user: User,
}

fn lookup_user(ctx: &Ctx, input: LookupUser) -> Result<User> {
    let url = format!("{}/users.lookupByEmail", ctx.base_url(API)?);
    let reply: UserReply = call(ctx.get(url).query("email", input.email))?;
    Ok(reply.user)
}

fn post<T: serde::de::DeserializeOwned>(ctx: &Ctx, method: &str, mut body: Value) -> Result<T> {
    // Slack reads an explicit null as a value: absent is absent.
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    call(ctx.post(format!("{}/{method}", ctx.base_url(API)?)).json(&body))
}

/// Sends with the bot's token and reads past the envelope every answer has.
fn call<T: serde::de::DeserializeOwned>(request: HttpRequest<'_>) -> Result<T> {
    #[derive(Deserialize)]
    struct Envelope {
        ok: bool,
        error: Option<String>,
    }
    let response = request.bearer("bot_token").send()?;
    let envelope: Envelope = response.json()?;
    if envelope.ok {
        return response.json();
    }
    Err(refused(envelope.error.as_deref().unwrap_or("unknown_error"), response.retry_after_ms))
}

/// What a refusal means for the step. Words not listed will not work later either.
fn refused(error: &str, retry_after_ms: Option<u64>) -> TaskError {
    let message = format!("slack refused: {error}");
    let error_of = match error {
        "ratelimited" | "rate_limited" => return TaskError::rate_limited(message, retry_after_ms),
        "invalid_auth"
        | "not_authed"
        | "token_revoked"
        | "token_expired"
        | "account_inactive"
        | "missing_scope"
        | "not_allowed_token_type"
        | "no_permission"
        | "access_denied" => TaskError::auth,
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => {
            TaskError::transient
        }
        "invalid_arguments"
        | "invalid_arg_name"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_cursor"
        | "invalid_limit"
        | "invalid_types"
        | "invalid_json"
        | "json_not_object"
        | "msg_too_long"
        | "no_text"
        | "too_many_attachments" => TaskError::invalid_input,
        "channel_not_found" | "message_not_found" | "thread_not_found" | "user_not_found"
        | "users_not_found" => TaskError::not_found,
        "is_archived" | "not_in_channel" | "cant_update_message" | "edit_window_closed" => {
            TaskError::conflict
        }
        _ => TaskError::permanent,
    };
    error_of(message).code(error)
}
