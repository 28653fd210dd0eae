//! Runs on the host: start, look, follow, act.

use levqor_core::ids::RunId;
use serde_json::{Map, Value, json};

use super::documents::{What, what};
use super::events::Followed;
use super::{Server, cell};
use crate::args::{DlqVerb, ListArgs, ReplayArgs, RunArgs, RunsVerb};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Format;

impl Server {
    pub(super) async fn run(&self, args: RunArgs) -> Result<()> {
        if let Some(run) = args.resume {
            return self.resume(run, args.max_credits).await;
        }
        let what = what(args.file.as_deref().unwrap_or("-"))?;
        let mut body = json!({ "input": args.input.read()? });
        match &what {
            What::Document(_, document) => body["document"] = document.clone(),
            What::Stored(name) => body["pipeline"] = json!(name),
        }
        if let Some(credits) = args.max_credits {
            body["max_credits"] = json!(credits);
        }
        if let Some(priority) = args.priority {
            body["priority"] = json!(priority);
        }
        let ask = self.client.post(&["api", "v1", "run"]).json(&body);
        let started = match (ask.header("idempotency-key", args.key).send().await, &what) {
            (Ok(started), _) => started,
            (Err(failure), What::Document(source, _)) => {
                return Err(self.explain(failure, source).await);
            }
            (Err(failure), _) => return Err(failure),
        };
        self.to_end(&cell(&started, "id"), "started").await
    }

    async fn resume(&self, run: RunId, max_credits: Option<u64>) -> Result<()> {
        let run = run.to_string();
        let ask = self.client.post(&["api", "v1", "runs", &run, "resume"]);
        let goes_on = ask.json(&json!({ "max_credits": max_credits })).send().await?;
        let id = cell(&goes_on, "id");
        let what = if id == run { "going on".to_owned() } else { format!("continues {run}") };
        self.to_end(&id, &what).await
    }

    pub(super) async fn runs(&self, verb: RunsVerb) -> Result<()> {
        match verb {
            RunsVerb::List(args) => self.list(args).await,
            RunsVerb::Show { run, journal: true } => self.journal(run).await,
            RunsVerb::Show { run, journal: false } => {
                let run = self.client.get(&["api", "v1", "runs", &run.to_string()]).send().await?;
                self.output.item(&run, || text_of(&run))
            }
            RunsVerb::Watch { run } => self.to_end(&run.to_string(), "followed").await,
            RunsVerb::Cancel { run } => {
                let run = run.to_string();
                let path = ["api", "v1", "runs", run.as_str(), "cancel"];
                let now = self.client.post(&path).send().await?;
                self.output.item(&now, || format!("{run} {}", cell(&now, "status")))
            }
            RunsVerb::Resume { run, max_credits } => self.resume(run, max_credits).await,
            RunsVerb::Replay(args) => self.replay(args).await,
            RunsVerb::Decide(args) => {
                let run = args.run.to_string();
                let body = json!({
                    "step": args.step, "approved": args.approve, "form": args.form.read()?,
                });
                let path = ["api", "v1", "runs", run.as_str(), "signal"];
                self.client.post(&path).json(&body).send().await?;
                self.to_end(&run, "decided").await
            }
            RunsVerb::Publish { event, payload } => {
                let body = json!({ "event": event, "payload": payload.read()? });
                let took = self.client.post(&["api", "v1", "signals"]).json(&body).send().await?;
                self.output.item(&took, || format!("{took:#}"))
            }
        }
    }

    async fn list(&self, args: ListArgs) -> Result<()> {
        let status = args.status.map(|status| levqor_core::run::RunStatus::from(status).as_str());
        let page = self
            .client
            .get(&["api", "v1", "runs"])
            .query("limit", Some(args.limit))
            .query("status", status)
            .query("cursor", args.before);
        let head = ["run", "pipeline", "status", "created", "ended", "credits"];
        self.page(&page.send().await?, &head, |run| {
            ["id", "pipeline", "status", "created", "ended", "credits"]
                .map(|name| cell(run, name))
                .to_vec()
        })
    }

    async fn journal(&self, run: RunId) -> Result<()> {
        let run = run.to_string();
        let (mut records, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let path = ["api", "v1", "runs", run.as_str(), "journal"];
            let ask = self.client.get(&path).query("limit", Some(200)).query("cursor", cursor);
            let mut page = ask.send().await?;
            if let Value::Array(data) = page["data"].take() {
                records.extend(data);
            }
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        match self.output.format {
            Format::Json => self.output.item(&records, String::new),
            _ => records.iter().try_for_each(|record| self.output.raw(&record.to_string())),
        }
    }

    async fn replay(&self, args: ReplayArgs) -> Result<()> {
        let mut body = Map::new();
        if let Some(step) = args.from {
            body.insert("from".to_owned(), json!(step));
        }
        if let Some(input) = args.input.given()? {
            body.insert("input".to_owned(), input);
        }
        let document = args.file.as_deref().map(what).transpose()?;
        if let Some(What::Document(_, document)) = &document {
            body.insert("document".to_owned(), document.clone());
        }
        let run = args.run.to_string();
        let path = ["api", "v1", "runs", run.as_str(), "replay"];
        let asked = self.client.post(&path).json(&Value::Object(body)).send().await;
        let replays = match (asked, &document) {
            (Err(failure), Some(What::Document(source, _))) => {
                return Err(self.explain(failure, source).await);
            }
            (asked, _) => asked?,
        };
        self.to_end(&cell(&replays, "id"), &format!("replays {run}")).await
    }

    pub(super) async fn dlq(&self, verb: DlqVerb) -> Result<()> {
        match verb {
            DlqVerb::List { limit, before } => {
                let page = self.client.get(&["api", "v1", "dead-letters"]);
                let page = page.query("limit", Some(limit)).query("cursor", before);
                let head = ["run", "pipeline", "since", "error"];
                self.page(&page.send().await?, &head, |row| {
                    let error = cell(&row["error"], "message");
                    vec![cell(row, "run"), cell(row, "pipeline"), cell(row, "at"), error]
                })
            }
            DlqVerb::Show { run } => {
                let run = run.to_string();
                let letter = self.client.get(&["api", "v1", "dead-letters", &run]).send().await?;
                self.output.item(&letter, || text_of(&letter["detail"]))?;
                self.output
                    .note(&format!("\ntry again:  {}", self.command(&format!("dlq retry {run}"))));
                self.output
                    .note(&format!("or drop it: {}", self.command(&format!("dlq discard {run}"))));
                Ok(())
            }
            DlqVerb::Retry { run, max_credits: Some(credits) } => {
                self.resume(run, Some(credits)).await
            }
            DlqVerb::Retry { run, max_credits: None } => {
                let run = run.to_string();
                let path = ["api", "v1", "dead-letters", run.as_str(), "retry"];
                let goes_on = self.client.post(&path).send().await?;
                self.to_end(&cell(&goes_on, "id"), &format!("continues {run}")).await
            }
            DlqVerb::Discard { run } => {
                let run = run.to_string();
                let path = ["api", "v1", "dead-letters", run.as_str(), "discard"];
                self.client.post(&path).send().await?;
                let item = json!({ "id": run, "discarded": true });
                self.output.item(&item, || format!("{run} discarded"))
            }
        }
    }

    /// Follows a run and prints what it came to.
    async fn to_end(&self, run: &str, what: &str) -> Result<()> {
        self.output.note(&format!("run   {run}  {what}"));
        let again = self.command(&format!("runs watch {run}"));
        if let Followed::Interrupted = self.follow(run, None).await? {
            self.output.note(&format!("interrupted; the run goes on: {again}"));
            return Err(Failure::silent(Exit::Interrupted));
        }
        let now = self.client.get(&["api", "v1", "runs", run]).send().await?;
        let failed = |code: String, message: String| Failure::new(Exit::RunFailed, code, message);
        match now["status"].as_str().unwrap_or_default() {
            "succeeded" => self.output.run_output(&now["output"]),
            status @ ("failed" | "dead" | "cancelled" | "paused") => {
                let error = &now["error"];
                let code = match cell(error, "code") {
                    code if code.is_empty() => format!("run.{status}"),
                    code => code,
                };
                let message = match (error["step"].as_str(), cell(error, "message")) {
                    (_, message) if message.is_empty() => format!("the run is {status}"),
                    (Some(step), message) => format!("step `{step}` failed: {message}"),
                    (None, message) => message,
                };
                let help = self.command(&format!("run --resume {run}"));
                Err(failed(code, message).help(format!("go on with: {help}")))
            }
            status => {
                let message = format!("the run is {status}: it waits for a person or an event");
                Err(failed("run.waiting".to_owned(), message).help(again))
            }
        }
    }
}

/// A run for people.
fn text_of(run: &Value) -> String {
    let names = [
        ("run", "id"),
        ("pipeline", "pipeline"),
        ("version", "version"),
        ("status", "status"),
        ("created", "created"),
        ("ended", "ended"),
        ("goes on", "due"),
        ("credits", "credits"),
        ("started by", "principal"),
        ("continues", "origin"),
        ("input", "input"),
        ("output", "output"),
        ("error", "error"),
    ];
    let rows = names.iter().filter(|(_, name)| !run[*name].is_null());
    rows.map(|(word, name)| format!("{word:11} {}", cell(run, name))).collect::<Vec<_>>().join("\n")
}
