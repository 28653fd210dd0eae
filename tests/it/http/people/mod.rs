//! People through the door: keys, organizations, users, members, sessions.

mod keys;
mod organizations;
mod repeats;
mod sessions;
mod users;

use axum::http::Method;
use serde_json::{Value, json};

use super::{Answered, Client, World};

/// A second organization, with its first key.
pub(super) async fn other(world: &World, name: &str) -> Client {
    let made = world.admin.post("/api/v1/organizations", &json!({ "name": name })).await.is(201);
    world.anybody().key(made["key"].as_str().unwrap())
}

/// A key with these scopes, made by `client`.
pub(super) async fn narrow(world: &World, client: &Client, scopes: &[&str]) -> Client {
    let made = client.post("/api/v1/keys", &json!({ "name": "narrow", "scopes": scopes })).await;
    world.anybody().key(made.is(201)["key"].as_str().unwrap())
}

pub(super) async fn put(client: &Client, path: &str, body: &Value) -> Answered {
    client.send(Method::PUT, path, Some(body)).await
}

pub(super) async fn patch(client: &Client, path: &str, body: &Value) -> Answered {
    client.send(Method::PATCH, path, Some(body)).await
}

pub(super) async fn delete(client: &Client, path: &str) -> Answered {
    client.send(Method::DELETE, path, None).await
}

/// All of an answer that may differ between two requests only by their ids.
pub(super) fn shape(answered: &Answered) -> (u16, Value, Vec<(String, String)>) {
    let mut body = answered.json();
    body.as_object_mut().unwrap().remove("request_id");
    let varies = ["x-request-id", "date", "traceparent", "ratelimit"];
    let headers = answered.headers.iter().filter(|(name, _)| !varies.contains(&name.as_str()));
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (answered.status.as_u16(), body, headers.collect())
}
