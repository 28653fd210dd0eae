//! The interval form: `every: 15m`. Due times are the multiples of the interval since the Unix
//! epoch, so they are the same for every host and need no state.

use super::{EVERY_MS_MAX, EVERY_MS_MIN, ScheduleError};
use crate::time::Timestamp;

/// Reads `30s`, `15m`, `1h30m`, `7d`.
pub(super) fn parse(text: &str) -> Result<u64, ScheduleError> {
    let fail = |message: String| ScheduleError::new("schedule.every", "every", message);
    let ms = duration_ms(text).ok_or_else(|| {
        fail(format!("`{}` is not a duration such as 30s, 15m, 1h30m, 7d", text.escape_debug()))
    })?;
    if !(EVERY_MS_MIN..=EVERY_MS_MAX).contains(&ms) {
        return Err(fail("an interval is 1s to 366d".to_owned()));
    }
    Ok(ms)
}

/// Whole numbers with units, each unit once, larger ones first.
fn duration_ms(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut left = text;
    let mut last = u64::MAX;
    while !left.is_empty() {
        let digits = left.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = left.get(..digits)?.parse().ok()?;
        let (unit, length) = match left.as_bytes().get(digits..)? {
            [b'm', b's', ..] => (1, 2),
            [b's', ..] => (1_000, 1),
            [b'm', ..] => (60_000, 1),
            [b'h', ..] => (3_600_000, 1),
            [b'd', ..] => (86_400_000, 1),
            _ => return None,
        };
        if unit >= last {
            return None;
        }
        last = unit;
        total = total.checked_add(number.checked_mul(unit)?)?;
        left = left.get(digits + length..)?;
    }
    (last != u64::MAX).then_some(total)
}

/// The first multiple of the interval after `after`.
pub(super) fn next(every_ms: u64, after: Timestamp) -> Option<Timestamp> {
    let every = i64::try_from(every_ms).ok().filter(|e| *e > 0)?;
    let steps = after.0.div_euclid(every).checked_add(1)?;
    steps.checked_mul(every).map(Timestamp)
}

/// How many multiples lie after `after` and not after `until`.
pub(super) fn count(every_ms: u64, after: Timestamp, until: Timestamp) -> u64 {
    let Some(every) = i64::try_from(every_ms).ok().filter(|e| *e > 0) else { return 0 };
    u64::try_from(until.0.div_euclid(every) - after.0.div_euclid(every)).unwrap_or(0)
}
