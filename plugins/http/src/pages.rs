//! `paginate`: the three ways lists come in pages, followed with bounds.

use std::collections::BTreeMap;

use levqor_plugin_sdk::prelude::*;

use crate::{Preset, prepare};

/// Pages read where the step does not say.
const PAGES_DEFAULT: u32 = 10;
/// Pages one step may read: beyond, a run should use several steps.
const PAGES_MAX: u32 = 100;

/// How the next page is found.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Pages {
    /// From the `Link: <…>; rel="next"` header
    LinkHeader,
    /// A cursor from the body goes into a query parameter
    Cursor {
        /// JSON pointer to the cursor, `/paging/next`; absent, null or empty ends the list
        from: String,
        /// The query parameter it goes into
        parameter: String,
    },
    /// Pages are counted in a query parameter, until one is empty
    PageNumber {
        /// The query parameter
        parameter: String,
        /// Number of the first page
        #[serde(default = "one")]
        first: u32,
    },
}

fn one() -> u32 {
    1
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paginate {
    url: String,
    /// Added to each address, encoded
    #[serde(default)]
    query: BTreeMap<String, Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Where the credential `auth` goes; none is sent where absent
    auth: Option<Preset>,
    pages: Pages,
    /// JSON pointer to the items in a page, `/data`; the page itself is the list where absent
    #[serde(default)]
    items: String,
    /// Stop after this many pages
    #[serde(default = "pages_default")]
    #[schemars(range(min = 1, max = PAGES_MAX))]
    max_pages: u32,
}

fn pages_default() -> u32 {
    PAGES_DEFAULT
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Listed {
    items: Vec<Value>,
    /// Pages read
    pages: u32,
    /// Whether there was nothing more to read
    complete: bool,
}

pub(crate) fn paginate(ctx: &Ctx, input: Paginate) -> Result<Listed> {
    let mut listed = Listed { items: Vec::new(), pages: 0, complete: false };
    let mut next = Next::First;
    while listed.pages < input.max_pages {
        let (response, count) = read(ctx, &input, &next, &mut listed)?;
        listed.pages += 1;
        match following(&input, &response, &next, count)? {
            Some(more) => next = more,
            None => {
                listed.complete = true;
                break;
            }
        }
    }
    Ok(listed)
}

/// How the page to be read is named.
#[derive(PartialEq)]
enum Next {
    First,
    Url(String),
    Cursor(String),
    Number(u32),
}

/// Reads one page, keeps its items, and tells how many there were.
fn read(
    ctx: &Ctx,
    input: &Paginate,
    next: &Next,
    listed: &mut Listed,
) -> Result<(Response, usize)> {
    let url = if let Next::Url(url) = next { url } else { &input.url };
    // A link is complete: it has the query in it already.
    let nothing = BTreeMap::new();
    let query = if matches!(next, Next::Url(_)) { &nothing } else { &input.query };
    let mut request = prepare(ctx.get(&**url), query, input.headers.clone(), input.auth.as_ref());
    match (&input.pages, next) {
        (Pages::Cursor { parameter, .. }, Next::Cursor(cursor)) => {
            request = request.query(parameter, cursor);
        }
        (Pages::PageNumber { parameter, first }, next) => {
            let number = if let Next::Number(number) = next { *number } else { *first };
            request = request.query(parameter, number.to_string());
        }
        _ => {}
    }
    let response = request.send()?;
    let mut body: Value = response.json()?;
    let Some(Value::Array(items)) = body.pointer_mut(&input.items) else {
        let why = format!("there is no list at `{}` of page {}", input.items, listed.pages + 1);
        return Err(TaskError::permanent(why).code("no_list"));
    };
    let count = items.len();
    listed.items.append(items);
    Ok((response, count))
}

fn following(
    input: &Paginate,
    response: &Response,
    now: &Next,
    count: usize,
) -> Result<Option<Next>> {
    let next = match &input.pages {
        Pages::LinkHeader => match response.header("link").and_then(next_link) {
            Some(link) => Some(Next::Url(same_origin(&input.url, link)?)),
            None => None,
        },
        Pages::Cursor { from, .. } => {
            let body: Value = response.json()?;
            let cursor = match body.pointer(from) {
                Some(Value::String(cursor)) => cursor.clone(),
                Some(Value::Number(cursor)) => cursor.to_string(),
                _ => String::new(),
            };
            (!cursor.is_empty()).then_some(Next::Cursor(cursor))
        }
        Pages::PageNumber { first, .. } => {
            let number = if let Next::Number(number) = now { *number } else { *first };
            (count > 0).then(|| Next::Number(number.saturating_add(1)))
        }
    };
    // The same page again would go on for ever, with the same items.
    if next.as_ref() == Some(now) {
        return Err(TaskError::permanent("the next page is the same page").code("page_loop"));
    }
    Ok(next)
}

/// The address with `rel="next"` in a Link header (RFC 8288).
fn next_link(header: &str) -> Option<&str> {
    // Links are split at `<`, since a comma may also stand inside an address.
    header.split('<').skip(1).find_map(|link| {
        let (url, parameters) = link.split_once('>')?;
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel")
                && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        is_next.then_some(url)
    })
}

/// The link as an absolute address, only on the scheme and host of the first page: what a server
/// answers must not choose where the credential goes.
fn same_origin(first: &str, link: &str) -> Result<String> {
    let origin_end = first.find("://").map_or(0, |at| at + 3);
    let path_at = first[origin_end..].find(['/', '?', '#']).map_or(first.len(), |i| origin_end + i);
    let origin = &first[..path_at];
    if link.starts_with('/') && !link.starts_with("//") {
        return Ok(format!("{origin}{link}"));
    }
    let rest =
        link.strip_prefix(origin).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    match rest {
        Some(_) => Ok(link.to_owned()),
        None => Err(TaskError::permanent("the next page is on another host").code("other_host")),
    }
}

#[cfg(test)]
mod tests {
    use super::{next_link, same_origin};

    #[test]
    fn the_next_link_of_a_header() {
        for (header, next) in [
            (
                r#"<https://a/?p=2>; rel="next", <https://a/?p=9>; rel="last""#,
                Some("https://a/?p=2"),
            ),
            (
                r#"<https://a/?p=1>; rel="prev", <https://a/?p=3,4>; rel=next"#,
                Some("https://a/?p=3,4"),
            ),
            (r#"<https://a/?p=9>; rel="last""#, None),
            (r#"<https://a/>; rel="prev next"; title="x""#, Some("https://a/")),
            ("", None),
        ] {
            assert_eq!(next_link(header), next, "{header}");
        }
    }

    #[test]
    fn a_link_stays_on_its_origin() {
        let first = "https://api.example/items?x=1";
        for (link, ok) in [
            ("https://api.example/items?page=2", true),
            ("/items?page=2", true),
            ("https://api.example.evil/items", false),
            ("http://api.example/items", false),
            ("//evil.example/", false),
            ("https://api.example@evil.example/", false),
        ] {
            assert_eq!(same_origin(first, link).is_ok(), ok, "{link}");
        }
    }
}
