//! What a draft must not hold, whatever the validator thinks: actions that are not in the
//! catalog, secrets, hidden characters.
//!
//! Not a validator: shapes, references and expressions are the document's own business.

use serde_json::Value;

use super::{ISSUES_MAX, has_hidden, visible};
use crate::connector::Manifest;

/// Members whose values are data, not steps.
const DATA: [&str; 6] = ["with", "vars", "input_schema", "output", "ui", "credentials"];
/// Built-in actions that a plan may use.
const CORE: [&str; 7] = ["set", "template", "sleep", "wait_event", "approval", "fail", "stop"];
/// Words in a member's name that say that its value is a secret.
const SECRET_NAMES: [&str; 8] =
    ["password", "passwd", "secret", "api_key", "apikey", "token", "authorization", "private_key"];
/// Beginnings of keys and tokens of well-known services, and how long one is at least.
const SECRET_STARTS: [(&str, usize); 18] = [
    ("sk-", 20),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("whsec_", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xapp-", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("github_pat_", 24),
    ("glpat-", 16),
    ("AKIA", 20),
    ("AIza", 30),
    ("SG.", 30),
    ("lvq_", 16),
    ("eyJhbGciOi", 30),
    ("-----BEGIN ", 20),
];
/// Shortest literal that a member with a secret's name may not have.
const SECRET_BYTES_MIN: usize = 8;

/// Checks a draft against what it may never hold: every `uses` is in `manifests` (or `core/…`, or
/// one of the organization's own `pipeline/…`), no value is a secret, no text has hidden
/// characters.
///
/// # Errors
/// Every issue found, at most [`ISSUES_MAX`], each with the JSON Pointer to its place.
pub fn check(document: &Value, manifests: &[Manifest]) -> Result<(), Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![Place { value: document, pointer: String::new(), name: "", data: false }];
    while let Some(place) = open.pop() {
        if found.len() >= ISSUES_MAX {
            break;
        }
        match place.value {
            Value::String(text) => check_text(&place, text, manifests, &mut found),
            Value::Array(items) => {
                for (i, value) in items.iter().enumerate().rev() {
                    let pointer = format!("{}/{i}", place.pointer);
                    open.push(Place { value, pointer, ..place });
                }
            }
            Value::Object(members) => {
                for (name, value) in members.iter().rev() {
                    if has_hidden(name) {
                        found.push(format!("{}: a name has hidden characters", place.pointer));
                    }
                    let pointer = format!("{}/{}", place.pointer, visible(name));
                    let data = place.data || DATA.contains(&name.as_str());
                    open.push(Place { value, pointer, name, data });
                }
            }
            _ => {}
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

struct Place<'a> {
    value: &'a Value,
    pointer: String,
    /// Name of the nearest member.
    name: &'a str,
    /// Whether it lies in data, where `uses` means nothing.
    data: bool,
}

fn check_text(place: &Place<'_>, text: &str, manifests: &[Manifest], found: &mut Vec<String>) {
    let pointer = &place.pointer;
    if has_hidden(text) {
        found.push(format!("{pointer}: hidden characters: {}", visible(text)));
    }
    if looks_secret(text) {
        found.push(format!("{pointer}: looks like a secret; name a credential instead"));
    } else if is_secret_name(place) && text.len() >= SECRET_BYTES_MIN && !text.contains("${{") {
        found.push(format!("{pointer}: a secret must not stand in a document"));
    }
    if place.name == "uses" && !place.data && !pointer.starts_with("/triggers/") {
        check_uses(pointer, text, manifests, found);
    }
}

fn check_uses(pointer: &str, uses: &str, manifests: &[Manifest], found: &mut Vec<String>) {
    let known = match uses.split_once('/') {
        Some(("core", action)) => CORE.contains(&action),
        // Whether the organization has it is for the validator, which knows its pipelines.
        Some(("pipeline", _)) => true,
        Some((connector, action)) => {
            manifests.iter().any(|m| m.name == connector && m.actions.contains_key(action))
        }
        None => false,
    };
    if !known {
        found.push(format!("{pointer}: `{}` is not in the catalog", visible(uses)));
    }
}

/// In triggers and in `credentials`, such members name an entry of the vault.
fn is_secret_name(place: &Place<'_>) -> bool {
    let named =
        place.pointer.starts_with("/triggers/") || place.pointer.starts_with("/credentials/");
    let name = place.name.to_ascii_lowercase().replace('-', "_");
    !named && place.data && SECRET_NAMES.iter().any(|word| is_word_of(&name, word))
}

/// `api_token` and `token` have the word `token`; `max_tokens` and `page_token_count` do not end
/// in it.
fn is_word_of(name: &str, word: &str) -> bool {
    name.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
}

fn looks_secret(text: &str) -> bool {
    let separators = |c: char| c.is_whitespace() || "\"'=,;()<>{}".contains(c);
    let starts = |word: &str| {
        SECRET_STARTS.iter().any(|(start, bytes)| word.starts_with(start) && word.len() >= *bytes)
    };
    text.contains("-----BEGIN ") && text.contains("PRIVATE KEY")
        || text.split(separators).any(starts)
        || basic_in_url(text)
}

/// `https://user:password@host`.
fn basic_in_url(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.split_once('@').is_some_and(|(user, _)| {
        user.split_once(':').is_some_and(|(_, p)| !p.is_empty() && !p.contains("${{"))
    })
}
