//! What a guest's answer, or its failure to answer, means to the engine. Pure.
//!
//! Fail closed: an answer that is not recognised is a failure, and a failure after something may
//! have happened on the other side is [`Outcome::Ambiguous`], whatever the guest says of it.

use jsonschema::Validator;
use levqor_core::connector::Outcome;
use levqor_core::error::{ErrorKind, RunError};
use serde_json::Value;

use super::bindings::types::{Failure, TaskError, TaskOutput};
use super::broker::Scope;
use super::fault::Fault;
use crate::limits;
use crate::text::clean;

/// The outcome of a call of `connector` that came to `answer`.
pub(super) fn of(
    connector: &str,
    schema: Option<&Validator>,
    scope: &Scope,
    answer: Result<Result<TaskOutput, TaskError>, Fault>,
) -> Outcome {
    match answer {
        Ok(Ok(output)) => match read_output(schema, scope, output) {
            Ok(done) => done,
            Err(fault) => failed(&fault, scope),
        },
        Ok(Err(error)) => reported(connector, scope, error),
        Err(fault) => failed(&fault, scope),
    }
}

fn read_output(
    schema: Option<&Validator>,
    scope: &Scope,
    output: TaskOutput,
) -> Result<Outcome, Fault> {
    if scope.holds_revealed(&output.output) {
        return Err(Fault::SecretInOutput);
    }
    if output.output.len() > levqor_core::limits::OUTPUT_BYTES_MAX {
        return Err(Fault::OutputTooLarge);
    }
    let bad = |message: String| Fault::BadOutput { message: clean(&message, 500) };
    let value: Value =
        serde_json::from_str(&output.output).map_err(|e| bad(format!("not JSON: {e}")))?;
    if !within_depth(&value, levqor_core::limits::JSON_DEPTH_MAX) {
        return Err(bad("nested too deeply".to_owned()));
    }
    if let Some(error) = schema.and_then(|s| s.validate(&value).err()) {
        // Masked: an output may hold what must not stand in an error.
        return Err(bad(format!("at {}: {}", error.instance_path(), error.masked())));
    }
    Ok(Outcome::Done { output: value, credits: output.credits })
}

fn within_depth(value: &Value, left: usize) -> bool {
    let Some(left) = left.checked_sub(1) else { return false };
    match value {
        Value::Array(items) => items.iter().all(|v| within_depth(v, left)),
        Value::Object(members) => members.values().all(|v| within_depth(v, left)),
        _ => true,
    }
}

/// A guest that failed as a guest. It may have acted before it did.
fn failed(fault: &Fault, scope: &Scope) -> Outcome {
    let error = fault.to_error();
    match fault {
        Fault::Busy => Outcome::Retry { after_ms: None, error },
        _ if scope.has_acted() => Outcome::Ambiguous { error },
        _ => Outcome::Failed { error },
    }
}

/// An error the guest reports.
fn reported(connector: &str, scope: &Scope, error: TaskError) -> Outcome {
    let make = |kind: ErrorKind, word: &str, failure: Failure| {
        let message = if scope.holds_revealed(&failure.message) {
            "the plugin's message held a secret and was dropped".to_owned()
        } else {
            clean(&failure.message, limits::MESSAGE_BYTES_MAX)
        };
        let code = failure.code.as_deref().filter(|c| is_code(c)).unwrap_or(word);
        RunError::new(kind, format!("{connector}.{code}"), message)
    };
    let error = match error {
        TaskError::RateLimited(limit) => {
            let failure = Failure { message: limit.message, code: None };
            let error = make(ErrorKind::RateLimited, "rate_limited", failure);
            return unless_unanswered(scope, error, limit.retry_after_ms);
        }
        TaskError::Transient(failure) => {
            let error = make(ErrorKind::Unavailable, "transient", failure);
            return unless_unanswered(scope, error, None);
        }
        TaskError::Ambiguous(failure) => {
            let error = make(ErrorKind::Ambiguous, "ambiguous", failure);
            return Outcome::Ambiguous { error };
        }
        TaskError::InvalidInput(f) => make(ErrorKind::InvalidInput, "invalid_input", f),
        TaskError::Auth(f) => make(ErrorKind::Unauthorized, "auth", f),
        TaskError::NotFound(f) => make(ErrorKind::NotFound, "not_found", f),
        TaskError::Conflict(f) => make(ErrorKind::Conflict, "conflict", f),
        // The guest says so and the host knows of it: only then is it the operator's no.
        TaskError::Permanent(f) if scope.was_denied() && f.code.as_deref() == Some("denied") => {
            make(ErrorKind::PolicyDenied, "denied", f)
        }
        // The other side will not have it; no kind says that better.
        TaskError::Permanent(f) => make(ErrorKind::Conflict, "permanent", f),
    };
    Outcome::Failed { error }
}

/// "Did not happen, try again" is only believed when every request was answered.
fn unless_unanswered(scope: &Scope, error: RunError, after_ms: Option<u64>) -> Outcome {
    if scope.is_unanswered() {
        Outcome::Ambiguous { error }
    } else {
        Outcome::Retry { after_ms, error }
    }
}

fn is_code(code: &str) -> bool {
    !code.is_empty()
        && code.len() <= 64
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use levqor_core::ids::{Organization, RunId};
    use serde_json::json;

    use super::super::bindings::types::RateLimit;
    use super::*;

    fn scope() -> Scope {
        Scope::new(Organization::local(), RunId::from_u128(1), "s", None, Instant::now())
    }

    fn failure(code: Option<&str>) -> Failure {
        Failure { message: "no\nway".to_owned(), code: code.map(str::to_owned) }
    }

    #[test]
    fn each_case_of_task_error_has_its_outcome() {
        type Make = fn(Failure) -> TaskError;
        let failed: [(Make, ErrorKind, &str); 5] = [
            (TaskError::InvalidInput, ErrorKind::InvalidInput, "x.invalid_input"),
            (TaskError::Auth, ErrorKind::Unauthorized, "x.auth"),
            (TaskError::NotFound, ErrorKind::NotFound, "x.not_found"),
            (TaskError::Conflict, ErrorKind::Conflict, "x.conflict"),
            (TaskError::Permanent, ErrorKind::Conflict, "x.permanent"),
        ];
        for (make, kind, code) in failed {
            let Outcome::Failed { error } = of("x", None, &scope(), Ok(Err(make(failure(None)))))
            else {
                panic!("{code} is a failure");
            };
            assert_eq!((error.kind, error.code.as_str()), (kind, code));
            assert_eq!(error.message, "no way");
            assert!(!error.retryable);
        }
        let own = Ok(Err(TaskError::Transient(failure(Some("channel_gone")))));
        let Outcome::Retry { after_ms: None, error } = of("x", None, &scope(), own) else {
            panic!("transient is retried");
        };
        assert_eq!(error.code, "x.channel_gone");
        let limit = RateLimit { message: String::new(), retry_after_ms: Some(7) };
        let limited = of("x", None, &scope(), Ok(Err(TaskError::RateLimited(limit))));
        assert!(matches!(limited, Outcome::Retry { after_ms: Some(7), .. }));
        let unknown = of("x", None, &scope(), Ok(Err(TaskError::Ambiguous(failure(None)))));
        assert!(matches!(unknown, Outcome::Ambiguous { .. }));
    }

    #[test]
    fn a_denial_is_the_operators_only_where_there_was_one() {
        let kind = |scope: &Scope, code: &str| {
            let error = Ok(Err(TaskError::Permanent(failure(Some(code)))));
            let Outcome::Failed { error } = of("x", None, scope, error) else { panic!("{code}") };
            error.kind
        };
        let scope = scope();
        assert_eq!(kind(&scope, "denied"), ErrorKind::Conflict);
        scope.note_denied();
        assert_eq!(kind(&scope, "denied"), ErrorKind::PolicyDenied);
        assert_eq!(kind(&scope, "other"), ErrorKind::Conflict);
    }

    #[test]
    fn codes_that_are_not_codes_are_replaced() {
        for bad in ["", "With Space", "a/b", "ÄÖ", &"a".repeat(65)] {
            let error = Ok(Err(TaskError::Auth(failure(Some(bad)))));
            let Outcome::Failed { error } = of("x", None, &scope(), error) else { panic!() };
            assert_eq!(error.code, "x.auth", "{bad}");
        }
    }

    #[test]
    fn output_is_json_that_fits_the_schema() {
        let schema = jsonschema::validator_for(&json!({"type": "object"})).unwrap();
        let run = |text: &str| {
            let output = TaskOutput { output: text.to_owned(), credits: Some(2) };
            of("x", Some(&schema), &scope(), Ok(Ok(output)))
        };
        assert_eq!(run("{}"), Outcome::Done { output: json!({}), credits: Some(2) });
        let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
        for bad in ["", "nope", "[1]", "{}{}", deep.as_str()] {
            let Outcome::Failed { error } = run(bad) else { panic!("{bad}") };
            assert_eq!((error.kind, &*error.code), (ErrorKind::PluginTrap, "plugin.bad_output"));
        }
    }

    #[test]
    fn what_may_have_happened_is_ambiguous() {
        let acted = scope();
        acted.note_action();
        assert!(matches!(of("x", None, &acted, Err(Fault::Stack)), Outcome::Ambiguous { .. }));
        assert!(matches!(of("x", None, &scope(), Err(Fault::Stack)), Outcome::Failed { .. }));
        assert!(matches!(of("x", None, &scope(), Err(Fault::Busy)), Outcome::Retry { .. }));
        let said = || Ok(Err(TaskError::Transient(failure(None))));
        assert!(matches!(of("x", None, &acted, said()), Outcome::Retry { .. }));
        acted.note_unanswered();
        assert!(matches!(of("x", None, &acted, said()), Outcome::Ambiguous { .. }));
    }

    #[test]
    fn a_revealed_secret_does_not_come_back() {
        let scope = scope();
        scope.note_revealed("hunter2-hunter2");
        let output = TaskOutput { output: "\"hunter2-hunter2\"".to_owned(), credits: None };
        let Outcome::Failed { error } = of("x", None, &scope, Ok(Ok(output))) else { panic!() };
        assert_eq!(error.code, "plugin.secret_in_output");
        let said = Failure { message: "key hunter2-hunter2 is bad".to_owned(), code: None };
        let Outcome::Failed { error } = of("x", None, &scope, Ok(Err(TaskError::Auth(said))))
        else {
            panic!()
        };
        assert!(!error.message.contains("hunter2"));
    }
}
