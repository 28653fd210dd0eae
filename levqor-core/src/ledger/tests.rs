//! Tables, and a state machine against a model that knows nothing of entries.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::ids::RunId;
use crate::store::Scope;
use crate::time::Timestamp;

const AT: Timestamp = Timestamp(1_700_000_000_000);

fn run(n: u8) -> RunId {
    RunId::from_u128(u128::from(n) + 1)
}

#[test]
fn ids_come_from_the_cause_alone() {
    let first = hold(run(1), "a[0].b", 1, 5, AT).unwrap();
    let again = hold(run(1), "a[0].b", 1, 9, AT.plus_ms(1)).unwrap();
    let others = [
        hold(run(2), "a[0].b", 1, 5, AT).unwrap(),
        hold(run(1), "a[1].b", 1, 5, AT).unwrap(),
        hold(run(1), "a[0].b", 2, 5, AT).unwrap(),
        release(&first, AT).unwrap(),
    ];
    assert_eq!(first.id, again.id);
    assert!(others.iter().all(|o| o.id != first.id));
    // A step is charged at most once, whichever attempt succeeded.
    assert_eq!(capture(&first, 5, AT).unwrap()[0].id, capture(&others[2], 5, AT).unwrap()[0].id);
    assert_eq!(first.id.to_string().parse(), Ok(first.id));
    assert!("+0000000000000000000000000000001".parse::<EntryId>().is_err());
}

#[test]
fn a_capture_gives_the_rest_back() {
    let held = hold(run(1), "a", 1, 5, AT).unwrap();
    let moves =
        |entries: &[Entry]| entries.iter().map(|e| (e.cause, e.credits)).collect::<Vec<_>>();
    let table = [
        (5, vec![(Cause::Capture, 5)]),
        (2, vec![(Cause::Capture, 2), (Cause::Release, 3)]),
        (0, vec![(Cause::Capture, 0), (Cause::Release, 5)]),
    ];
    for (credits, expected) in table {
        assert_eq!(moves(&capture(&held, credits, AT).unwrap()), expected);
    }
    assert_eq!(capture(&held, 6, AT), Err(LedgerError::OverHold { held: 5, asked: 6 }));
    let released = release(&held, AT).unwrap();
    assert_eq!(release(&released, AT), Err(LedgerError::NotPostable));
}

#[test]
fn amounts_out_of_range_are_refused() {
    let most = CREDITS_MAX + 1;
    assert!(hold(run(1), "a", 1, most, AT).is_err());
    assert!(grant("x", 0, AT).is_err() && grant("x", most, AT).is_err());
    assert!(adjust("x", i64::MIN, AT).is_err() && adjust("x", 0, AT).is_err());
    assert!(Tally::default().hold(most).is_err());
    assert_eq!(adjust("x", -3, AT).unwrap().from, Account::Available);
}

#[test]
fn adds_net_to_one_addition_a_counter() {
    let held = hold(run(1), "a", 1, 5, AT).unwrap();
    let mut entries = vec![held.clone()];
    entries.extend(capture(&held, 2, AT).unwrap());
    let made = adds(&entries, "org").unwrap();
    assert_eq!(made.len(), 1, "held comes to nothing: {made:?}");
    assert_eq!((&*made[0].counter.slot, made[0].delta, made[0].min), (AVAILABLE, -2, 0));
    let made = adds(&[grant("g", 7, AT).unwrap()], "org").unwrap();
    assert_eq!((made[0].delta, made[0].max), (7, CREDITS_MAX.cast_signed()));
    let made = adds(&[release(&held, AT).unwrap()], "org").unwrap();
    assert_eq!(made[0].max, i64::MAX, "what comes back is never refused");
}

#[test]
fn stored_forms_are_pinned() {
    let entry = purchase(Packs::default().get("starter").unwrap(), "pi_1", AT).unwrap();
    let id = entry.id;
    let text = Posting::Entry(entry.clone()).to_value().unwrap();
    let expected = format!(
        r#"{{"format":1,"entry":{{"id":"{id}","from":"purchased","to":"available","credits":1000,"cause":"purchase","reference":"pi_1","at":1700000000000}}}}"#
    );
    assert_eq!(text, expected);
    assert_eq!(
        id.to_string(),
        "5588e3bcee36d4f54f50c8bbd92b4bef",
        "ids of stored entries must never change"
    );
    assert_eq!(Posting::from_value(&text), Ok(Posting::Entry(entry)));
    let mut tally = Tally::default();
    tally.hold(4).unwrap();
    assert!(Settlement::new(run(1), tally, AT).is_err(), "a hold is open");
    tally.capture(4, 3).unwrap();
    let settlement = Settlement::new(run(1), tally, AT).unwrap();
    assert_eq!(
        settlement.to_value().unwrap(),
        r#"{"format":1,"settlement":{"run":"run_00000000000000000000000002","tally":{"held":4,"captured":3,"released":1},"at":1700000000000}}"#
    );
    for bad in
        [r#"{"format":2,"entry":null}"#, r#"{"format":1}"#, "", "[]", r#"{"format":1,"x":1}"#]
    {
        assert!(Posting::from_value(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn packs_are_checked() {
    Packs::default().check().unwrap();
    let text = |pack: &str| format!(r#"{{"packs":[{pack}]}}"#);
    let good = r#"{"id":"a","title":"A","credits":1,"price_cents":1,"currency":"eur"}"#;
    assert!(Packs::from_json(&text(good)).is_ok());
    for (from, to) in [
        ("\"credits\":1", "\"credits\":0"),
        ("\"credits\":1", "\"credits\":-1"),
        ("\"price_cents\":1", "\"price_cents\":0"),
        ("eur", "EUR"),
        ("\"id\":\"a\"", "\"id\":\"\""),
        ("\"title\"", "\"titel\""),
    ] {
        assert!(Packs::from_json(&text(&good.replace(from, to))).is_err(), "{from} as {to}");
    }
    assert!(Packs::from_json(&text(&format!("{good},{good}"))).is_err());
}

/// Every wrong sequence is found by `trace`, the right ones sum up.
#[test]
fn trace_finds_what_is_planted() {
    let one = hold(run(1), "a", 1, 5, AT).unwrap();
    let two = hold(run(1), "a", 2, 5, AT).unwrap();
    let charge = capture(&one, 2, AT).unwrap();
    let back = release(&one, AT).unwrap();
    let good = [one.clone(), back.clone(), two.clone(), capture(&two, 5, AT).unwrap()[0].clone()];
    let tally = trace(&good).unwrap();
    assert_eq!(tally, Tally { held: 10, captured: 5, released: 5 });
    let mut forged = one.clone();
    forged.to = Account::Consumed;
    let planted: [&[Entry]; 8] = [
        &[one.clone(), one.clone()],
        std::slice::from_ref(&back),
        &[one.clone(), back.clone(), back.clone()],
        &[one.clone(), back.clone(), charge[0].clone()],
        &[one.clone(), charge[0].clone(), back.clone()],
        &[one.clone(), charge[0].clone(), two.clone(), capture(&two, 1, AT).unwrap()[0].clone()],
        &[forged],
        &[one, charge[0].clone(), Entry { credits: 1, ..charge[1].clone() }],
    ];
    for (i, entries) in planted.iter().enumerate() {
        assert!(trace(entries).is_err(), "case {i}");
    }
}

#[test]
fn books_find_what_is_planted() {
    let settled = |tally| {
        Posting::Settlement(Settlement {
            run: run(1),
            pipeline: None,
            tally,
            actions: Default::default(),
            at: AT,
        })
    };
    let granted = Posting::Entry(grant("g", 10, AT).unwrap());
    let spent = settled(Tally { held: 4, captured: 3, released: 1 });
    let live = LiveRun { run: run(2), tally: Tally { held: 2, captured: 0, released: 0 } };
    let books = |postings: &[Posting], live: &[LiveRun]| {
        let mut books = Books::new();
        postings.iter().for_each(|p| books.post(p));
        live.iter().for_each(|r| books.live(r));
        books
    };
    let good = books(&[granted.clone(), spent.clone()], &[live]);
    let report = good.clone().close(5, 2).unwrap();
    assert_eq!(report.balances.values().sum::<i128>(), 0);
    assert_eq!((report.balances["consumed"], report.balances["promotional"]), (3, -10));
    for (available, held) in [(4, 2), (6, 2), (5, 1), (5, 3), (-5, 2)] {
        assert!(good.clone().close(available, held).is_err(), "{available} {held}");
    }
    let lost = settled(Tally { held: 4, captured: 3, released: 0 });
    let hold_alone = Posting::Entry(hold(run(3), "a", 1, 1, AT).unwrap());
    let same = LiveRun { run: run(1), tally: Tally::default() };
    let planted: [(Books, i64, i64); 5] = [
        (books(&[granted.clone(), lost], &[]), 6, 1),
        (books(&[granted.clone(), granted.clone()], &[]), 20, 0),
        (books(&[granted.clone(), spent.clone(), spent.clone()], &[]), 4, 0),
        (books(&[granted.clone(), hold_alone], &[]), 9, 1),
        (books(&[granted, spent], &[same]), 7, 0),
    ];
    for (i, (books, available, held)) in planted.into_iter().enumerate() {
        assert!(books.close(available, held).is_err(), "case {i}");
    }
}

/// What can happen to an organization's credits. Small numbers, so that things collide.
#[derive(Clone, Debug)]
enum Op {
    Grant { key: u8, credits: u64 },
    Refund { key: u8, credits: u64 },
    Hold { run: u8, credits: u64 },
    Capture { pick: usize, credits: u64 },
    Release { pick: usize },
    Replay { pick: usize },
    End { run: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..4_u8, 1..20_u64).prop_map(|(key, credits)| Op::Grant { key, credits }),
        (0..4_u8, 1..20_u64).prop_map(|(key, credits)| Op::Refund { key, credits }),
        (0..3_u8, 0..15_u64).prop_map(|(run, credits)| Op::Hold { run, credits }),
        (0..8_usize, 0..15_u64).prop_map(|(pick, credits)| Op::Capture { pick, credits }),
        (0..8_usize).prop_map(|pick| Op::Release { pick }),
        (0..8_usize).prop_map(|pick| Op::Replay { pick }),
        (0..3_u8).prop_map(|run| Op::End { run }),
    ]
}

/// The model: plain numbers, no entries, no netting. What an accountant would write on paper.
#[derive(Debug, Default)]
struct Model {
    available: i64,
    held: i64,
    spent: i64,
    holds: Vec<(u8, i64)>,
}

/// The ledger as the engine uses it: counters moved only by bounded adds.
#[derive(Debug, Default)]
struct Real {
    counters: BTreeMap<String, i64>,
    postings: BTreeMap<EntryId, Posting>,
    runs: BTreeMap<u8, (Tally, Vec<Entry>)>,
    settled: Vec<Posting>,
    open: Vec<Entry>,
    done: Vec<Vec<Entry>>,
}

impl Real {
    fn at(&self, slot: &str) -> i64 {
        self.counters.get(slot).copied().unwrap_or(0)
    }

    /// A commit: all additions within bounds, or none.
    fn commit(&mut self, net: Net) -> bool {
        let scope: Scope = "org".into();
        let adds = net.adds(&scope);
        let within = |a: &crate::store::Add| {
            let after = self.at(&a.counter.slot) + a.delta;
            (a.delta > 0 || after >= a.min) && (a.delta < 0 || after <= a.max)
        };
        let all = adds.iter().all(within);
        if all {
            for add in adds {
                *self.counters.entry(add.counter.slot.as_ref().to_owned()).or_default() +=
                    add.delta;
            }
        }
        all
    }

    /// Posts unless an entry of the same id is there: as `post` does.
    fn post(&mut self, entry: Entry) -> bool {
        if self.postings.contains_key(&entry.id) {
            return false;
        }
        let moved = self.commit(Net::of(std::slice::from_ref(&entry)).unwrap());
        if moved {
            self.postings.insert(entry.id, Posting::Entry(entry));
        }
        moved
    }

    fn hold(&mut self, n: u8, credits: u64) -> bool {
        let (mut tally, mut entries) = self.runs.get(&n).cloned().unwrap_or_default();
        let entry = hold(run(n), &format!("s{}", entries.len()), 1, credits, AT).unwrap();
        let net = tally.hold(credits).unwrap();
        assert_eq!(net, Net::of(std::slice::from_ref(&entry)).unwrap(), "both ways agree");
        let moved = self.commit(net);
        if moved {
            entries.push(entry.clone());
            self.open.push(entry);
            self.runs.insert(n, (tally, entries));
        }
        moved
    }

    fn resolve(&mut self, index: usize, n: u8, made: &[Entry], captured: u64) {
        let held = self.open.remove(index);
        let (tally, entries) = self.runs.get_mut(&n).unwrap();
        let net = tally.capture(held.credits, captured).unwrap();
        let entries_net = Net::of(made).unwrap();
        assert_eq!(net, entries_net, "both ways agree");
        entries.extend_from_slice(made);
        self.done.push(made.to_vec());
        assert!(self.commit(net), "resolving a hold is never refused");
    }

    fn check(&self, model: &Model) {
        assert_eq!((self.at(AVAILABLE), self.at(HELD)), (model.available, model.held));
        let mut books = Books::new();
        self.postings.values().chain(&self.settled).for_each(|p| books.post(p));
        for (n, (tally, entries)) in &self.runs {
            assert_eq!(trace(entries).as_ref(), Ok(tally), "a run's sums are those of its entries");
            books.live(&LiveRun { run: run(*n), tally: *tally });
        }
        let report = books.close(self.at(AVAILABLE), self.at(HELD)).unwrap();
        assert_eq!(report.balances["consumed"], i128::from(model.spent));
        assert_eq!(report.balances.values().sum::<i128>(), 0);
    }
}

fn step(real: &mut Real, model: &mut Model, op: &Op, ended: &mut [bool; 3]) {
    match *op {
        Op::Grant { key, credits } => {
            let posted = real.post(grant(&key.to_string(), credits, AT).unwrap());
            model.available += if posted { credits.cast_signed() } else { 0 };
        }
        Op::Refund { key, credits } => {
            let posted = real.post(refund(&key.to_string(), credits, AT).unwrap());
            model.available -= if posted { credits.cast_signed() } else { 0 };
            assert!(model.available >= 0, "a refund never takes what is not there");
        }
        Op::Hold { run, credits } if !ended[usize::from(run)] => {
            let enough = model.available >= credits.cast_signed();
            assert_eq!(real.hold(run, credits), enough, "held exactly when there is enough");
            if enough {
                model.available -= credits.cast_signed();
                model.held += credits.cast_signed();
                model.holds.push((run, credits.cast_signed()));
            }
        }
        Op::Capture { pick, credits } if pick < model.holds.len() => {
            let (n, held) = model.holds[pick];
            let asked = credits.cast_signed();
            match capture(&real.open[pick], credits, AT) {
                Ok(made) => {
                    model.holds.remove(pick);
                    model.held -= held;
                    model.spent += asked;
                    model.available += held - asked;
                    real.resolve(pick, n, &made, credits);
                }
                Err(_) => assert!(asked > held, "refused only over the hold"),
            }
        }
        Op::Release { pick } if pick < model.holds.len() => {
            let (n, held) = model.holds.remove(pick);
            model.held -= held;
            model.available += held;
            let made = release(&real.open[pick], AT).unwrap();
            real.resolve(pick, n, &[made], 0);
        }
        Op::Replay { pick } if pick < real.postings.len() => {
            let Some(Posting::Entry(entry)) = real.postings.values().nth(pick).cloned() else {
                return;
            };
            assert!(!real.post(entry), "the same cause again moves nothing");
        }
        Op::End { run: n } if !model.holds.iter().any(|h| h.0 == n) => {
            if let Some((tally, _)) = real.runs.remove(&n) {
                ended[usize::from(n)] = true;
                let settlement = Settlement::new(run(n), tally, AT).unwrap();
                real.settled.push(Posting::Settlement(settlement));
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, ..ProptestConfig::default() })]

    /// R3: whatever happens in whatever order, the ledger agrees with the model, its accounts sum
    /// to 0, nothing is negative, and every hold is resolved once.
    #[test]
    fn the_ledger_agrees_with_the_model(ops in prop::collection::vec(op(), 1..24)) {
        let (mut real, mut model, mut ended) = (Real::default(), Model::default(), [false; 3]);
        for op in &ops {
            step(&mut real, &mut model, op, &mut ended);
        }
        real.check(&model);
    }
}
