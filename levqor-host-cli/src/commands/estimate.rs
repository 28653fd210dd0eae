//! `estimate`: what a run may cost, with the reason for each step.

use levqor_core::pipeline;

use super::check::file_or_name;
use crate::args::{EstimateArgs, Global};
use crate::failure::Result;
use crate::output::{self, Output};
use crate::session::Session;

pub(crate) async fn estimate(global: &Global, output: Output, args: EstimateArgs) -> Result<()> {
    let session = Session::open_to_read(global, output).await?;
    let compiled = file_or_name(&session, &args.file).await?;
    let estimate = pipeline::estimate(&compiled, &args.input.read()?);
    output.item(&estimate, || text_of(&estimate))
}

/// An estimate for people.
pub(crate) fn text_of(estimate: &pipeline::Estimate) -> String {
    let most = |max: Option<u64>| max.map_or_else(|| "no limit".to_owned(), |n| n.to_string());
    let row = |id: &str, min: u64, expected: u64, max: Option<u64>, reason: &str| {
        vec![id.to_owned(), min.to_string(), expected.to_string(), most(max), reason.to_owned()]
    };
    let steps = estimate.steps.iter();
    let mut rows: Vec<_> = steps.map(|s| row(&s.id, s.min, s.expected, s.max, &s.reason)).collect();
    rows.push(row("total", estimate.min, estimate.expected, estimate.max, "credits"));
    output::table(&["step", "least", "expected", "most", "why"], rows.into_iter())
}
