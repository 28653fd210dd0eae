//! One file for each verb, and the way from the command line to it.

mod check;
pub(crate) mod credentials;
mod credits;
mod dlq;
mod doctor;
mod estimate;
mod explain;
pub(crate) mod pipelines;
mod plan;
mod plugin;
mod plugins;
mod run;
mod runs;
mod schema;
mod store;
mod work;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command, Global};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::server;

/// Parses the command line, does what it says, and turns what came of it into an exit code.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output { format: cli.global.output, quiet: cli.global.quiet };
    let done = runtime().and_then(|runtime| {
        let done = runtime.block_on(dispatch(&cli.global, output, cli.command));
        // A reader blocked on stdin must not keep the process.
        runtime.shutdown_background();
        done
    });
    let exit = match done {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            output.failure(&failure);
            failure.exit
        }
    };
    ExitCode::from(exit.code())
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    // The process's one choice of cryptography; libraries never make it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|e| Failure::new(Exit::Unreachable, "cli.runtime", e.to_string()))
}

async fn dispatch(global: &Global, output: Output, command: Command) -> Result<()> {
    if let Some(url) = global.server.as_deref().filter(|_| !server::is_local(&command)) {
        return server::dispatch(global, url, output, command).await;
    }
    match command {
        Command::Run(args) => run::run(global, output, args).await,
        Command::Check(args) => check::check(global, output, args).await,
        Command::Estimate(args) => estimate::estimate(global, output, args).await,
        Command::Plan(args) => plan::plan(global, output, args).await,
        Command::Work => work::work(global, output).await,
        Command::Runs(verb) => runs::runs(global, output, verb).await,
        Command::Dlq(verb) => dlq::dlq(global, output, verb).await,
        Command::Pipelines(verb) => pipelines::pipelines(global, output, verb).await,
        Command::Schedules(verb) => pipelines::schedules(global, output, verb).await,
        Command::Credits(verb) => credits::credits(global, output, verb).await,
        Command::Credentials(verb) => credentials::credentials(global, output, verb).await,
        Command::Plugins(verb) => plugins::plugins(global, output, verb).await,
        Command::Plugin(verb) => plugin::plugin(global, output, verb).await,
        Command::Store(verb) => store::store(global, output, verb).await,
        Command::Schema { of } => schema::schema(output, of),
        Command::Explain { code } => explain::explain(output, code.as_deref()),
        Command::Completions { shell } => schema::completions(output, shell),
        Command::Doctor => doctor::doctor(global, output).await,
    }
}
