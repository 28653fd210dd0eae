//! The desk on a memory store: pages, conflicts, audit rows.

use std::sync::Arc;

use levqor_core::ids::Organization;
use levqor_core::store::MemoryStore;
use levqor_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Thing {
    n: u32,
}

impl Record for Thing {
    const ROOM: Room = Room::KeyOf;
}

fn desk() -> Desk {
    Desk::new(Arc::new(MemoryStore::new()))
}

fn change() -> Change {
    Change::of_system(&Organization::local())
}

#[tokio::test]
async fn a_list_goes_on_where_the_page_before_ended_and_stays_in_its_organization() {
    let desk = desk();
    for (of, name, n) in
        [("a", "x", 1), ("a", "y", 2), ("a", "z", 3), ("ab", "x", 4), ("b", "x", 5)]
    {
        desk.commit(change().insert(&[of, name], &Thing { n })).await.unwrap();
    }
    let page =
        |found: Vec<Found<Thing>>| -> Vec<u32> { found.iter().map(|f| f.record.n).collect() };
    assert_eq!(page(desk.list(&["a"], None, 10).await.unwrap()), [1, 2, 3]);
    assert_eq!(page(desk.list(&["a"], Some("x"), 10).await.unwrap()), [2, 3]);
    assert_eq!(page(desk.list(&["a"], None, 2).await.unwrap()), [1, 2]);
    let first = &desk.list::<Thing>(&["ab"], None, 10).await.unwrap()[0];
    assert_eq!(first.parts, ["ab", "x"]);
}

#[tokio::test]
async fn a_stale_change_is_a_conflict_and_changes_nothing() {
    let desk = desk();
    desk.commit(change().insert(&["a", "x"], &Thing { n: 1 })).await.unwrap();
    let (_, read) = desk.get::<Thing>(&["a", "x"]).await.unwrap().unwrap();
    desk.commit(change().replace(&["a", "x"], read, &Thing { n: 2 })).await.unwrap();
    let stale = desk.commit(change().replace(&["a", "x"], read, &Thing { n: 3 })).await;
    assert_eq!(stale.unwrap_err().code(), "store.conflict");
    assert_eq!(desk.get::<Thing>(&["a", "x"]).await.unwrap().unwrap().0.n, 2);
}

#[tokio::test]
async fn audit_rows_stand_newest_first() {
    let (desk, of) = (desk(), Organization::local());
    for at in [1_000, 3_000, 2_000] {
        let row = Audit {
            at: Timestamp(at),
            principal: "key:k".to_owned(),
            action: "make".to_owned(),
            target: String::new(),
            request_id: String::new(),
        };
        desk.commit(change().audited(&of, row)).await.unwrap();
    }
    let rows = desk.list::<Audit>(&["local"], None, 10).await.unwrap();
    let times: Vec<i64> = rows.iter().map(|r| r.record.at.0).collect();
    assert_eq!(times, [3_000, 2_000, 1_000]);
}
