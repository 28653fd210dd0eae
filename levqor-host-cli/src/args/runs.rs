//! `runs` and `dlq`.

use clap::{Args, Subcommand, ValueEnum};
use levqor_core::ids::RunId;
use levqor_core::run::RunStatus;

use super::InputArgs;

/// `runs`.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsVerb {
    /// Runs, newest first
    List(ListArgs),
    /// One run: input, output, and every step with its attempts
    Show {
        /// The run
        run: RunId,
        /// Print the journal as it is stored
        #[arg(long)]
        journal: bool,
    },
    /// Follow a run until it ends
    Watch {
        /// The run
        run: RunId,
    },
    /// End a run: no further step, no further charge
    Cancel {
        /// The run
        run: RunId,
    },
    /// Go on with a paused, failed, cancelled or dead run
    Resume {
        /// The run
        run: RunId,
        /// Most credits it may use from now on
        #[arg(long, value_name = "CREDITS")]
        max_credits: Option<u64>,
    },
    /// Run again from a step, with the same or an edited document
    Replay(ReplayArgs),
    /// Approve or reject a step that waits for a person
    Decide(DecideArgs),
    /// Hand an event to every run that waits for it
    Publish {
        /// The event's name
        event: String,
        #[command(flatten)]
        payload: InputArgs,
    },
}

/// `runs list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only with this status
    #[arg(long, value_enum)]
    pub(crate) status: Option<StatusArg>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) limit: u32,
    /// Only runs older than this one: the next page
    #[arg(long, value_name = "RUN")]
    pub(crate) before: Option<RunId>,
}

/// `runs replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  levqor runs replay run_01j8… --from score              same document, same input
  levqor runs replay run_01j8… --from score --file fixed.yaml
  levqor runs replay run_01j8… --input limit:=5          everything again, other input")]
pub(crate) struct ReplayArgs {
    /// The run, which must have ended
    pub(crate) run: RunId,
    /// First step to run again; outputs of the ones before it are taken over
    #[arg(long, value_name = "STEP")]
    pub(crate) from: Option<String>,
    /// An edited document
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<String>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// `runs decide`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  levqor runs decide run_01j8… ok --approve
  levqor runs decide run_01j8… ok --approve --input amount:=120
  levqor runs decide run_01j8… ok --reject")]
pub(crate) struct DecideArgs {
    /// The run
    pub(crate) run: RunId,
    /// The step's id, or its path in a loop: `each[3].ok`
    pub(crate) step: String,
    /// It may go on
    #[arg(long, required_unless_present = "reject", conflicts_with = "reject")]
    pub(crate) approve: bool,
    /// It may not
    #[arg(long)]
    pub(crate) reject: bool,
    #[command(flatten)]
    pub(crate) form: InputArgs,
}

/// `dlq`.
#[derive(Debug, Subcommand)]
pub(crate) enum DlqVerb {
    /// Dead letters, newest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Only older than this one: the next page
        #[arg(long, value_name = "RUN")]
        before: Option<RunId>,
    },
    /// One dead letter: why, and what the run did before
    Show {
        /// The run
        run: RunId,
    },
    /// Go on with the run where it failed
    Retry {
        /// The run
        run: RunId,
        /// Most credits it may use from now on
        #[arg(long, value_name = "CREDITS")]
        max_credits: Option<u64>,
    },
    /// Take it off the list; the run stays as it ended
    Discard {
        /// The run
        run: RunId,
    },
}

/// A run's status, as a word.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StatusArg {
    Queued,
    Running,
    Waiting,
    Paused,
    Succeeded,
    Failed,
    Cancelled,
    Dead,
}

impl From<StatusArg> for RunStatus {
    fn from(status: StatusArg) -> Self {
        match status {
            StatusArg::Queued => Self::Queued,
            StatusArg::Running => Self::Running,
            StatusArg::Waiting => Self::Waiting,
            StatusArg::Paused => Self::Paused,
            StatusArg::Succeeded => Self::Succeeded,
            StatusArg::Failed => Self::Failed,
            StatusArg::Cancelled => Self::Cancelled,
            StatusArg::Dead => Self::Dead,
        }
    }
}
