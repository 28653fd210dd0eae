//! Looking for secrets in what was written: as they are, and in the forms they might take.

use std::fs;
use std::path::Path;

use crate::capture;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A secret in each form in which it might be written.
pub(crate) fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let escape = |form: &dyn Fn(u8) -> String| bytes.iter().map(|b| form(*b)).collect::<String>();
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let url = |plain: &dyn Fn(u8) -> bool, upper: bool| {
        escape(&|b| match (plain(b), upper) {
            (true, _) => char::from(b).to_string(),
            (false, true) => format!("%{b:02X}"),
            (false, false) => format!("%{b:02x}"),
        })
    };
    let json = serde_json::to_string(secret).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let twice = serde_json::to_string(&json).unwrap();
    let reversed: String = secret.chars().rev().collect();
    let mut forms = vec![
        ("raw", secret.to_owned()),
        ("hex", hex.clone()),
        ("HEX", hex.to_uppercase()),
        ("URL", url(&unreserved, true)),
        ("url", url(&unreserved, false)),
        ("URL of every byte", url(&|_| false, true)),
        ("JSON", json),
        ("JSON in JSON", twice[1..twice.len() - 1].to_owned()),
        ("JSON of every character", escape(&|b| format!("\\u{:04x}", b))),
        ("reversed", reversed),
        ("bytes in a list", bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",")),
        (
            "bytes as they are debugged",
            bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", "),
        ),
    ];
    // Base 64 depends on what stands before: three shifts, without the characters at the ends that
    // mix with neighbours.
    for (name, shift) in [("base 64", 0), ("base 64 shifted by 1", 1), ("base 64 shifted by 2", 2)]
    {
        let inner = base64(bytes, shift);
        forms.push((name, inner.clone()));
        forms.push((name, inner.replace('+', "-").replace('/', "_")));
    }
    forms.into_iter().map(|(name, text)| (name, text.into_bytes())).collect()
}

/// What of base 64 is certain when `shift` other bytes stand before.
fn base64(bytes: &[u8], shift: usize) -> String {
    let mut bits: Vec<u8> = vec![0; shift * 8];
    bits.extend(bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)));
    let first = (shift * 8).div_ceil(6);
    let last = bits.len() / 6;
    bits.chunks(6)
        .take(last)
        .skip(first)
        .map(|six| char::from(BASE64[six.iter().fold(0, |n, bit| n << 1 | usize::from(*bit))]))
        .collect()
}

/// Where a text holds a secret in one of its forms.
pub(crate) fn find(text: &[u8], secret: &str) -> Option<&'static str> {
    forms(secret).into_iter().find(|(_, form)| contains(text, form)).map(|(name, _)| name)
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && memchr::memmem::find(text, needle).is_some()
}

/// Every file below a folder.
pub(crate) fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// Fails where a secret stands in one of these texts, or in what was logged.
pub(crate) fn nowhere(secrets: &[&str], texts: &[(String, Vec<u8>)]) {
    let logged = capture::logged();
    for secret in secrets {
        for (name, text) in texts {
            assert_eq!(find(text, secret), None, "{name} holds {secret}");
        }
        assert_eq!(find(logged.as_bytes(), secret), None, "the log holds {secret}");
    }
}

#[test]
fn each_form_is_found() {
    let secret = "xoxb-CANARY+9f/2\"b\\e%7d?=&~ä";
    for (name, form) in forms(secret) {
        let mut text = b"before ".to_vec();
        text.extend(&form);
        text.extend(b" after");
        assert!(find(&text, secret).is_some(), "{name}");
        assert!(form.len() >= secret.len(), "{name} is short: {}", form.len());
    }
    // Against an independent reading: the whole of known base 64 texts.
    assert_eq!(base64(b"Many hands make light work.", 0), "TWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcmsu");
    // "xMany hands" is `eE1hbnkgaGFuZHM=`.
    assert!("eE1hbnkgaGFuZHM=".contains(&base64(b"Many hands", 1)));
    assert!("eHlNYW55IGhhbmRz".contains(&base64(b"Many hands", 2)));
    assert_eq!(find(b"nothing of the kind", secret), None);
}
