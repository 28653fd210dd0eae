//! `explain`: what a code means and what to do.

use levqor_core::explain::{self, Explanation};
use serde_json::json;

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Output;

pub(crate) fn explain(output: Output, code: Option<&str>) -> Result<()> {
    let code = code.unwrap_or_default();
    if let Some(found) = explain::find(code) {
        return output.item(&to_json(&found), || text_of(&found));
    }
    let family: Vec<Explanation> = explain::all().filter(|e| is_of(e.code, code)).collect();
    if family.is_empty() {
        let message = format!("no code `{code}` is known");
        return Err(Failure::new(Exit::Refused, "cli.unknown_code", message)
            .help("levqor explain (without a code) lists all"));
    }
    let rows: Vec<_> = family.iter().map(to_json).collect();
    output.list(&rows, None, &["code", "cause"], |row| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        vec![text("code"), text("cause")]
    })
}

/// Whether a code is in a family: `store` has `store.locked`, nothing has everything.
fn is_of(code: &str, family: &str) -> bool {
    let family = family.trim_end_matches('.');
    family.is_empty() || code.split('.').next() == Some(family)
}

fn to_json(found: &Explanation) -> serde_json::Value {
    json!({ "code": found.code, "cause": found.cause, "next": found.next })
}

fn text_of(found: &Explanation) -> String {
    format!("{}\n\n{}.\n\nWhat to do:\n  {}", found.code, found.cause, found.next)
}
