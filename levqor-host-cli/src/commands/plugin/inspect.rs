//! `plugin inspect`: what a component is, asks for, really imports, and would be granted.

use std::path::Path;

use levqor_connectors::inspect::{GrantView, Inspection};

use super::build::read;
use crate::args::Global;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{self, Output};
use crate::session::Session;

pub(crate) async fn inspect(global: &Global, output: Output, file: &Path) -> Result<()> {
    let component = read(file)?;
    let session = Session::open_to_read(global, output).await?;
    let found = session.registry.inspect_file(&component).await;
    let found = found.map_err(|e| Failure::new(Exit::Refused, e.code(), e.to_string()))?;
    output.item(&found, || text_of(&found))
}

fn text_of(found: &Inspection) -> String {
    let credentials: Vec<&str> = found.credentials.iter().map(|c| c.name.as_str()).collect();
    let mut wants = Vec::new();
    if found.wants.state {
        wants.push("state");
    }
    if found.wants.reveal_secrets {
        wants.push("reading secrets");
    }
    let list = |items: &[&str]| {
        if items.is_empty() { "none".to_owned() } else { items.join(" ") }
    };
    let hosts: Vec<&str> = found.hosts.iter().map(String::as_str).collect();
    let imports: Vec<&str> = found.capabilities.iter().map(String::as_str).collect();
    let head = [
        ("plugin", format!("{} {}  {}", found.name, found.version, found.description)),
        ("sha256", found.sha256.to_string()),
        ("size", format!("{} KiB, contract {}", found.bytes / 1024, found.abi)),
        ("hosts", list(&hosts)),
        ("credentials", list(&credentials)),
        ("wants", list(&wants)),
        ("imports", list(&imports)),
    ];
    let head: Vec<String> = head.iter().map(|(k, v)| format!("{k:12} {v}")).collect();
    let actions = found.actions.iter().map(|(name, action)| {
        let inputs = action.input_schema["properties"].as_object().into_iter().flatten();
        let inputs: Vec<&str> = inputs.map(|(key, _)| key.as_str()).collect();
        let uses = format!("{}/{name}", found.name);
        vec![uses, action.price.base.to_string(), inputs.join(" "), action.title.clone()]
    });
    let actions = output::table(&["uses", "credits", "with", ""], actions);
    format!("{}\n\n{actions}\n\n{}", head.join("\n"), granted(&found.grant))
}

fn granted(grant: &GrantView) -> String {
    match grant {
        GrantView::Granted { hosts, memory_bytes, time_ms, .. } => {
            let hosts = if hosts.is_empty() { "no host".to_owned() } else { hosts.join(" ") };
            let memory = memory_bytes / (1024 * 1024);
            format!("granted: {hosts}; {memory} MiB and {} s a call", time_ms / 1_000)
        }
        GrantView::Blocked { diff, suggestion } => {
            format!("blocked: {}\n\nto grant it, in plugins.toml:\n{suggestion}", diff.join("; "))
        }
        _ => String::new(),
    }
}
