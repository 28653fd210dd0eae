//! A document as a request's body: JSON or YAML, by its media type.

use axum::http::StatusCode;
use bytes::Bytes;
use levqor_core::document::{Format, Parsed};
use levqor_core::engine::Engine;
use levqor_core::ids::Organization;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::http::{Body, Head, Problem};

const YAML: [&str; 4] = ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];

/// The text of a document and how it is written.
#[derive(Debug)]
pub(super) struct DocumentBody {
    text: String,
    format: Format,
}

impl DocumentBody {
    /// Reads it, with the place of each problem in the text that was sent.
    pub(super) async fn read(
        &self,
        engine: &Engine,
        organization: &Organization,
    ) -> Result<Parsed, Problem> {
        Ok(engine.read(organization, &self.text, self.format).await?.1)
    }
}

impl Body for DocumentBody {
    fn read(head: &Head, bytes: Bytes) -> Result<Self, Problem> {
        let media = head.headers.get("content-type").and_then(|v| v.to_str().ok());
        let media = media.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is_one = |known: &str| media.eq_ignore_ascii_case(known);
        let format = if YAML.iter().any(|known| is_one(known)) {
            Format::Yaml
        } else if is_one("application/json") {
            Format::Json
        } else {
            let detail = "send the document as `application/json` or `application/yaml`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "request.media_type", detail));
        };
        let text = String::from_utf8(bytes.into())
            .map_err(|_| Problem::bad_request("request.encoding", "the document is not UTF-8"))?;
        Ok(Self { text, format })
    }

    fn describe(_: &mut SchemaGenerator) -> Option<(&'static str, Schema)> {
        let schema = json_schema!({
            "type": "object",
            "title": "PipelineDocument",
            "description": "A document, `levqor/v1`; `application/yaml` is taken too.",
            "required": ["schema", "name", "steps"],
            "properties": {
                "schema": { "const": "levqor/v1" },
                "name": { "type": "string", "minLength": 1, "maxLength": 64 },
                "steps": { "type": "array", "items": { "type": "object" } },
            },
        });
        Some(("application/json", schema))
    }
}
