//! Organizations: making one, the caller's own, and the operator's list of all.

use axum::http::{Method, StatusCode};
use levqor_core::ids::Organization;
use levqor_core::ledger;
use levqor_core::quota::{OrganizationRecord, Plans};
use levqor_core::schedule::Zone;
use levqor_core::store::{Add, Batch, Counter, Record, Revision};
use levqor_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::keys;
use crate::app::App;
use crate::caller::key::ApiKey;
use crate::caller::secret::Plain;
use crate::caller::{Credential, Scope};
use crate::desk::{Audit, Change};
use crate::http::{Answer, Call, Cursor, Json, Page, PageQuery, Problem, etag};
use crate::ids;
use crate::people::Role;
use crate::people::member;
use crate::people::organization::OrganizationEntry;
use crate::people::text::Name;
use crate::route::{Access, Route, Tag};

/// Organizations that one person may make: a few for trying out. Each has the free plan's runs, so
/// that without a bound there would be no limit on them.
const OWNED_MAX: i64 = 3;

pub(super) fn routes() -> Vec<Route> {
    let new = |method, path, id| Route::new(method, path, id, Tag::People);
    vec![
        new(Method::POST, "/api/v1/organizations", "make_organization")
            .access(Access::Caller)
            .about("Make an organization: the operator on any plan, with its first key")
            .idempotent()
            .answers::<OrganizationMade>(StatusCode::CREATED, "the organization")
            .to(make),
        new(Method::GET, "/api/v1/organizations", "list_organizations")
            .scope(Scope::OpsRead)
            .about("Every organization of the host")
            .answers::<Page<About>>(StatusCode::OK, "a page of organizations")
            .to(list),
        new(Method::GET, "/api/v1/organization", "get_organization")
            .scope(Scope::PeopleRead)
            .about("The caller's own organization")
            .answers::<About>(StatusCode::OK, "the organization, its version as `ETag`")
            .to(get),
        new(Method::PATCH, "/api/v1/organization", "patch_organization")
            .scope(Scope::PeopleWrite)
            .about("Change the organization's name or time zone")
            .header("If-Match", "the `ETag` of the version that was read")
            .answers::<About>(StatusCode::OK, "the organization as it is now")
            .to(patch),
    ]
}

/// An organization. Times are milliseconds since 1970, UTC.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrganizationProfile")]
struct About {
    /// `org_…`; the operator's own is `main`.
    id: Organization,
    /// For people.
    name: String,
    /// Its billing plan.
    plan: String,
    /// Its time zone: days of quotas begin at its midnight.
    zone: String,
    /// Why nothing runs, where the operator stopped it.
    suspended: Option<String>,
    /// When it was made.
    created: Timestamp,
}

/// A new organization.
#[derive(Debug, Serialize, JsonSchema)]
struct OrganizationMade {
    /// The organization.
    organization: About,
    /// The id of its first key, where the operator made it.
    key_id: Option<String>,
    /// The key's text. Shown this once; `null` when the answer is given again.
    key: Option<String>,
}

/// An organization to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MakeOrganization {
    /// For people.
    name: Name,
    /// Its billing plan, for the operator to say; the default plan where absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    plan: Option<String>,
}

/// A change of the caller's organization; what is absent stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PatchOrganization {
    /// For people.
    #[serde(default)]
    name: Option<Name>,
    /// An IANA time zone, such as `Europe/Vienna`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    zone: Option<String>,
}

impl About {
    fn of(entry: &OrganizationEntry, record: &OrganizationRecord) -> Self {
        Self {
            id: entry.id.clone(),
            name: entry.name.to_string(),
            plan: record.plan.clone(),
            zone: record.zone.name().to_owned(),
            suspended: record.suspended.clone(),
            created: entry.created,
        }
    }
}

/// What the engine keeps of an organization, as it was read.
fn record_of(found: Option<&Record>) -> Result<OrganizationRecord, Problem> {
    let found = found.ok_or_else(|| Problem::not_found("organization"))?;
    OrganizationRecord::from_value(&found.value).map_err(|error| {
        tracing::error!(%error, "an organization's record cannot be read");
        Problem::internal()
    })
}

async fn make(app: App, call: Call<Json<MakeOrganization>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let Ok(own) = caller.may(Scope::OpsWrite) else { return make_own(&app, &call).await };
    let plan = plan_of(app.engine.plans(), call.body.0.plan.as_deref())?;
    let (now, by) = (app.now(), caller.principal());
    let new = New::make(&call.body.0.name, &plan, &by, now);
    let scopes = Role::Owner.scopes(false);
    let (key, text) = ApiKey::make(new.entry.id.clone(), "owner", scopes, &by, now);
    let change = Change::by(caller, own, &call.head, new.entry.id.as_str(), now);
    let row = Audit::of(caller, &call.head, new.entry.id.as_str(), now);
    let change = keys::added(new.added(change, row)?, &new.entry.id, &key);
    let answer = new.answer(Some((&key, &text)))?;
    let answered = app.desk.answered(change, answer).await;
    app.keys.changed(&app.desk, &key.id).await;
    let answered = answered?;
    new.first_credits(&app).await;
    Ok(answered)
}

/// The plan's id, where there is such a plan.
fn plan_of(plans: &Plans, asked: Option<&str>) -> Result<String, Problem> {
    let asked = asked.unwrap_or(&plans.default);
    match plans.plans.get_key_value(asked) {
        Some((id, _)) => Ok(id.clone()),
        None => {
            let known: Vec<&str> = plans.plans.keys().map(String::as_str).collect();
            let detail = format!("there is no such plan; there are {}", known.join(", "));
            Err(Problem::invalid("organization.plan", detail))
        }
    }
}

/// A person makes an organization of their own, on the default plan, and is its owner.
async fn make_own(app: &App, call: &Call<Json<MakeOrganization>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let Credential::Session { user } = caller.credential() else {
        return Err(Problem::forbidden(Scope::OpsWrite));
    };
    let wanted = &call.body.0;
    if wanted.plan.is_some() || !app.is_signup_open() {
        return Err(Problem::forbidden(Scope::OpsWrite));
    }
    // The address is the member's, in the organization that the session is in now.
    let here = caller.may(Scope::PeopleRead)?;
    let found = member::by_id(&app.desk, here, user).await?;
    let (member, _) = found.ok_or_else(Problem::unauthorized)?;
    let now = app.now();
    let new = New::free(&wanted.name, &caller.principal(), now);
    let id = new.id();
    let change = Change::by(caller, here, &call.head, id.as_str(), now);
    let change = new.added(change, Audit::of(caller, &call.head, id.as_str(), now))?;
    let who = (&member.email, Role::Owner);
    let (owner, change) = member::join(&app.desk, |_| change, id, who, now).await?;
    let change = change.insert(&[id.as_str(), &owner.id], &owner).add(owned(user));
    let answered = app.desk.answered(change, new.answer(None)?).await;
    let answered = answered.map_err(|problem| match problem.code() {
        "store.bound" => {
            let detail = format!("a person makes at most {OWNED_MAX} organizations");
            Problem::conflict("organization.too_many", detail)
        }
        _ => problem,
    })?;
    new.first_credits(app).await;
    Ok(answered)
}

/// Counts an organization that a person made.
pub(super) fn owned(user: &str) -> Add {
    let counter = Counter::new("people", format!("organizations/{user}"));
    Add { counter, delta: 1, min: 0, max: OWNED_MAX }
}

/// An organization that is being made.
pub(super) struct New {
    entry: OrganizationEntry,
    record: OrganizationRecord,
}

impl New {
    fn make(name: &Name, plan: &str, by: &str, now: Timestamp) -> Self {
        let id = Organization::new(&ids::make("org")).unwrap_or_else(|_| Organization::local());
        let entry = OrganizationEntry::new(id, name.clone(), by, now);
        Self { entry, record: OrganizationRecord::new(plan, now) }
    }

    /// One on the default plan.
    pub(super) fn free(name: &Name, by: &str, now: Timestamp) -> Self {
        Self::make(name, &Plans::default().default, by, now)
    }

    pub(super) fn id(&self) -> &Organization {
        &self.entry.id
    }

    /// The change with its records, and the first row of its own audit log.
    pub(super) fn added(&self, change: Change, row: Audit) -> Result<Change, Problem> {
        let id = &self.entry.id;
        let value = self.record.to_value().map_err(|_| Problem::internal())?;
        let mut batch = Batch::new(id.as_str());
        batch.insert(OrganizationRecord::key(id), value);
        Ok(change.along(batch).insert(&[id.as_str()], &self.entry).audited(id, row))
    }

    fn answer(&self, key: Option<(&ApiKey, &Plain)>) -> Result<Answer, Problem> {
        let made = OrganizationMade {
            organization: About::of(&self.entry, &self.record),
            key_id: key.map(|(key, _)| key.id.clone()),
            key: key.map(|(_, text)| text.reveal().to_owned()),
        };
        Ok(Answer::json(StatusCode::CREATED, &made)?.secret("/key"))
    }

    /// The plan's credits of this month. The same cause is never posted twice, so who gives them
    /// later gives nothing when they were given here.
    pub(super) async fn first_credits(&self, app: &App) {
        let grant = self.record.monthly_grant(&Plans::default(), self.entry.created);
        if let Ok(Some(entry)) = grant
            && let Err(error) = ledger::post(&**app.engine.store(), &self.entry.id, &entry).await
        {
            tracing::warn!(code = error.code(), "the first credits of a plan were not posted");
        }
    }
}

async fn list(app: App, call: Call<(), Json<PageQuery>>) -> Result<Answer, Problem> {
    call.caller()?.may(Scope::OpsRead)?;
    let page = &call.query.0;
    let (limit, after) = (page.limit()?, Cursor::read(page.cursor.as_deref(), "organizations")?);
    let mut all = app.desk.list::<OrganizationEntry>(&[], after.as_deref(), limit + 1).await?;
    let has_more = all.len() > limit as usize;
    all.truncate(limit as usize);
    let last = all.last().filter(|_| has_more);
    let next = last.map(|found| Cursor::after(found.record.id.as_str(), "organizations"));
    let places: Vec<_> = all.iter().map(|f| OrganizationRecord::key(&f.record.id)).collect();
    let records = app.engine.store().get(&places).await?;
    let mut data = Vec::with_capacity(all.len());
    for (found, record) in all.iter().zip(&records) {
        data.push(About::of(&found.record, &record_of(record.as_ref())?));
    }
    Answer::ok(&Page::new(data, next))
}

/// The organization's entry and the engine's record, each as it was read.
async fn both(
    app: &App,
    id: &Organization,
) -> Result<((OrganizationEntry, Revision), (OrganizationRecord, Record)), Problem> {
    let entry = app.desk.get::<OrganizationEntry>(&[id.as_str()]).await?;
    let entry = entry.ok_or_else(|| Problem::not_found("organization"))?;
    let stored = app.engine.store().get(&[OrganizationRecord::key(id)]).await?.pop().flatten();
    let record = record_of(stored.as_ref())?;
    let stored = stored.ok_or_else(|| Problem::not_found("organization"))?;
    Ok((entry, (record, stored)))
}

async fn get(app: App, call: Call) -> Result<Answer, Problem> {
    let id = call.caller()?.may(Scope::PeopleRead)?;
    let ((entry, _), (record, _)) = both(&app, id).await?;
    tagged(&About::of(&entry, &record))
}

fn tagged(about: &About) -> Result<Answer, Problem> {
    Ok(Answer::ok(about)?.etag(&etag::of(about)))
}

async fn patch(app: App, call: Call<Json<PatchOrganization>>) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let id = caller.may(Scope::PeopleWrite)?;
    let ((mut entry, entry_read), (mut record, stored)) = both(&app, id).await?;
    etag::check(&call.head.headers, &etag::of(&About::of(&entry, &record)))?;
    if let Some(name) = &call.body.0.name {
        entry.name = name.clone();
    }
    if let Some(zone) = &call.body.0.zone {
        let unknown = || Problem::invalid("organization.zone", "`zone` is no IANA time zone");
        record.zone = Zone::parse(zone).map_err(|_| unknown())?;
    }
    let value = record.to_value().map_err(|_| Problem::internal())?;
    let mut batch = Batch::new(id.as_str());
    batch.replace(OrganizationRecord::key(id), stored.revision, value);
    let change = Change::by(caller, id, &call.head, id.as_str(), app.now())
        .replace(&[id.as_str()], entry_read, &entry)
        .along(batch);
    match app.desk.commit(change).await {
        // Another request was between the reading and the commit: that is what If-Match is about.
        Err(problem) if problem.code() == "store.conflict" => {
            etag::check(&call.head.headers, "").and(Err(problem))
        }
        done => done.and(tagged(&About::of(&entry, &record))),
    }
}
