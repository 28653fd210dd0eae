//! [`GrantedBroker`]: answers a plugin's imports within its grant.
//!
//! ```text
//!  policy ─▶ credential's hosts ─▶ search for the secret ─▶ fill in ─▶ wire ─▶ redact ─▶ redirect?
//! ```
//! The order is the point: nothing secret is in a request before the request is known to go where
//! the secret may go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use levqor_core::ids::Organization;
use levqor_core::time::Clock;
use zeroize::Zeroizing;

use crate::credential::{Credential, CredentialValue, Forms, Refresher, Vault, inject};
use crate::egress::{
    Auth, Egress, ExchangeObserver, HttpError, Outgoing, Request, Response, Target,
};
use crate::grant::{Effective, EffectiveCredential};
use crate::limits;
use crate::plugin_state::PluginState;
use crate::sandbox::{Broker, Scope, StateEntry, StateError};

/// What all plugins of a process share: the way out, the vault, the clock.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) egress: Egress,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) refresher: Arc<Refresher>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) state: Option<PluginState>,
    pub(crate) observer: Option<Arc<dyn ExchangeObserver>>,
}

/// Answers one plugin's imports.
#[derive(Debug)]
pub(crate) struct GrantedBroker {
    connector: Arc<str>,
    effective: Effective,
    services: Services,
}

impl GrantedBroker {
    pub(crate) fn new(connector: &str, effective: Effective, services: Services) -> Self {
        Self { connector: connector.into(), effective, services }
    }

    /// The request to its end, redirects included.
    async fn request(&self, scope: &Scope, request: &Request) -> Result<Response, HttpError> {
        let deadline = deadline(scope, request)?;
        let first = self.check(&request.url)?;
        let mut bare = Outgoing::new(request, first.clone())?;
        let mut auth = &request.auth;
        let mut hops = 0;
        loop {
            let response = self.hop(scope, &bare, auth, deadline).await?;
            let Some(location) = location(&response).filter(|_| request.follow_redirects) else {
                return Ok(response);
            };
            if hops == limits::REDIRECTS_MAX {
                return Err(HttpError::Protocol(format!("more than {hops} redirects")));
            }
            hops += 1;
            let next = bare.target.url.join(&location);
            let next = next.map_err(|_| HttpError::Protocol("a bad redirect".to_owned()))?;
            let target = self.check(next.as_str())?;
            if !target.is_same_origin(&first) {
                auth = &Auth::None;
            }
            bare = bare.redirected(response.status, target);
        }
    }

    fn check(&self, url: &str) -> Result<Target, HttpError> {
        self.effective.policy.check(url).map_err(|error| match error {
            HttpError::Denied(why) => HttpError::Denied(format!(
                "{why}; the operator allows it in [grant.{}] of plugins.toml",
                self.connector
            )),
            other => other,
        })
    }

    /// One request on the wire, with its credential.
    async fn hop(
        &self,
        scope: &Scope,
        bare: &Outgoing,
        auth: &Auth,
        deadline: Instant,
    ) -> Result<Response, HttpError> {
        let Some(name) = auth.credential() else {
            return self.wire(scope, bare.clone(), deadline).await;
        };
        let granted = self.effective.credentials.get(name).ok_or_else(|| {
            HttpError::Denied(format!(
                "the credential `{name}` is not granted; write credentials = {{ {name} = [..] }} \
                 in [grant.{}] of plugins.toml",
                self.connector
            ))
        })?;
        let mut credential = self.find(scope, name, granted, deadline).await?;
        let response = self.with(scope, bare, auth, granted, &credential, deadline).await?;
        let can_refresh = matches!(
            &credential.value, CredentialValue::Oauth2(token) if token.can_refresh()
        );
        if response.status != 401 || !can_refresh {
            return Ok(response);
        }
        credential = self.refresh(&scope.organization, &credential, deadline).await?;
        self.with(scope, bare, auth, granted, &credential, deadline).await
    }

    async fn with(
        &self,
        scope: &Scope,
        bare: &Outgoing,
        auth: &Auth,
        granted: &EffectiveCredential,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Response, HttpError> {
        let host = bare.target.host();
        let name = &credential.name;
        if !granted.hosts.iter().any(|p| p.matches_host(host)) {
            return Err(HttpError::Denied(format!(
                "the grant of `{}` does not give the credential `{name}` to `{host}`",
                self.connector
            )));
        }
        if !credential.is_for(host) {
            return Err(HttpError::Denied(format!(
                "the credential `{name}` does not list the host `{host}`"
            )));
        }
        let forms = Forms::of(credential);
        if !self.effective.reveal && forms.are_in(bare) {
            return Err(HttpError::Denied(format!(
                "the request already holds the value of the credential `{name}`"
            )));
        }
        let mut outgoing = bare.clone();
        inject(&mut outgoing, auth, credential)?;
        Ok(forms.redact(self.wire(scope, outgoing, deadline).await?))
    }

    /// Sends, and keeps account of what may have happened on the other side.
    async fn wire(
        &self,
        scope: &Scope,
        outgoing: Outgoing,
        deadline: Instant,
    ) -> Result<Response, HttpError> {
        let acts = !outgoing.method.is_safe();
        // Noted before: this future may be dropped while the request is on its way.
        if acts {
            scope.note_action();
        }
        let policy = &self.effective.policy;
        let sent = self
            .services
            .egress
            .exchange(policy, outgoing, deadline, limits::RESPONSE_BYTES_MAX)
            .await;
        if let (Some(observer), Ok(response)) = (&self.services.observer, &sent) {
            observer.answered(&self.connector, response.status);
        }
        match &sent {
            Err(error) if acts && error.was_sent() => scope.note_unanswered(),
            Err(_) if acts => scope.take_back_action(),
            _ => {}
        }
        sent
    }

    /// The vault's credential for the manifest's `name`, its token fresh.
    async fn find(
        &self,
        scope: &Scope,
        name: &str,
        granted: &EffectiveCredential,
        deadline: Instant,
    ) -> Result<Credential, HttpError> {
        let names = self.vault_names(scope, name, granted);
        for vault_name in &names {
            let found = self.services.vault.find(&scope.organization, vault_name).await;
            let found = found.map_err(|e| {
                tracing::error!(credential = %vault_name, error = %e, "the vault failed");
                HttpError::UnknownCredential(format!("`{vault_name}`: {e}"))
            })?;
            if let Some(credential) = found {
                if self.services.refresher.is_stale(&credential) {
                    return self.refresh(&scope.organization, &credential, deadline).await;
                }
                return Ok(credential);
            }
        }
        let first = names.last().map_or(name, String::as_str);
        Err(HttpError::UnknownCredential(format!(
            "`{name}` is not in the vault; store it under the name `{first}`"
        )))
    }

    /// Names to look under: the document's, else the operator's, else the connector's own. The
    /// manifest's first credential goes by that name itself, further ones by `name.which`.
    fn vault_names(&self, scope: &Scope, name: &str, granted: &EffectiveCredential) -> Vec<String> {
        let base = match (&scope.credential, &granted.vault) {
            (Some(document), _) => document.as_str(),
            (None, Some(operator)) => return vec![operator.clone()],
            (None, None) => &*self.connector,
        };
        let mut names = vec![format!("{base}.{name}")];
        if granted.is_first {
            names.push(base.to_owned());
        }
        names
    }

    async fn refresh(
        &self,
        organization: &Organization,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Credential, HttpError> {
        let refresher = &self.services.refresher;
        let (name, used) = (&credential.name, credential.primary());
        refresher.refresh(organization, name, used, &self.effective.policy, deadline).await
    }

    fn state(&self) -> Result<&PluginState, StateError> {
        let state = self.services.state.as_ref().filter(|_| self.effective.state_bytes > 0);
        state.ok_or(StateError::Denied)
    }
}

#[async_trait]
impl Broker for GrantedBroker {
    async fn send(&self, scope: &Scope, request: Request) -> Result<Response, HttpError> {
        let sent = self.request(scope, &request).await;
        if let Err(HttpError::Denied(why)) = &sent {
            scope.note_denied();
            let (connector, run, step) = (&self.connector, scope.run, &scope.step);
            tracing::warn!(
                target: "levqor_audit", %connector, organization = %scope.organization, %run, %step,
                %why, ?request, "a request of a plugin was denied"
            );
        }
        sent
    }

    async fn state_get(&self, scope: &Scope, key: &str) -> Result<Option<StateEntry>, StateError> {
        self.state()?.get(&scope.organization, &self.connector, key).await
    }

    async fn state_put(
        &self,
        scope: &Scope,
        key: &str,
        value: Vec<u8>,
        if_version: Option<u64>,
    ) -> Result<u64, StateError> {
        let quota = self.effective.state_bytes;
        let state = self.state()?;
        state.put(&scope.organization, &self.connector, key, &value, if_version, quota).await
    }

    async fn state_delete(&self, scope: &Scope, key: &str) -> Result<(), StateError> {
        self.state()?.delete(&scope.organization, &self.connector, key).await
    }

    async fn reveal(&self, scope: &Scope, name: &str) -> Result<Zeroizing<String>, String> {
        let granted = self.effective.credentials.get(name).filter(|_| self.effective.reveal);
        let Some(granted) = granted else {
            return Err(format!("revealing `{name}` is not granted (`reveal = true`)"));
        };
        let credential =
            self.find(scope, name, granted, scope.deadline).await.map_err(|e| e.to_string())?;
        tracing::info!(
            target: "levqor_audit", connector = %self.connector, run = %scope.run,
            organization = %scope.organization, credential = %credential.name,
            "a secret's value was given to a plugin"
        );
        Ok(Zeroizing::new(credential.primary().expose().to_owned()))
    }

    fn now_unix_ms(&self) -> u64 {
        u64::try_from(self.services.clock.now().as_millis()).unwrap_or(0)
    }
}

/// The earlier of what the request asks for and what the call has left.
fn deadline(scope: &Scope, request: &Request) -> Result<Instant, HttpError> {
    let now = Instant::now();
    let keep = Duration::from_millis(limits::ANSWER_MS);
    let last = scope.deadline.checked_sub(keep).filter(|at| *at > now).ok_or(HttpError::Timeout)?;
    let asked = request.timeout_ms.map(|ms| now + Duration::from_millis(u64::from(ms)));
    Ok(asked.map_or(last, |asked| asked.min(last)))
}

/// Where a redirect leads.
fn location(response: &Response) -> Option<String> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let (_, value) = response.headers.iter().find(|(name, _)| name == "location")?;
    String::from_utf8(value.clone()).ok()
}
