//! Documents and schemas that are deep, large or slow on purpose.

use serde_json::json;

use super::build;

#[test]
fn depth_and_size_are_bounded() {
    let mut steps = "[{id: x, uses: core/set}]".to_owned();
    for i in 0..15 {
        steps = format!("[{{id: s{i}, try: {steps}}}]");
    }
    let whole = |steps: &str| format!("schema: levqor/v1\nname: m\nsteps: {steps}");
    assert!(build(&whole(&steps)).is_ok());
    let deeper = format!("[{{id: over, try: {steps}}}]");
    assert_eq!(build(&whole(&deeper)).unwrap_err()[0].code, "document.nesting");
    let many: Vec<String> = (0..501).map(|i| format!("{{id: s{i}, uses: core/set}}")).collect();
    let many = whole(&format!("[{}]", many.join(", ")));
    assert_eq!(build(&many).unwrap_err()[0].code, "document.too_many_steps");
}

/// Schemas of users must not be able to hang or crash the engine.
#[test]
fn hostile_schemas_end() {
    let nested = (0..40).fold("{}".to_owned(), |inner, _| format!("{{\"items\": {inner}}}"));
    let wide: String = (0..2_000).map(|i| format!("{{\"const\": {i}}},")).collect();
    for schema in [
        r##"{"$ref": "#"}"##.to_owned(),
        r##"{"allOf": [{"$ref": "#"}]}"##.to_owned(),
        r##"{"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}"##.to_owned(),
        r##"{"not": {"$ref": "#"}}"##.to_owned(),
        r##"{"if": {"$ref": "#"}, "then": {"$ref": "#"}}"##.to_owned(),
        r##"{"$dynamicAnchor": "x", "allOf": [{"$dynamicRef": "#x"}]}"##.to_owned(),
        r##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}"##
            .to_owned(),
        r##"{"properties": {"a": {"$ref": "#"}}, "items": {"$ref": "#"}}"##.to_owned(),
        r##"{"pattern": "(a+)+$"}"##.to_owned(),
        r##"{"pattern": "(?=a)b"}"##.to_owned(),
        r##"{"pattern": "a{1000}{1000}{1000}"}"##.to_owned(),
        r##"{"$schema": "https://x.test/meta"}"##.to_owned(),
        r##"{"$id": "file:///etc/passwd", "$ref": "other"}"##.to_owned(),
        nested,
        format!("{{\"anyOf\": [{wide} true]}}"),
    ] {
        let start = std::time::Instant::now();
        let text = format!(
            "{{\"schema\": \"levqor/v1\", \"name\": \"m\", \"input_schema\": {schema}, \"steps\": \
             [{{\"id\": \"a\", \"uses\": \"core/set\"}}]}}"
        );
        if let Ok(pipeline) = build(&text) {
            for input in [json!("a".repeat(30_000) + "b"), json!([[[[[1]]]]]), json!({"a": {"a": 1}})] {
                let _ = pipeline.check_input(&input);
            }
        }
        assert!(start.elapsed().as_secs() < 5, "{schema}");
    }
}

/// As many problems as a document can hold, with names that are long and alike.
#[test]
fn hostile_documents_end() {
    let id = |i: usize| format!("{}{i:03}", "a".repeat(60));
    let head = "schema: levqor/v1\nname: m\nsteps:\n";
    let steps: String =
        (0..450).map(|i| format!("- {{id: {}, uses: core/set}}\n", id(i))).collect();
    let refs =
        "${{ steps.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaax }}".repeat(2_500);
    let chain: String = (0..499)
        .map(|i| {
            format!("- {{id: s{i}, uses: core/set, needs: [{}]}}\n", {
                let all: Vec<String> = (i + 1..499).take(70).map(|j| format!("s{j}")).collect();
                all.join(", ")
            })
        })
        .collect();
    for text in [
        format!("{head}{steps}- {{id: x, uses: core/set, with: {{v: \"{refs}\"}}}}\n"),
        format!("{head}{steps}- {{id: x, uses: core/set, needs: [{}]}}\n", "aab, ".repeat(40_000)),
        format!("{head}{chain}"),
        format!("{head}- {{id: x, uses: core/set, needs: [{}]}}", "x, ".repeat(80_000)),
        format!(
            "{head}- {{id: x, uses: core/sleep, with: {{{}}}}}",
            (0..15_000).map(|i| format!("fot{i}: 1, ")).collect::<String>()
        ),
        format!(
            "{head}- id: x\n{}",
            (0..15_000).map(|i| format!("  usess{i}: 1\n")).collect::<String>()
        ),
        format!("{head}- {{id: x, parallel: [{}]}}", "{id: a, steps: []}, ".repeat(12_000)),
        format!(
            "{head}- {{id: x, uses: slack/post_message, with: {{channel: c, tags: [{}]}}}}",
            "1, '${{ now }}', ".repeat(14_000)
        ),
    ] {
        assert!(text.len() <= crate::limits::DOCUMENT_BYTES_MAX, "{}", text.len());
        let start = std::time::Instant::now();
        let issues = build(&text).err().map_or(0, |issues| issues.len());
        let took = start.elapsed();
        assert!(issues <= crate::limits::ISSUES_MAX);
        assert!(took.as_secs() < 5, "{}… took {took:?}", &text[head.len()..head.len() + 40]);
    }
}
