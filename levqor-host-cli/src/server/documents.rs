//! Documents on the host: check, estimate, plan, pipelines, schedules.

use levqor_core::document::{self, Format, Issue};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Server, cell};
use crate::args::{EstimateArgs, PipelinesVerb, SchedulesVerb};
use crate::diagnostics::{self, Count};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::files::{self, Source};
use crate::output::{self, Format as Shape};

/// Characters of a version that are shown to people.
const VERSION_SHOWN: usize = 12;

/// A document from here, or the name of one that is stored there.
#[derive(Debug)]
pub(super) enum What {
    Document(Source, Value),
    Stored(String),
}

/// What a word on the command line means.
pub(super) fn what(word: &str) -> Result<What> {
    let looks_like_file = word == "-"
        || word.contains(['/', '\\'])
        || [".yaml", ".yml", ".json"].iter().any(|end| word.ends_with(end))
        || std::path::Path::new(word).is_file();
    if !looks_like_file {
        return Ok(What::Stored(word.to_owned()));
    }
    let source = files::read_text(word.as_ref())?;
    match document::parse_value(&source.text, Format::Auto) {
        Ok((value, _)) => Ok(What::Document(source, value)),
        Err(issue) => {
            let message = format!("{}: {issue}", source.name);
            Err(Failure::new(Exit::Invalid, issue.code.clone(), message))
        }
    }
}

impl Server {
    async fn issues(&self, text: &str) -> Result<(Value, Vec<Issue>)> {
        let ask = self.client.post(&["api", "v1", "validate"]);
        let answer = ask.json(&json!({ "source": text })).send().await?;
        let issues = serde_json::from_value(answer["issues"].clone()).unwrap_or_default();
        Ok((answer, issues))
    }

    /// Shows what is wrong with a document that the host refused, at its places in the text.
    pub(super) async fn explain(&self, failure: Failure, source: &Source) -> Failure {
        if failure.code == "document.invalid"
            && let Ok((_, issues)) = self.issues(&source.text).await
        {
            diagnostics::show(self.output, &source.name, &source.text, &issues);
            let message = format!("{} has {}", source.name, Count::of(&issues).text());
            return Failure::new(Exit::Invalid, "document.invalid", message);
        }
        failure
    }

    pub(super) async fn check(&self, files: &[String]) -> Result<()> {
        let mut wrong = false;
        for file in files {
            let source = files::read_text(file.as_ref())?;
            let (answer, issues) = self.issues(&source.text).await?;
            wrong |= answer["valid"] != true;
            diagnostics::show_text(self.output, &source.name, &source.text, &issues);
            let all: Vec<_> =
                issues.iter().map(|i| diagnostics::to_json(&source.name, i)).collect();
            let item = json!({
                "file": source.name, "valid": answer["valid"], "name": answer["name"], "issues": all,
            });
            self.output.item(&item, || match answer["name"].as_str() {
                Some(name) => format!("{}: ok, pipeline {name}", source.name),
                None => format!("{}: {}", source.name, Count::of(&issues).text()),
            })?;
        }
        if wrong { Err(Failure::silent(Exit::Invalid)) } else { Ok(()) }
    }

    pub(super) async fn estimate(&self, args: EstimateArgs) -> Result<()> {
        let input = args.input.read()?;
        let what = what(&args.file)?;
        let body = match &what {
            What::Document(source, _) => json!({ "source": source.text, "input": input }),
            What::Stored(name) => json!({ "pipeline": name, "input": input }),
        };
        let asked = self.client.post(&["api", "v1", "estimate"]).json(&body).send().await;
        let estimate = match (asked, &what) {
            (Err(failure), What::Document(source, _)) => {
                return Err(self.explain(failure, source).await);
            }
            (asked, _) => asked?,
        };
        self.output.item(&estimate, || priced(&estimate))
    }

    pub(super) async fn plan(&self, goal: &str) -> Result<()> {
        let goal = match goal {
            "-" => files::read_text("-".as_ref())?.text,
            goal => goal.to_owned(),
        };
        let ask = self.client.post(&["api", "v1", "plan"]).json(&json!({ "goal": goal.trim() }));
        let draft = ask.send().await?;
        self.output.note(&cell(&draft, "note"));
        if self.output.format == Shape::Text {
            self.output.note(&format!("\n{}\n", priced(&draft["estimate"])));
            return self.output.raw(&crate::yaml::write(&draft["document"]));
        }
        self.output.item(&draft, String::new)
    }

    pub(super) async fn pipelines(&self, verb: PipelinesVerb) -> Result<()> {
        match verb {
            PipelinesVerb::Push { files } => {
                let all: Result<Vec<What>> = files.iter().map(|file| document(file)).collect();
                for what in all? {
                    self.push(what).await?;
                }
                Ok(())
            }
            PipelinesVerb::List => {
                let page = self.client.get(&["api", "v1", "pipelines"]).query("limit", Some(200));
                let head = ["pipeline", "version", "pushed", "before"];
                self.page(&page.send().await?, &head, |row| {
                    let version = short(&cell(row, "version"));
                    vec![
                        cell(row, "name"),
                        version,
                        cell(row, "updated"),
                        cell(row, "versions_before"),
                    ]
                })
            }
            PipelinesVerb::Show { name } => {
                let stored = self.client.get(&["api", "v1", "pipelines", &name]).send().await?;
                let document = &stored["document"];
                self.output.item(document, || format!("{document:#}"))
            }
            PipelinesVerb::Diff { file } => self.diff(&file).await,
            PipelinesVerb::Remove { name } => {
                let path = ["api", "v1", "pipelines", name.as_str()];
                let (_, version) = self.stored(&name).await?.ok_or_else(|| unknown(&name))?;
                let ask = self.client.ask(Method::DELETE, &path);
                ask.header("if-match", Some(format!("\"{version}\""))).send().await?;
                let item = json!({ "name": name, "removed": true });
                self.output.item(&item, || format!("{name} removed"))
            }
        }
    }

    /// A stored document with its version.
    async fn stored(&self, name: &str) -> Result<Option<(Value, String)>> {
        match self.client.get(&["api", "v1", "pipelines", name]).tried().await? {
            Ok((_, stored)) => Ok(Some((stored["document"].clone(), cell(&stored, "version")))),
            Err(refused) if refused.code == "request.not_found" => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }

    async fn push(&self, what: What) -> Result<()> {
        let What::Document(source, value) = what else { return Ok(()) };
        let name = cell(&value, "name");
        let before = self.stored(&name).await?;
        let ask = self.client.ask(Method::PUT, &["api", "v1", "pipelines", &name]).json(&value);
        let ask = match &before {
            Some((_, version)) => ask.header("if-match", Some(format!("\"{version}\""))),
            None => ask.header("if-none-match", Some("*")),
        };
        let pushed = match ask.send().await {
            Ok(pushed) => pushed,
            Err(failure) => return Err(self.explain(failure, &source).await),
        };
        let version = cell(&pushed, "version");
        let same = before.is_some_and(|(_, before)| before == version);
        let item = json!({ "name": name, "version": version, "changed": !same });
        self.output.item(&item, || {
            let what = if same { "unchanged" } else { "pushed" };
            format!("{name}  {}  {what}", short(&version))
        })
    }

    async fn diff(&self, file: &str) -> Result<()> {
        let What::Document(_, value) = document(file)? else { return Ok(()) };
        let name = cell(&value, "name");
        let (stored, _) = self.stored(&name).await?.ok_or_else(|| unknown(&name))?;
        let read = |value: &Value| {
            document::PipelineDocument::from_value(value).map_err(levqor_core::Error::Invalid)
        };
        let changes = levqor_core::pipeline::diff(&read(&stored)?, &read(&value)?);
        if changes.is_empty() {
            self.output.note("no difference");
        }
        let told = crate::commands::pipelines::told;
        changes.iter().try_for_each(|change| self.output.item(change, || told(change)))
    }

    pub(super) async fn schedules(&self, verb: SchedulesVerb) -> Result<()> {
        let (schedule, word) = match verb {
            SchedulesVerb::List { next } => return self.list_schedules(usize::from(next)).await,
            SchedulesVerb::Pause { schedule } => (schedule, "pause"),
            SchedulesVerb::Resume { schedule } => (schedule, "resume"),
            SchedulesVerb::Serve => return Ok(()),
        };
        let Some((pipeline, trigger)) = schedule.split_once('/') else {
            let help = self.command("schedules list");
            return Err(Failure::usage("a schedule is PIPELINE/TRIGGER").help(help));
        };
        let path = ["api", "v1", "schedules", pipeline, trigger, word];
        let now = self.client.post(&path).send().await?;
        self.output.item(&now, || {
            let next = now["next"][0].as_str().unwrap_or("never");
            format!("{schedule}: fires next {next}")
        })
    }

    async fn list_schedules(&self, times: usize) -> Result<()> {
        let page = self.client.get(&["api", "v1", "schedules"]).query("limit", Some(200));
        let head = ["schedule", "when", "fired", "left out", "next"];
        self.page(&page.send().await?, &head, |row| {
            let next = row["next"].as_array().into_iter().flatten().take(times);
            let next: Vec<&str> = next.filter_map(Value::as_str).collect();
            let paused = row["paused"] == true;
            vec![
                format!("{}/{}", cell(row, "pipeline"), cell(row, "trigger")),
                cell(row, "when"),
                cell(row, "fired"),
                cell(row, "skipped"),
                if paused { "paused".to_owned() } else { next.join("  ") },
            ]
        })
    }
}

/// A file, or stdin: a stored name makes no sense where a document is sent.
fn document(file: &str) -> Result<What> {
    match what(file)? {
        What::Stored(name) => {
            let message = format!("there is no file `{name}`");
            Err(Failure::new(Exit::Refused, "cli.file", message))
        }
        document => Ok(document),
    }
}

fn unknown(name: &str) -> Failure {
    let message = format!("no pipeline `{name}` is stored on this host");
    Failure::new(Exit::Refused, "request.not_found", message)
}

fn short(version: &str) -> String {
    version.chars().take(VERSION_SHOWN).collect()
}

/// An estimate for people.
fn priced(estimate: &Value) -> String {
    let row = |id: &str, of: &Value, reason: &str| {
        let most = cell(of, "max");
        let most = if most.is_empty() { "no limit".to_owned() } else { most };
        vec![id.to_owned(), cell(of, "min"), cell(of, "expected"), most, reason.to_owned()]
    };
    let steps = estimate["steps"].as_array().into_iter().flatten();
    let mut rows: Vec<_> = steps.map(|s| row(&cell(s, "id"), s, &cell(s, "reason"))).collect();
    rows.push(row("total", estimate, "credits"));
    output::table(&["step", "least", "expected", "most", "why"], rows.into_iter())
}
