//! [`Forms`]: a secret in every spelling it could travel in, to find it where it must not be.
//!
//! Requests are searched *before* the secret is filled in: a guest that already holds it has it
//! from somewhere it should not. Answers are searched too, since some services echo what they got.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use super::{Credential, CredentialValue};
use crate::egress::{Outgoing, Response};
use crate::limits;

const REDACTED: &[u8] = b"[redacted]";

/// A secret's spellings, longest first.
pub(crate) struct Forms(Vec<Zeroizing<Vec<u8>>>);

impl Forms {
    /// Every spelling of the secrets of `credential`.
    pub(crate) fn of(credential: &Credential) -> Self {
        let mut forms = Vec::new();
        let mut add = |secret: &str| {
            if secret.len() < limits::SECRET_SCAN_BYTES_MIN {
                return;
            }
            let json = serde_json::to_string(secret).unwrap_or_default();
            for form in [
                secret.to_owned(),
                secret.chars().rev().collect(),
                json.trim_matches('"').to_owned(),
                utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
                crate::text::hex(secret.as_bytes()),
                STANDARD.encode(secret),
                STANDARD_NO_PAD.encode(secret),
                URL_SAFE_NO_PAD.encode(secret),
            ] {
                forms.push(Zeroizing::new(form.into_bytes()));
            }
        };
        add(credential.primary().expose());
        match &credential.value {
            CredentialValue::Basic { user, password } => {
                let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
                add(&STANDARD.encode(&*pair));
            }
            CredentialValue::ApiKey { key } => {
                let pair = Zeroizing::new(format!("{}:", key.expose()));
                add(&STANDARD.encode(&*pair));
            }
            CredentialValue::Oauth2(token) => {
                for secret in [&token.refresh_token, &token.client_secret].into_iter().flatten() {
                    add(secret.expose());
                }
            }
        }
        forms.sort_by_key(|f| std::cmp::Reverse(f.len()));
        forms.dedup();
        Self(forms)
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|form| memmem::find(bytes, form).is_some())
    }

    /// Whether the request already holds the secret.
    pub(crate) fn are_in(&self, outgoing: &Outgoing) -> bool {
        self.is_in(outgoing.target.url.as_str().as_bytes())
            || outgoing.headers.values().any(|v| self.is_in(v.as_bytes()))
            || outgoing.body.as_deref().is_some_and(|b| self.is_in(b))
    }

    /// The answer without the secret, for a service that echoes its requests.
    pub(crate) fn redact(&self, mut response: Response) -> Response {
        for (_, value) in &mut response.headers {
            self.redact_bytes(value);
        }
        self.redact_bytes(&mut response.body);
        response
    }

    fn redact_bytes(&self, bytes: &mut Vec<u8>) {
        for form in &self.0 {
            if memmem::find(bytes, form).is_none() {
                continue;
            }
            let mut clean = Vec::with_capacity(bytes.len());
            let mut from = 0;
            for at in memmem::find_iter(bytes, &***form) {
                clean.extend_from_slice(&bytes[from..at]);
                clean.extend_from_slice(REDACTED);
                from = at + form.len();
            }
            clean.extend_from_slice(&bytes[from..]);
            *bytes = clean;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Secret;
    use crate::egress::{Method, Policy, Request};

    const VALUE: &str = "s3cr&t/\"value+1";

    fn key() -> Credential {
        Credential::api_key("k", Secret::new(VALUE), Vec::new())
    }

    fn spellings() -> Vec<String> {
        vec![
            VALUE.to_owned(),
            VALUE.chars().rev().collect(),
            "s3cr&t/\\\"value+1".to_owned(),
            "s3cr%26t%2F%22value%2B1".to_owned(),
            STANDARD.encode(VALUE),
            URL_SAFE_NO_PAD.encode(VALUE),
            crate::text::hex(VALUE.as_bytes()),
            STANDARD.encode(format!("{VALUE}:")),
        ]
    }

    #[test]
    fn finds_the_secret_in_url_headers_and_body_in_every_spelling() {
        let policy = Policy::for_hosts(vec!["a.com".parse().unwrap()]);
        let forms = Forms::of(&key());
        let holds = |request: &Request| {
            let target = policy.check(&request.url).unwrap();
            forms.are_in(&Outgoing::new(request, target).unwrap())
        };
        let mut clean = Request::new(Method::Post, "https://a.com/p?q=1");
        clean.body = Some(b"harmless".to_vec());
        assert!(!holds(&clean));
        for spelling in spellings() {
            let mut request = clean.clone();
            request.body = Some(format!("<<{spelling}>>").into_bytes());
            assert!(holds(&request), "body {spelling}");
            let mut request = clean.clone();
            request.headers.push(("x".to_owned(), spelling.clone().into_bytes()));
            assert!(holds(&request), "header {spelling}");
        }
        let encoded = "https://a.com/s3cr%26t%2F%22value%2B1";
        assert!(holds(&Request::new(Method::Get, encoded)));
    }

    #[test]
    fn answers_that_echo_are_redacted() {
        for spelling in spellings() {
            let response = Response {
                status: 200,
                headers: vec![("x".to_owned(), spelling.clone().into_bytes())],
                body: format!("a{spelling}b{spelling}c").into_bytes(),
                retry_after_ms: None,
            };
            let clean = Forms::of(&key()).redact(response);
            assert_eq!(clean.body, b"a[redacted]b[redacted]c", "{spelling}");
            assert_eq!(clean.headers[0].1, REDACTED);
        }
    }

    #[test]
    fn short_secrets_are_not_searched() {
        let short = Credential::api_key("k", Secret::new("abc"), Vec::new());
        assert!(Forms::of(&short).0.iter().all(|f| f.len() >= 8));
    }
}
