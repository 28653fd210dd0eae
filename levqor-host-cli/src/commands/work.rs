//! `work`: drive everything there is until Ctrl-C.

use levqor_core::run::RunStatus;

use crate::args::Global;
use crate::failure::Result;
use crate::follow::{self, Driver};
use crate::output::Output;
use crate::session::Session;

pub(crate) async fn work(global: &Global, output: Output) -> Result<()> {
    let session = Session::open(global, output).await?;
    session.welcome().await?;
    let (engine, organization) = (&session.engine, &session.organization);
    let schedules = engine.schedules(organization).await?;
    let next = schedules.iter().filter_map(|s| s.next).min();
    let waiting = engine.list(organization, Some(RunStatus::Waiting), None, 200).await?.data.len();
    output.note(&format!(
        "working on {}: {} schedule(s), {waiting} waiting run(s){}; Ctrl-C stops",
        session.global.store_spec(),
        schedules.len(),
        next.map_or_else(String::new, |at| format!(", next at {at}")),
    ));
    let mut driver = Driver::start(engine);
    let mut feed = engine.feed();
    let mut interrupted = std::pin::pin!(follow::interrupted());
    let mut seen = std::collections::HashMap::new();
    loop {
        tokio::select! {
            biased;
            () = &mut interrupted => break,
            failure = driver.failed() => return Err(failure),
            ticked = feed.recv() => {
                let Ok((run, _)) = ticked else { continue };
                let Ok(summary) = engine.summary(organization, run).await else { continue };
                if seen.insert(run, summary.status) == Some(summary.status) {
                    continue;
                }
                let line = format!("{run}  {}  {}", summary.pipeline, summary.status.as_str());
                output.item(&summary, || line)?;
                if summary.status.is_final() {
                    seen.remove(&run);
                }
            }
        }
    }
    output.note("stopping…");
    driver.stop().await
}
