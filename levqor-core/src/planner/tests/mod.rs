//! The planner against a small catalog: goals, hostile goals, replies, the repair loop.

mod goals;
mod hostile;
mod replies;

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::connector::{
    ActionManifest, Call, Catalog, Connector, CredentialKind, CredentialManifest, Manifest, Outcome,
};
use crate::document::PipelineDocument;
use crate::error::{ErrorKind, RunError};

fn action(title: &str, input: &Value, output: &Value) -> ActionManifest {
    ActionManifest {
        title: title.to_owned(),
        input_schema: input.clone(),
        output_schema: output.clone(),
        ..ActionManifest::default()
    }
}

/// An object of members, those with `!` required.
fn object(members: &[&str]) -> Value {
    let name = |m: &str| m.trim_end_matches('!').to_owned();
    let properties: serde_json::Map<String, Value> =
        members.iter().map(|m| (name(m), json!({ "type": "string" }))).collect();
    let required: Vec<_> = members.iter().filter(|m| m.ends_with('!')).map(|m| name(m)).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn connector(name: &str, about: &str, actions: &[(&str, &str, &[&str], &[&str])]) -> Manifest {
    let mut manifest = Manifest::new(name, "1.0.0");
    about.clone_into(&mut manifest.description);
    for (action_name, title, input, output) in actions {
        manifest = manifest.action(*action_name, action(title, &object(input), &object(output)));
    }
    manifest.credentials = vec![CredentialManifest {
        name: "key".to_owned(),
        kind: CredentialKind::ApiKey,
        scopes: Vec::new(),
        required: true,
    }];
    manifest
}

fn catalog() -> Vec<Manifest> {
    vec![
        connector(
            "slack",
            "Messages, channels and people in Slack",
            &[
                ("post_message", "Post a message to a channel", &["channel!", "text"], &["ts"]),
                (
                    "update_message",
                    "Replace a message's text",
                    &["channel!", "ts!", "text!"],
                    &["ts"],
                ),
                ("list_channels", "List channels", &["limit"], &["channels"]),
                ("lookup_user", "Find a person by e-mail address", &["email!"], &["id", "name"]),
            ],
        ),
        connector(
            "google-sheets",
            "Rows and cells of Google Sheets",
            &[
                ("append_row", "Append a row to a sheet", &["spreadsheet!", "values!"], &["range"]),
                (
                    "read_range",
                    "Read the rows of a range",
                    &["spreadsheet!", "range!"],
                    &["values"],
                ),
                (
                    "update_range",
                    "Change the cells of a range",
                    &["spreadsheet!", "range!", "values!"],
                    &[],
                ),
            ],
        ),
        connector(
            "notion",
            "Pages and data sources in Notion",
            &[
                ("create_page", "Create a page", &["parent!", "title!", "content"], &["id", "url"]),
                (
                    "query_data_source",
                    "Query a data source",
                    &["data_source!", "filter"],
                    &["results"],
                ),
                ("search", "Search pages by title", &["query!"], &["results"]),
            ],
        ),
        connector(
            "telegram",
            "Messages from a Telegram bot",
            &[(
                "send_message",
                "Send a message to a chat",
                &["chat_id!", "text!"],
                &["message_id"],
            )],
        ),
        connector(
            "resend",
            "E-mail through Resend",
            &[
                ("send", "Send an e-mail", &["from!", "to!", "subject!", "text", "html"], &["id"]),
                ("get", "Get a sent e-mail", &["id!"], &["status"]),
            ],
        ),
        connector(
            "openai",
            "Chat and embeddings from OpenAI or a compatible service",
            &[
                (
                    "chat",
                    "Answer a prompt, as text or as JSON of a given schema",
                    &["prompt", "model"],
                    &["text"],
                ),
                ("embeddings", "Turn texts into vectors", &["texts!"], &["vectors"]),
            ],
        ),
        connector(
            "hubspot",
            "Contacts, companies and deals in HubSpot",
            &[
                ("search_contacts", "Search contacts", &["email"], &["total", "results"]),
                ("create_contact", "Create a contact", &["email!", "name"], &["id"]),
                ("create_deal", "Create a deal", &["name!", "amount"], &["id"]),
            ],
        ),
        connector(
            "github",
            "Issues, files and pull requests on GitHub",
            &[
                (
                    "create_issue",
                    "Create an issue",
                    &["repository!", "title!", "body"],
                    &["number", "url"],
                ),
                ("list_issues", "List issues of a repository", &["repository!"], &["issues"]),
                ("comment", "Comment on an issue", &["repository!", "number!", "body!"], &["id"]),
            ],
        ),
        connector(
            "stripe",
            "Customers, invoices and payments in Stripe",
            &[
                ("create_customer", "Create a customer", &["email!"], &["id"]),
                ("create_refund", "Refund a payment", &["payment!"], &["id"]),
                ("list_charges", "List charges", &["limit"], &["data"]),
            ],
        ),
        connector(
            "http",
            "Any HTTP service",
            &[
                ("get", "Read an address", &["url!"], &["status", "body"]),
                (
                    "request",
                    "Send a request of any method",
                    &["url!", "method!", "body"],
                    &["status", "body"],
                ),
            ],
        ),
    ]
}

/// The same catalog as the engine has it: the validator that every stored document passes.
static CONNECTORS: LazyLock<Catalog> = LazyLock::new(|| {
    let known = Catalog::new();
    catalog().into_iter().for_each(|m| known.add(std::sync::Arc::new(Named(m))).unwrap());
    known
});

#[derive(Debug)]
struct Named(Manifest);

#[async_trait::async_trait]
impl Connector for Named {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    async fn run_task(&self, _: Call<'_>) -> Outcome {
        let error = RunError::new(ErrorKind::Internal, "test.called", "a planner calls nothing");
        Outcome::Failed { error }
    }
}

fn validate(document: &Value) -> Result<(), Vec<String>> {
    let texts = |issues: Vec<crate::document::Issue>| {
        issues.into_iter().map(|i| format!("{}: {} ({})", i.pointer, i.message, i.code)).collect()
    };
    let document = PipelineDocument::from_value(document).map_err(texts)?;
    crate::pipeline::compile(&document, None, &CONNECTORS, &|_| None).map(|_| ()).map_err(texts)
}

fn uses(draft: &Draft) -> Vec<&str> {
    draft.document["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["uses"].as_str().unwrap())
        .collect()
}

/// A draft is a document that could be stored as it is, and says who made it.
fn well_formed(draft: &Draft, goal: &str) {
    assert_eq!(validate(&draft.document), Ok(()), "{goal}: {}", draft.document);
    assert!(draft.note.contains("deterministic planner"), "it says who made it");
}

fn document() -> Value {
    json!({ "schema": "levqor/v1", "name": "p", "steps": [
        { "id": "a", "uses": "slack/post_message", "with": { "channel": "#a", "text": "hi" } },
        { "id": "b", "for_each": "${{ input.x }}", "steps": [ { "id": "c", "uses": "http/get" } ] },
    ] })
}
