//! What may be typed: the command line as types. Nothing here opens or reads anything.

mod global;
mod input;
mod money;
mod pipelines;
mod plugins;
mod run;
mod runs;
mod store;
mod words;

use clap::{Parser, Subcommand};

pub(crate) use global::{Global, StoreSpec};
pub(crate) use input::InputArgs;
pub(crate) use money::{CredentialsVerb, CreditsVerb, KindArg, SetArgs};
pub(crate) use pipelines::{CheckArgs, EstimateArgs, PipelinesVerb, PlanArgs, SchedulesVerb};
pub(crate) use plugins::{BuildArgs, NewArgs, PluginVerb, PluginsVerb, TestArgs};
pub(crate) use run::RunArgs;
pub(crate) use runs::{DecideArgs, DlqVerb, ListArgs, ReplayArgs, RunsVerb};
pub(crate) use store::StoreVerb;
pub(crate) use words::SchemaOf;

const ABOUT: &str = "Runs automation pipelines durably, with a ledger, in a sandbox";

const LONG_ABOUT: &str = "\
Runs automation pipelines durably: every step's result is on disk before the next one begins, so a
run survives a crash, a restart or a Ctrl-C and goes on where it was. Steps call connectors, which
are WebAssembly in a sandbox; each call is charged in credits.

Everything is kept in one folder, `.levqor` in the current one unless --data-dir says otherwise. No
server and no account are needed.";

const EXAMPLES: &str = "\
Examples:
  levqor check pipeline.yaml                       see whether a document is right
  levqor estimate pipeline.yaml                    what a run may cost
  levqor run pipeline.yaml --input name=Ada        run it here and now
  levqor run --resume run_01…                      go on after a crash
  levqor runs show run_01…                         what happened, step by step
  levqor plan \"when a payment fails, tell #ops\"    a draft from a sentence
  levqor explain document.unknown_step             what an error code means";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "levqor",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = EXAMPLES,
    after_long_help = concat_help(),
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    propagate_version = false
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

fn concat_help() -> String {
    format!("{EXAMPLES}\n\n{}", crate::exit::TABLE)
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a pipeline here and now, or go on with a run
    Run(RunArgs),
    /// See whether documents are right, without running anything
    Check(CheckArgs),
    /// What a run may cost, step by step
    Estimate(EstimateArgs),
    /// Draft a pipeline from a sentence; never runs it
    Plan(PlanArgs),
    /// Work until Ctrl-C: schedules, timers and unfinished runs
    Work,
    /// Look at runs and act on them
    #[command(subcommand)]
    Runs(RunsVerb),
    /// Runs that a person should look at
    #[command(subcommand)]
    Dlq(DlqVerb),
    /// Pipelines stored by name
    #[command(subcommand)]
    Pipelines(PipelinesVerb),
    /// Schedules of stored pipelines and when they fire
    #[command(subcommand)]
    Schedules(SchedulesVerb),
    /// The balance and its ledger
    #[command(subcommand)]
    Credits(CreditsVerb),
    /// Secrets for connectors, encrypted; a value is never an argument
    #[command(subcommand)]
    Credentials(CredentialsVerb),
    /// Connectors that documents may use
    #[command(subcommand)]
    Plugins(PluginsVerb),
    /// Write connectors of your own
    #[command(subcommand)]
    Plugin(PluginVerb),
    /// Back up, restore, move and verify the store
    #[command(subcommand)]
    Store(StoreVerb),
    /// Print a JSON Schema, for editors
    Schema {
        /// Of what
        of: SchemaOf,
    },
    /// What an error code means and what to do
    #[command(
        after_help = "Examples:\n  levqor explain store.locked\n  levqor explain expr\n  levqor explain"
    )]
    Explain {
        /// A code such as `store.locked`, or the part before the dot; all codes where absent
        code: Option<String>,
    },
    /// Print a completion script for your shell
    #[command(
        after_help = "Example:\n  levqor completions bash > ~/.local/share/bash-completion/completions/levqor"
    )]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// See whether everything needed is there
    Doctor,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
