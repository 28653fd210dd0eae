//! [`Schedule`]: a schedule trigger's `with`, checked; and the words it is written in.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CRON_BYTES_MAX, Zone, every};
use crate::time::Timestamp;

/// What to do when a run of the schedule is still going on as the next is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Don't start the new one. The default.
    #[default]
    Skip,
    /// Start it when the other has ended.
    Queue,
    /// Cancel the other, then start it.
    CancelRunning,
}

/// What to do with times that passed while nothing was running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Leave them out, except one that is due just now.
    None,
    /// Fire once, for the last of them. The default.
    #[default]
    Last,
    /// Fire for each, in order; at most [`super::CATCH_UP_MAX`], the newest.
    All,
}

/// A schedule as documents write it: exactly one of `cron` and `every`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSpec {
    /// Five fields (minute hour day month weekday), six with seconds first, or `@daily` and such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// An interval: `30s`, `15m`, `1h30m`, `7d`. Multiples of it since 1970 in UTC are due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// IANA name of the zone that `cron` is meant in; `UTC` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// When the last run is still going on.
    #[serde(default)]
    pub overlap: Overlap,
    /// When times were missed.
    #[serde(default)]
    pub catch_up: CatchUp,
}

/// Why a schedule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScheduleError {
    /// Stable: `schedule.cron`, `schedule.never`, `schedule.every`, `schedule.timezone`,
    /// `schedule.form`, `schedule.invalid`.
    pub code: &'static str,
    /// The member of `with` that is wrong; empty when it is the whole.
    pub member: &'static str,
    /// For people.
    pub message: String,
}

impl ScheduleError {
    pub(super) fn new(code: &'static str, member: &'static str, message: String) -> Self {
        Self { code, member, message }
    }
}

/// A schedule that was checked: it has a zone that exists and fires at some time.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    spec: ScheduleSpec,
    zone: Zone,
    form: Form,
}

#[derive(Clone, Debug, PartialEq)]
enum Form {
    Cron(Box<Cron>),
    Every { ms: u64 },
}

impl Schedule {
    /// Reads a schedule trigger's `with`: `{cron | every, timezone?, overlap?, catch_up?}`.
    ///
    /// # Errors
    /// [`ScheduleError`], the first found.
    pub fn parse(with: &Value) -> Result<Self, ScheduleError> {
        let spec = ScheduleSpec::deserialize(with)
            .map_err(|e| ScheduleError::new("schedule.invalid", "", e.to_string()))?;
        Self::new(spec)
    }

    /// Checks a schedule.
    ///
    /// # Errors
    /// [`ScheduleError`], the first found.
    pub fn new(spec: ScheduleSpec) -> Result<Self, ScheduleError> {
        let form_error =
            |message: &str| Err(ScheduleError::new("schedule.form", "", message.to_owned()));
        let zone = spec.timezone.as_deref().map_or_else(|| Ok(Zone::utc()), Zone::parse)?;
        let form = match (&spec.cron, &spec.every) {
            (Some(text), None) => Form::Cron(Box::new(parse_cron(text, &zone)?)),
            (None, Some(_)) if spec.timezone.is_some() => {
                return form_error("`timezone` belongs to `cron`; `every` counts in UTC");
            }
            (None, Some(text)) => Form::Every { ms: every::parse(text)? },
            (Some(_), Some(_)) => return form_error("give either `cron` or `every`, not both"),
            (None, None) => return form_error("`cron` or `every` is needed"),
        };
        Ok(Self { spec, zone, form })
    }

    /// The schedule as it was written.
    #[must_use]
    pub fn spec(&self) -> &ScheduleSpec {
        &self.spec
    }

    /// The zone that its times are meant in.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// When the last run is still going on.
    #[must_use]
    pub fn overlap(&self) -> Overlap {
        self.spec.overlap
    }

    /// When times were missed.
    #[must_use]
    pub fn catch_up(&self) -> CatchUp {
        self.spec.catch_up
    }

    /// In words, for people: `At 03:00 (Europe/Berlin)`, `every 15m`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.form {
            Form::Cron(cron) => format!("{} ({})", cron.describe(), self.zone),
            Form::Every { .. } => format!("every {}", self.spec.every.as_deref().unwrap_or("")),
        }
    }

    /// The first due time after `after`; `None` when there is none before the year 5000.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.form {
            Form::Every { ms } => every::next(*ms, after),
            Form::Cron(cron) => {
                // Cron counts whole seconds; a part of one would only shift what it finds.
                let whole = Timestamp(after.0.div_euclid(1_000).checked_mul(1_000)?);
                let found = cron.find_next_occurrence(&self.zone.at(whole)?, false).ok()?;
                let found = Timestamp(found.timestamp().as_millisecond());
                (found > after).then_some(found)
            }
        }
    }

    /// How many due times lie after `after` and not after `until`, where that is known without
    /// walking through them.
    pub(super) fn count_between(&self, after: Timestamp, until: Timestamp) -> Option<u64> {
        match self.form {
            Form::Every { ms } => Some(every::count(ms, after, until)),
            Form::Cron(_) => None,
        }
    }
}

impl Serialize for Schedule {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.spec.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(ScheduleSpec::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

fn parse_cron(text: &str, zone: &Zone) -> Result<Cron, ScheduleError> {
    let fail = |code, message| Err(ScheduleError::new(code, "cron", message));
    if text.len() > CRON_BYTES_MAX {
        return fail("schedule.cron", format!("a cron has at most {CRON_BYTES_MAX} characters"));
    }
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    let cron = match parser.parse(text) {
        Ok(cron) => cron,
        Err(e) => {
            let text = text.escape_debug();
            return fail("schedule.cron", format!("`{text}` is not a cron: {e}"));
        }
    };
    // Whether it ever fires depends on the calendar alone: any start will do.
    let fires =
        zone.at(Timestamp(0)).is_some_and(|at| cron.find_next_occurrence(&at, true).is_ok());
    if !fires {
        let text = text.escape_debug();
        return fail("schedule.never", format!("`{text}` names a day that no year has"));
    }
    Ok(cron)
}
