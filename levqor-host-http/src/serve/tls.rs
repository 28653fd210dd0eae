//! TLS by rustls: TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1.
//!
//! What a certificate's renewal needs is a restart: the files are read once.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::{ConfigError, TlsConfig};

/// The name that ALPN has for HTTP/2.
pub(super) const H2: &[u8] = b"h2";

/// What takes handshakes; `None` where no certificate is named.
pub(super) fn acceptor(files: &TlsConfig) -> Result<Option<TlsAcceptor>, ConfigError> {
    if files.is_none() {
        return Ok(None);
    }
    let refused = |setting: &str, why: &dyn std::fmt::Display| {
        ConfigError::Value(format!("{setting}: {why}"))
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(|e| refused("tls.cert", &e))?;
    if chain.is_empty() {
        return Err(refused("tls.cert", &"there is no certificate in the file"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| refused("tls.key", &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| refused("tls", &e))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| refused("tls.key", &e))?;
    config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}
