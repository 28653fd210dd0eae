//! Credits and credentials on the host.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Server, cell};
use crate::args::{CredentialsVerb, CreditsVerb, KindArg, SetArgs};
use crate::commands::credentials::secret;
use crate::failure::{Failure, Result};

impl Server {
    pub(super) async fn credits(&self, verb: CreditsVerb) -> Result<()> {
        match verb {
            CreditsVerb::Balance => {
                let balance = self.client.get(&["api", "v1", "credits"]).send().await?;
                self.output.item(&balance, || {
                    format!(
                        "{} available, {} held",
                        cell(&balance, "available"),
                        cell(&balance, "held")
                    )
                })
            }
            CreditsVerb::Grant { credits, reference } => {
                let body = json!({ "credits": credits, "reference": reference });
                let ask = self.client.post(&["api", "v1", "credits", "grant"]).json(&body);
                let granted = ask.send().await?;
                self.output.item(&granted, || format!("{} available", cell(&granted, "available")))
            }
            CreditsVerb::List { limit, before } => {
                let page = self.client.get(&["api", "v1", "credits", "entries"]);
                let page = page.query("limit", Some(limit)).query("cursor", before);
                self.page(&page.send().await?, &["at", "cause", "credits", "for"], |row| {
                    let what = match cell(row, "reference") {
                        none if none.is_empty() => cell(row, "pipeline"),
                        reference => reference,
                    };
                    vec![cell(row, "at"), cell(row, "cause"), cell(row, "credits"), what]
                })
            }
            CreditsVerb::Audit => {
                let message = "the books of a host are audited by the host";
                Err(Failure::usage(message).help("its operator looks at /readyz and the metrics"))
            }
        }
    }

    pub(super) async fn credentials(&self, verb: CredentialsVerb) -> Result<()> {
        match verb {
            CredentialsVerb::Set(args) => self.set(args).await,
            CredentialsVerb::List => {
                let page = self.client.get(&["api", "v1", "credentials"]).query("limit", Some(200));
                self.page(&page.send().await?, &["name", "kind", "hosts"], |row| {
                    let hosts = row["hosts"].as_array().into_iter().flatten();
                    let hosts: Vec<&str> = hosts.filter_map(Value::as_str).collect();
                    vec![cell(row, "name"), cell(row, "kind"), hosts.join(" ")]
                })
            }
            CredentialsVerb::Remove { name } => {
                let path = ["api", "v1", "credentials", name.as_str()];
                self.client.ask(Method::DELETE, &path).send().await?;
                let item = json!({ "name": name, "removed": true });
                self.output.item(&item, || format!("{name} removed"))
            }
        }
    }

    async fn set(&self, args: SetArgs) -> Result<()> {
        let secret = secret(args.file.as_deref(), &args.name).await?;
        let body = match args.kind {
            KindArg::ApiKey => json!({ "kind": "api_key", "key": *secret, "hosts": args.hosts }),
            KindArg::Basic => {
                let Some((user, password)) = secret.split_once(':') else {
                    return Err(Failure::usage("the value of a basic credential is user:password"));
                };
                json!({ "kind": "basic", "user": user, "password": password, "hosts": args.hosts })
            }
        };
        let path = ["api", "v1", "credentials", args.name.as_str()];
        let stored = self.client.ask(Method::PUT, &path).json(&body).send().await?;
        self.output.item(&stored, || format!("{} stored", args.name))
    }
}
