//! "Did you mean": the known name closest to a mistyped one. Messages only, never behaviour.

/// More edits than these are another word, not a typo.
const EDITS_MAX: usize = 3;

/// The candidate with the smallest edit distance to `name`, if it is close enough to be a typo.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Ids are at most 64 bytes; a longer "name" is not a typo of one.
    if name.is_empty() || name.len() > 128 {
        return None;
    }
    let name = folded(name);
    let most = (name.len() / 3).clamp(1, EDITS_MAX);
    candidates
        .into_iter()
        .filter(|c| c.len() <= 128)
        .filter_map(|c| Some((distance(&name, &folded(c), most)?, c)))
        .min_by_key(|(d, c)| (*d, c.len().abs_diff(name.len())))
        .map(|(_, c)| c)
}

/// Case, and `-` against `_`, are no difference.
fn folded(name: &str) -> Vec<char> {
    name.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Edit distance with swapped neighbours as one edit; `None` over `most`. Only the diagonal band
/// that can stay within `most` is computed.
fn distance(a: &[char], b: &[char], most: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let far = most + 1;
    let mut before: Vec<usize> = vec![far; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).map(|j| j.min(far)).collect();
    for i in 1..=a.len() {
        let mut row = vec![far; b.len() + 1];
        row[0] = i.min(far);
        for j in i.saturating_sub(most).max(1)..=(i + most).min(b.len()) {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row[j] = best.min(far);
        }
        before = std::mem::replace(&mut last, row);
    }
    Some(last[b.len()]).filter(|d| *d <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_typos_and_leaves_strangers() {
        let known = ["steps", "name", "timeout", "max_items", "on_failure", "if"];
        for (typed, meant) in [
            ("step", Some("steps")),
            ("setps", Some("steps")),
            ("Timeout", Some("timeout")),
            ("maxitems", Some("max_items")),
            ("maxxtms", None),
            ("fi", Some("if")),
            ("on-failure", Some("on_failure")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }
}
