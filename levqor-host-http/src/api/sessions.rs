//! Signing in by a link in a mail, and the sessions that come of it.
//!
//! ```text
//!  POST /auth/link ─▶ a mail, or not: the answer is the same ─▶ POST /auth/session ─▶ cookie
//! ```
//! The secret stands behind `#` in the mailed link. Browsers send that part to nobody, so that it is
//! in no log, and programs that open links to look at them use nothing up.

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use levqor_core::ids::Organization;
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::organizations::New;
use crate::app::App;
use crate::caller::secret::{Plain, SecretDigest};
use crate::caller::{Scopes, cookie, csrf, session};
use crate::desk::{Audit, Change};
use crate::flags::Flag;
use crate::http::{Answer, Call, Head, Json, Payload, Problem};
use crate::mail;
use crate::people::member::{self, Member, MemberOf, UserEmail};
use crate::people::organization::{OrganizationEntry, is_operator};
use crate::people::session::{LINK_MS, Link, Session};
use crate::people::text::Name;
use crate::people::{Email, Role, session as records};
use crate::route::{Access, Route, Tag};

/// Organizations of one person that are looked at: more than anybody works in.
const ORGANIZATIONS_MAX: u32 = 100;
/// `Clear-Site-Data`, which is no constant of the library.
const CLEAR: HeaderName = HeaderName::from_static("clear-site-data");
/// What a link shows when it is opened. It says nothing about the link.
const PAGE: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<meta name=\"color-scheme\" content=\"light dark\"><title>Sign in to Levqor</title>\
<link rel=\"stylesheet\" href=\"/docs/api.css\"></head><body><header class=\"top\">\
<p class=\"name\">Levqor <span class=\"quiet\">sign in</span></p></header>\
<main><h1>Sign in to Levqor</h1>\
<p>Opening this page has used nothing up. The code is the part of the address after #: a sign-in \
page or a program sends it to <code>POST /auth/session</code> as <code>token</code>.</p>\
</main></body></html>\n";

pub(super) fn routes() -> Vec<Route> {
    let new = |method, path, id| Route::new(method, path, id, Tag::People);
    vec![
        new(Method::POST, "/auth/link", "ask_link")
            .about("Ask for a sign-in link by mail; the answer is the same for every address")
            .answers::<LinkAsked>(StatusCode::ACCEPTED, "a mail is sent where that is allowed")
            .to(ask),
        new(Method::GET, "/auth/link", "show_link")
            .about("The page behind a mailed link; nothing is used up by opening it")
            .answers_media(StatusCode::OK, "text/html; charset=utf-8", "a page")
            .to(show),
        new(Method::POST, "/auth/session", "sign_in")
            .about("Use a mailed link once and begin a session, whose cookie the answer sets")
            .answers::<About>(StatusCode::OK, "the session")
            .to(sign_in),
        new(Method::GET, "/auth/session", "get_session")
            .access(Access::Caller)
            .about("The session of the request's cookie")
            .answers::<About>(StatusCode::OK, "the session")
            .to(get),
        new(Method::DELETE, "/auth/session", "sign_out")
            .access(Access::Caller)
            .about("End the session")
            .answers_media(StatusCode::NO_CONTENT, "", "it is ended")
            .to(sign_out),
        new(Method::POST, "/auth/session/organization", "switch_organization")
            .access(Access::Caller)
            .about("Go on in another of the person's organizations, under a new cookie")
            .answers::<About>(StatusCode::OK, "the session")
            .to(switch),
    ]
}

/// Who wants to sign in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskLink {
    /// The address.
    email: Email,
}

/// The same for every address.
#[derive(Debug, Serialize, JsonSchema)]
struct LinkAsked {
    /// What happens now, for people.
    detail: &'static str,
}

/// A link to be used.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// The part of the mailed link after `#`.
    #[schemars(length(min = 1, max = 128))]
    token: String,
    /// Where to act; the oldest of the person's organizations where absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    organization: Option<String>,
}

/// Where to go on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SwitchOrganization {
    /// One of the person's organizations.
    #[schemars(length(min = 1, max = 64))]
    organization: String,
}

/// A session. Times are milliseconds since 1970, UTC.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Session")]
struct About {
    /// The person, as a member of the organization.
    user: Member,
    /// Where the session acts.
    organization: Organization,
    /// Every organization of the person.
    organizations: Vec<Place>,
    /// What may be done in it.
    scopes: Scopes,
    /// When it ends at the latest.
    ends: Timestamp,
}

/// One of a person's organizations.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SessionPlace")]
struct Place {
    /// Its id.
    id: Organization,
    /// Its name.
    name: String,
}

async fn ask(app: App, call: Call<Json<AskLink>>) -> Result<Answer, Problem> {
    let (email, now) = (call.body.0.email, app.now());
    // By address: who floods is told. By e-mail address: nobody is told, for it would tell that
    // somebody else asked.
    let address = crate::people::pace::network(call.head.address);
    if let Err(seconds) = app.links.by_address.take(&address, now) {
        let detail = "too many sign-in links were asked for from this address";
        let status = StatusCode::TOO_MANY_REQUESTS;
        return Err(Problem::new(status, "auth.too_many_links", detail).retry_after(seconds));
    }
    if app.links.by_email.take(email.as_str(), now).is_ok() {
        let of = app.clone();
        // Beside the request, so that the time it takes says nothing about the address.
        app.beside.begin(async move {
            if let Err(problem) = send_link(&of, &email).await {
                tracing::error!(code = problem.code(), "a sign-in link was not sent");
            }
        });
    }
    let detail = "if this address may sign in here, a link is on its way to it";
    Answer::json(StatusCode::ACCEPTED, &LinkAsked { detail })
}

async fn send_link(app: &App, email: &Email) -> Result<(), Problem> {
    if !app.is_signup_open() && places_of(app, email).await?.1.is_empty() {
        return Ok(());
    }
    let secret = Plain::make();
    let link = Link { email: email.clone(), until: app.now().plus_ms(LINK_MS) };
    let change = Change::of_system(&Organization::local());
    app.desk.commit(records::linked(change, secret.digest().as_str(), &link)).await?;
    let address = format!("{}/auth/link#{}", app.config.base_url(), secret.reveal());
    let letter = mail::sign_in(email, &address, LINK_MS / 60_000);
    let sent = match app.flags.is_on(Flag::Mail) {
        true => app.mails.send(&letter).await,
        false => app.mails.keep(&letter).await,
    };
    sent.map_err(|error| {
        tracing::error!(code = error.code(), %error, "a mail was neither sent nor written");
        Problem::internal()
    })
}

/// The person with this address, and where they are a member.
async fn places_of(
    app: &App,
    email: &Email,
) -> Result<(Option<String>, Vec<Organization>), Problem> {
    let Some((known, _)) = app.desk.get::<UserEmail>(&[email.as_str()]).await? else {
        return Ok((None, Vec::new()));
    };
    let places = organizations_of(app, &known.user).await?;
    Ok((Some(known.user), places))
}

/// The oldest first, so that whoever makes a person a member uninvited does not decide where that
/// person is after signing in.
async fn organizations_of(app: &App, user: &str) -> Result<Vec<Organization>, Problem> {
    let mut all = app.desk.list::<MemberOf>(&[user], None, ORGANIZATIONS_MAX).await?;
    all.sort_by_key(|found| found.record.since);
    Ok(all.into_iter().map(|found| found.record.organization).collect())
}

async fn show(_app: App, _call: Call) -> Result<Answer, Problem> {
    let page = Bytes::from_static(PAGE.as_bytes());
    Ok(Answer::of(StatusCode::OK, Payload::Typed("text/html; charset=utf-8", page)))
}

async fn sign_in(app: App, call: Call<Json<SignIn>>) -> Result<Answer, Problem> {
    csrf::check_sign_in(&app.config, &call.head)?;
    let (now, wanted) = (app.now(), &call.body.0);
    let used_up = || {
        let detail = "the link is used, too old or not one of ours; ask for a new one";
        Problem::new(StatusCode::UNAUTHORIZED, "auth.link", detail)
    };
    let place = SecretDigest::of(&wanted.token);
    let (link, read) = app.desk.get::<Link>(&[place.as_str()]).await?.ok_or_else(used_up)?;
    if link.until <= now {
        return Err(used_up());
    }
    let (user, places) = places_of(&app, &link.email).await?;
    let chosen = match &wanted.organization {
        Some(organization) => places.iter().find(|place| place.as_str() == organization),
        None => places.first(),
    };
    let (change, user, organization) = match (user, chosen) {
        (Some(user), Some(organization)) => {
            (Change::of_system(organization), user, organization.clone())
        }
        (_, None) if wanted.organization.is_some() => {
            return Err(Problem::not_found("organization"));
        }
        _ => sign_up(&app, &call.head, &link.email).await?,
    };
    let row =
        Audit { principal: format!("user:{user}"), ..Audit::of_system(&call.head, &user, now) };
    let (secret, session) = (Plain::make(), Session::new(&user, &organization, now));
    let change = change.remove::<Link>(&[place.as_str()], read).audited(&organization, row);
    // The cookie that came with it ends here: nobody goes on under an id from before.
    let change = match cookie::read(&app.config, &call.head.headers) {
        Some(old) => change.forget::<Session>(&[old.digest().as_str()]),
        None => change,
    };
    let change = records::begun(change, secret.digest().as_str(), &session);
    app.desk.commit(change).await.map_err(|problem| match problem.code() {
        "store.conflict" => used_up(),
        _ => problem,
    })?;
    with_cookie(&app, about(&app, &session).await?, &secret)
}

/// A person who is a member nowhere gets an organization of their own, where that is open.
async fn sign_up(
    app: &App,
    head: &Head,
    email: &Email,
) -> Result<(Change, String, Organization), Problem> {
    if !app.is_signup_open() {
        let detail = "you are a member of no organization here any more";
        return Err(Problem::new(StatusCode::FORBIDDEN, "auth.no_organization", detail));
    }
    let now = app.now();
    let name = Name::new(&email.as_str().chars().take(100).collect::<String>());
    let new = New::free(&name.unwrap_or_else(Name::unknown), "sign-up", now);
    let id = new.id().clone();
    let change = new.added(Change::of_system(&id), Audit::of_system(head, id.as_str(), now))?;
    let (member, change) =
        member::join(&app.desk, |_| change, &id, (email, Role::Owner), now).await?;
    let change = change.insert(&[id.as_str(), &member.id], &member);
    let change = change.add(super::organizations::owned(&member.id));
    Ok((change, member.id, id))
}

async fn about(app: &App, session: &Session) -> Result<About, Problem> {
    let Session { user, organization, ends, .. } = session;
    let found = member::by_id(&app.desk, organization, user).await?;
    let (member, _) = found.ok_or_else(Problem::unauthorized)?;
    let ids = organizations_of(app, user).await?;
    let places: Vec<[&str; 1]> = ids.iter().map(|id| [id.as_str()]).collect();
    let entries = app.desk.many::<OrganizationEntry>(&places).await?;
    let named = |entry: OrganizationEntry| Place { id: entry.id, name: entry.name.to_string() };
    Ok(About {
        scopes: member.role.scopes(is_operator(organization)),
        user: member,
        organization: organization.clone(),
        organizations: entries.into_iter().flatten().map(named).collect(),
        ends: *ends,
    })
}

fn with_cookie(app: &App, about: About, secret: &Plain) -> Result<Answer, Problem> {
    let set = cookie::set(&app.config, secret);
    Ok(Answer::ok(&about)?.text_header(header::SET_COOKIE, &set))
}

/// The request's session; who asks by key has none.
async fn own(app: &App, call_head: &Head) -> Result<session::Found, Problem> {
    let found = session::found(app, call_head).await?;
    found.ok_or_else(|| Problem::not_found("session"))
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    let found = own(&app, &call.head).await?;
    Answer::ok(&about(&app, &found.session).await?)
}

async fn sign_out(app: App, call: Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let found = own(&app, &call.head).await?;
    let Session { user, organization, .. } = &found.session;
    let change = Change::by(caller, organization, &call.head, user, app.now());
    app.desk.commit(change.forget::<Session>(&[&found.digest])).await?;
    let answer = Answer::nothing()
        .with(CLEAR, HeaderValue::from_static("\"cache\", \"cookies\", \"storage\""));
    Ok(answer.text_header(header::SET_COOKIE, &cookie::cleared(&app.config)))
}

async fn switch(app: App, call: Call<Json<SwitchOrganization>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let found = own(&app, &call.head).await?;
    let user = &found.session.user;
    let absent = || Problem::not_found("organization");
    let wanted = &Organization::new(&call.body.0.organization).map_err(|_| absent())?;
    member::by_id(&app.desk, wanted, user).await?.ok_or_else(absent)?;
    let now = app.now();
    // Another organization is another set of rights: a new secret, for the time that is left.
    let session = Session { ends: found.session.ends, ..Session::new(user, wanted, now) };
    let secret = Plain::make();
    let change =
        Change::by(caller, wanted, &call.head, user, now).forget::<Session>(&[&found.digest]);
    let change = records::begun(change, secret.digest().as_str(), &session);
    app.desk.commit(change).await?;
    with_cookie(&app, about(&app, &session).await?, &secret)
}
