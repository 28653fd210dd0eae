//! What is cleaned up by and by: records whose time is over.

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
    loop {
        match app.desk.sweep_answers(now).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(problem) => {
                tracing::warn!(code = problem.code(), "old answers were not removed");
                return;
            }
        }
    }
}
