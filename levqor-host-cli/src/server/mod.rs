//! `--server`: the same verbs against a host over HTTP, with the key of an organization there.
//!
//! Nothing is kept here: no store, no vault, no engine. A verb is a request or a few, shown with the
//! same tables and exit codes as the embedded one. What is about this machine (`work`, `store`,
//! `plugin`, `doctor`) has no place on a host and says so.

mod client;
mod documents;
mod events;
mod lists;
mod money;
mod runs;

use serde_json::Value;

use crate::args::{Command, Global, PluginsVerb, SchedulesVerb};
use crate::failure::{Failure, Result};
use crate::output::Output;

use client::Client;

/// A host and where its answers are shown.
#[derive(Debug)]
pub(crate) struct Server {
    client: Client,
    output: Output,
    /// As it was named, for the commands that are printed.
    url: String,
}

/// Does what was typed on the host.
pub(crate) async fn dispatch(
    global: &Global,
    url: &str,
    output: Output,
    command: Command,
) -> Result<()> {
    let client = Client::new(url, global)?;
    let server = Server { client, output, url: url.to_owned() };
    match command {
        Command::Run(args) => server.run(args).await,
        Command::Check(args) => server.check(&args.files).await,
        Command::Estimate(args) => server.estimate(args).await,
        Command::Plan(args) => server.plan(&args.goal).await,
        Command::Runs(verb) => server.runs(verb).await,
        Command::Dlq(verb) => server.dlq(verb).await,
        Command::Pipelines(verb) => server.pipelines(verb).await,
        Command::Schedules(SchedulesVerb::Serve) => Err(elsewhere("schedules serve")),
        Command::Schedules(verb) => server.schedules(verb).await,
        Command::Credits(verb) => server.credits(verb).await,
        Command::Credentials(verb) => server.credentials(verb).await,
        Command::Plugins(PluginsVerb::List) => server.plugins().await,
        Command::Plugins(PluginsVerb::Show { name }) => server.plugin(&name).await,
        Command::Work => Err(elsewhere("work")),
        Command::Store(_) => Err(elsewhere("store")),
        Command::Doctor => Err(elsewhere("doctor")),
        // Dispatched before: these look at nothing but themselves.
        Command::Plugin(_)
        | Command::Schema { .. }
        | Command::Explain { .. }
        | Command::Completions { .. } => Ok(()),
    }
}

/// Whether a verb is about documents, texts and files here, whatever host is named.
pub(crate) fn is_local(command: &Command) -> bool {
    matches!(
        command,
        Command::Plugin(_)
            | Command::Schema { .. }
            | Command::Explain { .. }
            | Command::Completions { .. }
    )
}

fn elsewhere(verb: &str) -> Failure {
    let message = format!("`{verb}` is about this machine's own store, not about a host");
    Failure::usage(message).help("leave out --server and LEVQOR_SERVER")
}

impl Server {
    /// A command on this host, as it must be typed.
    fn command(&self, words: &str) -> String {
        format!("levqor --server {} {words}", self.url)
    }

    /// A page of the host's, as the embedded lists are shown.
    fn page(&self, page: &Value, head: &[&str], row: impl Fn(&Value) -> Vec<String>) -> Result<()> {
        let none = Vec::new();
        let items = page["data"].as_array().unwrap_or(&none);
        let next = page["next_cursor"].as_str().map(str::to_owned);
        self.output.list(items, next, head, row)
    }
}

/// A member as a cell: a text as it is, nothing for what is absent.
fn cell(item: &Value, name: &str) -> String {
    match &item[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
