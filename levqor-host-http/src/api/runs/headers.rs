//! Request headers about a run's start: `Idempotency-Key`, `Prefer`, `traceparent`.

use std::time::Duration;

use axum::http::HeaderMap;
use levqor_core::limits::IDEMPOTENCY_KEY_BYTES_MAX as KEY_LEN_MAX;

use crate::http::Problem;
use crate::limits::WAIT_SECONDS_MAX;

/// The key that a request carries, bare or as a quoted string.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all("idempotency-key").iter();
    let Some(value) = all.next() else { return Ok(None) };
    let refused = |detail| Err(Problem::bad_request("idempotency.bad_key", detail));
    if all.next().is_some() {
        return refused("send one Idempotency-Key");
    }
    // A key that cannot be read must not become a request without one.
    let text = value.to_str().unwrap_or_default();
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let key = quoted.unwrap_or(text);
    if !(1..=KEY_LEN_MAX).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return refused("an idempotency key is 1 to 255 visible ASCII characters");
    }
    Ok(Some(key.to_owned()))
}

/// `wait=N` of `Prefer`, cut to what the host waits at most. What is not understood is passed over,
/// as RFC 7240 says.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let preferences = lines.flat_map(|line| line.split(','));
    let seconds = preferences.filter_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("wait").then(|| value.parse::<u64>().ok()).flatten()
    });
    let seconds = seconds.into_iter().next()?;
    Some(Duration::from_secs(seconds.min(WAIT_SECONDS_MAX)))
}

/// W3C trace context, where it is one.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?.trim();
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags] = parts[..] else { return None };
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |part: &str| part.bytes().all(|b| b == b'0');
    let good = hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && hex(parent, 16)
        && hex(flags, 2)
        && !is_zero(trace)
        && !is_zero(parent);
    good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &'static str, values: &[&str]) -> HeaderMap {
        values.iter().map(|v| (name.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn keys_are_bare_or_quoted_and_one() {
        let key = |values: &[&str]| idempotency_key(&of("idempotency-key", values));
        assert_eq!(key(&[]).unwrap(), None);
        assert_eq!(key(&["a"]).unwrap().as_deref(), Some("a"));
        assert_eq!(key(&["\"ab\""]).unwrap().as_deref(), Some("ab"));
        assert_eq!(key(&["\""]).unwrap().as_deref(), Some("\""));
        assert_eq!(key(&[&"a".repeat(255)]).unwrap().map(|key| key.len()), Some(255));
        for wrong in ["", "\"\"", "a b", "\"a b\"", "\u{e4}", &"a".repeat(256)] {
            assert_eq!(key(&[wrong]).unwrap_err().code(), "idempotency.bad_key", "{wrong}");
        }
        assert!(key(&["a", "a"]).is_err());
    }

    #[test]
    fn a_wait_is_found_among_other_preferences_and_bounded() {
        for (values, seconds) in [
            (&["wait=10"][..], Some(10)),
            (&["respond-async, wait=3"], Some(3)),
            (&["respond-async", "Wait = \"4\"; x=y"], Some(4)),
            (&["wait=9999999"], Some(WAIT_SECONDS_MAX)),
            (&["wait=0"], Some(0)),
            (&["wait", "wait=-1", "waiting=3", ""], None),
        ] {
            let wanted = seconds.map(Duration::from_secs);
            assert_eq!(wait(&of("prefer", values)), wanted, "{values:?}");
        }
    }

    #[test]
    fn only_whole_trace_contexts_are_kept() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(&of("traceparent", &[good])).as_deref(), Some(good));
        for wrong in [
            "",
            &good[1..],
            &good.to_uppercase(),
            &good.replace("00f067aa0ba902b7", "0000000000000000"),
            &good.replacen("00", "ff", 1),
            &format!("{good}-more"),
        ] {
            assert_eq!(traceparent(&of("traceparent", &[wrong])), None, "{wrong}");
        }
    }
}
