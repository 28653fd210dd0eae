//! `{{name}}`: a Levqor connector. Change the host, the credential and the actions to yours.

use levqor_plugin_sdk::prelude::*;

export_connector!(connector);

/// The connector, as the host sees it.
pub fn connector() -> Connector {
    Connector::new("{{name}}", env!("CARGO_PKG_VERSION"))
        .description("What {{name}} can do, in one line")
        .host("api.example.com")
        .credential(Credential::api_key("api_key").required())
        .action(Action::new("get_note", get_note).title("Read a note").safe().price(0))
        .action(Action::new("add_note", add_note).title("Add a note").keyed().timeout_ms(10_000))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetNote {
    /// The note's id
    id: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AddNote {
    /// What to write down
    text: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Note {
    id: String,
    text: String,
}

fn get_note(ctx: &Ctx, input: GetNote) -> Result<Note> {
    let url = format!("{}/notes", ctx.base_url("https://api.example.com/v1")?);
    ctx.get(url).query("id", input.id).bearer("api_key").send()?.json()
}

fn add_note(ctx: &Ctx, input: AddNote) -> Result<Note> {
    let url = format!("{}/notes", ctx.base_url("https://api.example.com/v1")?);
    ctx.post(url)
        .bearer("api_key")
        .idempotency_key("Idempotency-Key")
        .json(&json!({ "text": input.text, "tags": input.tags }))
        .send()?
        .json()
}

#[cfg(test)]
mod tests;
