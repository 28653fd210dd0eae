//! Tables: what expressions yield, refuse and survive.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

fn scope() -> MapScope {
    MapScope::new()
        .with_root(
            "input",
            json!({
                "v": 41, "big": u64::MAX, "neg": -7, "f": 1.5, "whole": 5.0, "name": "Ada",
                "no": null, "yes": true, "list": [1, 2, 3], "obj": {"b": 1, "a": [true, null]},
                "deep": {"list": [{"n": 1}, {"n": 5}]}, "a key": "k", "first-name": "x"
            }),
        )
        .with_root("vars", json!({"channel": "#sales"}))
        .with_output("a", json!({"v": 7, "rows": [{"id": 1, "on": true}, {"id": 2, "on": false}]}))
        .with_output("send-mail", json!({"id": "m1"}))
        .with_step("gone", StepView { status: "skipped", output: None, error: None })
        .with_step(
            "bad",
            StepView {
                status: "failed",
                output: None,
                error: Some(Arc::new(json!({"code": "x.y"}))),
            },
        )
}

fn render(text: &str) -> Result<Value, ExprError> {
    Template::parse(&json!(text))?.render(&scope())
}

#[test]
fn yields() {
    for (text, expected) in [
        ("plain", json!("plain")),
        ("${{ input.v }}", json!(41)),
        ("${{input.v}}", json!(41)),
        ("${{ input.big }}", json!(u64::MAX)),
        ("${{ input.big - 1 }}", json!(u64::MAX - 1)),
        ("${{ input.neg }}", json!(-7)),
        ("${{ input.whole }}", json!(5.0)),
        ("${{ input.f * 2 }}", json!(3.0)),
        ("${{ input.v + 1 }}", json!(42)),
        ("${{ input.obj }}", json!({"b": 1, "a": [true, null]})),
        ("${{ input['a key'] }}", json!("k")),
        ("${{ input.deep.list[1].n }}", json!(5)),
        ("${{ input.list[-1] }}", json!(3)),
        ("${{ input.list[1:] }}", json!([2, 3])),
        ("${{ input.no }}", json!(null)),
        ("Hi ${{ input.name }}!", json!("Hi Ada!")),
        ("a${{ input.no }}b", json!("ab")),
        ("${{ input.yes }}/${{ input.f }}", json!("true/1.5")),
        ("x ${{ input.obj }}", json!(r#"x {"a":[true,null],"b":1}"#)),
        (" ${{ input.v }}", json!(" 41")),
        ("${{ steps.a.output.v }}", json!(7)),
        ("${{ steps.a.status }}", json!("succeeded")),
        (
            "${{ steps['a'].output.rows | selectattr('on') | map(attribute='id') | list }}",
            json!([1]),
        ),
        ("${{ steps.send-mail.output.id }}", json!("m1")),
        ("${{ steps.a.output.v - steps.a.output.v }}", json!(0)),
        ("${{ steps.gone.output.n | default(0) }}", json!(0)),
        ("${{ steps.gone.status }}", json!("skipped")),
        ("${{ steps.bad.error.code }}", json!("x.y")),
        ("${{ steps.absent is defined }}", json!(false)),
        ("${{ input.x.y.z | default('d') }}", json!("d")),
        ("${{ input.x is defined }}", json!(false)),
        ("${{ input.x.y if input.x is defined else 0 }}", json!(0)),
        ("${{ {'a': {'b': input.v}} }}", json!({"a": {"b": 41}})),
        ("${{ '}}' ~ input.v }}", json!("}}41")),
        ("${{ '${{' }}", json!("${{")),
        ("${{ input.obj | json }}", json!(r#"{"a":[true,null],"b":1}"#)),
        ("${{ '[1,2]' | from_json }}", json!([1, 2])),
        ("${{ input.obj | keys }}", json!(["a", "b"])),
        ("${{ input.obj | values }}", json!([[true, null], 1])),
        ("${{ 'a b/ü' | urlencode }}", json!("a%20b%2F%C3%BC")),
        ("${{ range(3) | list }}", json!([0, 1, 2])),
        ("${{ range(5, 0, -2) | list }}", json!([5, 3, 1])),
        ("${{ dict(input.obj, c=input.v) }}", json!({"a": [true, null], "b": 1, "c": 41})),
        ("${{ input.list | length }}", json!(3)),
        ("${{ input.list | join('-') }}", json!("1-2-3")),
        ("${{ input.list == [1, 2, 3] }}", json!(true)),
        ("${{ 2 in input.list }}", json!(true)),
        ("${{ input.v is divisibleby 41 }}", json!(true)),
        ("${{ '%.2f' | format(input.f) }}", json!("1.50")),
        ("${{ vars.channel | upper }}", json!("#SALES")),
        ("${{ 1 + 1 }}", json!(2)),
        ("${{ \"it's\" }}", json!("it's")),
        ("${{ input.name | replace('A', 'O') }}", json!("Oda")),
        ("${{ (input.list | first) + (steps.a.output.rows | last).id }}", json!(3)),
    ] {
        assert_eq!(render(text), Ok(expected), "{text}");
    }
}

#[test]
fn refuses() {
    for (text, code) in [
        ("${{ input.x }}", "expr.undefined"),
        ("${{ input.x + 1 }}", "expr.undefined"),
        ("${{ input.x == 1 }}", "expr.undefined"),
        ("${{ [input.x] }}", "expr.undefined"),
        ("a ${{ input.x }}", "expr.undefined"),
        ("${{ nothing }}", "expr.undefined"),
        ("${{ steps.gone.output }}", "expr.undefined"),
        ("${{ input.list[9] }}", "expr.undefined"),
        ("${{ not input.x }}", "expr.undefined"),
        ("${{ steps[input.name].output }}", "expr.dynamic_step"),
        ("${{ steps }}", "expr.dynamic_step"),
        ("${{ steps | list }}", "expr.dynamic_step"),
        ("${{ steps['a' ~ 'b'] }}", "expr.dynamic_step"),
        ("${{ steps.a.v }}", "expr.step_field"),
        ("${{ steps.a[input.v] }}", "expr.step_field"),
        ("${{ input.v | tojson }}", "expr.unknown_filter"),
        ("${{ input.v | pprint }}", "expr.unknown_filter"),
        ("${{ ['pprint'] | map(input.name) }}", "expr.unknown_filter"),
        ("${{ input.v is sameas 1 }}", "expr.unknown_test"),
        ("${{ debug() }}", "expr.unknown_function"),
        ("${{ namespace() }}", "expr.unknown_function"),
        ("${{ now() }}", "expr.unknown_function"),
        ("${{ input.obj.items() }}", "expr.unknown_function"),
        ("${{ 'a'.upper() }}", "expr.unknown_function"),
        ("${{ include 'x' }}", "expr.syntax"),
        ("${{ input.v", "expr.syntax"),
        ("${{ }}", "expr.syntax"),
        ("${{ 'a }}", "expr.syntax"),
        ("${{ 1 + }}", "expr.syntax"),
        ("${{ input. }}", "expr.syntax"),
        ("${{ input.v / 0 }}", "expr.value"),
        ("${{ 1 // 0 }}", "expr.value"),
        ("${{ input.big * input.big }}", "expr.number"),
        ("${{ 1e308 * 10 * input.f }}", "expr.number"),
        ("${{ input.name - 1 }}", "expr.value"),
    ] {
        let error = render(text).err().map(|e| e.code);
        assert_eq!(error, Some(code), "{text}");
    }
    let error = Template::parse(&json!({"${{ input.v }}": 1})).map(|_| ());
    assert_eq!(error.map_err(|e| e.code), Err("expr.key"));
}

#[test]
fn messages_name_what_is_missing() {
    for (text, message) in [
        ("${{ input.x.y + 1 }}", "`input.x.y` is undefined"),
        (
            "${{ steps.gone.output.v }}",
            "`steps.gone.output.v` is undefined (step `gone` was skipped)",
        ),
        ("${{ steps.zz.output }}", "`steps.zz.output` is undefined (step `zz` has not run)"),
        ("${{ input.v | lenght }}", "there is no filter `lenght`; did you mean `length`?"),
    ] {
        assert_eq!(render(text).err().map(|e| e.message), Some(message.to_owned()), "{text}");
    }
}

#[test]
fn conditions() {
    for (source, expected) in [
        ("input.yes", Ok(true)),
        ("${{ input.yes }}", Ok(true)),
        ("  ${{ not input.yes }} ", Ok(false)),
        ("input.v > 40 and steps.a.output.v == 7", Ok(true)),
        ("true", Ok(true)),
        ("input.v", Err("expr.type")),
        ("input.no", Err("expr.type")),
        ("input.name ~ 'x'", Err("expr.type")),
        ("input.x", Err("expr.undefined")),
        ("${{ input.yes }} and ${{ input.yes }}", Err("expr.syntax")),
    ] {
        let got = Expr::parse(source).and_then(|e| e.eval_bool(&scope())).map_err(|e| e.code);
        assert_eq!(got, expected, "{source}");
    }
}

#[test]
fn refs_are_found_everywhere() {
    for (source, roots, steps) in [
        ("input.a", vec!["input"], vec![]),
        ("steps.a.output.b | default(steps.b.output)", vec![], vec!["a", "b"]),
        ("steps.a.output[1:2]", vec![], vec!["a"]),
        ("x[steps.a.output.n]", vec!["x"], vec!["a"]),
        ("[{'k': item.v}, (index,)]", vec!["index", "item"], vec![]),
        ("'steps.no' ~ steps['y z'].output", vec![], vec!["y z"]),
        ("a if b is defined else c", vec!["a", "b", "c"], vec![]),
        ("x | map(attribute='input') | select('gt', now)", vec!["now", "x"], vec![]),
        ("range(input.n)", vec!["input"], vec![]),
    ] {
        let expr = Expr::parse(source).unwrap();
        let refs = expr.refs();
        assert_eq!(refs.roots.iter().map(String::as_str).collect::<Vec<_>>(), roots, "{source}");
        assert_eq!(refs.steps.iter().map(String::as_str).collect::<Vec<_>>(), steps, "{source}");
    }
}

#[test]
fn faults_carry_pointers_and_offsets() {
    let value =
        json!({"a": ["ok", "x ${{ 1 + }}"], "b/c": "${{ steps[v] }}", "d": "${{ input.v }}"});
    let faults = Template::parse_all(&value).unwrap_err();
    let seen: Vec<_> = faults.iter().map(|f| (f.pointer.as_str(), f.error.code)).collect();
    assert_eq!(seen, [("/a/1", "expr.syntax"), ("/b~1c", "expr.dynamic_step")]);
    assert_eq!(faults[1].error.offset, Some(4));
}

/// Every one of these must end quickly: with a code, or with a small value.
#[test]
fn bombs_end() {
    let big = "x".repeat(200_000);
    let many: Vec<Value> = (0..50_000).map(|i| json!(i % 7)).collect();
    let wide = json!(
        (0..1_000).map(|i| (format!("k{i}"), json!(big[..500]))).collect::<serde_json::Map<_, _>>()
    );
    let scope = MapScope::new()
        .with_root("big", json!(big))
        .with_root("many", json!(many))
        .with_root("wide", wide)
        .with_root("n", json!(2_000_000_000));
    let nested = |open: &str, close: &str, n: usize| {
        format!("${{{{ {}n{} }}}}", open.repeat(n), close.repeat(n))
    };
    let mut bombs: Vec<String> = [
        "'a' * 10**9",
        "'a' * n",
        "[1] * n",
        "[n] * n | length",
        "big * 1000",
        "big * n",
        "(big ~ big ~ big ~ big) * 100 ~ big",
        "[1] | join('a' * 1000000)",
        "many | join(big)",
        "10 ** 10 ** 10",
        "2 ** n",
        "n ** n",
        "range(n)",
        "range(0, n, 1) | list",
        "range(10000) | map('string') | join(big)",
        "many | batch(1, big) | list",
        "many | batch(n) | list",
        "[1] | batch(n, 'x') | list",
        "many | slice(n) | list",
        "[1] | slice(n, 'x') | list",
        "big | replace('x', big)",
        "big | replace('', big)",
        "'%2000000000d' | format(n)",
        "'%.2000000000f' | format(1.5)",
        "big | list | sort",
        "many | sort | unique | sum",
        "many | groupby('x')",
        "many | zip(many, many) | list",
        "many | chain(many, many) | list | length",
        "many | map('json') | join",
        "[many, many, many] | json",
        "[wide, wide, wide, wide] | json",
        "wide | dictsort | string",
        "1.5 | round(2000000000)",
        "big | title | upper | lower",
        "big | split('') | length",
        "big | split('x') | join(big)",
        "[big, big, big, big, big, big, big]",
        "[1] | tojson(2000000000)",
        "big | indent(2000000000)",
        "wide | pprint",
        "'{}' | from_json | json",
        "many | reverse | list | first",
        "(many ~ many) * 100",
        "many | map('string') | map('list') | list | string",
        "[many] * 100000",
        "many | select('in', many) | list",
        "big in (big ~ big)",
        "many == many and many < many",
    ]
    .iter()
    .map(|s| format!("${{{{ {s} }}}}"))
    .collect();
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{'a':", "}"),
        ("not ", ""),
        ("-", ""),
        ("+", ""),
        ("n[", "]"),
        ("n + ", ""),
        ("n | default(", ")"),
        ("n if n else ", ""),
        ("n.", ""),
        ("", "|string"),
        ("", ".a"),
        ("", "[0]"),
        ("", "(1)"),
        ("n is ", ""),
        ("${{", "}}"),
        ("\"", ""),
        ("{", ""),
    ] {
        for n in [100, 1_000, 100_000] {
            bombs.push(nested(open, close, n));
        }
    }
    for bomb in bombs {
        let start = Instant::now();
        let result = Template::parse(&json!(bomb)).and_then(|t| t.render(&scope));
        let took = start.elapsed();
        let shown: String = bomb.chars().take(60).collect();
        // A debug build on a busy machine; the engine itself takes 10 ms at most.
        assert!(took < Duration::from_secs(5), "{shown} took {took:?}");
        if let Ok(value) = result {
            let size = value.to_string().len();
            assert!(size <= crate::limits::EXPRESSION_OUTPUT_BYTES_MAX, "{shown}: {size}");
        }
    }
}

#[test]
fn results_are_capped_but_paths_may_be_large() {
    let scope = MapScope::new().with_root("big", json!("x".repeat(3_000_000)));
    let of = |text: &str| Template::parse(&json!(text)).unwrap().render(&scope).map_err(|e| e.code);
    assert!(of("${{ big }}").is_ok());
    assert_eq!(of("a ${{ big }}"), Err("expr.too_large"));
    assert_eq!(of("${{ [big] }}"), Err("expr.too_large"));
    let list = json!(vec!["${{ big }}"; 8]);
    let all = Template::parse(&list).unwrap().render(&scope).map_err(|e| e.code);
    assert_eq!(all, Err("expr.too_large"));
}

#[test]
fn the_lists_of_names_are_what_the_environment_has() {
    let env = super::environment::environment();
    for name in FILTERS {
        let known =
            env.compile_expression(Box::leak(format!("1|{name}").into_boxed_str())).unwrap();
        let unknown = known.eval(()).err().map(|e| e.kind());
        assert_ne!(unknown, Some(minijinja::ErrorKind::UnknownFilter), "{name}");
    }
    for name in ["attr", "e", "escape", "indent", "pprint", "safe", "tojson"] {
        let removed =
            env.compile_expression(Box::leak(format!("1|{name}").into_boxed_str())).unwrap();
        let kind = removed.eval(()).err().map(|e| e.kind());
        assert_eq!(kind, Some(minijinja::ErrorKind::UnknownFilter), "{name}");
    }
    for name in TESTS {
        let known =
            env.compile_expression(Box::leak(format!("1 is {name}").into_boxed_str())).unwrap();
        let unknown = known.eval(()).err().map(|e| e.kind());
        assert_ne!(unknown, Some(minijinja::ErrorKind::UnknownTest), "{name}");
    }
}

#[test]
fn pages_have_blocks() {
    let render = |text: &str| Template::parse_page(text).and_then(|t| t.render(&scope()));
    for (text, expected) in [
        ("no blocks ${{ input.v }}", "no blocks 41"),
        ("${{ input.v }}", "41"),
        ("{# note #}a", "a"),
        (
            "{% for row in steps.a.output.rows %}\n- ${{ row.id }}: ${{ row.on }}\n{% endfor %}\nend",
            "- 1: true\n- 2: false\nend",
        ),
        ("{% if input.yes %}y{% else %}n{% endif %}", "y"),
        ("{% set x = input.v + 1 %}${{ x }}", "42"),
        ("{% for k, v in input.obj | items %}${{ k }}=${{ v }};{% endfor %}", "a=[true,null];b=1;"),
        ("{% for i in range(3) %}${{ loop.index }}{% endfor %}", "123"),
        ("{%- if '%}' == '%}' -%} a {%- endif %}", "a"),
        ("{% if true %}${{ {'a': {'b': input.no}} }}{% endif %}", "{\"a\":{\"b\":null}}"),
        (
            "{{ not ours }} { % } {% if true %}<b>${{ '<&>' }}{% endif %}",
            "{{ not ours }} { % } <b><&>",
        ),
    ] {
        assert_eq!(render(text), Ok(json!(expected)), "{text}");
    }
    for (text, code) in [
        ("{% include 'x' %}", "expr.unknown_tag"),
        ("{% macro x() %}{% endmacro %}", "expr.unknown_tag"),
        ("{% fr x in y %}{% endfor %}", "expr.unknown_tag"),
        ("{% for x in input.list %}", "expr.syntax"),
        ("{% for x in input.list recursive %}${{ loop(x) }}{% endfor %}", "expr.unknown_function"),
        ("{% if ", "expr.syntax"),
        ("{# ", "expr.syntax"),
        ("{% set steps = 1 %}", "expr.syntax"),
        ("{% for s in steps %}{% endfor %}", "expr.dynamic_step"),
        ("{% if true %}${{ steps[input.name] }}{% endif %}", "expr.dynamic_step"),
        ("{% if input.x %}{% endif %}", "expr.undefined"),
        ("{% if true %}${{ input.x.y }}{% endif %}", "expr.undefined"),
        (
            "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
            "expr.fuel",
        ),
        ("{% for a in range(10000) %}${{ 'aaaaaaaaa' * 1000 }}{% endfor %}", "expr.fuel"),
    ] {
        assert_eq!(render(text).map_err(|e| e.code), Err(code), "{text}");
    }
    let page =
        Template::parse_page("{% for item in steps.b.output %}${{ item.x ~ vars.y }}{% endfor %}");
    let refs = page.unwrap().refs().clone();
    assert_eq!(refs.roots.into_iter().collect::<Vec<_>>(), ["vars"]);
    assert_eq!(refs.steps.into_iter().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn page_bombs_end() {
    let many: Vec<Value> = (0..50_000).map(Value::from).collect();
    let scope =
        MapScope::new().with_root("many", json!(many)).with_root("t", json!("x".repeat(9_000)));
    let nested = |n: usize| format!("{}x{}", "{% if true %}".repeat(n), "{% endif %}".repeat(n));
    for bomb in [
        "{% for a in many %}{% for b in many %}${{ t }}{% endfor %}{% endfor %}".to_owned(),
        "{% for a in many %}${{ many }}{% endfor %}".to_owned(),
        "{% set x = t * 1000000 %}${{ x }}".to_owned(),
        "{% for a in many %}{% set t = t ~ t %}{% endfor %}${{ t }}".to_owned(),
        nested(100),
        nested(2_000),
        "{% for a in [1] %}".repeat(3_000),
        "{%".repeat(30_000),
        "{#".repeat(30_000),
        "${{".repeat(20_000),
        "{% if '".repeat(8_000),
    ] {
        let start = Instant::now();
        let result = Template::parse_page(&bomb).and_then(|t| t.render(&scope));
        let shown: String = bomb.chars().take(40).collect();
        assert!(start.elapsed() < Duration::from_secs(5), "{shown}");
        if let Ok(text) = result {
            assert!(text.as_str().unwrap().len() <= crate::limits::EXPRESSION_OUTPUT_BYTES_MAX);
        }
    }
}
