//! What looks like a secret is taken out of a text: known prefixes, named values, long random words.
//!
//! The last wall, not the first: nothing secret should get as far as a text that comes here.

/// What keys and tokens of this host and of usual vendors begin with.
const PREFIXES: [&str; 16] = [
    "lvq_",
    "whsec_",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "sk-",
    "xox",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "AKIA",
    "eyJ",
    "re_",
    "AGE-SECRET-KEY-",
];
/// Names after which a value is secret.
const NAMES: [&str; 10] = [
    "password",
    "passwd",
    "secret",
    "token",
    "authorization",
    "api_key",
    "apikey",
    "api-key",
    "signature",
    "cookie",
];
/// Words before a value that is secret.
const SCHEMES: [&str; 2] = ["bearer", "basic"];
/// Length from which a word with digits and both cases, or of hexadecimal digits, is taken for
/// random.
const RANDOM_LEN_MIN: usize = 32;
/// Length from which what stands after a prefix is taken for a secret.
const AFTER_PREFIX_MIN: usize = 8;
const GONE: &str = "[redacted]";

/// The text without what looks like a secret.
pub(crate) fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = Before::Nothing;
    for (word, is_word) in words(text) {
        if !is_word {
            // `name: value`, `name=value`, `"name": "value"`, `Bearer value`; anything else parts
            // them.
            let joins = word.len() <= 4 && word.chars().all(|c| " :=\"'".contains(c));
            let names = word.contains([':', '=']);
            if !joins || matches!(before, Before::Name) && !names {
                before = Before::Nothing;
            }
            out.push_str(word);
            continue;
        }
        let lower = word.to_lowercase();
        let is_name = NAMES.iter().any(|name| lower.ends_with(name));
        let is_scheme = SCHEMES.contains(&&*lower);
        let secret = match before {
            _ if is_scheme => false,
            Before::Name | Before::Scheme => !is_name,
            Before::Nothing => looks_secret(word),
        };
        out.push_str(if secret || looks_secret(word) { GONE } else { word });
        before = match () {
            () if is_scheme => Before::Scheme,
            () if is_name => Before::Name,
            () => Before::Nothing,
        };
    }
    out
}

#[derive(Clone, Copy)]
enum Before {
    Nothing,
    Name,
    Scheme,
}

/// The text in runs of what secrets are made of, and what stands between.
fn words(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let of_word = |c: char| c.is_ascii_alphanumeric() || "_-+/.~%".contains(c);
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_word = of_word(first);
        let end = rest.find(|c| of_word(c) != is_word).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some((word, is_word))
    })
}

fn looks_secret(word: &str) -> bool {
    let known = word.split(['/', '.', '%', '+', '~']).any(|part| {
        let after = |prefix: &&str| part.strip_prefix(*prefix).map_or(0, str::len);
        PREFIXES.iter().any(|prefix| after(prefix) >= AFTER_PREFIX_MIN)
    });
    // Ids of runs and requests are random, and not secret.
    let is_id = word.split_once('_').is_some_and(|(prefix, body)| {
        prefix.len() <= 4 && body.len() == 26 && !PREFIXES.contains(&&*format!("{prefix}_"))
    });
    known || (!is_id && word.split(['/', '.']).any(is_random))
}

fn is_random(part: &str) -> bool {
    if part.len() < RANDOM_LEN_MIN {
        return false;
    }
    let any = |is: fn(&u8) -> bool| part.as_bytes().iter().any(is);
    let (digits, upper) = (any(u8::is_ascii_digit), any(u8::is_ascii_uppercase));
    let hex = part.bytes().all(|b| b.is_ascii_hexdigit());
    digits && (hex || (upper && any(u8::is_ascii_lowercase)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_sentence_stays() {
        for (text, wanted) in [
            ("the key lvq_ops_0123456789abcdef was refused", "the key [redacted] was refused"),
            ("Authorization: Bearer abcdef", "Authorization: Bearer [redacted]"),
            ("password=hunter2&user=ada", "password=[redacted]&user=ada"),
            ("{\"api_key\": \"short\", \"n\": 1}", "{\"api_key\": \"[redacted]\", \"n\": 1}"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "[redacted]"),
            ("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.c2ln b", "a [redacted] b"),
            ("d41d8cd98f00b204e9800998ecf8427e", "[redacted]"),
            ("run_06fqz6m7k8s3n5v2c9x4w1b0ta failed", "run_06fqz6m7k8s3n5v2c9x4w1b0ta failed"),
            ("nothing of the kind, at 12:30", "nothing of the kind, at 12:30"),
            ("the store took 30 s", "the store took 30 s"),
            ("the token has expired", "the token has expired"),
            ("store_commit_seconds of core_template_x", "store_commit_seconds of core_template_x"),
        ] {
            assert_eq!(redacted(text), wanted);
        }
    }
}
