//! [`Exposition`]: OpenMetrics as the registry writes it, or the older text format.
//!
//! They differ in what a counter's family is called (`runs` or `runs_total`) and in the end mark.

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exposition {
    /// Prometheus' text format, 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Exposition {
    /// The one that an `Accept` header asks for; Prometheus' where it asks for none.
    #[must_use]
    pub fn asked(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    /// Its media type.
    #[must_use]
    pub fn media(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// OpenMetrics text in this format.
    pub(crate) fn of(self, openmetrics: String) -> String {
        match self {
            Self::OpenMetrics => openmetrics,
            Self::Prometheus => to_prometheus(&openmetrics),
        }
    }
}

fn to_prometheus(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let counts = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
        // A family's help stands right before its type.
        let of_counter =
            counts(line) || line.starts_with("# HELP ") && lines.peek().is_some_and(|l| counts(l));
        if of_counter {
            let mut words = line.splitn(4, ' ');
            let (hash, what) = (words.next(), words.next());
            let (name, rest) = (words.next(), words.next());
            for word in [hash, what] {
                text.push_str(word.unwrap_or_default());
                text.push(' ');
            }
            text.push_str(name.unwrap_or_default());
            text.push_str("_total ");
            text.push_str(rest.unwrap_or_default());
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_as_the_older_format_has_them() {
        let openmetrics = "# HELP a Things that a b.\n# TYPE a counter\na_total{x=\"y z\"} 1\n\
                           # HELP c See.\n# TYPE c gauge\nc 2\n# EOF\n";
        let wanted = "# HELP a_total Things that a b.\n# TYPE a_total counter\n\
                      a_total{x=\"y z\"} 1\n# HELP c See.\n# TYPE c gauge\nc 2\n";
        assert_eq!(Exposition::Prometheus.of(openmetrics.to_owned()), wanted);
        assert_eq!(Exposition::OpenMetrics.of(openmetrics.to_owned()), openmetrics);
    }

    #[test]
    fn a_scraper_says_which_it_reads() {
        let asked = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3";
        assert_eq!(Exposition::asked(Some(asked)), Exposition::OpenMetrics);
        for other in [None, Some("*/*"), Some("text/plain")] {
            assert_eq!(Exposition::asked(other), Exposition::Prometheus);
        }
    }
}
