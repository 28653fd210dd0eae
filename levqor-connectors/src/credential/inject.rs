//! Filling a credential into a request that passed the policy. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Credential, CredentialValue};
use crate::egress::{Auth, HttpError, Outgoing, Placed, header_name};

/// What would end or split a path segment; `:` and `@` stay, Telegram's tokens hold them.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'/')
    .add(b'%')
    .add(b'\\')
    .add(b'^')
    .add(b'|');

/// Puts the secret of `credential` where `auth` says. The host was checked by the caller.
///
/// # Errors
/// [`HttpError::InvalidRequest`] when kind and place do not go together. Errors name the
/// credential, never its value.
pub(crate) fn inject(
    outgoing: &mut Outgoing,
    auth: &Auth,
    credential: &Credential,
) -> Result<(), HttpError> {
    let secret = credential.primary().expose();
    match auth {
        Auth::None => Ok(()),
        Auth::Bearer(_) => {
            let value = Zeroizing::new(format!("Bearer {secret}"));
            set_header(outgoing, AUTHORIZATION, &value, credential)
        }
        Auth::Basic(_) => {
            let pair = Zeroizing::new(match &credential.value {
                CredentialValue::Basic { user, password } => {
                    format!("{user}:{}", password.expose())
                }
                // The usual way to give an API key to a service that wants basic: as the user.
                CredentialValue::ApiKey { key } => format!("{}:", key.expose()),
                CredentialValue::Oauth2(_) => {
                    return invalid(credential, "is an OAuth token; use bearer");
                }
            });
            let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
            set_header(outgoing, AUTHORIZATION, &value, credential)
        }
        Auth::Header(placed) => {
            let name = header_name(&placed.place)?;
            set_header(outgoing, name, secret, credential)
        }
        Auth::Query(placed) => {
            outgoing.target.url.query_pairs_mut().append_pair(&placed.place, secret);
            Ok(())
        }
        Auth::Path(placed) => in_path(outgoing, placed, secret, credential),
        Auth::Body(placed) => in_body(outgoing, placed, secret, credential),
        Auth::HmacSha256(placed) => {
            let name = header_name(&placed.place)?;
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
                return invalid(credential, "cannot be used as a key");
            };
            mac.update(outgoing.body.as_deref().unwrap_or_default());
            let digest = crate::text::hex(&mac.finalize().into_bytes());
            set_header(outgoing, name, &digest, credential)
        }
    }
}

fn set_header(
    outgoing: &mut Outgoing,
    name: HeaderName,
    value: &str,
    credential: &Credential,
) -> Result<(), HttpError> {
    let Ok(mut value) = HeaderValue::from_str(value) else {
        return invalid(credential, "holds characters that no header may hold");
    };
    value.set_sensitive(true);
    outgoing.headers.insert(name, value);
    Ok(())
}

fn in_path(
    outgoing: &mut Outgoing,
    placed: &Placed,
    secret: &str,
    credential: &Credential,
) -> Result<(), HttpError> {
    let url = &mut outgoing.target.url;
    let path = url.path();
    let value = Zeroizing::new(utf8_percent_encode(secret, SEGMENT).to_string());
    // Braces of a placeholder may have been escaped when the URL was parsed.
    let escaped = utf8_percent_encode(&placed.place, SEGMENT).to_string();
    let place = [placed.place.as_str(), escaped.as_str()]
        .into_iter()
        .find(|p| !p.is_empty() && path.contains(*p));
    let Some(place) = place else {
        return invalid(credential, "has no place in the path: its placeholder is not there");
    };
    let path = Zeroizing::new(path.replace(place, &value));
    url.set_path(&path);
    Ok(())
}

fn in_body(
    outgoing: &mut Outgoing,
    placed: &Placed,
    secret: &str,
    credential: &Credential,
) -> Result<(), HttpError> {
    let kind = outgoing
        .headers
        .get("content-type")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let value = Zeroizing::new(if kind.contains("json") {
        let text = Zeroizing::new(serde_json::to_string(secret).unwrap_or_default());
        text[1..text.len().saturating_sub(1)].to_owned()
    } else if kind.contains("x-www-form-urlencoded") {
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string()
    } else {
        secret.to_owned()
    });
    let text = outgoing.body.take().and_then(|b| String::from_utf8(b).ok());
    let found = text.filter(|t| !placed.place.is_empty() && t.contains(&placed.place));
    let Some(text) = found else {
        return invalid(credential, "has no place in the body: its placeholder is not there");
    };
    outgoing.body = Some(text.replace(&placed.place, &value).into_bytes());
    Ok(())
}

fn invalid(credential: &Credential, why: &str) -> Result<(), HttpError> {
    Err(HttpError::InvalidRequest(format!("the credential `{}` {why}", credential.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{Oauth2, Secret};
    use crate::egress::{Method, Policy, Request};

    fn filled(
        auth: &Auth,
        credential: &Credential,
        change: impl Fn(&mut Request),
    ) -> Result<Outgoing, HttpError> {
        let mut request = Request::new(Method::Post, "https://a.com/bot{token}/send?x=1");
        request.body = Some(br#"{"k":"{token}"}"#.to_vec());
        change(&mut request);
        let policy = Policy::for_hosts(vec!["a.com".parse().unwrap()]);
        let target = policy.check(&request.url).unwrap();
        let mut outgoing = Outgoing::new(&request, target).unwrap();
        inject(&mut outgoing, auth, credential).map(|()| outgoing)
    }

    fn key(value: &str) -> Credential {
        Credential::api_key("main", Secret::new(value), Vec::new())
    }

    fn placed(place: &str) -> Placed {
        Placed { place: place.to_owned(), credential: "c".to_owned() }
    }

    fn header(outgoing: &Outgoing, name: &str) -> String {
        let value = &outgoing.headers[name];
        assert!(value.is_sensitive());
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn each_place() {
        let none = |_: &mut Request| {};
        let c = "c".to_owned();
        let out = filled(&Auth::Bearer(c.clone()), &key("K1"), none).unwrap();
        assert_eq!(header(&out, "authorization"), "Bearer K1");
        let out = filled(&Auth::Basic(c.clone()), &key("K1"), none).unwrap();
        assert_eq!(header(&out, "authorization"), "Basic SzE6");
        let basic = Credential::basic("main", "Aladdin", Secret::new("open sesame"), Vec::new());
        let out = filled(&Auth::Basic(c.clone()), &basic, none).unwrap();
        assert_eq!(header(&out, "authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let out = filled(&Auth::Header(placed("X-Key")), &key("K1"), none).unwrap();
        assert_eq!(header(&out, "x-key"), "K1");
        let out = filled(&Auth::Query(placed("key")), &key("a&b=c#d"), none).unwrap();
        assert_eq!(out.target.url.query(), Some("x=1&key=a%26b%3Dc%23d"));
        let out = filled(&Auth::Path(placed("{token}")), &key("12:a/../b?c"), none).unwrap();
        assert_eq!(out.target.url.path(), "/bot12:a%2F..%2Fb%3Fc/send");
        assert_eq!(out.target.host(), "a.com");
        let json = |r: &mut Request| {
            r.headers.push(("content-type".to_owned(), b"application/json".to_vec()));
        };
        let out = filled(&Auth::Body(placed("{token}")), &key("a\"b"), json).unwrap();
        assert_eq!(out.body.as_deref(), Some(&br#"{"k":"a\"b"}"#[..]));
        let oauth = Credential::oauth2("main", Oauth2::new(Secret::new("T")), Vec::new());
        let out = filled(&Auth::Bearer(c), &oauth, none).unwrap();
        assert_eq!(header(&out, "authorization"), "Bearer T");
    }

    #[test]
    fn the_body_is_signed() {
        // RFC 4231, test case 2.
        let body = |r: &mut Request| r.body = Some(b"what do ya want for nothing?".to_vec());
        let out = filled(&Auth::HmacSha256(placed("X-Sig")), &key("Jefe"), body).unwrap();
        assert_eq!(
            header(&out, "x-sig"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn what_does_not_go_together_is_an_error_without_the_secret() {
        let oauth = Credential::oauth2("main", Oauth2::new(Secret::new("TOPSECRET")), Vec::new());
        let secret = key("TOPSECRET\n");
        let table = [
            (Auth::Basic("c".to_owned()), &oauth),
            (Auth::Bearer("c".to_owned()), &secret),
            (Auth::Path(placed("{nowhere}")), &oauth),
            (Auth::Path(placed("")), &oauth),
            (Auth::Body(placed("{nowhere}")), &oauth),
            (Auth::Header(placed("Host")), &oauth),
            (Auth::Header(placed("a b")), &oauth),
        ];
        for (auth, credential) in table {
            let error = filled(&auth, credential, |_| {}).map(drop).unwrap_err();
            assert!(!error.to_string().contains("TOPSECRET"), "{error}");
        }
    }
}
