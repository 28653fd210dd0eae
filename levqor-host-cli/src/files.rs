//! Reading what was named on the command line: files, and `-` for stdin.

use std::io::Read;
use std::path::Path;

use levqor_core::document::{self, Format};
use serde_json::Value;

use crate::exit::Exit;
use crate::failure::{Failure, Result};

/// Most that is read of a document or an input: well over both limits, which then speak for
/// themselves.
const READ_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A text and the name to show for it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Reads a text file, or stdin where it is `-`.
pub(crate) fn read_text(path: &Path) -> Result<Source> {
    let stdin = path == Path::new("-");
    let name = if stdin { "<stdin>".to_owned() } else { path.display().to_string() };
    let mut text = String::new();
    let read = if stdin {
        std::io::stdin().lock().take(READ_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|f| f.take(READ_BYTES_MAX).read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(Source { name, text }),
        Err(error) => Err(Failure::file(name.as_ref(), &error)),
    }
}

/// Reads JSON or YAML (by the document's rules) from a file, or stdin where it is `-`.
pub(crate) fn read_value(path: &Path) -> Result<Value> {
    let source = read_text(path)?;
    // JSON has the larger limit, and inputs are mostly JSON.
    if let Ok(value) = serde_json::from_str(&source.text) {
        return Ok(value);
    }
    match document::parse_value(&source.text, Format::Auto) {
        Ok((value, _)) => Ok(value),
        Err(issue) => {
            Err(Failure::new(Exit::Usage, "cli.input", format!("{}: {issue}", source.name)))
        }
    }
}
