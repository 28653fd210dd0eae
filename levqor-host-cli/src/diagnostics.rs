//! Issues of a document, shown under the lines they are about.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use levqor_core::document::{Issue, Severity};
use serde_json::{Value, json};

use crate::output::{self, Format, Output};

/// What one document came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
}

impl Count {
    pub(crate) fn of(issues: &[Issue]) -> Self {
        let errors = issues.iter().filter(|i| i.severity == Severity::Error).count();
        Self { errors, warnings: issues.len() - errors }
    }

    /// `2 errors, 1 warning`.
    pub(crate) fn text(self) -> String {
        let plural = |n: usize, what: &str| {
            (n > 0).then(|| format!("{n} {what}{}", if n == 1 { "" } else { "s" }))
        };
        let parts = [plural(self.errors, "error"), plural(self.warnings, "warning")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Shows issues on stderr as people read them, or one JSON object per line.
pub(crate) fn show(output: Output, path: &str, source: &str, issues: &[Issue]) {
    for issue in issues {
        if output.format == Format::Text {
            output::say(&render(path, source, issue, output::stderr_has_colour()));
        } else {
            output::say(&to_json(path, issue).to_string());
        }
    }
}

/// The same in text mode only: where the data itself holds the issues.
pub(crate) fn show_text(output: Output, path: &str, source: &str, issues: &[Issue]) {
    if output.format == Format::Text {
        show(output, path, source, issues);
    }
}

/// An issue as JSON, with the file it is in.
pub(crate) fn to_json(path: &str, issue: &Issue) -> Value {
    let mut value = serde_json::to_value(issue).unwrap_or_else(|_| json!({}));
    if let Some(object) = value.as_object_mut() {
        object.insert("file".to_owned(), json!(path));
    }
    value
}

fn render(path: &str, source: &str, issue: &Issue, colour: bool) -> String {
    let level = match issue.severity {
        Severity::Warning => Level::WARNING,
        _ => Level::ERROR,
    };
    let title = level.primary_title(issue.message.as_str()).id(issue.code.as_ref());
    let span = issue.span.clone().filter(|s| s.end <= source.len());
    let mut group = match span {
        Some(span) => {
            // A caret on nothing shows nothing.
            let end = span.end.max(span.start + 1).min(source.len().max(span.start));
            let mut mark = AnnotationKind::Primary.span(span.start..end);
            if !issue.pointer.is_empty() {
                mark = mark.label(issue.pointer.as_str());
            }
            title.element(Snippet::source(source).path(path).annotation(mark))
        }
        None => title.element(Level::NOTE.message(format!("in {path} at {}", place(issue)))),
    };
    let help;
    if let Some(suggestion) = &issue.suggestion {
        help = format!("did you mean `{}`?", suggestion.trim_matches('`'));
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.decor_style(DecorStyle::Ascii).render(&[group]);
    text.push('\n');
    text
}

fn place(issue: &Issue) -> String {
    if issue.pointer.is_empty() { "its top".to_owned() } else { issue.pointer.clone() }
}
