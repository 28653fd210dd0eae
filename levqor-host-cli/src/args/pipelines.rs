//! `check`, `estimate`, `plan`, `pipelines`, `schedules`.

use clap::{Args, Subcommand};

use super::InputArgs;

/// `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  levqor check pipeline.yaml
  levqor check pipelines/*.yaml --output jsonl
  git show HEAD:pipeline.yaml | levqor check -")]
pub(crate) struct CheckArgs {
    /// Documents, or - for stdin
    #[arg(value_name = "FILE|-", required = true)]
    pub(crate) files: Vec<String>,
}

/// `estimate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  levqor estimate pipeline.yaml
  levqor estimate pipeline.yaml --input @lead.json --output json")]
pub(crate) struct EstimateArgs {
    /// The document, - for stdin, or the name of a pushed pipeline
    #[arg(value_name = "FILE|NAME")]
    pub(crate) file: String,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// `plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  levqor plan \"upper-case the name and greet it\" > draft.yaml
  levqor check draft.yaml && levqor run draft.yaml --input name=Ada

The draft is printed on stdout, its price and remarks on stderr. It is never run by itself.")]
pub(crate) struct PlanArgs {
    /// What should happen, in a sentence; - for stdin
    #[arg(value_name = "GOAL|-")]
    pub(crate) goal: String,
}

/// `pipelines`.
#[derive(Debug, Subcommand)]
pub(crate) enum PipelinesVerb {
    /// Check a document and store it under its name; sets its schedules
    Push {
        /// Documents, or - for stdin
        #[arg(value_name = "FILE|-", required = true)]
        files: Vec<String>,
    },
    /// Stored pipelines
    List,
    /// Print a stored pipeline's document
    Show {
        /// Its name
        name: String,
    },
    /// What a document would change against what is stored
    Diff {
        /// The document, or - for stdin
        #[arg(value_name = "FILE|-")]
        file: String,
    },
    /// Remove a name and its schedules; runs and versions stay
    Remove {
        /// Its name
        name: String,
    },
}

/// `schedules`.
#[derive(Debug, Subcommand)]
pub(crate) enum SchedulesVerb {
    /// Schedules and their next times
    List {
        /// Times to show for each
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
        next: u16,
    },
    /// Stop a schedule from firing
    Pause {
        /// PIPELINE/TRIGGER as `schedules list` shows it
        schedule: String,
    },
    /// Let a paused schedule fire again, from now on
    Resume {
        /// PIPELINE/TRIGGER as `schedules list` shows it
        schedule: String,
    },
    /// Fire schedules until Ctrl-C; the same as `levqor work`
    Serve,
}
