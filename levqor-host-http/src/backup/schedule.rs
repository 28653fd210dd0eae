//! When the next backup is due.

use levqor_core::time::Timestamp;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// How often backups are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rhythm {
    /// Once a day at this hour, UTC.
    Daily {
        /// 0 to 23.
        hour: u8,
    },
    /// Every so many hours.
    Hours(u32),
}

impl Rhythm {
    /// As the settings say: a day's is at its hour. `None` for 0 hours: never.
    pub(crate) fn new(every_hours: u32, hour: u8) -> Option<Self> {
        match every_hours {
            0 => None,
            24 => Some(Self::Daily { hour: hour.min(23) }),
            hours => Some(Self::Hours(hours)),
        }
    }
}

/// When the next one is due, after the newest that was verified, or after the start where there is
/// none. What was missed while the host was down is due at once.
pub(crate) fn due(rhythm: Rhythm, newest: Option<Timestamp>, started: Timestamp) -> Timestamp {
    let since = newest.unwrap_or(started);
    match rhythm {
        Rhythm::Hours(hours) => since.plus_ms(u64::from(hours) * HOUR_MS),
        Rhythm::Daily { hour } => {
            let since_ms = u64::try_from(since.as_millis()).unwrap_or(0);
            let at = since_ms - since_ms % DAY_MS + u64::from(hour) * HOUR_MS;
            let at = if at > since_ms { at } else { at + DAY_MS };
            Timestamp(i64::try_from(at).unwrap_or(i64::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_at_its_hour_and_a_missed_one_is_due() {
        let at = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let daily = Rhythm::new(24, 3).unwrap();
        for (rhythm, newest, started, wanted) in [
            (daily, None, "2026-11-26T01:00:00Z", "2026-11-26T03:00:00Z"),
            (daily, None, "2026-11-26T03:00:00Z", "2026-11-27T03:00:00Z"),
            (daily, Some("2026-11-26T03:00:04Z"), "2026-11-26T01:00:00Z", "2026-11-27T03:00:00Z"),
            (daily, Some("2026-11-20T03:00:04Z"), "2026-11-26T01:00:00Z", "2026-11-21T03:00:00Z"),
            (
                Rhythm::Hours(6),
                Some("2026-11-26T03:10:00Z"),
                "2026-11-26T01:00:00Z",
                "2026-11-26T09:10:00Z",
            ),
            (Rhythm::Hours(6), None, "2026-11-26T01:00:00Z", "2026-11-26T07:00:00Z"),
        ] {
            assert_eq!(
                due(rhythm, newest.map(at), at(started)),
                at(wanted),
                "{newest:?} {started}"
            );
        }
        assert_eq!(Rhythm::new(0, 3), None);
    }
}
