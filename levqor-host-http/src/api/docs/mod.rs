//! Pages for people: the API's reference and every code's explanation.
//!
//! Made once from the description and the table of codes, as whole HTML without scripts and inline
//! styles, so that the strictest content policy holds. What they are not: a second description.

mod view;

use std::sync::LazyLock;

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use minijinja::value::Serde;
use minijinja::{Environment, context};

use crate::app::App;
use crate::http::{Answer, Call, Fixed, Problem};
use crate::route::{Route, Tag};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

pub(super) fn routes() -> Vec<Route> {
    let page = |path, id, media, about| {
        Route::new(Method::GET, path, id, Tag::Meta)
            .about(about)
            .header("If-None-Match", "the version that you have")
            .answers_media(StatusCode::OK, media, "the page")
            .answers_media(StatusCode::NOT_MODIFIED, "", "you have it")
    };
    vec![
        page("/docs/api", "docs_api", HTML, "This description, to read").to(api),
        page("/docs/errors", "docs_errors", HTML, "Every stable code, and what to do").to(errors),
        page("/docs/api.css", "docs_css", CSS, "How these pages look").to(css),
    ]
}

async fn api(_app: App, call: Call) -> Result<Answer, Problem> {
    static PAGE: LazyLock<Option<Fixed>> =
        LazyLock::new(|| page("api.html", context! { api => Serde(view::api()) }));
    serve(&PAGE, &call)
}

async fn errors(_app: App, call: Call) -> Result<Answer, Problem> {
    static PAGE: LazyLock<Option<Fixed>> =
        LazyLock::new(|| page("errors.html", context! { families => Serde(view::families()) }));
    serve(&PAGE, &call)
}

async fn css(_app: App, call: Call) -> Result<Answer, Problem> {
    static SHEET: LazyLock<Option<Fixed>> =
        LazyLock::new(|| Some(Fixed::new(CSS, Bytes::from_static(include_bytes!("api.css")))));
    serve(&SHEET, &call)
}

fn serve(page: &Option<Fixed>, call: &Call) -> Result<Answer, Problem> {
    let page = page.as_ref().ok_or_else(Problem::internal)?;
    Ok(page.answer(&call.head.headers))
}

/// A page from its template; names ending in `.html` are escaped by the library.
fn page(name: &'static str, with: minijinja::Value) -> Option<Fixed> {
    let made = html(name, with);
    let made = made.inspect_err(|error| tracing::error!(%error, name, "a page cannot be made"));
    made.ok().map(|text| Fixed::new(HTML, text.into()))
}

fn html(name: &'static str, with: minijinja::Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.add_template("api.html", include_str!("api.html"))?;
    environment.add_template("errors.html", include_str!("errors.html"))?;
    environment.get_template(name)?.render(with)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::table;

    #[test]
    fn the_reference_has_every_route_and_keeps_the_content_policy() {
        let text = html("api.html", context! { api => Serde(view::api()) }).unwrap();
        for route in table() {
            assert!(text.contains(&format!("id=\"{}\"", route.id)), "{route:?}");
        }
        for forbidden in ["<script", " style=", "<style", "javascript:", "http://", " onclick"] {
            assert!(!text.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn every_code_has_the_anchor_that_problems_name() {
        let text = html("errors.html", context! { families => Serde(view::families()) }).unwrap();
        for found in levqor_core::explain::all() {
            assert!(text.contains(&format!("id=\"{}\"", found.code)), "{}", found.code);
        }
        let problem = Problem::not_found("run").document("r");
        let anchor = problem.kind.strip_prefix("/docs/errors#").unwrap();
        assert!(text.contains(&format!("id=\"{anchor}\"")));
    }

    #[test]
    fn what_a_description_says_is_text_and_not_markup() {
        let row = view::prose("a <b> & `c<d>` e");
        let shown = Environment::new()
            .render_named_str("x.html", "{% for p in row %}{% if p.code %}<code>{{ p.text }}</code>{% else %}{{ p.text }}{% endif %}{% endfor %}", context! { row => Serde(row) })
            .unwrap();
        assert_eq!(shown, "a &lt;b&gt; &amp; <code>c&lt;d&gt;</code> e");
    }
}
