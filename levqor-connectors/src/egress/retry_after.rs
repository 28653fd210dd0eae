//! `Retry-After`, seconds or date, as milliseconds from now. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds until the moment that `value` names; `None` when it names none. A date in the past
/// is 0. Not clamped: the engine decides what is too long.
pub(crate) fn parse(value: &[u8], now_unix_ms: u64) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse::<u64>().ok()?.checked_mul(1_000);
    }
    let at: SystemTime = httpdate::parse_http_date(text).ok()?;
    let now = UNIX_EPOCH + Duration::from_millis(now_unix_ms);
    let left = at.duration_since(now).unwrap_or_default();
    u64::try_from(left.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = 784_111_777_000;
        let table: [(&str, Option<u64>); 11] = [
            ("0", Some(0)),
            ("120", Some(120_000)),
            (" 3 ", Some(3_000)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10_000)),
            ("Sun Nov  6 08:49:47 1994", Some(10_000)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text.as_bytes(), now), expected, "{text}");
        }
        assert_eq!(parse(&[0xff], now), None);
    }
}
