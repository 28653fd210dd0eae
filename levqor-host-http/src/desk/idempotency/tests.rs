//! Keys as they are sent; what is kept of an answer; how long.

use serde_json::json;

use super::*;
use levqor_core::store::MemoryStore;

fn headers(values: &[&str]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for value in values {
        map.append(KEY_HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

#[test]
fn keys_are_bare_or_quoted() {
    let longest = "k".repeat(255);
    for (sent, wanted) in [
        ("a-1", "a-1"),
        ("\"a-1\"", "a-1"),
        (r#""a\"b\\c""#, r#"a"b\c"#),
        (r"a\b", r"a\b"),
        ("{}", "{}"),
        (longest.as_str(), longest.as_str()),
    ] {
        assert_eq!(key_in(&headers(&[sent])).unwrap().unwrap(), wanted, "{sent}");
    }
    assert!(key_in(&HeaderMap::new()).unwrap().is_none());
    let longer = "k".repeat(256);
    for wrong in [
        &[""][..],
        &["\"\""],
        &["a b"],
        &["é"],
        &["\"a\"b\""],
        &[r#""a\n""#],
        &[&longer],
        &["a", "a"],
    ] {
        let refused = key_in(&headers(wrong)).unwrap_err();
        assert_eq!(refused.code(), "idempotency.bad_key", "{wrong:?}");
    }
}

fn once(desk: &Desk, place: &str, body: &str, until: i64) -> Once {
    let organization = Organization::local();
    let flight = Flight::take_off(&desk.flights, (organization.clone(), place.to_owned())).unwrap();
    Once {
        organization,
        place: place.to_owned(),
        body: hex(&[body.as_bytes()]),
        until: Timestamp(until),
        _flight: flight,
    }
}

fn made() -> Answer {
    Answer::created("/there", &json!({ "id": "a", "key": "SECRET" })).unwrap().secret("/key")
}

#[tokio::test]
async fn an_answer_is_given_again_without_its_secret() {
    let desk = Desk::new(Arc::new(MemoryStore::new()));
    let first = once(&desk, "p", "body", 10);
    let again = Change::keyed(first.clone());
    let answer = desk.answered(Change::keyed(first.clone()), made()).await.unwrap();
    assert_eq!(answer.json_bytes().unwrap(), br#"{"id":"a","key":"SECRET"}"#.as_slice());
    // The second of two that both saw nothing: it is told what the first was answered.
    let second = desk.answered(again, made()).await.unwrap();
    assert_eq!(second.json_bytes().unwrap(), br#"{"id":"a","key":null}"#.as_slice());
    assert_eq!(second.status(), StatusCode::CREATED);
    let names: Vec<&str> = second.headers().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["idempotent-replayed", "location"]);
    let other = Once { body: hex(&[b"other"]), ..first };
    assert_eq!(desk.answered_before(&other).await.unwrap_err().code(), "idempotency.reused");
}

#[tokio::test]
async fn what_is_over_is_removed_in_batches_and_nothing_else() {
    let desk = Desk::new(Arc::new(MemoryStore::new()));
    for n in 0..300 {
        let until = if n < 290 { n } else { 1_000 };
        let once = once(&desk, &format!("p{n}"), "", until);
        desk.answered(Change::keyed(once), made()).await.unwrap();
    }
    assert!(desk.sweep_answers(Timestamp(500)).await.unwrap(), "256 of 290");
    assert!(!desk.sweep_answers(Timestamp(500)).await.unwrap());
    assert_eq!(desk.list::<Answered>(&[], None, 1_000).await.unwrap().len(), 10);
    assert_eq!(desk.list::<Due>(&[], None, 1_000).await.unwrap().len(), 10);
}

#[test]
fn one_flight_at_a_time() {
    let flights = Flights::default();
    let place = || (Organization::local(), "p".to_owned());
    let first = Flight::take_off(&flights, place()).unwrap();
    let second = Flight::take_off(&flights, place()).unwrap_err();
    assert_eq!(second.code(), "idempotency.in_flight");
    drop(first);
    Flight::take_off(&flights, place()).unwrap();
}

#[derive(Debug, Serialize, Deserialize)]
struct Effect {}

impl Record for Effect {
    const ROOM: Room = Room::KeyOf;
}

/// A client that sends the same request until it is answered; the id in the answer.
async fn insists(desk: &Desk, caller: &Caller, head: &Head) -> serde_json::Value {
    loop {
        tokio::task::yield_now().await;
        let begun = desk.once(caller, head, &Bytes::from_static(b"{}"), Timestamp(0)).await;
        let answered = match begun {
            Ok(Some(Begun::Again(answer))) => Ok(answer),
            Ok(Some(Begun::New(once))) => {
                let id = crate::ids::make("thg");
                let change = Change::keyed(once).insert(&["effects", &id], &Effect {});
                desk.answered(change, Answer::created("/", &json!({ "id": id })).unwrap()).await
            }
            Ok(None) => panic!("the request has a key"),
            Err(refused) => Err(refused),
        };
        if let Ok(answer) = answered {
            return answer.json_blanked().unwrap()["id"].clone();
        }
    }
}

#[tokio::test]
async fn who_insists_has_one_effect_whatever_the_store_does() {
    use crate::caller::{Credential, Scopes};
    use levqor_core::store::{FaultPlan, FaultStore};

    let caller =
        Caller::new(Organization::local(), Credential::Key("key_1".to_owned()), Scopes::all());
    let head = Head {
        method: axum::http::Method::POST,
        uri: "/things".parse().unwrap(),
        headers: headers(&["k"]),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        request_id: "r".into(),
        route: "make_thing",
        parts: Default::default(),
        once: None,
        is_secure: false,
    };
    let (mut unknown, mut replayed) = (0, 0);
    for seed in 0..300 {
        let plan = FaultPlan { unknown_applied: 200, unknown_lost: 200, ..FaultPlan::rough(seed) };
        let store = FaultStore::new(MemoryStore::new(), plan);
        // Two hosts on one store: their requests meet in the commit.
        let hosts = [0, 1].map(|_| Desk::new(Arc::new(store.clone())));
        let all = (0..6).map(|n| insists(&hosts[n % 2], &caller, &head));
        let ids = futures_util::future::join_all(all).await;
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}: {ids:?}");
        unknown += store.counts().unknown_applied + store.counts().unknown_lost;
        store.set_plan(FaultPlan::calm(seed));
        let effects = hosts[0].list::<Effect>(&["effects"], None, 10).await.unwrap();
        assert_eq!(effects.len(), 1, "seed {seed}");
        assert_eq!(json!(effects[0].parts[1]), ids[0], "seed {seed}");
        replayed += ids.len() - 1;
    }
    assert!(unknown > 50 && replayed > 0, "{unknown} {replayed}: a calm day proves nothing");
}
