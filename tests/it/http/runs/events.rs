//! Following a run: what comes when, what comes again, and how a stream ends.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::super::{Client, World};
use super::{is_in, started, waiting};

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    id: Option<u64>,
    name: String,
    data: Value,
}

/// A stream as a client reads it.
struct Stream {
    body: Incoming,
    text: String,
}

impl Stream {
    async fn open(client: &Client, path: &str) -> Self {
        let answer = client.open(path).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { body: answer.into_body(), text: String::new() }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(sent) = read(&block) {
                    return Some(sent);
                }
            }
            let frame = tokio::time::timeout(Duration::from_secs(60), self.body.frame()).await;
            let frame = frame.expect("the stream says nothing")?.unwrap();
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }

    async fn until(&mut self, name: &str) -> Vec<Sent> {
        let mut all = Vec::new();
        loop {
            all.push(self.next().await.unwrap_or_else(|| panic!("no {name} in {all:?}")));
            if all.last().unwrap().name == name {
                return all;
            }
        }
    }
}

/// A comment or a `retry` is no event.
fn read(block: &str) -> Option<Sent> {
    let of = |key: &str| block.lines().find_map(|line| line.strip_prefix(key));
    let data = serde_json::from_str(of("data: ")?).unwrap();
    let id = of("id: ").map(|id| id.parse().unwrap());
    Some(Sent { id, name: of("event: ")?.to_owned(), data })
}

/// Names and places of everything in a run's journal.
async fn journal(client: &Client, run: &str) -> Vec<(u64, Value)> {
    let page = client.get(&format!("/api/v1/runs/{run}/journal?limit=200")).await.is(200);
    assert_eq!(page["next_cursor"], Value::Null);
    let records = page["data"].as_array().unwrap().clone();
    let events = records.into_iter().flat_map(|record| {
        let seq = record["seq"].as_u64().unwrap();
        let events = record["events"].as_array().unwrap().clone();
        events.into_iter().map(move |event| (seq, event))
    });
    events.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_where_the_one_before_was_cut_and_ends_with_the_run() {
    let world = World::new().await;
    let run = started(&world.admin, waiting(), Value::Null, "waiting").await;
    let path = format!("/api/v1/runs/{run}/events");
    let mut first = Stream::open(&world.admin, &path).await;
    let mut seen = first.until("step.waiting").await;
    drop(first);
    let last = seen.iter().filter_map(|sent| sent.id).next_back().unwrap();
    // What was read of a record that was not whole comes again.
    seen.retain(|sent| sent.data["seq"].as_u64().unwrap() <= last);
    let resumed = world.admin.clone().header("last-event-id", &last.to_string());
    let mut second = Stream::open(&resumed, &path).await;
    let publish = json!({ "name": "go", "payload": { "n": "7" } });
    world.admin.post("/api/v1/signals", &publish).await.is(200);
    seen.extend(second.until("run.finished").await);
    assert_eq!(second.next().await, None, "it ends with the run");
    let all: Vec<(u64, Value)> = seen
        .iter()
        .map(|sent| (sent.data["seq"].as_u64().unwrap(), sent.data["event"].clone()))
        .collect();
    assert_eq!(all, journal(&world.admin, &run).await, "nothing is lost, nothing comes twice");
    assert!(all.iter().any(|(_, event)| event["path"] == "w"), "{all:?}");
    let last = seen.last().unwrap().id.unwrap();
    let done = world.admin.clone().header("last-event-id", &last.to_string());
    done.get(&path).await.is(204);
    let after = format!("{path}?after={}", last - 1);
    let mut tail = Stream::open(&world.admin, &after).await;
    assert_eq!(tail.next().await.unwrap().data["seq"], last);
    let wrong = world.admin.clone().header("last-event-id", "x").get(&path).await;
    assert_eq!(wrong.refused(400), "request.last_event_id");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_of_one_run_see_the_same() {
    let world = World::new().await;
    let run = started(&world.admin, waiting(), Value::Null, "waiting").await;
    let path = format!("/api/v1/runs/{run}/events");
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = Stream::open(&world.admin, &path).await;
        stream.until("step.waiting").await;
        streams.push(stream);
    }
    let publish = json!({ "name": "go", "payload": { "n": "7" } });
    world.admin.post("/api/v1/signals", &publish).await.is(200);
    let mut all = Vec::new();
    for stream in &mut streams {
        all.push(stream.until("run.finished").await);
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_bounded_for_each_key_and_end_when_the_host_stops() {
    let world = World::new().await;
    let stranger = world.stranger().await;
    let run = started(&world.admin, waiting(), Value::Null, "waiting").await;
    let theirs = started(&stranger, waiting(), Value::Null, "waiting").await;
    let path = format!("/api/v1/runs/{run}/events");
    let mut open = Vec::new();
    let refused = loop {
        let answer = world.admin.open(&path).await;
        if answer.status() != 200 {
            break answer;
        }
        open.push(Stream { body: answer.into_body(), text: String::new() });
        assert!(open.len() < 1_000, "streams have no bound");
    };
    assert_eq!(refused.status(), 429);
    let mut other = Stream::open(&stranger, &format!("/api/v1/runs/{theirs}/events")).await;
    other.until("step.waiting").await;
    let World { host, folder: _folder, admin } = world;
    host.stop().await.unwrap();
    open.push(other);
    for mut stream in open {
        while stream.next().await.is_some() {}
    }
    assert!(admin.try_send(axum::http::Method::GET, "/healthz", None, "".into()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_journal_comes_in_pages() {
    let world = World::new().await;
    let document = json!({
        "schema": "levqor/v1", "name": "long",
        "steps": [
            { "id": "each", "for_each": "${{ input }}", "as": "n", "steps": [
                { "id": "nap", "uses": "core/sleep", "with": { "for": "1ms" } },
            ] },
        ],
    });
    let items: Vec<u32> = (0..30).collect();
    let run = started(&world.admin, document, json!(items), "succeeded").await;
    is_in(&world.admin, &run, "succeeded").await;
    let whole = journal(&world.admin, &run).await;
    let (mut read, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let path = format!("/api/v1/runs/{run}/journal?limit=7{cursor}");
        let page = world.admin.get(&path).await.is(200);
        pages += 1;
        for record in page["data"].as_array().unwrap() {
            for event in record["events"].as_array().unwrap() {
                read.push((record["seq"].as_u64().unwrap(), event.clone()));
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(read, whole);
    assert!(pages > 3, "{pages} pages");
    assert!(whole.iter().any(|(_, event)| event["path"] == "each[29].nap"));
}
