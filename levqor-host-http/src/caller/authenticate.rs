//! From a request's head to its [`Caller`]: by key, or by a session's cookie where there is no key.

use axum::http::{HeaderMap, header};

use super::key::KeyText;
use super::secret::Plain;
use super::{Caller, Credential, session};
use crate::app::App;
use crate::http::{Head, Problem};

/// The seed's header for keys, beside `Authorization`.
const API_KEY_HEADER: &str = "x-api-key";

/// The key that a request carries; `None` where it carries none.
///
/// # Errors
/// `auth.ambiguous` where it carries two that differ: which one was meant is not for us to guess.
fn text_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let bearer = headers.get(header::AUTHORIZATION).map(|value| {
        let value = value.to_str().unwrap_or_default();
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("bearer") { rest.trim() } else { "" }
    });
    let plain = headers.get(API_KEY_HEADER).map(|value| value.to_str().unwrap_or_default());
    match (bearer, plain) {
        (Some(a), Some(b)) if a != b => Err(Problem::ambiguous_credential()),
        (Some(text), _) | (None, Some(text)) => Ok(Some(text)),
        (None, None) => Ok(None),
    }
}

/// Who asks; `None` where the request carries no credential.
///
/// # Errors
/// `auth.unauthorized` for a credential that is not accepted, whatever is wrong with it.
pub(crate) async fn caller(app: &App, head: &Head) -> Result<Option<Caller>, Problem> {
    match text_of(&head.headers)? {
        Some(text) => by_key(app, text).await.map(Some),
        None => session::caller(app, head).await,
    }
}

/// The look-up and the comparison are the same for a key that is not there: its absence must not
/// be told from a wrong secret by the time it takes.
async fn by_key(app: &App, text: &str) -> Result<Caller, Problem> {
    let parsed = KeyText::parse(text);
    let (id, secret) = match &parsed {
        Some(key) => (key.id.as_str(), key.secret.clone()),
        None => ("key_", Plain::of(text)),
    };
    let now = app.now();
    let found = app.keys.find(&app.desk, id).await?;
    let opens = found.as_ref().map_or(app.keys.decoy(), |held| &held.key).opens(&secret, now);
    let Some(held) = found.filter(|_| opens) else { return Err(Problem::unauthorized()) };
    app.keys.used(app, &held, now);
    let credential = Credential::Key(held.key.id.clone());
    Ok(Caller::new(held.key.organization.clone(), credential, held.key.scopes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn a_key_is_found_in_either_header_and_two_must_agree() {
        for (given, wanted) in [
            (vec![], Some(None)),
            (vec![("authorization", "Bearer k")], Some(Some("k"))),
            (vec![("authorization", "bearer  k ")], Some(Some("k"))),
            (vec![("x-api-key", "k")], Some(Some("k"))),
            (vec![("authorization", "Basic k")], Some(Some(""))),
            (vec![("authorization", "Bearer k"), ("x-api-key", "k")], Some(Some("k"))),
            (vec![("authorization", "Bearer k"), ("x-api-key", "l")], None),
        ] {
            assert_eq!(text_of(&heads(&given)).ok(), wanted, "{given:?}");
        }
    }
}
