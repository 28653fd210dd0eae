//! What is measured is exposed, and rules and dashboard name nothing else.

use super::*;

#[test]
fn models_that_vendors_invent_share_a_label() {
    let metrics = Metrics::new();
    let of_models = |text: &str| text.matches("levqor_ai_cost_total{").count();
    for n in 0..10_000 {
        metrics.model_cost(&format!("model-{n}"), 1);
        metrics.model_cost(&format!("a \"quoted\" name {n}"), 1);
    }
    let text = metrics.text();
    assert_eq!(of_models(&text), MODELS_MAX + 1, "{text}");
    let other = 10_000 + 10_000 - MODELS_MAX;
    assert!(text.contains(&format!("levqor_ai_cost_total{{model=\"other\"}} {other}")));
}

/// Names of ours in a text of queries.
fn names(text: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !part(c));
    words.filter(|word| word.starts_with("levqor_")).map(str::to_owned).collect()
}

#[test]
fn alerts_and_dashboard_ask_for_what_is_there() {
    let metrics = Metrics::new();
    // Families without a series are not written.
    metrics.called("c", "a", Duration::ZERO, Some(ErrorKind::Timeout));
    metrics.vendor_failed("c");
    metrics.model_cost("m", 1);
    metrics.answered("r", 200, Duration::ZERO);
    metrics.flag("f", true);
    let text = metrics.text();
    let mut there = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let ends: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        there.extend(ends.iter().map(|end| format!("{name}{end}")));
    }
    let missing = |text: &str| names(text).difference(&there).cloned().collect::<Vec<_>>();
    for text in
        [include_str!("../../../deploy/alerts.yaml"), include_str!("../../../deploy/grafana.json")]
    {
        assert!(names(text).len() > 5);
        assert_eq!(missing(text), Vec::<String>::new());
    }
    assert_eq!(missing("rate(levqor_runs[5m])"), ["levqor_runs"], "the check can fail");
}

#[test]
fn families_stand_at_zero_from_the_start() {
    let text = Metrics::new().text();
    for line in [
        "levqor_runs_total{status=\"dead\"} 0",
        "levqor_queue_depth{state=\"ready\"} 0",
        "levqor_queue_oldest_seconds 0.0",
        "levqor_dead_letters 0",
        "levqor_credits_total{account=\"consumed\"} 0",
        "levqor_backup_last_verified_seconds 0.0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}
