//! Phrases that say when: `every weekday at 9`, `every 15 minutes`, `monthly`.

use serde_json::{Value, json};

use super::goal::Token;
use crate::schedule::{Schedule, Zone};

/// Takes the first phrase that says when out of the tokens: the schedule trigger's `with`.
pub(super) fn take(tokens: &mut Vec<Token>) -> Option<Value> {
    let lows: Vec<String> = tokens.iter().map(Token::low).collect();
    let zone = take_zone(&lows);
    for start in 0..lows.len() {
        let Some((length, mut with, mut used)) = phrase(&lows, start) else { continue };
        if let (Some((at, name)), Some(_)) = (&zone, with.get("cron")) {
            with["timezone"] = json!(name);
            used.push(*at);
            // `in Europe/Berlin`, `Berlin time`: the words around it say nothing else.
            if at.checked_sub(1).is_some_and(|i| lows[i] == "in") {
                used.push(at - 1);
            }
            if lows.get(at + 1).is_some_and(|w| w == "time") {
                used.push(at + 1);
            }
        }
        if Schedule::parse(&with).is_err() {
            continue;
        }
        used.extend(start..start + length);
        let mut i = 0;
        tokens.retain(|_| {
            i += 1;
            !used.contains(&(i - 1))
        });
        while matches!(tokens.first(), Some(Token::Comma)) {
            tokens.remove(0);
        }
        return Some(with);
    }
    None
}

/// The name of a time zone among the words, and where.
fn take_zone(lows: &[String]) -> Option<(usize, String)> {
    lows.iter().enumerate().find_map(|(i, word)| {
        let plausible = word.contains('/') || matches!(word.as_str(), "utc" | "gmt");
        let zone = if plausible { Zone::parse(word).ok()? } else { return None };
        Some((i, zone.name().to_owned()))
    })
}

/// A phrase that begins at `start`: how many words it has, its `with`, further words it uses.
fn phrase(lows: &[String], start: usize) -> Option<(usize, Value, Vec<usize>)> {
    let at = |i: usize| lows.get(start + i).map_or("", String::as_str);
    let (length, days) = match (at(0), at(1)) {
        ("every" | "each", unit) if interval(unit).is_some() => {
            return Some((2, json!({ "every": format!("1{}", interval(unit)?) }), Vec::new()));
        }
        ("every" | "each", "half") if at(2) == "hour" => {
            return Some((3, json!({ "every": "30m" }), Vec::new()));
        }
        ("every", number) if count(number).is_some() => {
            let unit = interval(at(2).trim_end_matches('s')).or((at(2) == "days").then_some("d"))?;
            return Some((3, json!({ "every": format!("{}{unit}", count(number)?) }), Vec::new()));
        }
        ("hourly", _) => return Some((1, json!({ "every": "1h" }), Vec::new())),
        ("every" | "each", word) => (2, Days::of(word)?),
        ("on", word) => (2, Days::of_plural(word)?),
        ("daily" | "nightly" | "weekly" | "monthly", _) => (1, Days::of_adverb(at(0))?),
        ("once", "a") => (3, Days::of(at(2))?),
        _ => return None,
    };
    let (days, mut used) = days.with_day_of_month(lows, start, length);
    let (hour, minute, more) =
        time_near(lows, start, length, &mut used).unwrap_or((days.hour, 0, 0));
    let cron = format!("{minute} {hour} {} * {}", days.day, days.weekday);
    Some((length + more, json!({ "cron": cron }), used))
}

/// Letter of an interval's unit.
fn interval(unit: &str) -> Option<&'static str> {
    match unit {
        "minute" => Some("m"),
        "hour" => Some("h"),
        "second" => Some("s"),
        _ => None,
    }
}

fn count(word: &str) -> Option<u64> {
    const NAMES: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    let named = NAMES.iter().position(|name| *name == word).map(|n| n as u64);
    named.or_else(|| word.parse().ok()).filter(|n| *n > 0)
}

/// The day fields of a cron, and the hour where none is given.
#[derive(Clone)]
struct Days {
    day: String,
    weekday: &'static str,
    hour: u32,
}

impl Days {
    fn new(weekday: &'static str, hour: u32) -> Self {
        Self { day: "*".to_owned(), weekday, hour }
    }

    fn of(word: &str) -> Option<Self> {
        const WEEK: [(&str, &str); 7] = [
            ("monday", "1"),
            ("tuesday", "2"),
            ("wednesday", "3"),
            ("thursday", "4"),
            ("friday", "5"),
            ("saturday", "6"),
            ("sunday", "0"),
        ];
        match word {
            "day" => Some(Self::new("*", 9)),
            "morning" => Some(Self::new("*", 8)),
            "noon" | "lunchtime" => Some(Self::new("*", 12)),
            "evening" => Some(Self::new("*", 18)),
            "night" => Some(Self::new("*", 3)),
            "midnight" => Some(Self::new("*", 0)),
            "weekday" | "workday" => Some(Self::new("1-5", 9)),
            "weekend" => Some(Self::new("0,6", 9)),
            "week" => Some(Self::new("1", 9)),
            "month" => Some(Self { day: "1".to_owned(), ..Self::new("*", 9) }),
            _ => WEEK.iter().find(|(name, _)| *name == word).map(|(_, n)| Self::new(n, 9)),
        }
    }

    /// `on mondays`, `on weekdays`.
    fn of_plural(word: &str) -> Option<Self> {
        let one = word.strip_suffix('s')?;
        Self::of(one).filter(|days| days.weekday != "*")
    }

    fn of_adverb(word: &str) -> Option<Self> {
        Self::of(match word {
            "daily" => "day",
            "nightly" => "night",
            "weekly" => "week",
            _ => "month",
        })
    }

    /// `on the 15th of every month`.
    fn with_day_of_month(
        mut self,
        lows: &[String],
        start: usize,
        length: usize,
    ) -> (Self, Vec<usize>) {
        let mut used = Vec::new();
        if self.day == "*" {
            return (self, used);
        }
        let near = start.saturating_sub(4)..lows.len().min(start + length + 4);
        for i in near {
            let digits = lows[i].trim_end_matches(['s', 't', 'n', 'd', 'r', 'h']);
            let day = digits.parse::<u32>().ok().filter(|d| (1..=28).contains(d));
            if let (Some(day), true) = (day, digits.len() < lows[i].len()) {
                self.day = day.to_string();
                let around = i.saturating_sub(2)..lows.len().min(i + 2);
                let filler = |i: &usize| matches!(lows[*i].as_str(), "on" | "the" | "of");
                used.extend(around.filter(filler));
                used.push(i);
            }
        }
        (self, used)
    }
}

/// The time given right after the phrase (`at 9:30`) or right before it: hour, minute, and how
/// many words after the phrase it takes. Words before it go to `used`.
fn time_near(
    lows: &[String],
    start: usize,
    length: usize,
    used: &mut Vec<usize>,
) -> Option<(u32, u32, usize)> {
    let end = start + length;
    let word = |i: usize| lows.get(i).map_or("", String::as_str);
    if word(end) == "at" {
        let (hour, minute, taken) = clock(word(end + 1), word(end + 2))?;
        return Some((hour, minute, 1 + taken));
    }
    for before in (start.saturating_sub(3)..start).rev() {
        if word(before) == "at" {
            let (hour, minute, taken) = clock(word(before + 1), word(before + 2))?;
            if before + 1 + taken == start {
                used.extend(before..start);
                return Some((hour, minute, 0));
            }
        }
    }
    None
}

/// `9`, `9am`, `9 pm`, `21:30`, `noon`: hour, minute, and how many words that took.
fn clock(first: &str, second: &str) -> Option<(u32, u32, usize)> {
    match first {
        "noon" => return Some((12, 0, 1)),
        "midnight" => return Some((0, 0, 1)),
        _ => {}
    }
    let digits = first.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let glued = &first[digits.len()..];
    let (half, taken) = match (glued, second) {
        ("", "am" | "pm" | "a.m" | "p.m" | "o'clock") => (second, 2),
        _ => (glued, 1),
    };
    let (hour, minute) = digits.split_once(':').unwrap_or((digits, "0"));
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    let hour = match (half, hour) {
        ("pm" | "p.m", 1..=11) => hour + 12,
        ("am" | "a.m", 12) => 0,
        ("" | "am" | "pm" | "a.m" | "p.m" | "o'clock" | "h", _) => hour,
        _ => return None,
    };
    (hour < 24 && minute < 60).then_some((hour, minute, taken))
}
