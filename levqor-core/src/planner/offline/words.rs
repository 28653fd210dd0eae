//! Words: what means the same, what means nothing here, what is an order to do something.

use super::synonyms::{CALLED, GROUPS, PHRASES, POLITE, SERVICES, STOP, VERBS};

pub(super) fn is_stop(word: &str) -> bool {
    STOP.contains(&word)
}

pub(super) fn is_polite(word: &str) -> bool {
    POLITE.contains(&word)
}

pub(super) fn is_service(word: &str) -> bool {
    SERVICES.contains(&word)
}

/// What a connector is called beside its name, by word.
pub(super) fn called(word: &str) -> impl Iterator<Item = &'static str> {
    CALLED.iter().filter(move |(name, _)| *name == word).map(|(_, connector)| *connector)
}

/// Whether the word, as it stands and before `next`, can order something to be done.
pub(super) fn is_verb(word: &str, next: &str) -> bool {
    const MORE: [&str; 12] = [
        "email", "mail", "refund", "charge", "call", "wait", "sleep", "have", "let", "give",
        "turn", "drop",
    ];
    // Nouns unless somebody follows: `message me`.
    const NOUNS: [&str; 9] =
        ["new", "all", "message", "text", "ai", "gpt", "chatgpt", "llm", "completion"];
    const SOMEBODY: [&str; 9] =
        ["me", "us", "him", "her", "them", "everyone", "everybody", "my", "our"];
    if NOUNS.contains(&word) {
        return matches!(word, "message" | "text") && SOMEBODY.contains(&next);
    }
    MORE.contains(&word) || GROUPS[..VERBS].iter().any(|group| group.contains(&word))
}

/// What an order means beside itself: to email is to send an email.
pub(super) fn implied(order: &str) -> Option<&'static str> {
    matches!(order, "email" | "mail").then_some("send")
}

/// The groups that a word is in, as bits.
pub(super) fn groups(word: &str) -> u64 {
    let bits = GROUPS.iter().enumerate().filter(|(_, group)| group.contains(&word));
    bits.fold(0, |mask, (i, _)| mask | 1 << i)
}

/// The groups of verbs that a word is in, as bits.
pub(super) fn verbs(word: &str) -> u64 {
    groups(word) & ((1 << VERBS) - 1)
}

/// Whether an order changes, removes or cancels: groups 5 to 7.
pub(super) fn harms(order: &str) -> bool {
    groups(order) & 0b1110_0000 != 0
}

/// Whether two words mean the same to the matcher.
pub(super) fn alike(left: &str, right: &str) -> bool {
    groups(left) & groups(right) != 0
}

/// The words of a text in small letters, endings off, without those that mean nothing.
pub(super) fn terms(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let text = PHRASES.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    words.map(base).filter(|w| !is_stop(w)).collect()
}

/// A word without its ending: `posting`, `posted`, `posts` are `post`.
pub(super) fn base(word: &str) -> String {
    let known = |w: &str| GROUPS.iter().any(|group| group.contains(&w));
    if known(word) || word.len() < 4 || !word.is_ascii() {
        return word.to_owned();
    }
    let endings =
        [("ies", "y"), ("es", ""), ("s", ""), ("ing", ""), ("ed", ""), ("ing", "e"), ("ed", "e")];
    for (ending, instead) in endings {
        let Some(stem) = word.strip_suffix(ending) else { continue };
        let candidate = format!("{stem}{instead}");
        if known(&candidate) {
            return candidate;
        }
        // A doubled last letter: `getting` is `get`.
        let bytes = stem.as_bytes();
        if bytes.len() > 2 && bytes[bytes.len() - 1] == bytes[bytes.len() - 2] {
            let single = stem[..stem.len() - 1].to_owned();
            if known(&single) {
                return single;
            }
        }
    }
    match word.strip_suffix('s') {
        Some(stem) if !stem.ends_with(['s', 'u', 'i']) => {
            word.strip_suffix("ies").map_or_else(|| stem.to_owned(), |stem| format!("{stem}y"))
        }
        _ => word.to_owned(),
    }
}
