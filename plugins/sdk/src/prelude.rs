//! Everything a connector's source file needs: `use levqor_plugin_sdk::prelude::*;`.

pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize, Serialize};
pub use serde_json::{self, Value, json};

pub use crate::{
    Action, Auth, Connector, Credential, Ctx, HttpError, HttpRequest, Level, Method, Response,
    Result, TaskError, export_connector,
};
