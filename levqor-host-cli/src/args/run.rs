//! `run`.

use clap::Args;
use levqor_core::ids::RunId;

use super::InputArgs;

/// `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  levqor run hello.yaml --input name=Ada
  levqor run hello.yaml --input @input.json --max-credits 20
  echo '{\"name\": \"Ada\"}' | levqor run hello.yaml --input -
  levqor run - < hello.yaml
  levqor run lead-triage                 a pipeline that was pushed
  levqor run --resume run_01j8…          after a crash, a Ctrl-C or a failure

The output is all that is printed on stdout; progress is on stderr. Ctrl-C stops this process, not
the run: the command that continues it is printed at the beginning and at the end.")]
pub(crate) struct RunArgs {
    /// The document (YAML or JSON), - for stdin, or the name of a pushed pipeline
    #[arg(value_name = "FILE|NAME", required_unless_present = "resume")]
    pub(crate) file: Option<String>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Go on with this run; steps that are done are neither run nor charged again
    #[arg(long, value_name = "RUN", conflicts_with_all = ["file", "input", "key", "priority"])]
    pub(crate) resume: Option<RunId>,
    /// Most credits the run may use; over it the run pauses
    #[arg(long, value_name = "CREDITS")]
    pub(crate) max_credits: Option<u64>,
    /// Idempotency key: the same key with the same document and input starts one run only
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// 1 (first) to 5 (last)
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub(crate) priority: Option<u8>,
}
