//! Hidden characters made visible, so that what a person reads is what a model or an engine reads.

use std::borrow::Cow;

/// The text with every character that shows nothing, or turns its neighbours around, written as
/// `⟨U+202E⟩`. Joiners and variation selectors inside emoji and scripts that need them stay.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !has_hidden(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut before = None;
    for c in text.chars() {
        if hides(c, before) {
            shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else {
            shown.push(c);
        }
        before = Some(c);
    }
    Cow::Owned(shown)
}

/// Whether the text has a character that [`visible`] would write out.
#[must_use]
pub fn has_hidden(text: &str) -> bool {
    let mut before = None;
    text.chars().any(|c| hides(c, before.replace(c)))
}

/// The text without such characters, for reading what its words are.
pub(super) fn without_hidden(text: &str) -> String {
    let mut before = None;
    text.chars().filter(|c| !hides(*c, before.replace(*c))).collect()
}

fn hides(c: char, before: Option<char>) -> bool {
    match u32::from(c) {
        // Joiners and the two text/emoji selectors mean something after a letter of their script.
        0x200c | 0x200d | 0xfe0e | 0xfe0f => before.is_none_or(|b| b.is_ascii() || hides(b, None)),
        0x09 | 0x0a | 0x0d => false,
        // Other controls.
        0x00..=0x1f | 0x7f..=0x9f
        // Soft hyphen, combining joiner, Arabic letter mark, Hangul and Khmer fillers.
        | 0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
        // Zero widths, direction marks, separators, embeddings, overrides, isolates.
        | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164
        | 0xfe00..=0xfe0d | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
        // Musical formatting, tags, the other selectors.
        | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff => true,
        _ => false,
    }
}
