//! A client that shows everything of an answer and hides nothing of a request.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Sends to one host, with the same headers each time. A cheap clone.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    headers: Vec<(String, String)>,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// An answer, read wholly.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answered {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The answer's JSON, which must have this status.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The refusal's code, which must have this status.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json");
        self.is(status)["code"].as_str().unwrap().to_owned()
    }

    /// A header's text; empty where it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let pool = Pool::builder(TokioExecutor::new()).build_http();
        Self { address, headers: Vec::new(), pool }
    }

    /// The same to another address.
    pub(crate) fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// With this key.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// With this header, in place of one of the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What it sends as this header each time.
    pub(crate) fn sent(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answered {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answered {
        let bytes = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
        let media = body.map(|_| "application/json");
        self.send_bytes(method, path, media, bytes).await
    }

    /// Any bytes of any media type.
    pub(crate) async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        media: Option<&str>,
        body: Bytes,
    ) -> Answered {
        self.try_send(method, path, media, body).await.unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// An answer whose body is read as it comes.
    pub(crate) async fn open(&self, path: &str) -> Response<Incoming> {
        let answer = self.begin(Method::GET, path, None, Bytes::new()).await;
        answer.unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    async fn begin(
        &self,
        method: Method,
        path: &str,
        media: Option<&str>,
        body: Bytes,
    ) -> Result<Response<Incoming>, String> {
        let mut request =
            Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if let Some(media) = media {
            request = request.header("content-type", media);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|e| e.to_string())?;
        self.pool.request(request).await.map_err(|e| e.to_string())
    }

    /// The same, for when the host may be gone.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        media: Option<&str>,
        body: Bytes,
    ) -> Result<Answered, String> {
        let (head, body) = self.begin(method, path, media, body).await?.into_parts();
        let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
        Ok(Answered { status: head.status, headers: head.headers, body })
    }
}
