//! [`Resolver`]: names to addresses, and the check of every address right where it is used.
//!
//! The HTTP client asks [`Checked`] when it opens a connection and connects to exactly what it is
//! told: one look-up, no time between check and use. When *any* address of a name is refused the
//! whole name is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use ipnet::IpNet;

use super::address;

/// Names to addresses. A port, so that tests can give a DNS that lies.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// Every address of `host`; an empty list means that there is none.
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError>;
}

/// The name could not be looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name could not be looked up")]
pub struct ResolveError;

/// The machine's own resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let found = tokio::net::lookup_host((host, 0)).await.map_err(|_| ResolveError)?;
        Ok(found.map(|a| a.ip()).collect())
    }
}

/// An address behind the name is not public and not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address of the host is not public")]
pub(crate) struct Refused;

/// The resolver of one HTTP client: only whole sets of allowed addresses come out.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) private: Arc<[IpNet]>,
}

impl reqwest::dns::Resolve for Checked {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let this = self.clone();
        Box::pin(async move {
            let found = this.resolver.resolve(name.as_str()).await?;
            if found.is_empty() {
                return Err(ResolveError.into());
            }
            if !found.iter().all(|ip| address::is_allowed(*ip, &this.private)) {
                return Err(Refused.into());
            }
            let found = found.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(found) as reqwest::dns::Addrs)
        })
    }
}
