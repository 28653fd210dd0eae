//! `store`: backup, restore, moving from one kind of store to another, verification.

use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use levqor_core::store::backup::{self, BackupError, Summary};
use levqor_core::time::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::args::{Global, StoreSpec, StoreVerb};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::session::{Session, need_present, open_store};

pub(crate) async fn store(global: &Global, output: Output, verb: StoreVerb) -> Result<()> {
    match verb {
        StoreVerb::Export { file } => export(global, output, &file).await,
        StoreVerb::Import { file } => import(global, output, &file).await,
        StoreVerb::Verify { file: Some(file) } => {
            let summary = backup::verify(reader(&file)?)?;
            output.item(&to_json(&summary), || format!("{file} is whole: {}", told(&summary)))
        }
        StoreVerb::Verify { file: None } => verify(global, output).await,
    }
}

async fn export(global: &Global, output: Output, file: &str) -> Result<()> {
    need_present(global)?;
    let store = open_store(&global.store_spec())?;
    let now = SystemClock.now();
    if file == "-" {
        let mut out = BufWriter::new(std::io::stdout());
        let summary = backup::export(&*store, &mut out, now).await?;
        out.flush().map_err(|e| Failure::file(Path::new("<stdout>"), &e))?;
        output.note(&told(&summary));
        return Ok(());
    }
    // Beside it and renamed: a backup that is there is a whole one.
    let (path, aside) = (Path::new(file), PathBuf::from(format!("{file}.part")));
    let failed = |e: &std::io::Error| Failure::file(path, e);
    let target = std::fs::File::create(&aside).map_err(|e| failed(&e))?;
    let mut out = BufWriter::new(target);
    let summary = backup::export(&*store, &mut out, now).await?;
    let target = out.into_inner().map_err(|e| failed(e.error()))?;
    target.sync_all().map_err(|e| failed(&e))?;
    std::fs::rename(&aside, path).map_err(|e| failed(&e))?;
    output.item(&to_json(&summary), || format!("{file}: {}", told(&summary)))
}

async fn import(global: &Global, output: Output, file: &str) -> Result<()> {
    let spec = global.store_spec();
    if spec == StoreSpec::Memory {
        return Err(Failure::usage("a memory store is gone at once; name another with --store"));
    }
    let input = reader(file)?;
    let store = open_store(&spec)?;
    let summary = backup::import(input, &*store).await?;
    output.item(&to_json(&summary), || format!("{spec}: {}", told(&summary)))
}

/// Opens the store, which checks every record, then checks the books.
async fn verify(global: &Global, output: Output) -> Result<()> {
    let session = Session::open_present(global, output).await?;
    let summary = backup::export(&**session.engine.store(), std::io::sink(), session.now()).await?;
    let report = session.engine.audit(&session.organization).await?;
    let problems: Vec<String> = match &report {
        Ok(_) => Vec::new(),
        Err(violations) => violations.iter().map(ToString::to_string).collect(),
    };
    if !problems.is_empty() {
        problems.iter().for_each(|p| crate::output::say(p));
        let message = format!("the books have {} problem(s)", problems.len());
        return Err(Failure::new(Exit::Unreachable, "ledger.audit", message));
    }
    let spec = global.store_spec();
    output.item(&to_json(&summary), || {
        format!("{spec} is whole and its books are in order: {}", told(&summary))
    })
}

fn reader(file: &str) -> Result<Box<dyn Read + Send>> {
    if file == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let path = Path::new(file);
    let opened = std::fs::File::open(path).map_err(|e| Failure::file(path, &e))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn told(summary: &Summary) -> String {
    let (records, counters) = (summary.records, summary.counters);
    let kib = summary.bytes.div_ceil(1024);
    format!("{records} records, {counters} counters, {kib} KiB, root {:.16}", summary.root)
}

fn to_json(summary: &Summary) -> Value {
    json!({
        "created": summary.created.to_string(), "records": summary.records,
        "counters": summary.counters, "bytes": summary.bytes, "root": summary.root,
    })
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let exit = match &error {
            BackupError::Store(_) | BackupError::Commit(_) => Exit::Unreachable,
            _ => Exit::Refused,
        };
        Self::new(exit, error.code(), error.to_string())
    }
}
