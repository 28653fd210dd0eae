//! Numbers, times and policies of a document, each within its bounds.

use super::Compiler;
use super::sight::Sight;
use crate::document::{self, Duration, join};
use crate::limits;
use crate::pipeline::{Backoff, Concurrency, Limits, OnExceed, OnLimit, RetryPolicy};

impl<'a> Compiler<'a> {
    /// A number from 1 to `max`.
    pub(super) fn bounded(&mut self, given: Option<u32>, default: u32, max: u32, at: &str) -> u32 {
        let value = given.unwrap_or(default);
        if value == 0 || value > max {
            self.report("document.value", at, format!("the number is 1 to {max}"));
        }
        value
    }

    /// A wait of any length up to the longest.
    pub(super) fn wait(&mut self, given: Option<Duration>, at: &str) -> Option<u64> {
        self.time(given, limits::WAIT_MS_MAX, at)
    }

    pub(super) fn call_timeout(&mut self, given: Option<Duration>, at: &str) -> Option<u64> {
        self.time(given, limits::CALL_MS_MAX, at)
    }

    fn time(&mut self, given: Option<Duration>, max_ms: u64, at: &str) -> Option<u64> {
        let ms = given?.as_ms();
        if ms == 0 || ms > max_ms {
            let max = Duration::from_ms(max_ms);
            self.report("document.value", at, format!("the time is over 0 and at most {max}"));
        }
        Some(ms)
    }

    pub(super) fn priority(&mut self) -> u8 {
        let priority = self.document.priority.unwrap_or(3);
        match u8::try_from(priority) {
            Ok(priority @ 1..=5) => priority,
            _ => {
                self.report("document.value", "/priority", "the priority is 1 (first) to 5 (last)");
                3
            }
        }
    }

    pub(super) fn limits(&mut self) -> Limits {
        let Some(given) = &self.document.limits else { return Limits::default() };
        if given.steps.is_some_and(|s| s == 0 || s > limits::RUN_STEPS_MAX) {
            let message = format!("a run has 1 to {} step executions", limits::RUN_STEPS_MAX);
            self.report("document.value", "/limits/steps", message);
        }
        Limits {
            credits: given.credits,
            steps: given.steps,
            on_exceed: match given.on_exceed {
                Some(document::OnExceed::Fail) => OnExceed::Fail,
                _ => OnExceed::Pause,
            },
        }
    }

    pub(super) fn concurrency(&mut self) -> Option<Concurrency> {
        let given = self.document.concurrency.as_ref()?;
        let limit = self.bounded(Some(given.limit), 1, u32::MAX, "/concurrency/limit");
        let sight = Sight::only(&["input", "vars"]);
        let key = given.key.as_deref().unwrap_or_default();
        let key = self.text(key, "/concurrency/key", &sight)?;
        let on_limit = match given.on_limit {
            Some(document::OnLimit::Skip) => OnLimit::Skip,
            Some(document::OnLimit::CancelRunning) => OnLimit::CancelRunning,
            _ => OnLimit::Queue,
        };
        Some(Concurrency { key, limit, on_limit })
    }

    /// The names in `credentials` are names.
    pub(super) fn check_credentials(&mut self) {
        let document = self.document;
        for (alias, name) in &document.credentials {
            let at = join("/credentials", alias);
            self.check_id(alias, &at);
            self.check_id(name, &at);
        }
    }

    /// A step's `retry` over the document's over the default.
    pub(super) fn retry_policy(
        &mut self,
        own: Option<&document::Retry>,
        at: &str,
        sight: &Sight<'a>,
    ) -> RetryPolicy {
        let document = self.document;
        let mut policy = RetryPolicy::default();
        let reported = self.issues.len();
        if let Some(general) = &document.retry {
            // The document's own faults are reported once, with the document's settings.
            self.apply_retry(&mut policy, general, "/retry", &Sight::top());
            let seen = self.general_retry_reported();
            if seen {
                self.issues.truncate(reported);
            }
        }
        if let Some(own) = own {
            self.apply_retry(&mut policy, own, at, sight);
        }
        policy.max_delay_ms = policy.max_delay_ms.max(policy.delay_ms);
        policy
    }

    /// Whether `/retry` has been checked for an earlier step already.
    fn general_retry_reported(&mut self) -> bool {
        std::mem::replace(&mut self.retry_checked, true)
    }

    fn apply_retry(
        &mut self,
        policy: &mut RetryPolicy,
        given: &document::Retry,
        at: &str,
        sight: &Sight<'a>,
    ) {
        if let Some(attempts) = given.max_attempts {
            let at = join(at, "max_attempts");
            policy.max_attempts = self.bounded(Some(attempts), 1, limits::ATTEMPTS_MAX, &at);
        }
        if let Some(backoff) = given.backoff {
            policy.backoff = match backoff {
                document::Backoff::Constant => Backoff::Constant,
                document::Backoff::Linear => Backoff::Linear,
                document::Backoff::Exponential => Backoff::Exponential,
            };
        }
        for (key, given, slot) in [
            ("delay", given.delay, &mut policy.delay_ms),
            ("max_delay", given.max_delay, &mut policy.max_delay_ms),
        ] {
            let Some(delay) = given else { continue };
            *slot = delay.as_ms();
            if delay.as_ms() > limits::WAIT_MS_MAX {
                let max = Duration::from_ms(limits::WAIT_MS_MAX);
                self.report("document.value", &join(at, key), format!("the time is at most {max}"));
            }
        }
        if let Some(jitter) = given.jitter {
            policy.jitter = jitter;
            if !(0.0..=1.0).contains(&jitter) {
                self.report("document.value", &join(at, "jitter"), "jitter is 0 to 1");
            }
        }
        if let Some(when) = &given.when {
            let sight = sight.with_name("error");
            policy.when = self.condition(when, &join(at, "when"), &sight);
        }
    }
}
