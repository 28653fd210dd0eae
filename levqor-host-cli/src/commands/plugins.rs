//! `plugins`: the connectors documents may use.

use levqor_core::connector::Price;
use serde_json::{Value, json};

use crate::args::{Global, PluginsVerb};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{self, Format, Output};
use crate::session::Session;

pub(crate) async fn plugins(global: &Global, output: Output, verb: PluginsVerb) -> Result<()> {
    let session = Session::open_to_read(global, output).await?;
    match verb {
        PluginsVerb::List => list(&session),
        PluginsVerb::Show { name } => show(&session, &name),
    }
}

fn list(session: &Session) -> Result<()> {
    let manifests = session.registry.manifests();
    let rows: Vec<Value> = session
        .registry
        .plugins()
        .iter()
        .map(|plugin| {
            let manifest = manifests.iter().find(|m| m.name == plugin.name);
            let actions: Vec<&String> = manifest.iter().flat_map(|m| m.actions.keys()).collect();
            let mut row = json!(plugin);
            row["description"] = json!(manifest.map(|m| &m.description));
            row["actions"] = json!(actions);
            row
        })
        .collect();
    let head = ["plugin", "version", "from", "state", "actions"];
    session.output.list(&rows, None, &head, |row| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let from = if row["builtin"] == true { "built in".to_owned() } else { text("path") };
        let state = if row["blocked"].is_null() { "ready" } else { "blocked" };
        let actions = row["actions"].as_array().into_iter().flatten();
        let actions: Vec<&str> = actions.filter_map(Value::as_str).collect();
        vec![text("name"), text("version"), from, state.to_owned(), actions.join(" ")]
    })?;
    if session.output.format == Format::Text {
        session.output.note("one of them: levqor plugins show NAME");
    }
    Ok(())
}

fn show(session: &Session, word: &str) -> Result<()> {
    let (name, only) = match word.split_once('/') {
        Some((name, action)) => (name, Some(action)),
        None => (word, None),
    };
    let manifests = session.registry.manifests();
    let Some(manifest) = manifests.iter().find(|m| m.name == name) else {
        let message = format!("there is no plugin `{name}`");
        return Err(
            Failure::new(Exit::Refused, "plugin.unknown", message).help("levqor plugins list")
        );
    };
    if let Some(only) = only {
        let Some(action) = manifest.actions.get(only) else {
            let message = format!("`{name}` has no action `{only}`");
            return Err(Failure::new(Exit::Refused, "connector.unknown_action", message)
                .help(format!("levqor plugins show {name}")));
        };
        return session.output.item(action, || {
            let price = price_of(action.price);
            format!(
                "{name}/{only}  {}\nprice: {price}\n\nwith:\n{:#}\n\noutput:\n{:#}",
                action.title, action.input_schema, action.output_schema
            )
        });
    }
    let blocked = session.registry.plugins().into_iter().find(|p| p.name == name);
    session.output.item(manifest, || {
        let rows = manifest.actions.iter().map(|(action, m)| {
            let inputs = m.input_schema["properties"].as_object().into_iter().flatten();
            let inputs: Vec<&str> = inputs.map(|(key, _)| key.as_str()).collect();
            let uses = format!("{name}/{action}");
            vec![uses, price_of(m.price), inputs.join(" "), m.title.clone()]
        });
        let table = output::table(&["uses", "credits", "with", ""], rows);
        let mut text = format!("{name} {}  {}\n\n{table}", manifest.version, manifest.description);
        if !manifest.hosts.is_empty() {
            text += &format!("\n\nhosts: {}", manifest.hosts.join(" "));
        }
        if let Some(blocked) = blocked.and_then(|p| p.blocked) {
            text += &format!("\n\nblocked: {blocked}");
        }
        text
    })
}

fn price_of(price: Price) -> String {
    match price.max {
        Some(max) if max > price.base => format!("{} to {max}", price.base),
        _ => price.base.to_string(),
    }
}
