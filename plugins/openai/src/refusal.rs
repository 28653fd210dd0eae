//! What the vendor's refusals mean, and when to ask again.

use levqor_plugin_sdk::prelude::*;

/// What a refusal means: a 429 is either "slower" or "pay first", which no waiting helps.
pub(crate) fn refused(response: &Response) -> TaskError {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let code = body.pointer("/error/code").and_then(Value::as_str);
    let kind = body.pointer("/error/type").and_then(Value::as_str);
    let quota = ["insufficient_quota", "billing_hard_limit_reached"];
    let error = match response.to_error() {
        TaskError::RateLimited(_) if [code, kind].iter().flatten().any(|c| quota.contains(c)) => {
            return TaskError::permanent("the account's quota is used up").code(quota[0]);
        }
        TaskError::RateLimited(limit) => {
            return TaskError::rate_limited(limit.message, reset_ms(response));
        }
        error => error,
    };
    match code {
        Some(code) => error.code(code),
        None => error,
    }
}

/// When to try again, from the finest to the coarsest of the headers.
fn reset_ms(response: &Response) -> Option<u64> {
    let precise = response.header("retry-after-ms").and_then(|ms| ms.parse().ok());
    let resets = || {
        let of = |name| response.header(name).and_then(duration_ms);
        let requests = of("x-ratelimit-reset-requests");
        requests.max(of("x-ratelimit-reset-tokens"))
    };
    precise.or(response.retry_after_ms).or_else(resets)
}

/// `1m30s`, `6.2s` or `20ms` in milliseconds.
fn duration_ms(text: &str) -> Option<u64> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match rest.get(..end)? {
                "ms" => 1.0,
                "s" => 1_000.0,
                "m" => 60_000.0,
                "h" => 3_600_000.0,
                "d" => 86_400_000.0,
                _ => return None,
            };
        rest = rest.get(end..)?;
    }
    // Rounded up: never earlier than asked.
    Some(total.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::duration_ms;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("20ms", Some(20)),
            ("6.2s", Some(6_200)),
            ("1m30s", Some(90_000)),
            ("1h2m", Some(3_720_000)),
            ("5", None),
            ("soon", None),
        ] {
            assert_eq!(duration_ms(text), ms, "{text}");
        }
    }
}
