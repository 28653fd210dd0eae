//! The first start: the operator's organization, its admin key, its first credits.

use levqor_core::ids::Organization;
use levqor_core::ledger;
use levqor_core::quota::OrganizationRecord;

use super::HostError;
use crate::app::App;
use crate::caller::Scopes;
use crate::caller::key::{ApiKey, KeyOf, KeyText};
use crate::caller::secret::Plain;
use crate::desk::Change;
use crate::http::Problem;
use crate::people::organization::{OPERATOR, OrganizationEntry};

/// Its plan: who runs the host is not limited by it.
const OPERATOR_PLAN: &str = "enterprise";
/// What it is given, so that the first run needs no step before it.
const WELCOME_CREDITS: u64 = 1_000;
/// Its cause in the ledger; the same cause is never posted twice.
const WELCOME_REFERENCE: &str = "welcome";

/// Makes what a store lacks. The key is returned where it was made here, and never again.
pub(crate) async fn prepare(app: &App) -> Result<Option<Plain>, HostError> {
    let operator = Organization::new(OPERATOR).unwrap_or_else(|_| Organization::local());
    let is_new = app.desk.list::<ApiKey>(&[], None, 1).await?.is_empty();
    if is_new {
        let record = OrganizationRecord::new(OPERATOR_PLAN, app.now());
        app.engine.set_organization(&operator, &record).await?;
        let entry = OrganizationEntry::operators(app.now());
        let change = Change::of_system(&operator).put(&[operator.as_str()], &entry);
        app.desk.commit(change).await?;
        let entry = ledger::grant(WELCOME_REFERENCE, WELCOME_CREDITS, app.now());
        let entry = entry.map_err(Problem::from)?;
        ledger::post(&**app.engine.store(), &operator, &entry).await.map_err(Problem::from)?;
    }
    match app.config.admin_key.as_ref().and_then(|text| KeyText::parse(text.reveal())) {
        Some(text) => {
            bring(app, &operator, &text).await?;
            Ok(None)
        }
        None if is_new => {
            let (key, text) =
                ApiKey::make(operator.clone(), "admin", Scopes::all(), "system", app.now());
            store(app, &operator, &key).await?;
            Ok(Some(text))
        }
        None => Ok(None),
    }
}

/// The operator's own key, under its id; another secret under the same id takes the old one's place.
async fn bring(app: &App, operator: &Organization, text: &KeyText) -> Result<(), HostError> {
    let known = app.desk.get::<ApiKey>(&[&text.id]).await?;
    if known.is_some_and(|(key, _)| key.opens(&text.secret, app.now())) {
        return Ok(());
    }
    let key = ApiKey::from_text(text, operator.clone(), "admin", Scopes::all(), app.now());
    store(app, operator, &key).await
}

async fn store(app: &App, operator: &Organization, key: &ApiKey) -> Result<(), HostError> {
    let listed = KeyOf { id: key.id.clone() };
    let change = Change::of_system(operator)
        .put(&[&key.id], key)
        .put(&[operator.as_str(), &key.id], &listed);
    app.desk.commit(change).await?;
    app.keys.changed(&app.desk, &key.id).await;
    Ok(())
}
