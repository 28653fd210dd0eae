//! Ids of the host's own records: a prefix and 128 random bits in base 32.
//!
//! They say nothing about when or in which order they were made, unlike a run's.

use levqor_core::ids::{IdSource as _, SystemIds};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters after the prefix.
pub(crate) const BODY_LEN: usize = 26;

/// A new id: `key_…`, `usr_…`.
pub(crate) fn make(prefix: &str) -> String {
    written(prefix, random())
}

/// 128 random bits for what is no secret: the system's, but many of them at one call of it.
pub(crate) fn random() -> u128 {
    let ids = SystemIds::default();
    (u128::from(ids.random()) << 64) | u128::from(ids.random())
}

/// The id of something that is known by a hash: the same for the same.
pub(crate) fn of(prefix: &str, hash: &[u8; 32]) -> String {
    let mut bits = [0; 16];
    bits.copy_from_slice(&hash[..16]);
    written(prefix, u128::from_be_bytes(bits))
}

fn written(prefix: &str, bits: u128) -> String {
    let mut id = String::with_capacity(prefix.len() + 1 + BODY_LEN);
    id.push_str(prefix);
    id.push('_');
    let digits = (0..BODY_LEN).rev().map(|at| ALPHABET[(bits >> (5 * at)) as usize & 31]);
    digits.for_each(|digit| id.push(char::from(digit)));
    id
}

/// Whether a text can be such an id.
pub(crate) fn is(prefix: &str, text: &str) -> bool {
    let body = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'));
    body.is_some_and(|b| b.len() == BODY_LEN && b.bytes().all(|c| ALPHABET.contains(&c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_one_and_never_the_same() {
        let (a, b) = (make("key"), make("key"));
        assert_ne!(a, b);
        assert!(is("key", &a) && is("key", &b), "{a} {b}");
        for wrong in ["", "key_", "key", "usr_00000000000000000000000000", &a[1..], &a[..29]] {
            assert!(!is("key", wrong), "{wrong}");
        }
    }
}
