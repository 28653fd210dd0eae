//! Connectors with the manifests of services that are not built in, and no service behind them: a
//! planner looks at manifests alone. Called, they say so.

use std::sync::Arc;

use async_trait::async_trait;
use levqor_core::connector::{
    ActionManifest, Call, Catalog, Connector, CredentialKind, CredentialManifest, Manifest, Outcome,
};
use levqor_core::error::{ErrorKind, RunError};
use serde_json::{Map, Value, json};

/// Name, title, members of the input (`!` for those that must be there), members of the output.
type Action = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const CONNECTORS: &[(&str, &str, &[Action])] = &[
    (
        "google-sheets",
        "Rows and cells of Google Sheets",
        &[
            ("append_row", "Append a row to a sheet", &["spreadsheet!", "values!"], &["range"]),
            ("read_range", "Read the rows of a range", &["spreadsheet!", "range!"], &["values"]),
            (
                "update_range",
                "Change the cells of a range",
                &["spreadsheet!", "range!", "values!"],
                &[],
            ),
        ],
    ),
    (
        "notion",
        "Pages and data sources in Notion",
        &[
            ("create_page", "Create a page", &["parent!", "title!", "content"], &["id", "url"]),
            ("query_data_source", "Query a data source", &["data_source!", "filter"], &["results"]),
            ("search", "Search pages by title", &["query!"], &["results"]),
        ],
    ),
    (
        "telegram",
        "Messages from a Telegram bot",
        &[("send_message", "Send a message to a chat", &["chat_id!", "text!"], &["message_id"])],
    ),
    (
        "resend",
        "E-mail through Resend",
        &[
            ("send", "Send an e-mail", &["from!", "to!", "subject!", "text", "html"], &["id"]),
            ("get", "Get a sent e-mail", &["id!"], &["status"]),
        ],
    ),
    (
        "hubspot",
        "Contacts, companies and deals in HubSpot",
        &[
            ("search_contacts", "Search contacts", &["email"], &["total", "results"]),
            ("create_contact", "Create a contact", &["email!", "name"], &["id"]),
            ("create_deal", "Create a deal", &["name!", "amount"], &["id"]),
        ],
    ),
    (
        "github",
        "Issues, files and pull requests on GitHub",
        &[
            ("create_issue", "Create an issue", &["repository!", "title!", "body"], &["number"]),
            ("list_issues", "List issues of a repository", &["repository!"], &["issues"]),
            ("comment", "Comment on an issue", &["repository!", "number!", "body!"], &["id"]),
        ],
    ),
    (
        "stripe",
        "Customers, invoices and payments in Stripe",
        &[
            ("create_customer", "Create a customer", &["email!"], &["id"]),
            ("create_refund", "Refund a payment", &["payment!"], &["id"]),
            ("list_charges", "List charges", &["limit"], &["data"]),
        ],
    ),
];

/// Puts them all into a catalog.
pub(super) fn add(catalog: &Catalog) {
    for (name, about, actions) in CONNECTORS {
        let mut manifest = Manifest::new(*name, "1.0.0");
        (*about).clone_into(&mut manifest.description);
        manifest.credentials.push(CredentialManifest {
            name: "key".to_owned(),
            kind: CredentialKind::ApiKey,
            scopes: Vec::new(),
            required: true,
        });
        for (action, title, input, output) in *actions {
            let described = ActionManifest {
                title: (*title).to_owned(),
                input_schema: object(input),
                output_schema: object(output),
                ..ActionManifest::default()
            };
            manifest = manifest.action(*action, described);
        }
        catalog.add(Arc::new(Double(manifest))).unwrap();
    }
}

fn object(members: &[&str]) -> Value {
    let name = |member: &&str| member.trim_end_matches('!').to_owned();
    let properties: Map<String, Value> =
        members.iter().map(|m| (name(m), json!({ "type": "string" }))).collect();
    let required: Vec<String> = members.iter().filter(|m| m.ends_with('!')).map(name).collect();
    json!({ "type": "object", "properties": properties, "required": required,
            "additionalProperties": false })
}

#[derive(Debug)]
struct Double(Manifest);

#[async_trait]
impl Connector for Double {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    async fn run_task(&self, _: Call<'_>) -> Outcome {
        let error = RunError::new(ErrorKind::Internal, "test.called", "a planner calls nothing");
        Outcome::Failed { error }
    }
}
