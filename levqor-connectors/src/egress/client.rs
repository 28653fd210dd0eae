//! [`Egress`]: the only place of Levqor's plugin host that dials out.
//!
//! It keeps one HTTP client for each set of private networks that is granted: a pooled connection
//! that one grant allows is never lent to a request of another.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use parking_lot::Mutex;
use reqwest::Client;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::message::{Auth, HttpError, Request, Response};
use super::outgoing::Outgoing;
use super::policy::Policy;
use super::resolver::{Checked, Resolver, SystemResolver};
use crate::limits;

/// How an [`Egress`] is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EgressOptions {
    /// Names to addresses; the machine's own by default.
    pub resolver: Arc<dyn Resolver>,
    /// Certificates (DER) trusted beside the public ones, for a company's own authority.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for EgressOptions {
    fn default() -> Self {
        Self { resolver: Arc::new(SystemResolver), extra_roots: Vec::new() }
    }
}

/// Why outbound connections could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("outbound connections could not be set up: {0}")]
pub struct EgressError(String);

impl EgressError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "egress.setup"
    }
}

/// The one place that dials; a cheap clone.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    resolver: Arc<dyn Resolver>,
    tls: ClientConfig,
    clients: Mutex<HashMap<Vec<IpNet>, Client>>,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("resolver", &self.inner.resolver).finish_non_exhaustive()
    }
}

impl Egress {
    /// Sets up TLS (ring, the compiled-in public roots) without touching any process-wide default.
    ///
    /// # Errors
    /// When a root certificate cannot be read.
    pub fn new(options: EgressOptions) -> Result<Self, EgressError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for der in options.extra_roots {
            roots
                .add(CertificateDer::from(der))
                .map_err(|e| EgressError(format!("an extra root certificate: {e}")))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| EgressError(e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let clients = Mutex::new(HashMap::new());
        Ok(Self { inner: Arc::new(Inner { resolver: options.resolver, tls, clients }) })
    }

    /// Sends one request of the host's own (webhooks going out, mail) under `policy`: no credential
    /// is filled in, `auth` must be none; no redirect is followed; the answer is whole and at most
    /// 10 MiB.
    ///
    /// # Errors
    /// Every [`HttpError`], each saying whether the other side may have seen the request.
    pub async fn send(
        &self,
        policy: &Policy,
        request: &Request,
        timeout: Duration,
    ) -> Result<Response, HttpError> {
        if request.auth != Auth::None {
            let why = "credentials are filled in for plugins only";
            return Err(HttpError::InvalidRequest(why.to_owned()));
        }
        let asked = request.timeout_ms.map_or(timeout, |ms| Duration::from_millis(ms.into()));
        let outgoing = Outgoing::new(request, policy.check(&request.url)?)?;
        let deadline = Instant::now() + timeout.min(asked);
        self.exchange(policy, outgoing, deadline, limits::RESPONSE_BYTES_MAX).await
    }

    /// The client for this set of private networks.
    pub(super) fn client(&self, private: &[IpNet]) -> Result<Client, EgressError> {
        let mut key = private.to_vec();
        key.sort_unstable();
        key.dedup();
        let mut clients = self.inner.clients.lock();
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = self.build(&key)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn build(&self, private: &[IpNet]) -> Result<Client, EgressError> {
        let checked =
            Checked { resolver: Arc::clone(&self.inner.resolver), private: private.into() };
        Client::builder()
            .tls_backend_preconfigured(self.inner.tls.clone())
            .dns_resolver(Arc::new(checked))
            // A proxy would resolve names itself, behind the check.
            .no_proxy()
            // Redirects are followed, if at all, by `exchange`, each checked from the start.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(Duration::from_millis(limits::CONNECT_MS_MAX))
            .pool_idle_timeout(Duration::from_millis(limits::POOL_IDLE_MS))
            .http2_max_header_list_size(64 * 1024)
            .tcp_nodelay(true)
            .build()
            .map_err(|e| EgressError(e.without_url().to_string()))
    }
}
