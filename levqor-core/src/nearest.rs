//! "Did you mean": the known name closest to a mistyped one. Messages only, never behaviour.

/// The candidate with the smallest edit distance to `name`, if it is close enough to be a typo.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Ids are at most 64 bytes; a longer "name" is not a typo of one.
    if name.is_empty() || name.len() > 128 {
        return None;
    }
    let far = (name.chars().count() / 3).max(1) + 1;
    candidates
        .into_iter()
        .filter(|c| c.len() <= 128)
        .map(|c| (distance(name, c), c))
        .filter(|(d, c)| *d < far || (*d <= far && c.len() > 5))
        .min_by_key(|(d, c)| (*d, c.len().abs_diff(name.len())))
        .map(|(_, c)| c)
}

/// Edit distance with swapped neighbours as one edit, ignoring case and `-` against `_`.
fn distance(a: &str, b: &str) -> usize {
    let fold = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
    let a: Vec<char> = a.chars().map(fold).collect();
    let b: Vec<char> = b.chars().map(fold).collect();
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
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
            ("on-failure", Some("on_failure")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }
}
