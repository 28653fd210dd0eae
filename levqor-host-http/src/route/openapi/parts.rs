//! The parts of paths: what each kind of id looks like.

use serde_json::{Value, json};

/// One kind of part, known by the name that it has in paths.
struct Part {
    name: &'static str,
    pattern: &'static str,
    example: &'static str,
    about: &'static str,
}

const fn part(
    name: &'static str,
    pattern: &'static str,
    example: &'static str,
    about: &'static str,
) -> Part {
    Part { name, pattern, example, about }
}

/// What the engine takes as a name: `levqor_core::ids::check_id`.
const NAME: &str = "^[A-Za-z0-9_.-]{1,64}$";

#[rustfmt::skip]
const PARTS: &[Part] = &[
    part("run", "^run_[0-7][0-9a-hjkmnp-tv-z]{25}$", "run_01m83b47q4fhnsmkrkztx86wxv", "A run's id."),
    part("pipeline", NAME, "nightly", "A stored pipeline's name."),
    part("schedule", NAME, "nightly", "A schedule's id."),
    part("connector", NAME, "text", "A connector's name."),
    part("credential", NAME, "slack-main", "A credential's name."),
    // An operator brings a key under an id of their own: `key_ops`.
    part("key", "^key_[A-Za-z0-9]{1,128}$", "key_0hj4v8z2k6m0q4t8w2y6b0d4f8", "An API key's id."),
    part("version", "^[0-9a-f]{64}$", "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", "A version: the hash of its document."),
    part("trigger", NAME, "nightly", "A trigger's id in the document."),
    part("draft", "^drf_[0-9a-hjkmnp-tv-z]{26}$", "drf_0hj4v8z2k6m0q4t8w2y6b0d4f8", "A draft's id."),
    part("subscription", "^sub_[0-9a-hjkmnp-tv-z]{26}$", "sub_0hj4v8z2k6m0q4t8w2y6b0d4f8", "A subscription's id."),
    part("delivery", "^[A-Za-z0-9_-]{1,64}$", "msg_0hj4v8z2k6m0q4t8w2y6b0d4f8", "A delivery's id."),
    part("user", "^usr_[0-9a-hjkmnp-tv-z]{26}$", "usr_0hj4v8z2k6m0q4t8w2y6b0d4f8", "A person's id."),
    part("endpoint", "^[A-Za-z0-9_-]{1,64}$", "end_0hj4v8z2k6m0q4t8w2y6b0d4f8", "A webhook endpoint's id."),
];

/// What a part of another name is: some text in one piece.
const OTHER: Part = part("", "^[A-Za-z0-9_.-]{1,128}$", "example", "Its id.");

/// Names of the parts of a path: `run` of `/runs/{run}`.
pub(super) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// A part as a parameter of its operation.
pub(super) fn parameter(name: &str) -> Value {
    let Part { pattern, example, about, .. } =
        PARTS.iter().find(|part| part.name == name).unwrap_or(&OTHER);
    json!({
        "name": name, "in": "path", "required": true, "description": about,
        "schema": { "type": "string", "pattern": pattern }, "example": example,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_what_stands_in_braces() {
        assert_eq!(names("/a/{b}/c/{d}").collect::<Vec<_>>(), ["b", "d"]);
        assert_eq!(names("/a").count(), 0);
    }

    #[test]
    fn the_documented_ids_are_the_ones_that_are_made() {
        use crate::ids;
        for (name, prefix) in
            [("key", "key"), ("user", "usr"), ("draft", "drf"), ("subscription", "sub")]
        {
            let parameter = parameter(name);
            assert!(ids::is(prefix, parameter["example"].as_str().unwrap()), "{name}");
        }
        let run = parameter("run")["example"].as_str().unwrap().to_owned();
        assert!(run.parse::<levqor_core::RunId>().is_ok());
        for name in ["pipeline", "schedule", "connector", "credential"] {
            let example = parameter(name)["example"].as_str().unwrap().to_owned();
            assert!(levqor_core::ids::check_id(&example).is_ok(), "{name}");
        }
    }
}
