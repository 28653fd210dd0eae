//! What a draft may use: connectors that the operator grants and the plan has, and their hosts.

use std::collections::BTreeSet;

use levqor_connectors::registry::Registry;
use levqor_core::connector::{Catalog, Manifest};
use levqor_core::document::{Issue, PipelineDocument};
use levqor_core::pipeline;
use levqor_core::quota::Plan;
use serde_json::Value;
use url::Url;

use super::model::PLANNER;

/// Connectors that a draft for an organization on this plan may use.
pub(super) fn connectors(catalog: &Catalog, registry: &Registry, plan: &Plan) -> Vec<Manifest> {
    let plugins = registry.plugins();
    let known: BTreeSet<&str> = plugins.iter().map(|p| p.name.as_str()).collect();
    let usable = |manifest: &Manifest| {
        let name = manifest.name.as_str();
        if name == PLANNER || plan.check_connector(name).is_err() {
            return false;
        }
        // What the embedding program put there itself is granted by that.
        if !known.contains(name) {
            return true;
        }
        // A plugin that lives from hosts and may reach none can do nothing.
        let hosts = registry.hosts(name);
        hosts.is_some_and(|hosts| manifest.hosts.is_empty() || !hosts.is_empty())
    };
    catalog.manifests().into_iter().filter(usable).collect()
}

/// Whether a document may be a draft: it compiles as a stored pipeline must, without pipelines of
/// the organization (no model knows them), and names no host that is not granted.
pub(super) fn judge(
    document: &Value,
    catalog: &Catalog,
    registry: &Registry,
) -> Result<(), Vec<String>> {
    let texts = |issues: Vec<Issue>| issues.iter().map(Issue::to_string).collect::<Vec<_>>();
    let read = PipelineDocument::from_value(document).map_err(texts)?;
    pipeline::compile(&read, None, catalog, &|_| None).map_err(texts)?;
    let foreign = foreign_hosts(document, catalog, registry);
    if foreign.is_empty() { Ok(()) } else { Err(foreign.iter().map(Issue::to_string).collect()) }
}

/// Addresses in steps of plugins that take any address, whose hosts these plugins may not reach.
pub(super) fn foreign_hosts(
    document: &Value,
    catalog: &Catalog,
    registry: &Registry,
) -> Vec<Issue> {
    let mut found = Vec::new();
    let mut open = vec![(document, String::new())];
    while let Some((value, pointer)) = open.pop() {
        match value {
            Value::Array(items) => {
                let deeper = |(i, v)| (v, format!("{pointer}/{i}"));
                open.extend(items.iter().enumerate().rev().map(deeper));
            }
            Value::Object(members) => {
                if let (Some(uses), Some(with)) =
                    (members.get("uses").and_then(Value::as_str), members.get("with"))
                {
                    let connector = uses.split('/').next().unwrap_or_default();
                    let reach = |url: &Url| may_reach(connector, url, catalog, registry);
                    addresses(with, &format!("{pointer}/with"), &reach, &mut found);
                }
                let steps = |name: &str| !matches!(name, "with" | "vars" | "output" | "ui");
                let inner = members.iter().rev().filter(|(name, _)| steps(name));
                open.extend(inner.map(|(name, v)| (v, format!("{pointer}/{name}"))));
            }
            _ => {}
        }
    }
    found
}

fn may_reach(connector: &str, url: &Url, catalog: &Catalog, registry: &Registry) -> bool {
    // One that names its hosts sends its addresses nowhere else: an address is text to it.
    let asks_for_any = catalog
        .get(connector)
        .is_some_and(|found| found.manifest().hosts.iter().any(|host| host == "*"));
    let Some(hosts) = registry.hosts(connector).filter(|_| asks_for_any) else { return true };
    let host = url.host_str().unwrap_or_default();
    hosts.iter().any(|pattern| pattern.matches_host(host))
}

fn addresses(with: &Value, at: &str, may_reach: &dyn Fn(&Url) -> bool, found: &mut Vec<Issue>) {
    let mut open = vec![(with, at.to_owned())];
    while let Some((value, pointer)) = open.pop() {
        match value {
            Value::String(text) => {
                if let Some(url) = address(text).filter(|url| !may_reach(url)) {
                    let host = url.host_str().unwrap_or_default();
                    let message = format!("the host `{host}` is not granted to this connector");
                    found.push(Issue::new("plan.host_not_granted", &pointer, message, None));
                }
            }
            Value::Array(items) => {
                let deeper = |(i, v)| (v, format!("{pointer}/{i}"));
                open.extend(items.iter().enumerate().rev().map(deeper));
            }
            Value::Object(members) => {
                let deeper = |(name, v): (&String, _)| (v, format!("{pointer}/{name}"));
                open.extend(members.iter().rev().map(deeper));
            }
            _ => {}
        }
    }
}

/// The address that a text is, where its host is written out. A host that an expression makes is
/// checked when the request goes out.
fn address(text: &str) -> Option<Url> {
    let (fixed, rest) = text.split_once("${{").map_or((text, None), |(f, r)| (f, Some(r)));
    let fixed = fixed.trim();
    let url = Url::parse(fixed).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let authority = fixed.split_once("//").map_or("", |(_, after)| after);
    let whole = rest.is_none() || authority.contains(['/', '?', '#']);
    whole.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_where_its_host_is_written_out() {
        for (text, host) in [
            ("https://example.com", Some("example.com")),
            ("https://example.com/a?b=${{ input.b }}", Some("example.com")),
            (" http://EXAMPLE.com:8080/x", Some("example.com")),
            ("https://[::ffff:127.0.0.1]/", Some("[::ffff:7f00:1]")),
            ("https://user:x@evil.example/", Some("evil.example")),
            ("https://example.com${{ input.rest }}", None),
            ("https://${{ input.host }}/a", None),
            ("${{ input.url }}", None),
            ("see https://example.com", None),
            ("mailto:a@example.com", None),
            ("", None),
        ] {
            let found = address(text).map(|url| url.host_str().unwrap_or_default().to_owned());
            assert_eq!(found.as_deref(), host, "{text}");
        }
    }
}
