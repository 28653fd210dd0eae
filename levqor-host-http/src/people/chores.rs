//! What is cleaned up by and by: records whose time is over.

use super::session;
use crate::app::App;

/// How often it is looked for what may go. What is kept a little longer does no harm.
const EVERY_MS: u64 = 60_000;

/// Begins to clean up, until the host stops.
pub(crate) fn begin(app: &App) {
    let beside = app.beside.clone();
    let app = app.clone();
    beside.begin(async move {
        let stopping = app.beside.stopping();
        tokio::pin!(stopping);
        loop {
            app.rest(EVERY_MS).await;
            if futures_util::poll!(&mut stopping).is_ready() {
                return;
            }
            sweep(&app).await;
        }
    });
}

/// One round: batch after batch until nothing is left, or the store does not take it.
async fn sweep(app: &App) {
    let now = app.now();
    let mut is_more = true;
    while is_more {
        let answers = app.desk.sweep_answers(now).await;
        let sessions = session::sweep(&app.desk, now).await;
        is_more = match (answers, sessions) {
            (Ok(answers), Ok(sessions)) => answers || sessions,
            (Err(problem), _) | (_, Err(problem)) => {
                tracing::warn!(code = problem.code(), "old records were not removed");
                false
            }
        };
    }
}
