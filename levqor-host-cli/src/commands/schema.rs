//! `schema` and `completions`: what editors and shells read.

use clap::CommandFactory;

use crate::args::{Cli, SchemaOf};
use crate::failure::Result;
use crate::output::Output;

/// JSON Schema of `plugins.toml`; a test holds it against the type that reads the file.
const CONFIG_SCHEMA: &str = include_str!("config.schema.json");

pub(crate) fn schema(output: Output, of: SchemaOf) -> Result<()> {
    match of {
        SchemaOf::Pipeline => output.raw(&format!("{:#}", levqor_core::document::schema())),
        SchemaOf::Config => output.raw(CONFIG_SCHEMA.trim_end()),
    }
}

pub(crate) fn completions(output: Output, shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "levqor", &mut script);
    output.bytes(&script)
}

#[cfg(test)]
mod tests {
    use levqor_connectors::grant::Grants;
    use serde_json::Value;

    /// A value for each key of a grant; all of them together must be readable.
    const ALL: &str = r#"
[grant.x]
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
hosts = ["example.com"]
ports = [8443]
http = true
private = ["10.0.0.0/8"]
credentials = { a = ["example.com"], b = { hosts = ["example.com"], vault = "v" } }
memory = "64MiB"
timeout = "30s"
state = "1MiB"
reveal = false
partial = true
config = { key = "value" }
"#;

    #[test]
    fn the_schema_of_the_grants_has_the_keys_that_are_read() {
        let schema: Value = serde_json::from_str(super::CONFIG_SCHEMA).unwrap();
        let keys = schema.pointer("/$defs/grant/properties").unwrap().as_object().unwrap();
        assert!(Grants::parse(ALL).is_ok());
        for line in ALL.lines().filter(|l| l.contains(" = ")) {
            let key = line.split(' ').next().unwrap();
            assert!(keys.contains_key(key), "{key} is read and not in the schema");
        }
        for key in keys.keys() {
            assert!(ALL.contains(&format!("\n{key} = ")), "{key} is in the schema only");
        }
        assert!(Grants::parse("[grant.x]\nunknown = 1").is_err());
    }
}
