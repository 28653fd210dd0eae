//! Requests to the host that the user named.
//!
//! The one place here that dials. Plugins' egress is not for this: it refuses private addresses and
//! reads an answer whole, while a host may stand in a private network and an event stream has no
//! end to wait for. Redirects are not followed: a key goes to the host that was named and to no
//! other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use rustls::RootCertStore;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::args::Global;
use crate::exit::Exit;
use crate::failure::{Failure, Result};

/// The variable with the key.
const KEY: &str = "LEVQOR_KEY";
/// To a connection: a host that is there answers within a round trip or two.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Between two pieces of an answer; an event stream sends a comment every 15 seconds.
const READ_TIME: Duration = Duration::from_secs(60);
/// Most bytes of an answer that is read whole: a document and its run's output, with room.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most bytes of a key's file.
const KEY_BYTES_MAX: usize = 4 * 1024;

/// Sends to one host with one key.
#[derive(Debug)]
pub(super) struct Client {
    base: Url,
    /// Marked as sensitive, so that nothing prints it.
    key: HeaderValue,
    http: reqwest::Client,
}

/// A refusal of the host.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) detail: String,
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    client: &'a Client,
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<(&'static str, String)>,
}

impl Client {
    pub(super) fn new(url: &str, global: &Global) -> Result<Self> {
        let base = base(url, global.insecure_http)?;
        let text = key_text(global.key_file.as_deref())?;
        let bearer = Zeroizing::new(format!("Bearer {}", text.trim()));
        let mut key = HeaderValue::from_str(&bearer)
            .map_err(|_| Failure::usage("the key has a character that no key has"))?;
        key.set_sensitive(true);
        Ok(Self { base, key, http: http()? })
    }

    /// A request to these parts of a path, each encoded.
    pub(super) fn ask(&self, method: Method, path: &[&str]) -> Ask<'_> {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        let (query, headers) = (Vec::new(), Vec::new());
        Ask { client: self, method, path, query, headers, body: None }
    }

    pub(super) fn get(&self, path: &[&str]) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    pub(super) fn post(&self, path: &[&str]) -> Ask<'_> {
        self.ask(Method::POST, path)
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        let mut message = format!("{}: ", self.base);
        let mut cause: &dyn std::error::Error = &error.without_url();
        // The innermost cause says it; the ones around it repeat that something failed.
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        message.push_str(&cause.to_string());
        Failure::new(Exit::Unreachable, "server.unreachable", message)
    }
}

impl Ask<'_> {
    pub(super) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.headers.extend(value.map(|value| (name, value.to_string())));
        self
    }

    pub(super) fn json(mut self, body: &Value) -> Self {
        self.body = Some(("application/json", body.to_string()));
        self
    }

    /// The answer's JSON; `null` where it has none.
    pub(super) async fn send(self) -> Result<Value> {
        match self.tried().await? {
            Ok((_, value)) => Ok(value),
            Err(refused) => Err(refused.into()),
        }
    }

    /// The answer's JSON with its status, or the host's refusal.
    pub(super) async fn tried(self) -> Result<std::result::Result<(StatusCode, Value), Refused>> {
        let client = self.client;
        let response = self.open().await?;
        let status = response.status();
        let bytes = whole(client, response).await?;
        let value: Value = match bytes.as_slice() {
            [] => Value::Null,
            bytes => serde_json::from_slice(bytes).map_err(|_| not_a_host(client, status))?,
        };
        if status.is_success() {
            return Ok(Ok((status, value)));
        }
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        match (text("code"), text("detail")) {
            (Some(code), Some(detail)) => Ok(Err(Refused { status, code, detail })),
            _ => Err(not_a_host(client, status)),
        }
    }

    /// The answer before its body is read.
    pub(super) async fn open(self) -> Result<Response> {
        let client = self.client;
        let mut url = client.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(&self.path);
        }
        for (name, value) in &self.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let mut request = client.http.request(self.method, url);
        request = request.header(AUTHORIZATION, client.key.clone());
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some((media, body)) = self.body {
            request = request.header(CONTENT_TYPE, media).body(body);
        }
        request.send().await.map_err(|error| client.unreachable(error))
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let exit = match refused.status {
            status if status.is_server_error() => Exit::Unreachable,
            _ if refused.code == "document.invalid" => Exit::Invalid,
            _ => Exit::Refused,
        };
        Self::new(exit, refused.code, refused.detail)
    }
}

fn not_a_host(client: &Client, status: StatusCode) -> Failure {
    let message = format!("{} answers {status} and is not a Levqor host", client.base);
    Failure::new(Exit::Unreachable, "server.not_a_host", message)
}

async fn whole(client: &Client, mut response: Response) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|e| client.unreachable(e))? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > ANSWER_BYTES_MAX {
            let message = format!("an answer is over {ANSWER_BYTES_MAX} bytes");
            return Err(Failure::new(Exit::Unreachable, "server.not_a_host", message));
        }
    }
    Ok(bytes)
}

/// The host's address: `https`, or `http` to this machine, or to anywhere where that was asked for.
fn base(url: &str, insecure: bool) -> Result<Url> {
    let wrong = |what: &str| Failure::usage(format!("--server {what}"));
    let parsed = Url::parse(url).map_err(|_| wrong("is not a URL such as https://host"))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong("carries a password; the key comes from LEVQOR_KEY or --key-file"));
    }
    let here = match parsed.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(wrong("is not a URL such as https://host")),
    };
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if here || insecure => Ok(parsed),
        "http" => Err(wrong("would send the key unencrypted")
            .help("use https, or --insecure-http in a network that you trust")),
        _ => Err(wrong("is neither https nor http")),
    }
}

fn key_text(file: Option<&Path>) -> Result<Zeroizing<String>> {
    let Some(path) = file else {
        let set = std::env::var(KEY).ok().filter(|text| !text.trim().is_empty());
        return set.map(Zeroizing::new).ok_or_else(|| {
            Failure::usage("a host asks for a key").help(format!("set {KEY}, or use --key-file"))
        });
    };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let text = Zeroizing::new(text);
    if text.len() > KEY_BYTES_MAX {
        return Err(Failure::usage(format!("{} holds no key", path.display())));
    }
    Ok(text)
}

fn http() -> Result<reqwest::Client> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let broken = |what: String| Failure::new(Exit::Unreachable, "cli.runtime", what);
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| broken(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIME)
        .read_timeout(READ_TIME)
        .user_agent(concat!("levqor-cli/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| broken(e.without_url().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_in_the_clear_to_this_machine_only() {
        for good in
            ["http://127.0.0.1:7700", "http://localhost", "http://[::1]:1", "https://x.example"]
        {
            assert!(base(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://x.example",
            "http://10.0.0.1",
            "http://localhost.example",
            "ftp://x",
            "x",
            "https://me:secret@x.example",
        ] {
            let refused = base(bad, false).unwrap_err();
            assert!(refused.exit == Exit::Usage && !refused.message.contains("secret"), "{bad}");
        }
        assert!(base("http://10.0.0.1", true).is_ok());
    }

    #[test]
    fn a_refusal_has_the_exit_code_of_what_it_means() {
        for (status, code, exit) in [
            (401, "auth.unauthorized", Exit::Refused),
            (404, "request.not_found", Exit::Refused),
            (422, "document.invalid", Exit::Invalid),
            (503, "store.unavailable", Exit::Unreachable),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let refused = Refused { status, code: code.to_owned(), detail: "x".to_owned() };
            assert_eq!(Failure::from(refused).exit, exit, "{code}");
        }
    }
}
