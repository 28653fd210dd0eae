//! Tables of plans and days, and the race for the last run of a day.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::ids::Organization;
use crate::schedule::Zone;
use crate::store::memory::MemoryStore;
use crate::store::{Add, Batch, CommitError, Key, Store, Table, Value};
use crate::time::Timestamp;

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap()
}

fn org() -> Organization {
    Organization::new("acme").unwrap()
}

#[test]
fn days_begin_at_local_midnight() {
    // Zone, moment, its day, when the next begins.
    let table = [
        ("UTC", "2026-11-23T23:59:59.999Z", "2026-11-23", "2026-11-24T00:00:00Z"),
        ("UTC", "2026-11-24T00:00:00Z", "2026-11-24", "2026-11-25T00:00:00Z"),
        ("Europe/Berlin", "2026-11-23T23:30:00Z", "2026-11-24", "2026-11-24T23:00:00Z"),
        // 23 and 25 hours long.
        ("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29", "2026-03-29T22:00:00Z"),
        ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25", "2026-10-25T23:00:00Z"),
        // A midnight that did not exist: the day began at one.
        ("America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-03", "2018-11-04T03:00:00Z"),
        ("Pacific/Kiritimati", "2026-11-23T10:00:00Z", "2026-11-24", "2026-11-24T10:00:00Z"),
    ];
    for (name, moment, day, next) in table {
        let zone = zone(name);
        assert_eq!(&*day_slot(at(moment), &zone), format!("runs/{day}"), "{name} {moment}");
        assert_eq!(zone.next_day(at(moment)), Some(at(next)), "{name} {moment}");
    }
}

#[test]
fn a_refusal_says_which_limit_and_until_when() {
    let plans = Plans::default();
    let free = &plans.plans["free"];
    let (now, berlin) = (at("2026-11-23T12:00:00Z"), zone("Europe/Berlin"));
    let day = admit(free, &org(), now, &berlin).remove(0);
    assert_eq!((day.delta, day.max), (1, 1));
    let refused = refusal(free, &day.counter, now, &berlin).unwrap();
    assert_eq!(refused.error.code, "quota.runs_per_day");
    assert_eq!(
        refused.error.message,
        "the plan Free allows 1 run a day; the next is possible at 2026-11-24T00:00:00+01:00"
    );
    assert_eq!(refused.resets_at, Some(at("2026-11-23T23:00:00Z")));
    assert!(!refused.error.retryable);
    let credits = crate::store::Counter::new("acme", crate::ledger::AVAILABLE);
    assert_eq!(refusal(free, &credits, now, &berlin), None);
}

#[test]
fn sizes_are_checked() {
    let mut plan = Plans::default().plans["free"].clone();
    plan.connectors = Connectors::Only(["http".to_owned()].into());
    assert!(plan.check_payload(64 * 1024).is_ok() && plan.check_steps(100).is_ok());
    assert!(plan.check_connector("http").is_ok());
    let codes =
        [plan.check_payload(64 * 1024 + 1), plan.check_steps(101), plan.check_connector("x")]
            .map(|r| r.unwrap_err().code);
    assert_eq!(codes, ["quota.payload_bytes", "quota.steps_per_run", "quota.connector"]);
    // A plan is never wider than the engine.
    let wide = Plan { steps_per_run: Some(u64::MAX), payload_bytes: Some(u64::MAX), ..plan };
    assert_eq!(wide.steps_max(), crate::limits::RUN_STEPS_MAX);
    assert_eq!(wide.payload_bytes_max(), crate::limits::INPUT_BYTES_MAX as u64);
}

#[test]
fn plans_are_checked() {
    Plans::default().check().unwrap();
    Plans::unlimited().check().unwrap();
    let text = serde_json::to_string(&Plans::default()).unwrap();
    assert_eq!(Plans::from_json(&text), Ok(Plans::default()));
    for (from, to) in [
        (r#""default":"free""#, r#""default":"gone""#),
        (r#""then":"free""#, r#""then":"gone""#),
        (r#""then":"free""#, r#""then":"trial""#),
        (r#","then":"free""#, ""),
        (r#""runs_per_day":1,"#, r#""runs_per_day":-1,"#),
        (r#""runs_per_day":1,"#, r#""runs_a_day":1,"#),
        (r#""pro":"#, r#""a b":"#),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from} is in the text");
        assert!(Plans::from_json(&changed).is_err(), "{from} as {to}");
    }
}

#[test]
fn a_trial_ends_and_months_are_granted_once() {
    let plans = Plans::default();
    let mut record = OrganizationRecord::new("trial", at("2026-11-20T12:00:00Z"));
    let id =
        |record: &OrganizationRecord, now| record.plan_now(&plans, at(now)).unwrap().0.to_owned();
    assert_eq!(id(&record, "2026-12-04T11:59:59Z"), "trial");
    assert_eq!(id(&record, "2026-12-04T12:00:00Z"), "free");
    let grant = |record: &OrganizationRecord, now| record.monthly_grant(&plans, at(now)).unwrap();
    let november = grant(&record, "2026-11-20T12:00:00Z").unwrap();
    assert_eq!(november.reference.as_deref(), Some("plan/trial/2026-11"));
    assert_eq!(grant(&record, "2026-11-30T23:59:59Z").unwrap().id, november.id);
    assert_eq!(grant(&record, "2026-12-04T11:59:59Z").unwrap().id, november.id, "one trial");
    let december = grant(&record, "2026-12-04T12:00:00Z").unwrap();
    assert_eq!(december.reference.as_deref(), Some("plan/free/2026-12"));
    record.zone = zone("Pacific/Kiritimati");
    assert_eq!(grant(&record, "2026-11-20T12:00:00Z").unwrap().id, november.id, "in any zone");
    "payg".clone_into(&mut record.plan);
    assert_eq!(grant(&record, "2026-11-20T12:00:00Z"), None);
    "gone".clone_into(&mut record.plan);
    assert_eq!(id(&record, "2026-11-20T12:00:00Z"), "free");
    record.suspended = Some("abuse".to_owned());
    assert_eq!(record.check_active().unwrap_err().code, "quota.suspended");
    let value = record.to_value().unwrap();
    assert_eq!(OrganizationRecord::from_value(&value), Ok(record));
    assert!(OrganizationRecord::from_value(b"{}").is_err());
}

/// Half a year that ends by itself has six grants, also where two of its months begin in one of
/// the calendar's; a plan without an end has one a local month.
#[test]
fn a_plan_that_ends_is_granted_each_thirty_days() {
    let half_year = Plan {
        days: Some(180),
        then: Some("free".to_owned()),
        monthly_credits: 7,
        ..Plan::unlimited("Half a year")
    };
    let mut plans = Plans::default();
    plans.plans.insert("half".to_owned(), half_year);
    plans.check().unwrap();
    let begun = at("2026-01-01T00:00:00Z");
    let record = OrganizationRecord::new("half", begun);
    let of_day = |record: &OrganizationRecord, day: u64| {
        let now = begun.plus_ms(day * 86_400_000);
        record.monthly_grant(&plans, now).unwrap().unwrap().id
    };
    let given: BTreeSet<_> = (0..180).map(|day| of_day(&record, day)).collect();
    assert_eq!(given.len(), 6);
    let west = OrganizationRecord { zone: zone("America/Los_Angeles"), ..record.clone() };
    assert!((0..180).all(|day| of_day(&west, day) == of_day(&record, day)), "in any zone");
    let record = OrganizationRecord::new("pro", begun);
    let given: BTreeSet<_> = (0..181).map(|day| of_day(&record, day)).collect();
    assert_eq!(given.len(), 6, "January to June");
}

#[test]
fn usage_counts_calendar_days() {
    let days = past_days(at("2026-03-01T12:00:00Z"), &Zone::utc(), 3);
    assert_eq!(days, ["2026-03-01", "2026-02-28", "2026-02-27"]);
    assert_eq!(counts(&org(), at("2026-03-01T12:00:00Z"), &Zone::utc(), 99).len(), USAGE_DAYS);
}

async fn commit(store: &dyn Store, n: u32, adds: Vec<Add>) -> Result<(), CommitError> {
    let mut batch = Batch::new("acme");
    batch.insert(Key::of(Table::Live).text("acme").number(u64::from(n)), Value::from_static(b"{}"));
    adds.into_iter().for_each(|add| batch.add(add));
    store.commit(batch).await.map(|_| ())
}

/// R12: however many start at once, exactly the quota is admitted; the next day has its own.
#[test]
fn exactly_the_quota_is_admitted() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let berlin = zone("Europe/Berlin");
    let now = at("2026-11-23T22:59:59.999Z");
    for quota in [1, 3, 10] {
        let plan = Plan { runs_per_day: Some(quota), ..Plan::unlimited("Test") };
        let store = Arc::new(MemoryStore::new());
        runtime.block_on(async {
            let racers = (0..64_u32).map(|n| {
                let (store, adds) = (Arc::clone(&store), admit(&plan, &org(), now, &berlin));
                tokio::spawn(async move { commit(&*store, n, adds).await })
            });
            let mut admitted = 0;
            for racer in racers.collect::<Vec<_>>() {
                admitted += u32::from(racer.await.unwrap().is_ok());
            }
            assert_eq!(admitted, quota);
            let again = admit(&plan, &org(), now, &berlin);
            assert!(commit(&*store, 100, again).await.is_err());
            let tomorrow = admit(&plan, &org(), now.plus_ms(1), &berlin);
            commit(&*store, 101, tomorrow).await.unwrap();
        });
    }
}
