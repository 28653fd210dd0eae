//! [`Refresher`]: the next access token, fetched by the host, once for everybody who waits.
//!
//! The plugin sees neither token; it does not even learn that one was refreshed. The token endpoint
//! is reached through the same policy as everything else, with its own host as the only one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use levqor_core::ids::Organization;
use levqor_core::time::Clock;
use parking_lot::Mutex;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Credential, CredentialValue, Oauth2, Secret, Vault};
use crate::egress::{Egress, HostPattern, HttpError, Method, Outgoing, Policy, Request};
use crate::limits;

type Turn = Arc<tokio::sync::Mutex<()>>;

/// Fetches access tokens, one fetch at a time for each credential.
pub(crate) struct Refresher {
    vault: Arc<dyn Vault>,
    egress: Egress,
    clock: Arc<dyn Clock>,
    turns: Mutex<HashMap<(Organization, String), Turn>>,
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher").finish_non_exhaustive()
    }
}

impl Refresher {
    pub(crate) fn new(vault: Arc<dyn Vault>, egress: Egress, clock: Arc<dyn Clock>) -> Self {
        Self { vault, egress, clock, turns: Mutex::default() }
    }

    /// Whether the token of `credential` should be refreshed before it is used.
    pub(crate) fn is_stale(&self, credential: &Credential) -> bool {
        let CredentialValue::Oauth2(token) = &credential.value else { return false };
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        let ends = token.expires_at_ms.is_some_and(|at| at <= now + limits::TOKEN_EARLY_MS);
        token.can_refresh() && (ends || token.access_token.expose().is_empty())
    }

    /// The credential `name` with another access token than `rejected`: either somebody else
    /// refreshed it meanwhile, or it is refreshed now.
    pub(crate) async fn refresh(
        &self,
        organization: &Organization,
        name: &str,
        rejected: &Secret,
        network: &Policy,
        deadline: Instant,
    ) -> Result<Credential, HttpError> {
        let turn = {
            let mut turns = self.turns.lock();
            Arc::clone(turns.entry((organization.clone(), name.to_owned())).or_default())
        };
        let _mine = tokio::time::timeout_at(deadline.into(), turn.lock())
            .await
            .map_err(|_| HttpError::Timeout)?;
        let found = self.vault.find(organization, name).await;
        let current = found
            .map_err(|e| HttpError::UnknownCredential(format!("`{name}`: {e}")))?
            .ok_or_else(|| HttpError::UnknownCredential(format!("`{name}` is not in the vault")))?;
        let CredentialValue::Oauth2(token) = &current.value else { return Ok(current) };
        let replaced = token.access_token.expose() != rejected.expose();
        if (replaced && !self.is_stale(&current)) || !token.can_refresh() {
            return Ok(current);
        }
        let next = self.fetch(name, token, network, deadline).await?;
        let kept = Credential::oauth2(name, copy(&next), current.hosts.clone());
        if let Err(error) = self.vault.save(organization, kept).await {
            // Used all the same: the call at hand can go on.
            tracing::error!(%organization, credential = name, %error,
                "a refreshed token could not be stored");
        }
        Ok(Credential::oauth2(name, next, current.hosts))
    }

    /// One request to the token endpoint.
    async fn fetch(
        &self,
        name: &str,
        token: &Oauth2,
        network: &Policy,
        deadline: Instant,
    ) -> Result<Oauth2, HttpError> {
        let refused = |why: &str| HttpError::UnknownCredential(format!("`{name}`: {why}"));
        let url = token.token_url.as_deref().unwrap_or_default();
        let host = url::Url::parse(url)
            .ok()
            .and_then(|u| u.host_str().map(|h| format!("{h}:*")))
            .and_then(|h| h.parse::<HostPattern>().ok())
            .ok_or_else(|| refused("its token_url is not a URL"))?;
        let policy = Policy {
            http: network.http,
            private: network.private.clone(),
            ..Policy::for_hosts(vec![host])
        };
        let request = token_request(url, token);
        let outgoing = Outgoing::new(&request, policy.check(url)?)?;
        let sent = self.egress.exchange(&policy, outgoing, deadline, limits::TOKEN_BYTES_MAX).await;
        // That a *token* request stayed unanswered says nothing about the plugin's own request,
        // which was not sent: to the plugin this is a connection that could not be made.
        let response = sent.map_err(|e| {
            if e.was_sent() {
                HttpError::Connect("no token could be fetched".to_owned())
            } else {
                e
            }
        })?;
        if response.status != 200 {
            return Err(refused(&format!(
                "the token endpoint answered {}; connect the account again",
                response.status
            )));
        }
        let body = Zeroizing::new(response.body);
        let answer: Value = serde_json::from_slice(&body)
            .map_err(|_| refused("the token endpoint's answer is not JSON"))?;
        self.read(&answer, token).ok_or_else(|| refused("the answer holds no access_token"))
    }

    fn read(&self, answer: &Value, old: &Oauth2) -> Option<Oauth2> {
        let access = answer.get("access_token")?.as_str().filter(|t| !t.is_empty())?;
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        let expires = answer
            .get("expires_in")
            .and_then(|v| v.as_u64().or_else(|| v.as_str().and_then(|s| s.parse().ok())));
        let mut next = copy(old);
        next.access_token = Secret::new(access);
        next.expires_at_ms = expires.map(|s| now.saturating_add(s.saturating_mul(1_000)));
        if let Some(refresh) = answer.get("refresh_token").and_then(Value::as_str) {
            next.refresh_token = Some(Secret::new(refresh));
        }
        Some(next)
    }
}

/// RFC 6749, section 6, with the client's secret in the body.
fn token_request(url: &str, token: &Oauth2) -> Request {
    let mut request = Request::new(Method::Post, url);
    request.headers = vec![
        ("content-type".to_owned(), b"application/x-www-form-urlencoded".to_vec()),
        ("accept".to_owned(), b"application/json".to_vec()),
    ];
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token");
    let pairs = [
        ("refresh_token", token.refresh_token.as_ref().map(Secret::expose)),
        ("client_id", token.client_id.as_deref()),
        ("client_secret", token.client_secret.as_ref().map(Secret::expose)),
    ];
    for (key, value) in pairs {
        if let Some(value) = value {
            form.append_pair(key, value);
        }
    }
    request.body = Some(form.finish().into_bytes());
    request
}

/// On purpose not `Clone`: copies of secrets are made in plain sight.
fn copy(token: &Oauth2) -> Oauth2 {
    let again = |s: &Secret| Secret::new(s.expose());
    Oauth2 {
        access_token: again(&token.access_token),
        expires_at_ms: token.expires_at_ms,
        refresh_token: token.refresh_token.as_ref().map(again),
        token_url: token.token_url.clone(),
        client_id: token.client_id.clone(),
        client_secret: token.client_secret.as_ref().map(again),
    }
}
