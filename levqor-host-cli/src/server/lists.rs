//! What documents may call on the host.

use serde_json::Value;

use super::{Server, cell};
use crate::failure::Result;

impl Server {
    pub(super) async fn plugins(&self) -> Result<()> {
        let page = self.client.get(&["api", "v1", "connectors"]).query("limit", Some(200));
        let head = ["plugin", "version", "from", "state", "actions"];
        self.page(&page.send().await?, &head, |row| {
            let from = if row["builtin"] == true { "built in" } else { "a file" };
            let state = if row["blocked"].is_null() { "ready" } else { "blocked" };
            let actions = row["actions"].as_array().into_iter().flatten();
            let actions: Vec<&str> = actions.filter_map(|a| a["name"].as_str()).collect();
            let (from, state) = (from.to_owned(), state.to_owned());
            vec![cell(row, "name"), cell(row, "version"), from, state, actions.join(" ")]
        })
    }

    pub(super) async fn plugin(&self, word: &str) -> Result<()> {
        let (name, action) = word.split_once('/').unwrap_or((word, ""));
        let connector = self.client.get(&["api", "v1", "connectors", name]).send().await?;
        let shown: &Value = match action {
            "" => &connector,
            action => &connector["manifest"]["actions"][action],
        };
        self.output.item(shown, || format!("{shown:#}"))
    }
}
