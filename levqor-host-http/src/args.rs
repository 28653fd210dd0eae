//! The command line: `serve` (where nothing is said), and what helps an operator before it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use levqor_core::time::{Clock as _, SystemClock};

use crate::config::{Config, ConfigError, Flags};
use crate::observe::Errors;
use crate::ops::doctor::{self, Grade};
use crate::serve::{Host, HostError};

/// The Levqor engine over HTTP.
///
/// Without arguments it serves on 127.0.0.1:7700 with an embedded store in .levqor, and prints a
/// one-time admin key at its first start. Every setting is also an environment variable, LEVQOR_…,
/// and a line of the file that --config names; flags win over the environment, the environment over
/// the file.
#[derive(Debug, Parser)]
#[command(name = "levqor-host-http", version)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    /// A TOML file of settings
    #[arg(long, global = true, env = "LEVQOR_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve until Ctrl-C or SIGTERM (what happens without a verb)
    Serve,
    /// Print the OpenAPI document
    Openapi,
    /// Look for what is unsafe in the settings, the files and the disk
    Doctor,
    /// Print every setting with its variable, its default and what it does
    Settings,
}

/// Why the program ended.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("the runtime cannot start: {0}")]
    Runtime(std::io::Error),
    #[error("{0} finding(s), {1} of them unsafe")]
    Findings(usize, usize),
}

impl Failure {
    fn code(&self) -> &str {
        match self {
            Self::Config(e) => e.code(),
            Self::Host(e) => e.code(),
            Self::Runtime(_) => "host.runtime",
            Self::Findings(..) => "doctor.findings",
        }
    }
}

/// Parses the command line, does what it says, and turns what came of it into an exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&format!("error: {failure} ({})", failure.code()));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.verb.unwrap_or(Verb::Serve) {
        Verb::Serve => serve(Config::load(cli.config.as_deref(), &cli.flags)?),
        Verb::Doctor => doctor(&Config::load(cli.config.as_deref(), &cli.flags)?),
        Verb::Openapi => {
            print(&String::from_utf8_lossy(crate::route::openapi::document_text()));
            Ok(())
        }
        Verb::Settings => {
            print(&crate::config::describe());
            Ok(())
        }
    }
}

fn serve(config: Config) -> Result<(), Failure> {
    // The process's one choice of cryptography; libraries never make it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let errors = Errors::in_folder(&config.data_dir.join("logs"));
    crate::observe::log::install(&config, errors.clone())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::Runtime)?;
    let served = runtime.block_on(async {
        let host = Host::start_reporting(config, levqor_core::time::SystemClock, errors).await?;
        tell(&host.greeting());
        host.until_signal().await?;
        Ok(())
    });
    // A backup that is being taken is left behind; it is none until it is whole.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    served
}

/// Prints what is found; a failure where something is.
fn doctor(config: &Config) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::Runtime)?;
    let found = runtime.block_on(doctor::examine(config, SystemClock.now()));
    for finding in &found {
        print(&finding.to_string());
    }
    if found.is_empty() {
        tell("nothing found: the configuration is safe as far as can be seen from here");
        return Ok(());
    }
    let grave = found.iter().filter(|finding| finding.grade == Grade::Unsafe).count();
    if grave == 0 {
        tell("nothing unsafe was found; what is above would make it safer");
        return Ok(());
    }
    Err(Failure::Findings(found.len(), grave))
}

/// One line for people, on stderr: stdout is for data.
fn tell(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

#[expect(clippy::print_stdout, reason = "data that was asked for goes to stdout")]
fn print(text: &str) {
    println!("{}", text.trim_end());
}
