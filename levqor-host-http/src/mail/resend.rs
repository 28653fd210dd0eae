//! [`Resend`]: mails through the vendor of that name, by the host's one way out.

use std::time::Duration;

use async_trait::async_trait;
use levqor_connectors::egress::{Egress, HostPattern, Method, Policy, Request};
use serde_json::json;

use super::{Mail, MailError, Mailer};
use crate::caller::secret::Plain;

/// Where the vendor takes mails.
pub(crate) const URL: &str = "https://api.resend.com";
/// For one mail: nobody waits for it, and a vendor that hangs is one that failed.
const TIME: Duration = Duration::from_secs(15);

/// The vendor, with the operator's key.
#[derive(Debug)]
pub struct Resend {
    egress: Egress,
    policy: Policy,
    url: String,
    from: String,
    key: Plain,
}

impl Resend {
    /// Mails from `from` by the vendor at `url`; one on this machine, for tests, may be plain HTTP.
    ///
    /// # Errors
    /// Says what is wrong with the address.
    pub fn new(egress: Egress, url: &str, from: &str, key: Plain) -> Result<Self, String> {
        let base = if url.is_empty() { URL } else { url.trim_end_matches('/') };
        let parsed = url::Url::parse(base).map_err(|e| format!("mail.resend_url: {e}"))?;
        let host = parsed.host_str().ok_or("mail.resend_url: it has no host")?;
        let mut policy = Policy::for_hosts(vec![pattern(host)?]);
        policy.ports.extend(parsed.port());
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>()
            && address.is_loopback()
        {
            policy.http = true;
            policy.private = vec![address.into()];
        }
        Ok(Self { egress, policy, url: format!("{base}/emails"), from: from.to_owned(), key })
    }
}

fn pattern(host: &str) -> Result<HostPattern, String> {
    host.parse().map_err(|_| format!("mail.resend_url: `{host}` is not a host"))
}

#[async_trait]
impl Mailer for Resend {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let body = json!({
            "from": self.from,
            "to": [mail.to],
            "subject": mail.subject,
            "text": mail.text,
            "html": mail.html,
        });
        let mut request = Request::new(Method::Post, self.url.as_str());
        let bearer = format!("Bearer {}", self.key.reveal());
        for (name, value) in [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", mail.id.as_str()),
        ] {
            request.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        }
        request.body = Some(body.to_string().into_bytes());
        let sent = self.egress.send(&self.policy, &request, TIME).await;
        // What the vendor says may repeat what it was sent: only codes and statuses go on.
        let answer = sent.map_err(|error| MailError::Vendor(error.code().to_owned()))?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        Err(MailError::Vendor(format!("status {}", answer.status)))
    }
}
