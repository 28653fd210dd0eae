//! `--input`: a run's input from words, a file or stdin.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use serde_json::{Map, Value};

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::files;

/// `--input`, as often as wanted.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct InputArgs {
    /// Input: KEY=TEXT, KEY:=JSON, @FILE (YAML or JSON) or - for stdin; later ones win
    #[arg(long = "input", short = 'i', value_name = "INPUT")]
    pub(crate) input: Vec<InputArg>,
}

/// One `--input`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InputArg {
    /// A member of the input.
    Member(String, Value),
    /// The whole input, or more members.
    File(PathBuf),
    Stdin,
}

impl FromStr for InputArg {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Self::File(path.into()));
        }
        let Some((key, value)) = text.split_once('=') else {
            return Err("write KEY=TEXT, KEY:=JSON, @FILE or -".to_owned());
        };
        let (key, value) = match key.strip_suffix(':') {
            Some(key) => {
                let value = serde_json::from_str(value);
                (key, value.map_err(|e| format!("the value of `{key}` is not JSON: {e}"))?)
            }
            None => (key, Value::from(value)),
        };
        if key.is_empty() {
            return Err("the key before `=` is empty".to_owned());
        }
        Ok(Self::Member(key.to_owned(), value))
    }
}

impl InputArgs {
    /// The input; an empty object where nothing was said.
    pub(crate) fn read(&self) -> Result<Value> {
        Ok(self.given()?.unwrap_or_else(|| Value::Object(Map::new())))
    }

    /// The input, where one was given.
    pub(crate) fn given(&self) -> Result<Option<Value>> {
        let mut all: Option<Value> = None;
        for arg in &self.input {
            let next = match arg {
                InputArg::Member(key, value) => {
                    Map::from_iter([(key.clone(), value.clone())]).into()
                }
                InputArg::File(path) => files::read_value(path)?,
                InputArg::Stdin => files::read_value("-".as_ref())?,
            };
            all = Some(match (all, next) {
                (None, next) => next,
                (Some(Value::Object(mut all)), Value::Object(next)) => {
                    all.extend(next);
                    all.into()
                }
                _ => {
                    return Err(Failure::new(
                        Exit::Usage,
                        "cli.input",
                        "several --input can be merged only where each is an object",
                    ));
                }
            });
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_texts_unless_they_say_json() {
        let args = ["a=1", "b:=1", "c:={\"x\":[true]}", "d=x=y", "a=2"];
        let input = args.iter().map(|a| a.parse().unwrap()).collect();
        let read = InputArgs { input }.read().unwrap();
        assert_eq!(read, json!({ "a": "2", "b": 1, "c": { "x": [true] }, "d": "x=y" }));
        assert_eq!(InputArgs::default().read().unwrap(), json!({}));
        for bad in ["", "a", "=x", "a:=nope"] {
            assert!(bad.parse::<InputArg>().is_err(), "{bad}");
        }
    }
}
