//! Prices before a run: which counts are certain or bounded, and the reasons where nobody can say.

use serde_json::json;

use super::*;
use crate::connector::{ActionManifest, Catalog, FnConnector, Outcome, Price};
use crate::document::{Format, parse};

fn of(steps: &str, input: Value) -> Estimate {
    let done = |_| async { Outcome::done(Value::Null) };
    let price =
        |base, max| ActionManifest { price: Price { base, max }, ..ActionManifest::default() };
    let x = FnConnector::new("x")
        .action("one", price(1, None), done)
        .action("five", price(5, None), done)
        .action("meter", price(2, Some(20)), done)
        .action("free", price(0, None), done);
    let catalog = Catalog::new().with(x).unwrap();
    let text = format!("schema: levqor/v1\nname: e\nvars: {{n: [1, 2]}}\n{steps}");
    let parsed = parse(&text, Format::Yaml).unwrap();
    let sub = "schema: levqor/v1\nname: sub\nsteps: [{id: s, if: input.go, uses: x/five}]";
    let sub = parse(sub, Format::Yaml).unwrap();
    let sub = super::super::compile(&sub.document, None, &catalog, &|_| None).unwrap();
    let pipeline = super::super::compile(&parsed.document, Some(&parsed.spans), &catalog, &|_| {
        Some(sub.clone())
    });
    estimate(&pipeline.unwrap(), &input)
}

#[test]
fn counts() {
    let loops = |list: &str| {
        format!(
            "steps: [{{id: f, for_each: {list}, max_items: 50, steps: [{{id: a, uses: x/one}}]}}]"
        )
    };
    for (steps, input, expected) in [
        ("steps: [{id: a, uses: x/one}, {id: b, uses: x/five}]".to_owned(), json!(null), (6, 6, 6)),
        ("steps: [{id: a, uses: x/meter}, {id: b, uses: x/free}]".to_owned(), json!(null), (0, 2, 20)),
        (loops("[1, 2, 3]"), json!(null), (3, 3, 3)),
        (loops("'${{ input.list }}'"), json!({"list": [1, 2]}), (2, 2, 2)),
        (loops("'${{ input.list }}'"), json!({}), (0, 10, 50)),
        (loops("'${{ vars.n }}'"), json!({}), (2, 2, 2)),
        (loops("['${{ now }}']"), json!({}), (1, 1, 1)),
        ("steps: [{id: a, if: input.x, uses: x/five}]".to_owned(), json!({"x": false}), (0, 0, 0)),
        ("steps: [{id: a, if: input.x, uses: x/five}]".to_owned(), json!({"x": true}), (5, 5, 5)),
        ("steps: [{id: a, if: 'run.id == 1', uses: x/five}]".to_owned(), json!({}), (0, 5, 5)),
        (
            "steps: [{id: w, while: 'run.id == 1', max_iterations: 4, steps: [{id: a, uses: x/five}]}]"
                .to_owned(),
            json!({}),
            (0, 20, 20),
        ),
        (
            "steps: [{id: w, switch: [{if: 'run.id == 1', steps: [{id: a, uses: x/five}]}], else: [{id: b, uses: x/one}]}]"
                .to_owned(),
            json!({}),
            (1, 3, 5),
        ),
        (
            "steps: [{id: w, switch: [{if: 'true', steps: [{id: a, uses: x/five}]}], else: [{id: b, uses: x/one}]}]"
                .to_owned(),
            json!({}),
            (5, 5, 5),
        ),
        (
            "steps: [{id: w, try: [{id: a, uses: x/five}], catch: [{steps: [{id: b, uses: x/one}]}], finally: [{id: c, uses: x/one}]}]"
                .to_owned(),
            json!({}),
            (6, 6, 7),
        ),
        (
            "steps: [{id: p, join: any, parallel: [{id: l, steps: [{id: a, uses: x/five}]}, {id: r, steps: [{id: b, uses: x/one}]}]}]"
                .to_owned(),
            json!({}),
            (1, 6, 6),
        ),
        ("steps: [{id: s, uses: pipeline/sub, with: {go: true}}]".to_owned(), json!({}), (5, 5, 5)),
        ("steps: [{id: s, uses: pipeline/sub, with: {go: '${{ input.go }}'}}]".to_owned(), json!({"go": false}), (0, 0, 0)),
        ("limits: {credits: 3}\nsteps: [{id: a, uses: x/five}]".to_owned(), json!({}), (3, 3, 3)),
        (
            "steps: [{id: a, uses: x/one}]\non_failure: [{id: b, uses: x/five}]".to_owned(),
            json!({}),
            (1, 1, 6),
        ),
    ] {
        let found = of(&steps, input);
        let expected = (expected.0, expected.1, Some(expected.2));
        assert_eq!((found.min, found.expected, found.max), expected, "{steps}: {found:#?}");
    }
}

#[test]
fn reasons_say_how() {
    let steps = "steps: [{id: f, for_each: [1, 2], steps: [{id: s, uses: pipeline/sub}]}]";
    let found = of(steps, json!(null));
    assert_eq!(found.steps[0].id, "s/s");
    assert_eq!(found.steps[0].reason, "2 items × 5 credits a call (if its condition is true)");
}
