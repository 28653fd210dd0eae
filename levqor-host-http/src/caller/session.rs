//! From a session's cookie to the [`Caller`] that it stands for.

use super::secret::Plain;
use super::{Caller, Credential, cookie, csrf};
use crate::app::App;
use crate::desk::Change;
use crate::http::{Head, Problem};
use crate::people::member;
use crate::people::organization::is_operator;
use crate::people::session::{SEEN_MS, Session};

/// A live session, with the secret that it was found by.
pub(crate) struct Found {
    pub(crate) session: Session,
    pub(crate) digest: String,
}

/// The live session of the request's cookie; `None` where it has no cookie.
///
/// # Errors
/// `auth.unauthorized` where the cookie is of no live session.
pub(crate) async fn found(app: &App, head: &Head) -> Result<Option<Found>, Problem> {
    let Some(secret) = cookie::read(&app.config, &head.headers) else { return Ok(None) };
    live(app, &secret).await.map(Some)
}

async fn live(app: &App, secret: &Plain) -> Result<Found, Problem> {
    let digest = secret.digest().as_str().to_owned();
    let now = app.now();
    let Some((mut session, read)) = app.desk.get::<Session>(&[&digest]).await? else {
        return Err(Problem::unauthorized());
    };
    if !session.is_live(now) {
        return Err(Problem::unauthorized());
    }
    if now.since_ms(session.seen) >= SEEN_MS {
        session.seen = now;
        let change = Change::of_system(&session.organization);
        // Refused where the session was ended or seen meanwhile: then nothing is to be written.
        let noted = app.desk.commit(change.replace(&[&digest], read, &session)).await;
        if let Err(problem) = noted.as_ref().map_err(|p| p.code())
            && problem != "store.conflict"
        {
            tracing::warn!(code = problem, "a session's last use was not written");
        }
    }
    Ok(Found { session, digest })
}

/// Who asks by cookie: the member, in the session's organization, with the role's scopes of now.
///
/// # Errors
/// `auth.unauthorized`; `auth.csrf` for a change that another page may have asked for.
pub(crate) async fn caller(app: &App, head: &Head) -> Result<Option<Caller>, Problem> {
    let Some(Found { session, .. }) = found(app, head).await? else { return Ok(None) };
    csrf::check(&app.config, head)?;
    let Session { user, organization, .. } = session;
    let member = member::by_id(&app.desk, &organization, &user).await?;
    let (member, _) = member.ok_or_else(Problem::unauthorized)?;
    let scopes = member.role.scopes(is_operator(&organization));
    Ok(Some(Caller::new(organization, Credential::Session { user }, scopes)))
}
