//! [`Zone`]: an IANA time zone by name, from the bundled database; no file is read.

use std::fmt;

use jiff::Zoned;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::ScheduleError;
use crate::time::Timestamp;

/// A time zone: `UTC`, `Europe/Berlin`. Written and read as its name.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of this name.
    ///
    /// # Errors
    /// [`ScheduleError`] `schedule.timezone` when the bundled database has no such name.
    pub fn parse(name: &str) -> Result<Self, ScheduleError> {
        let known = TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some());
        known.map(Self).ok_or_else(|| {
            ScheduleError::new(
                "schedule.timezone",
                "timezone",
                format!("`{}` is not a time zone of the IANA database", name.escape_debug()),
            )
        })
    }

    /// Its name in the IANA database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// A moment in this zone; `None` outside the years −9999..9999.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> Option<Zoned> {
        Some(moment.to_jiff()?.to_zoned(self.0.clone()))
    }

    /// The local day of a moment, `2026-11-23`.
    #[must_use]
    pub fn day(&self, moment: Timestamp) -> String {
        self.at(moment).map_or_else(|| "unknown".to_owned(), |at| at.date().to_string())
    }

    /// When the local day after the moment's begins. Not always midnight: some zones skip it.
    #[must_use]
    pub fn next_day(&self, moment: Timestamp) -> Option<Timestamp> {
        let start = self.at(moment)?.tomorrow().ok()?.start_of_day().ok()?;
        Some(Timestamp(start.timestamp().as_millisecond()))
    }

    /// A moment for people: RFC 3339 with the zone's offset, `2026-11-24T00:00:00+01:00`.
    #[must_use]
    pub fn text(&self, moment: Timestamp) -> String {
        self.at(moment).map_or_else(
            || moment.to_string(),
            |at| at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        )
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}
