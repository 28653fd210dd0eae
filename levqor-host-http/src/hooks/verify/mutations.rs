//! No byte of a signed request can be changed: not of its body, its time, its id, its signature.

use levqor_core::time::Timestamp;
use proptest::prelude::*;

use super::tests::{Case, cases, headers};
use super::twilio::fields_text;
use super::*;

/// Mutations for each property: over ten thousand in all.
const CASES: u32 = 8_000;

/// Where a mutation strikes.
fn pieces(case: &Case) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = case
        .headers
        .iter()
        // What Telegram's token says nothing about, and GitHub's signature.
        .filter(|(name, _)| !["content-type", "x-github-delivery"].contains(name))
        .map(|(name, value)| ((*name).to_owned(), value.clone().into_bytes()))
        .collect();
    if case.scheme != Scheme::Telegram {
        all.push(("body".to_owned(), case.body.clone()));
    }
    all
}

/// Whether the request with this piece in place of its own is believed.
fn believed(case: &Case, piece: &str, bytes: &[u8]) -> bool {
    let mut body = case.body.clone();
    let pairs: Vec<(&str, &str)> = case.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let mut headers = headers(&pairs);
    if piece == "body" {
        body = bytes.to_vec();
    } else {
        // What is no header does not come through the parser before us.
        let Ok(value) = axum::http::HeaderValue::from_bytes(bytes) else { return false };
        let Ok(name) = axum::http::HeaderName::from_bytes(piece.as_bytes()) else { return false };
        headers.insert(name, value);
    }
    let now = Timestamp(case.at * 1_000);
    let arrived = Arrived { headers: &headers, body: &body, url: case.url, now };
    verify(&case.scheme, &[Plain::of(case.secret)], 300_000, &arrived).is_ok()
}

/// Twilio signs a form's fields one after the other, not how they are written: `%2B` and `%2b` are
/// one text, and so are `a=b` and `ab=`. That is theirs; nothing of ours can tell them apart.
fn same_fields(case: &Case, bytes: &[u8]) -> bool {
    case.name == "twilio form" && fields_text(bytes) == fields_text(&case.body)
}

#[test]
fn every_single_bit_counts() {
    let mut struck = 0;
    for case in cases() {
        for (piece, bytes) in pieces(&case) {
            assert!(believed(&case, &piece, &bytes), "{}: {piece} unchanged", case.name);
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut changed = bytes.clone();
                    changed[at] ^= 1 << bit;
                    if piece == "body" && same_fields(&case, &changed) {
                        continue;
                    }
                    let shown = format!("{}: bit {bit} of byte {at} of {piece}", case.name);
                    assert!(!believed(&case, &piece, &changed), "{shown}");
                    struck += 1;
                }
            }
        }
    }
    assert!(struck > 10_000, "{struck}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..ProptestConfig::default() })]

    #[test]
    fn bytes_put_in_taken_out_or_replaced_are_noticed(
        which in any::<prop::sample::Index>(),
        piece in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        len in 0_usize..4,
        new in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let cases = cases();
        let case = &cases[which.index(cases.len())];
        let pieces = pieces(case);
        let (name, bytes) = &pieces[piece.index(pieces.len())];
        let at = at.index(bytes.len());
        let mut changed = bytes.clone();
        changed.splice(at..(at + len).min(bytes.len()), new);
        // Another signature beside the right one, an empty version: the vendors allow lists.
        let list = ["stripe-signature", "webhook-signature", "svix-signature"].contains(&name.as_str());
        let still = list && contains_whole(case, &changed);
        prop_assume!(changed != *bytes && !still);
        prop_assume!(!(name == "body" && same_fields(case, &changed)));
        prop_assert!(!believed(case, name, &changed), "{} {name} {at}: {:?}", case.name, String::from_utf8_lossy(&changed));
    }

    #[test]
    fn whatever_comes_is_answered(body in prop::collection::vec(any::<u8>(), 0..64), text in "[ -~]{0,80}") {
        for case in cases() {
            let _ = believed(&case, "body", &body);
            let _ = believed(&case, case.signature, text.as_bytes());
        }
    }
}

/// Whether a list of signatures still has the right one as a whole item.
fn contains_whole(case: &Case, changed: &[u8]) -> bool {
    let text = String::from_utf8_lossy(changed);
    let right = case.headers.iter().find(|(n, _)| *n == case.signature).map(|(_, v)| v.as_str());
    let right = right.unwrap_or_default();
    let separator = if case.name == "stripe" { ',' } else { ' ' };
    right.split(separator).all(|item| text.split(separator).any(|other| other == item))
}
