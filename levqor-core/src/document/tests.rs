//! Tables and properties of reading: shapes, places, hostile texts.

use std::time::{Duration as StdDuration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const HELLO: &str = "schema: levqor/v1
name: hello
vars: { no: NO, oct: 0777, tilde: ~, empty: , yes: true, n: 1.50, big: 18446744073709551615 }
steps:
  - id: say
    uses: core/template
    timeout: 90s
    with:
      text: |
        Hi ${{ input.name }}
";

#[test]
fn yaml_words_follow_json() {
    let document = parse(HELLO, Format::Yaml).unwrap().document;
    let vars: Value = serde_json::to_value(&document.vars).unwrap();
    assert_eq!(
        vars,
        json!({"no": "NO", "oct": "0777", "tilde": "~", "empty": null, "yes": true, "n": 1.5,
               "big": u64::MAX})
    );
    assert_eq!(document.steps[0].timeout, Some(Duration::from_ms(90_000)));
    assert_eq!(document.steps[0].with, Some(json!({"text": "Hi ${{ input.name }}\n"})));
}

#[test]
fn places_are_those_of_the_text() {
    let spans = parse(HELLO, Format::Yaml).unwrap().spans;
    let shown = |range: Option<std::ops::Range<usize>>| range.map(|r| &spans.source()[r]);
    assert_eq!(shown(spans.value("/name")), Some("hello"));
    assert_eq!(shown(spans.key("/steps/0/timeout")), Some("timeout"));
    assert_eq!(shown(spans.value("/steps/0/timeout")), Some("90s"));
    assert_eq!(shown(spans.value("/vars/oct")), Some("0777"));
    assert_eq!(spans.line_column(spans.value("/steps/0/uses").unwrap().start), (6, 11));
    assert_eq!(shown(spans.nearest("/steps/0/with/nothing")), Some("with"));
    let json = "{\"a\": [1, {\"b/c\": \"é\\n\"}], \"d\": \"x\"}";
    let (value, spans) = parse_value(json, Format::Json).unwrap();
    assert_eq!(value, json!({"a": [1, {"b/c": "é\n"}], "d": "x"}));
    let shown = |range: Option<std::ops::Range<usize>>| range.map(|r| &spans.source()[r]);
    assert_eq!(shown(spans.value("/a/1/b~1c")), Some("\"é\\n\""));
    assert_eq!(shown(spans.value("/a")), Some("[1, {\"b/c\": \"é\\n\"}]"));
    assert_eq!(shown(spans.key("/d")), Some("\"d\""));
    assert_eq!(spans.line_column(spans.key("/d").unwrap().start).1, 28);
}

#[test]
fn json_is_json() {
    for (text, code) in [
        ("{\"a\":1,\"a\":2}", "document.duplicate_key"),
        ("{\"a\":1,}", "document.syntax"),
        ("[1 2]", "document.syntax"),
        ("[1,]", "document.syntax"),
        ("[01]", "document.syntax"),
        ("[1.]", "document.syntax"),
        ("[+1]", "document.syntax"),
        ("['a']", "document.syntax"),
        ("{a:1}", "document.syntax"),
        ("{\"a\" 1}", "document.syntax"),
        ("[\"a\nb\"]", "document.syntax"),
        ("[\"\\x\"]", "document.syntax"),
        ("[\"\\ud800\"]", "document.syntax"),
        ("[nul]", "document.syntax"),
        ("[NaN]", "document.syntax"),
        ("[] []", "document.syntax"),
        ("[}", "document.syntax"),
        ("", "document.syntax"),
        ("{", "document.syntax"),
        ("\"a", "document.syntax"),
        ("\"\\", "document.syntax"),
        ("[99999999999999999999]", "document.number"),
        ("[1e400]", "document.number"),
    ] {
        let found = parse_value(text, Format::Json).map_err(|i| i.code.into_owned());
        assert_eq!(found.map(|(v, _)| v), Err(code.to_owned()), "{text}");
    }
    let good = " [ {} , [ ] , \"\\u00e9\\/\" , -0.5e-3 , true , null ]\n";
    let (value, _) = parse_value(good, Format::Json).unwrap();
    assert_eq!(value, serde_json::from_str::<Value>(good).unwrap());
}

/// Each of these must end at once, whatever it is.
#[test]
fn hostile_texts_end_quickly() {
    let alias = (0..20).fold("a0: &a0 [x]\n".to_owned(), |text, i| {
        format!("{text}a{}: &a{} [*a{i}, *a{i}, *a{i}]\n", i + 1, i + 1)
    });
    let long_keys = {
        let key = "k".repeat(2_000);
        let open: String = (0..50).map(|_| format!("{{\"{key}\":")).collect();
        format!("{open}[{}0]{}", "0,".repeat(60_000), "}".repeat(50))
    };
    let texts = [
        "[".repeat(100_000),
        "{\"a\":".repeat(40_000),
        "- ".repeat(100_000),
        "a:\n".repeat(50_000),
        "? ".repeat(100_000),
        "[{".repeat(100_000),
        "9".repeat(200_000),
        format!("[{}]", "1".repeat(200_000)),
        "1".repeat(1_000_000),
        format!("a: {}", "9".repeat(200_000)),
        format!("a: \"{}", "\\".repeat(200_000)),
        "&a ".repeat(50_000),
        "!t ".repeat(50_000),
        "*a".repeat(50_000),
        "--- \n".repeat(50_000),
        "# x\n".repeat(60_000),
        "%TAG ! x\n".repeat(20_000),
        " ".repeat(200_000),
        "\t".repeat(200_000),
        "\"".repeat(200_001),
        "'".repeat(200_001),
        "a: |\n".to_owned() + &" x\n".repeat(60_000),
        "a: >9\n x".to_owned(),
        "\u{0}\u{1}\u{feff}\u{2028}".repeat(1_000),
        alias,
        long_keys,
        format!("steps: [{}]", "{id: a, uses: core/set}, ".repeat(9_000)),
        format!("{{{}}}", (0..9_000).map(|i| format!("\"k{i}\":{i},")).collect::<String>()),
    ];
    for text in texts {
        for format in [Format::Json, Format::Yaml, Format::Auto] {
            let start = Instant::now();
            let issues = parse(&text, format).unwrap_err();
            let took = start.elapsed();
            assert!(!issues.is_empty());
            let shown: String = text.chars().take(30).collect();
            assert!(took < StdDuration::from_secs(5), "{shown:?} {format:?} took {took:?}");
        }
    }
}

#[test]
fn flow_yaml_is_not_mistaken_for_json() {
    let text = "{schema: levqor/v1, name: n, steps: [{id: a, uses: core/set}]}";
    assert!(parse(text, Format::Auto).is_ok());
    let text = "\u{feff}{\"schema\": \"levqor/v1\", \"name\": \"n\", \"steps\": [}";
    assert_eq!(parse(text, Format::Auto).unwrap_err()[0].code, "document.syntax");
}

/// The JSON Schema is part of what others rely on: `LEVQOR_BLESS=1` writes it anew.
#[test]
fn the_schema_is_the_golden_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/document/pipeline.schema.json");
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("LEVQOR_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(golden == text, "the schema changed; LEVQOR_BLESS=1 writes {path}");
}

#[test]
fn the_schema_takes_documents_and_refuses_others() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document = parse(HELLO, Format::Yaml).unwrap().document;
    assert!(validator.is_valid(&document.to_value()));
    for bad in [
        json!({"schema": "levqor/v1", "name": "n"}),
        json!({"schema": "levqor/v1", "name": "n", "steps": [{"id": "a", "uses": "x/y", "parallel": []}]}),
        json!({"schema": "levqor/v2", "name": "n", "steps": []}),
        json!({"schema": "levqor/v1", "name": "n", "steps": [{"id": "a"}]}),
        json!({"schema": "levqor/v1", "name": "n", "steps": [], "x": 1}),
        json!({"schema": "levqor/v1", "name": "n", "steps": [{"id": "a", "uses": "x/y", "timeout": "1w"}]}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        "[ -~é\n\t]{0,12}".prop_map(Value::from),
        Just(json!("NO")),
        Just(json!("null")),
        Just(json!("1e3")),
        Just(json!("${{ input.v }}")),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z~/ é-]{1,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A document of a random shape, as JSON.
fn any_document() -> impl Strategy<Value = Value> {
    let step = (any_json(), prop::option::of(0_u64..10_000_000), any::<bool>());
    (prop::collection::vec(step, 1..5), any_json(), prop::option::of(any_json())).prop_map(
        |(steps, output, ui)| {
            let steps: Vec<Value> = steps
                .into_iter()
                .enumerate()
                .map(|(i, (with, timeout, nested))| {
                    let mut step =
                        json!({"id": format!("s{i}"), "uses": "core/set", "with": {"v": with}});
                    if let Some(ms) = timeout {
                        step["timeout"] = json!(Duration::from_ms(ms).to_string());
                    }
                    if nested {
                        json!({"id": format!("n{i}"), "for_each": [1], "steps": [step]})
                    } else {
                        step
                    }
                })
                .collect();
            let mut document =
                json!({"schema": "levqor/v1", "name": "p", "steps": steps, "output": output});
            if let Some(ui) = ui {
                document["ui"] = ui;
            }
            document
        },
    )
}

/// Block YAML of a value; texts are quoted as JSON, which YAML reads alike.
fn to_yaml(value: &Value, indent: usize, out: &mut String) {
    let pad = "  ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                out.push_str(&format!("\n{pad}{}:", Value::from(key.as_str())));
                to_yaml(value, indent + 1, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                out.push_str(&format!("\n{pad}-"));
                to_yaml(value, indent + 1, out);
            }
        }
        scalar => out.push_str(&format!(" {scalar}")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn yaml_and_json_have_one_version(value in any_document()) {
        let from_json = parse(&value.to_string(), Format::Json).unwrap().document;
        let mut text = String::new();
        to_yaml(&value, 0, &mut text);
        let from_yaml = parse(&text, Format::Yaml).unwrap().document;
        prop_assert_eq!(&from_json, &from_yaml);
        prop_assert_eq!(from_json.content_hash(), from_yaml.content_hash());
        let again = parse(&from_json.to_canonical_json(), Format::Auto).unwrap().document;
        prop_assert_eq!(from_json.content_hash(), again.content_hash());
        prop_assert_eq!(from_json, again);
    }

    #[test]
    fn reading_agrees_with_serde_json(text in "[\\[\\]{}\",:0-9a-ftrul.eE+\\- \\\\]{0,40}") {
        let ours = parse_value(&text, Format::Json).map(|(value, _)| value);
        let theirs = serde_json::from_str::<Value>(&text);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
            (Ok(ours), Err(e)) => prop_assert!(false, "{} taken as {}: {}", text, ours, e),
            (Err(issue), Ok(_)) => prop_assert!(
                issue.code == "document.duplicate_key" || issue.code == "document.number",
                "{} refused: {}", text, issue
            ),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn any_json_value_is_read_or_refused(value in any_json()) {
        let _ = PipelineDocument::from_value(&value);
    }

    #[test]
    fn mutations_never_panic(
        value in any_document(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..8),
        yaml in any::<bool>(),
    ) {
        let mut text = String::new();
        if yaml {
            to_yaml(&value, 0, &mut text);
        } else {
            text = value.to_string();
        }
        let mut bytes = text.into_bytes();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match kind {
                0 if !bytes.is_empty() => bytes[at] = byte,
                1 if !bytes.is_empty() => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        for format in [Format::Auto, Format::Json, Format::Yaml] {
            if let Ok(parsed) = parse(&text, format) {
                let catalog = crate::connector::Catalog::new();
                let compiled =
                    crate::pipeline::compile(&parsed.document, Some(&parsed.spans), &catalog, &|_| None);
                for issue in compiled.err().unwrap_or_default() {
                    prop_assert!(issue.line.is_some(), "{}", issue);
                }
            }
        }
    }
}
