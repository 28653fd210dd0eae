//! Credentials: names, kinds and hosts are shown; values go in and never come out.
//!
//! They stand in the vault, not in the store. So the audit row is committed first: a change that
//! then fails leaves a row too many, never a change without one.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use levqor_connectors::credential::{Credential, Oauth2, Secret, VaultError};
use levqor_connectors::egress::HostPattern;
use levqor_connectors::vault::{CredentialInfo, FileVault};
use levqor_core::connector::CredentialKind;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::app::App;
use crate::caller::Scope;
use crate::desk::Change;
use crate::hooks::secrets::is_reserved;
use crate::http::{Answer, Call, Cursor, FieldProblem, Json, Page, PageQuery, Problem, Time};
use crate::route::{Route, Tag};

const PATH: &str = "/api/v1/credentials/{credential}";
const MARK: &str = "credentials";
/// Hosts of one credential: a vendor has a handful.
const HOSTS_MAX: usize = 32;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/credentials", "list_credentials", Tag::Connectors)
            .scope(Scope::CredentialsRead)
            .about("Credentials by name, kind and hosts; never their values")
            .answers::<Page<CredentialView>>(StatusCode::OK, "a page of credentials")
            .to(list),
        Route::new(Method::PUT, PATH, "put_credential", Tag::Connectors)
            .scope(Scope::CredentialsWrite)
            .about("Set a credential; the value is sealed and never shown again")
            .answers::<CredentialView>(StatusCode::OK, "it has the new value")
            .answers::<CredentialView>(StatusCode::CREATED, "the name is new")
            .to(put),
        Route::new(Method::DELETE, PATH, "delete_credential", Tag::Connectors)
            .scope(Scope::CredentialsWrite)
            .about("Remove a credential; steps that need it fail from then on")
            .answers_media(StatusCode::NO_CONTENT, "", "it is gone")
            .to(delete),
    ]
}

/// What is shown of a credential.
#[derive(Debug, Serialize, JsonSchema)]
struct CredentialView {
    /// What documents call it.
    name: String,
    /// What it consists of.
    kind: CredentialKind,
    /// Hosts that it may be sent to.
    hosts: Vec<String>,
    /// How many values the name has had.
    version: u64,
}

impl From<CredentialInfo> for CredentialView {
    fn from(info: CredentialInfo) -> Self {
        let hosts = info.hosts.iter().map(ToString::to_string).collect();
        Self { name: info.name, kind: info.kind, hosts, version: info.version }
    }
}

/// A credential's value, by its kind, and the hosts it may be sent to.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum CredentialRequest {
    /// One secret text: a key, a token, a signing secret.
    ApiKey {
        /// The secret.
        key: SecretText,
        /// `api.stripe.com`, `*.slack.com`.
        #[schemars(length(max = 32))]
        hosts: Vec<String>,
    },
    /// User name and password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretText,
        /// `api.stripe.com`, `*.slack.com`.
        #[schemars(length(max = 32))]
        hosts: Vec<String>,
    },
    /// An OAuth 2 token, and what is needed to get the next one.
    Oauth2 {
        /// The token in use; the first one is got with the refresh token where absent.
        #[serde(default)]
        access_token: Option<SecretText>,
        /// When it ends.
        #[serde(default)]
        expires: Option<Time>,
        /// Gets the next one.
        #[serde(default)]
        refresh_token: Option<SecretText>,
        /// Where to get it.
        #[serde(default)]
        token_url: Option<String>,
        /// The client's id at the vendor.
        #[serde(default)]
        client_id: Option<String>,
        /// The client's secret at the vendor.
        #[serde(default)]
        client_secret: Option<SecretText>,
        /// `api.stripe.com`, `*.slack.com`.
        #[schemars(length(max = 32))]
        hosts: Vec<String>,
    },
}

/// A secret in a request. What is wrong with it is said without saying what it is.
struct SecretText(Secret);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(d) {
            Ok(serde_json::Value::String(text)) if !text.is_empty() => Ok(Self(Secret::new(text))),
            _ => Err(D::Error::custom("a secret is a text that is not empty")),
        }
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "writeOnly": true, "format": "password" })
    }
}

impl CredentialRequest {
    fn into_credential(self, name: &str) -> Result<Credential, Problem> {
        match self {
            Self::ApiKey { key, hosts } => Ok(Credential::api_key(name, key.0, patterns(&hosts)?)),
            Self::Basic { user, password, hosts } => {
                Ok(Credential::basic(name, user, password.0, patterns(&hosts)?))
            }
            Self::Oauth2 {
                access_token,
                expires,
                refresh_token,
                token_url,
                client_id,
                client_secret,
                hosts,
            } => {
                let can_refresh = refresh_token.is_some() && token_url.is_some();
                if access_token.is_none() && !can_refresh {
                    let detail = "send `access_token`, or `refresh_token` and `token_url`";
                    return Err(Problem::invalid("vault.invalid", detail));
                }
                let token = access_token.map_or_else(|| Secret::new(""), |text| text.0);
                let mut value = Oauth2::new(token);
                value.expires_at_ms = expires.and_then(|at| u64::try_from(at.0.as_millis()).ok());
                value.refresh_token = refresh_token.map(|text| text.0);
                value.token_url = token_url;
                value.client_id = client_id;
                value.client_secret = client_secret.map(|text| text.0);
                Ok(Credential::oauth2(name, value, patterns(&hosts)?))
            }
        }
    }
}

fn patterns(hosts: &[String]) -> Result<Vec<HostPattern>, Problem> {
    if hosts.len() > HOSTS_MAX {
        let detail = format!("a credential has at most {HOSTS_MAX} hosts");
        return Err(Problem::invalid("vault.invalid", detail));
    }
    let read = |(at, text): (usize, &String)| {
        text.parse().map_err(|_| {
            let detail = "a host is a name such as `api.stripe.com` or `*.slack.com`";
            let field = FieldProblem::new(&format!("#/hosts/{at}"), "vault.invalid", detail);
            Problem::invalid("vault.invalid", detail).errors(vec![field])
        })
    };
    hosts.iter().enumerate().map(read).collect()
}

async fn list(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    let organization = call.caller()?.may(Scope::CredentialsRead)?.clone();
    let limit = call.query.0.limit()? as usize;
    let after = Cursor::read(call.query.0.cursor.as_deref(), MARK)?.unwrap_or_default();
    let all = in_vault(&app, move |vault| vault.list(&organization)).await?;
    let shown = |info: &CredentialInfo| info.name > after && !is_reserved(&info.name);
    let mut rest = all.into_iter().filter(shown).peekable();
    let page: Vec<CredentialView> = rest.by_ref().take(limit).map(CredentialView::from).collect();
    let next = page.last().filter(|_| rest.peek().is_some());
    let next = next.map(|last| Cursor::after(&last.name, MARK));
    Answer::ok(&Page::new(page, next))
}

async fn put(app: App, call: Call<Json<CredentialRequest>>) -> Result<Answer, Problem> {
    let Call { head, who, body: Json(request), .. } = call;
    let caller = who.as_ref().ok_or_else(Problem::unauthorized)?;
    let organization = caller.may(Scope::CredentialsWrite)?.clone();
    let name = head.parts.get("credential").cloned().unwrap_or_default();
    let credential = request.into_credential(&name)?;
    levqor_core::ids::check_id(&name)
        .map_err(|error| Problem::invalid("vault.invalid", error.to_string()))?;
    if is_reserved(&name) {
        let detail = "names that begin with `webhook.` are those of signing secrets; an endpoint's \
                      secret is set with the endpoint";
        return Err(Problem::invalid("vault.invalid", detail));
    }
    let row = Change::by(caller, &organization, &head, &name, app.now());
    app.desk.commit(row).await?;
    let set = move |vault: &FileVault| {
        vault.set(&organization, &credential)?;
        let all = vault.list(&organization)?;
        Ok(all.into_iter().find(|info| info.name == credential.name))
    };
    let info = in_vault(&app, set).await?.ok_or_else(Problem::internal)?;
    let view = CredentialView::from(info);
    match view.version {
        1 => Answer::created(&format!("/api/v1/credentials/{name}"), &view),
        _ => Answer::ok(&view),
    }
}

async fn delete(app: App, call: Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let organization = caller.may(Scope::CredentialsWrite)?.clone();
    let name = call.part("credential").to_owned();
    let (of, wanted) = (organization.clone(), name.clone());
    let is_there =
        move |vault: &FileVault| Ok(vault.list(&of)?.iter().any(|info| info.name == wanted));
    if is_reserved(&name) || !in_vault(&app, is_there).await? {
        return Err(Problem::not_found("credential"));
    }
    let row = Change::by(caller, &organization, &call.head, &name, app.now());
    app.desk.commit(row).await?;
    let removed = in_vault(&app, move |vault| vault.remove(&organization, &name)).await?;
    if removed { Ok(Answer::nothing()) } else { Err(Problem::not_found("credential")) }
}

/// Works in the vault, which is a file, beside the threads that answer requests.
async fn in_vault<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&FileVault) -> Result<T, VaultError> + Send + 'static,
) -> Result<T, Problem> {
    let vault = Arc::clone(&app.vault);
    let done = tokio::task::spawn_blocking(move || work(&vault)).await;
    done.map_err(|_| Problem::internal())?.map_err(|error| refused(&error))
}

fn refused(error: &VaultError) -> Problem {
    match error {
        VaultError::Invalid(why) => Problem::invalid(error.code(), why.clone()),
        _ => {
            tracing::error!(code = error.code(), %error, "the vault cannot be used");
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Problem::new(status, error.code(), "the vault cannot be used").retry_after(5)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::read_json;

    const CANARY: &str = "sk-canary-7f3a";

    #[test]
    fn what_is_wrong_with_a_secret_is_said_without_it() {
        for body in [
            json!({ "kind": "api_key", "key": [CANARY], "hosts": [] }),
            json!({ "kind": "api_key", "key": { "is": CANARY }, "hosts": [] }),
            json!({ "kind": "basic", "user": "u", "password": { "p": CANARY }, "hosts": [] }),
            json!({ "kind": "api_key", "key": "", "hosts": [] }),
            json!({ "kind": "api_key", "kye": CANARY, "hosts": [] }),
            json!({ "kind": "oauth2", "access_token": 7, "hosts": [CANARY] }),
        ] {
            let read = read_json::<CredentialRequest>(body.to_string().as_bytes());
            let problem = read.err().unwrap_or_else(|| panic!("{body} is taken"));
            let text = serde_json::to_string(&problem.document("r")).unwrap();
            assert!(!text.contains(CANARY), "{text}");
        }
    }

    #[test]
    fn each_kind_becomes_its_credential() {
        let read = |body: serde_json::Value| {
            let request = read_json::<CredentialRequest>(body.to_string().as_bytes()).ok().unwrap();
            request.into_credential("n").map(|credential| credential.kind())
        };
        let hosts = json!(["api.example.com"]);
        let key = json!({ "kind": "api_key", "key": "k", "hosts": hosts });
        assert_eq!(read(key).unwrap(), CredentialKind::ApiKey);
        let basic = json!({ "kind": "basic", "user": "u", "password": "p", "hosts": hosts });
        assert_eq!(read(basic).unwrap(), CredentialKind::Basic);
        let token = json!({ "kind": "oauth2", "access_token": "t", "hosts": hosts });
        assert_eq!(read(token).unwrap(), CredentialKind::Oauth2);
        let nothing = json!({ "kind": "oauth2", "client_id": "c", "hosts": hosts });
        assert_eq!(read(nothing).unwrap_err().code(), "vault.invalid");
        let host = json!({ "kind": "api_key", "key": "k", "hosts": ["http://a"] });
        assert_eq!(read(host).unwrap_err().code(), "vault.invalid");
    }
}
