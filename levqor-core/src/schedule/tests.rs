//! Tables over the days on which clocks change, and properties of `due`.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::time::Timestamp;

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn cron(cron: &str, zone: &str) -> Schedule {
    Schedule::parse(&json!({ "cron": cron, "timezone": zone })).unwrap()
}

fn with(with: serde_json::Value) -> Schedule {
    Schedule::parse(&with).unwrap()
}

#[test]
fn clock_changes() {
    // Zone, cron, from, the next times in UTC.
    let table: [(&str, &str, &str, &[&str]); 10] = [
        // Berlin: 02:00 → 03:00 on 2026-03-29. What falls into the gap fires once, at its end.
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-03-27T12:00:00Z",
            &["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        // 03:00 → 02:00 on 2026-10-25. A fixed time fires once, in the first pass.
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-10-23T12:00:00Z",
            &["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        // An interval fires in both passes.
        (
            "Europe/Berlin",
            "*/30 * * * *",
            "2026-10-25T00:00:00Z",
            &[
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
            ],
        ),
        (
            "Europe/Berlin",
            "0 3 * * *",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"],
        ),
        // New York: 2026-03-08 and 2026-11-01.
        (
            "America/New_York",
            "30 2 * * *",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2026-10-31T12:00:00Z",
            &["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
        ),
        // Lord Howe moves by half an hour: 02:00 → 02:30 on 2026-10-04, 02:00 → 01:30 on 2026-04-05.
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            "2026-10-02T20:00:00Z",
            &["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
        ),
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2026-04-03T20:00:00Z",
            &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
        ),
        (
            "UTC",
            "0 0 29 2 *",
            "2026-01-01T00:00:00Z",
            &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"],
        ),
        ("UTC", "@daily", "2026-12-31T00:00:00Z", &["2027-01-01T00:00:00Z"]),
    ];
    for (zone, text, from, expected) in table {
        let found = next_n(&cron(text, zone), at(from), expected.len());
        let expected: Vec<_> = expected.iter().map(|t| at(t)).collect();
        let names = |times: &[Timestamp]| times.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "{text} in {zone} after {from}");
    }
}

#[test]
fn wrong_schedules_are_refused_with_a_code() {
    let table = [
        (json!({ "cron": "0 0 30 2 *" }), "schedule.never"),
        (json!({ "cron": "0 0 31 4 *", "timezone": "Europe/Berlin" }), "schedule.never"),
        (json!({ "cron": "61 * * * *" }), "schedule.cron"),
        (json!({ "cron": "" }), "schedule.cron"),
        (json!({ "cron": "0 0 1 1 * 2020 2021" }), "schedule.cron"),
        (json!({ "cron": "* ".repeat(200) }), "schedule.cron"),
        (json!({ "cron": "* * * * *", "timezone": "Europe/Berln" }), "schedule.timezone"),
        (
            json!({ "cron": "* * * * *", "timezone": "EST5EDT4,M3.2.0,M11.1.0" }),
            "schedule.timezone",
        ),
        (json!({ "cron": "* * * * *", "every": "1h" }), "schedule.form"),
        (json!({ "every": "1h", "timezone": "UTC" }), "schedule.form"),
        (json!({}), "schedule.form"),
        (json!({ "every": "0s" }), "schedule.every"),
        (json!({ "every": "999ms" }), "schedule.every"),
        (json!({ "every": "400d" }), "schedule.every"),
        (json!({ "every": "5m5m" }), "schedule.every"),
        (json!({ "every": "5s5m" }), "schedule.every"),
        (json!({ "every": "" }), "schedule.every"),
        (json!({ "every": "1.5h" }), "schedule.every"),
        (json!({ "every": "99999999999999999999d" }), "schedule.every"),
        (json!({ "every": "1h", "overlap": "never" }), "schedule.invalid"),
        (json!({ "every": "1h", "catchup": "last" }), "schedule.invalid"),
        (json!("0 0 * * *"), "schedule.invalid"),
    ];
    for (with, code) in table {
        let error = Schedule::parse(&with).unwrap_err();
        assert_eq!(error.code, code, "{with}: {error}");
    }
    let error = Schedule::parse(&json!({ "cron": "0 0 30 2 *" })).unwrap_err();
    assert_eq!(error.to_string(), "`0 0 30 2 *` names a day that no year has");
}

#[test]
fn intervals_are_multiples_since_the_epoch() {
    let schedule = with(json!({ "every": "1h30m" }));
    let found = next_n(&schedule, at("2026-11-23T00:00:01Z"), 3);
    assert_eq!(found[0].0 % 5_400_000, 0);
    assert_eq!(found[1].0 - found[0].0, 5_400_000);
    assert_eq!(next_n(&schedule, Timestamp(-1), 1), [Timestamp(0)]);
    assert_eq!(next_n(&schedule, Timestamp(i64::MAX), 1), []);
}

#[test]
fn missed_times_follow_the_policy() {
    let down = ScheduleState { through: at("2026-11-20T09:00:00Z") };
    let table: [(&str, &str, &[&str], u64); 6] = [
        // Three were missed; it is 9:30.
        ("none", "2026-11-23T09:30:00Z", &[], 3),
        ("last", "2026-11-23T09:30:00Z", &["2026-11-23T09:00:00Z"], 2),
        (
            "all",
            "2026-11-23T09:30:00Z",
            &["2026-11-21T09:00:00Z", "2026-11-22T09:00:00Z", "2026-11-23T09:00:00Z"],
            0,
        ),
        // The third is due just now.
        ("none", "2026-11-23T09:00:20Z", &["2026-11-23T09:00:00Z"], 2),
        // Nothing is due yet; not even a millisecond early.
        ("all", "2026-11-21T08:59:59.999Z", &[], 0),
        ("last", "2026-11-21T09:00:00Z", &["2026-11-21T09:00:00Z"], 0),
    ];
    for (catch_up, now, fire, skipped) in table {
        let schedule = with(json!({ "cron": "0 9 * * *", "catch_up": catch_up }));
        let firing = due(&schedule, &down, at(now));
        assert_eq!(firing.fire, fire.iter().map(|t| at(t)).collect::<Vec<_>>(), "{catch_up} {now}");
        assert_eq!(firing.skipped, skipped, "{catch_up} {now}");
        let next = firing.next.unwrap();
        assert!(next > at(now) && next.0 % 86_400_000 == 9 * 3_600_000);
    }
}

#[test]
fn a_long_absence_is_bounded() {
    let state = ScheduleState { through: at("2020-01-01T00:00:00Z") };
    let now = at("2026-11-23T00:00:00Z");
    for spec in [
        json!({ "every": "1s", "catch_up": "all" }),
        json!({ "cron": "* * * * * *", "catch_up": "all" }),
    ] {
        let firing = due(&with(spec.clone()), &state, now);
        assert_eq!(firing.fire.len(), CATCH_UP_MAX, "{spec}");
        assert_eq!(firing.fire.last(), Some(&now), "{spec}: the newest are made up for");
        assert!(firing.skipped >= MISSED_COUNT_MAX - CATCH_UP_MAX as u64);
        assert!(firing.fire.windows(2).all(|w| w[1].0 - w[0].0 == 1_000));
    }
    let exact = due(&with(json!({ "every": "1s" })), &state, now);
    assert_eq!(exact.skipped, now.since_ms(state.through) / 1_000 - 1);
}

#[test]
fn a_record_is_paused_resumed_replaced_and_read_back() {
    let start = at("2026-11-23T08:00:00Z");
    let mut record = ScheduleRecord::new("p", "t", cron("0 9 * * *", "UTC"), start);
    assert_eq!(record.next, Some(at("2026-11-23T09:00:00Z")));
    assert_eq!(record.advance(at("2026-11-23T09:00:00Z")).len(), 1);
    assert_eq!(record.advance(at("2026-11-23T09:00:00Z")).len(), 0, "once");
    record.pause();
    assert_eq!((record.advance(at("2026-11-25T10:00:00Z")).len(), record.next), (0, None));
    record.resume(at("2026-11-25T10:00:00Z"));
    assert_eq!(record.advance(at("2026-11-25T11:00:00Z")).len(), 0, "not made up for");
    assert_eq!(record.next, Some(at("2026-11-26T09:00:00Z")));
    record.replace(cron("0 12 * * *", "UTC"), at("2026-11-25T11:00:00Z"));
    assert_eq!(record.next, Some(at("2026-11-25T12:00:00Z")));
    let value = record.to_value().unwrap();
    assert_eq!(ScheduleRecord::from_value(&value), Ok(record));
    let newer = String::from_utf8(value.to_vec()).unwrap().replace("\"format\":1", "\"format\":2");
    assert!(ScheduleRecord::from_value(newer.as_bytes()).is_err());
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let specs = prop_oneof![
        Just(json!({ "cron": "*/7 * * * *", "timezone": "Europe/Berlin" })),
        Just(json!({ "cron": "30 2 * * *", "timezone": "America/New_York" })),
        Just(json!({ "cron": "15 2 * * *", "timezone": "Australia/Lord_Howe" })),
        Just(json!({ "every": "15m" })),
    ];
    (specs, prop_oneof![Just("none"), Just("last"), Just("all")]).prop_map(
        |(mut spec, catch_up)| {
            spec["catch_up"] = json!(catch_up);
            with(spec)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// R13: whatever the clock does, no due time fires twice, none before it is due, and times
    /// fire in order.
    #[test]
    fn nothing_twice_and_nothing_early(
        schedule in any_schedule(),
        start in 1_770_000_000_000_i64..1_800_000_000_000,
        jumps in prop::collection::vec(-7_200_000_i64..40_000_000, 1..12),
    ) {
        let mut record = ScheduleRecord::new("p", "t", schedule, Timestamp(start));
        let (mut now, mut last) = (start, Timestamp(start));
        for jump in jumps {
            now += jump;
            for fired in record.advance(Timestamp(now)) {
                prop_assert!(fired > last, "{fired} again or out of order");
                prop_assert!(fired.0 <= now, "{fired} before it is due");
                last = fired;
            }
            prop_assert!(record.next.is_some_and(|next| next > record.state.through));
        }
    }

    /// `every` reads back what it writes, and nothing makes it panic.
    #[test]
    fn durations_never_panic(text in "\\PC{0,12}|[0-9smhd]{0,12}") {
        let _ = Schedule::parse(&json!({ "every": text }));
        let _ = Schedule::parse(&json!({ "cron": text }));
    }
}
