//! `credentials`: the encrypted vault. A value comes from a file, from stdin or from a prompt
//! without echo; never from an argument, which other users of the machine can read.

use std::io::{IsTerminal, Read};
use std::path::Path;

use levqor_connectors::credential::{Credential, Secret};
use levqor_connectors::egress::HostPattern;
use levqor_core::ids::Organization;
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::{CredentialsVerb, Global, KindArg, SetArgs};
use crate::catalog::open_vault;
use crate::exit::Exit;
use crate::failure::{Failure, Result, plain_io};
use crate::follow::interrupted;
use crate::output::{Output, say};

/// Longest secret read: a generous private key.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

pub(crate) async fn credentials(
    global: &Global,
    output: Output,
    verb: CredentialsVerb,
) -> Result<()> {
    let organization = Organization::local();
    match verb {
        CredentialsVerb::Set(args) => set(global, output, &organization, args).await,
        CredentialsVerb::List => {
            let all = open_vault(global)?.list(&organization).map_err(refused)?;
            let rows: Vec<_> = all
                .iter()
                .map(|c| {
                    let hosts: Vec<String> = c.hosts.iter().map(ToString::to_string).collect();
                    json!({ "name": c.name, "kind": c.kind, "hosts": hosts, "version": c.version })
                })
                .collect();
            output.list(&rows, None, &["name", "kind", "hosts", "version"], |row| {
                let hosts = row["hosts"].as_array().into_iter().flatten();
                let hosts: Vec<&str> = hosts.filter_map(|h| h.as_str()).collect();
                let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                vec![text("name"), text("kind"), hosts.join(" "), row["version"].to_string()]
            })
        }
        CredentialsVerb::Remove { name } => {
            if !open_vault(global)?.remove(&organization, &name).map_err(refused)? {
                let message = format!("there is no credential `{name}`");
                return Err(Failure::new(Exit::Refused, "vault.not_found", message)
                    .help("levqor credentials list"));
            }
            output.item(&json!({ "name": name, "removed": true }), || format!("{name} removed"))
        }
    }
}

async fn set(global: &Global, output: Output, owner: &Organization, args: SetArgs) -> Result<()> {
    let mut hosts = Vec::new();
    for host in &args.hosts {
        let parsed: std::result::Result<HostPattern, _> = host.parse();
        hosts.push(parsed.map_err(|e| Failure::usage(format!("--host {host}: {e}")))?);
    }
    let value = secret(args.file.as_deref(), &args.name).await?;
    let credential = match args.kind {
        KindArg::ApiKey => {
            Credential::api_key(args.name.clone(), Secret::new(value.as_str()), hosts)
        }
        KindArg::Basic => {
            let Some((user, password)) = value.split_once(':') else {
                return Err(Failure::usage("the value of a basic credential is user:password"));
            };
            Credential::basic(args.name.clone(), user, Secret::new(password), hosts)
        }
    };
    open_vault(global)?.set(owner, &credential).map_err(refused)?;
    output.item(&json!({ "name": args.name, "stored": true }), || {
        format!("{} stored; a document names it under `credentials:`", args.name)
    })
}

fn refused(error: levqor_connectors::credential::VaultError) -> Failure {
    Failure::new(Exit::Refused, error.code(), error.to_string())
}

/// The secret, without the line end that editors and `echo` put behind it.
pub(crate) async fn secret(file: Option<&Path>, name: &str) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    match file {
        Some(path) if path != Path::new("-") => std::fs::File::open(path)
            .and_then(|f| f.take(SECRET_BYTES_MAX).read_to_string(&mut text))
            .map_err(|e| Failure::file(path, &e))?,
        _ if std::io::stdin().is_terminal() => {
            say(&format!("value of {name} (it is not shown):"));
            text = prompt().await?;
            0
        }
        _ => std::io::stdin()
            .lock()
            .take(SECRET_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|e| stdin_failed(&e))?,
    };
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    if text.is_empty() {
        return Err(Failure::usage("the value is empty"));
    }
    Ok(text)
}

/// A line from the terminal, unseen; Ctrl-C leaves the terminal as it was.
async fn prompt() -> Result<Zeroizing<String>> {
    let _quiet = NoEcho::on_stdin();
    let read = tokio::task::spawn_blocking(|| {
        let mut text = Zeroizing::new(String::new());
        std::io::stdin().read_line(&mut text).map(|_| text)
    });
    tokio::select! {
        biased;
        () = interrupted() => Err(Failure::silent(Exit::Interrupted)),
        read = read => match read {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(stdin_failed(&error)),
            Err(_) => Err(Failure::silent(Exit::Interrupted)),
        },
    }
}

fn stdin_failed(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Refused, "cli.file", format!("<stdin>: {}", plain_io(error)))
}

/// Turns the terminal's echo off, and on again at the end.
struct NoEcho {
    /// The terminal's settings before, as `stty` prints them.
    before: Option<String>,
}

impl NoEcho {
    fn on_stdin() -> Self {
        let before = stty(&["-g"]);
        if before.is_some() {
            stty(&["-echo"]);
        }
        Self { before }
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            stty(&[before.trim()]);
        }
    }
}

/// Asks the system's own tool, which every Unix has: no unsafe code, no dependency for one bit.
fn stty(args: &[&str]) -> Option<String> {
    let done = std::process::Command::new("stty")
        .args(args)
        .stdin(std::process::Stdio::inherit())
        .stderr(std::process::Stdio::null())
        .output()
        .ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}
