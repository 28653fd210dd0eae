//! Which action a part of a goal means: its words against the words of the catalog, the rare ones
//! counting more.

use std::collections::BTreeMap;

use serde_json::Value;

use super::goal::{Literal, Part, Sense, Token};
use super::{fill, words};
use crate::connector::{ActionManifest, Manifest};

/// Weight of a word by where in a manifest it stands.
const IN_CONNECTOR: f64 = 2.5;
const IN_ACTION: f64 = 2.0;
const IN_TITLE: f64 = 1.5;
const IN_DESCRIPTION: f64 = 0.6;
const IN_INPUT: f64 = 0.4;
/// A word that only means the same counts so much of one that is the same.
const ALIKE: f64 = 0.75;
/// A word of the action's own name that the part does not have counts against it so much.
const MISSING: f64 = 0.5;
/// A value in the part that the action has a member for counts so much.
const FITS: f64 = 1.5;
/// The order itself counts so much of another word.
const ORDER: f64 = 1.5;
/// An order that is none of the action's own counts against it so much.
const OTHER_ORDER: f64 = 6.0;
/// What a word that no action knows counts against a match.
const UNKNOWN: f64 = 1.0;
/// Least score of a match, as a share of what the part's words could reach.
const SHARE_MIN: f64 = 0.3;

/// One action with its words.
pub(super) struct Candidate<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) name: &'a str,
    pub(super) action: &'a ActionManifest,
    weights: BTreeMap<String, Weight>,
    own: Vec<String>,
    /// Groups of verbs that the action's own name has.
    verbs: u64,
}

#[derive(Clone, Copy)]
struct Weight {
    weight: f64,
    groups: u64,
}

/// The catalog, ready to be matched against.
pub(super) struct Index<'a> {
    candidates: Vec<Candidate<'a>>,
    /// In how many actions a word stands.
    spread: BTreeMap<String, usize>,
    /// In how many actions a word of each group stands.
    groups: [usize; 64],
}

impl<'a> Index<'a> {
    pub(super) fn new(manifests: &'a [Manifest]) -> Self {
        let mut candidates = Vec::new();
        for manifest in manifests {
            for (name, action) in &manifest.actions {
                candidates.push(Candidate::new(manifest, name, action));
            }
        }
        let mut spread = BTreeMap::new();
        for word in candidates.iter().flat_map(|c| c.weights.keys()) {
            *spread.entry(word.clone()).or_insert(0) += 1;
        }
        let mut groups = [0; 64];
        for candidate in &candidates {
            let of = candidate.weights.values().fold(0, |mask, w| mask | w.groups);
            groups.iter_mut().enumerate().for_each(|(i, n)| *n += usize::from(of >> i & 1 == 1));
        }
        Self { candidates, spread, groups }
    }

    /// The action that a part means, if one is clear enough. `before` is the connector of the step
    /// before: `comment on it` is about its work, where nothing else fits.
    pub(super) fn best(&self, part: &Part, before: Option<&str>) -> Option<&Candidate<'a>> {
        let mut terms = part.terms();
        if terms.is_empty() {
            return None;
        }
        let mentioned = self.mentioned(part, &terms);
        if mentioned.is_empty() && names_a_stranger(part) {
            return None;
        }
        // Whatever a connector was called: its name was meant.
        terms.extend(mentioned.iter().flat_map(|name| words::terms(name)));
        let refers = || part.tokens.iter().any(|t| matches!(t.low().as_str(), "it" | "them"));
        self.best_of(part, &terms, &mentioned).or_else(|| {
            let before = before.filter(|_| mentioned.is_empty() && refers())?;
            self.best_of(part, &terms, &[before])
        })
    }

    /// The best action of these connectors, of all where none is given.
    fn best_of(&self, part: &Part, terms: &[String], of: &[&str]) -> Option<&Candidate<'a>> {
        let order = part.order().map(|word| words::base(&word)).unwrap_or_default();
        let verbs = words::verbs(&order);
        let eligible = |c: &&Candidate<'a>| {
            // What changes or removes something is not met by anything else.
            if words::harms(&order) && verbs & c.verbs == 0 {
                return false;
            }
            let named = of.is_empty() || of.contains(&c.manifest.name.as_str());
            named && c.is_meant_by(part, terms, !of.is_empty())
        };
        let full = |c: &Candidate<'_>| {
            let other = verbs != 0 && c.verbs != 0 && verbs & c.verbs == 0;
            self.score(terms, &order, c) + FITS * c.fits(part) as f64
                - if other { OTHER_ORDER } else { 0.0 }
        };
        let scored = self.candidates.iter().filter(eligible).map(|c| (full(c), c));
        let (score, best) =
            scored.fold(None, |best: Option<(f64, &Candidate<'a>)>, (score, c)| {
                // The first of equals: the order of the catalog decides, so the answer is the same.
                if best.is_some_and(|(most, _)| most >= score) { best } else { Some((score, c)) }
            })?;
        let could = terms.iter().map(|t| self.could(t)).sum::<f64>();
        (score / could >= SHARE_MIN).then_some(best)
    }

    /// Every action, those that fit the terms best first.
    pub(super) fn ranked(&self, terms: &[String]) -> Vec<&Candidate<'a>> {
        let mut scored: Vec<_> =
            self.candidates.iter().map(|c| (self.score(terms, "", c), c)).collect();
        scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        scored.into_iter().map(|(_, c)| c).collect()
    }

    /// Connectors that a part names.
    fn mentioned(&self, part: &Part, terms: &[String]) -> Vec<&'a str> {
        let lows: Vec<_> = part.tokens.iter().map(Token::low).collect();
        let mut found: Vec<&'a str> = Vec::new();
        for candidate in &self.candidates {
            let name = candidate.manifest.name.as_str();
            let of_name = words::terms(name);
            let by_name = !of_name.is_empty() && of_name.iter().all(|w| terms.contains(w));
            let by_nick = lows.iter().any(|low| words::called(low).any(|c| c == name));
            // A connector that is called what everybody means by a common word is not meant by it
            // alone (`text`, `email`).
            let common = of_name.len() == 1 && words::groups(name) != 0;
            if (by_nick || by_name && !common) && !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }

    fn score(&self, terms: &[String], order: &str, candidate: &Candidate<'_>) -> f64 {
        let mut score = 0.0;
        for (i, term) in terms.iter().enumerate() {
            if terms[..i].contains(term) {
                continue;
            }
            let exact = candidate.weights.get(term).map_or(0.0, |w| w.weight * self.rarity(term));
            let groups = words::groups(term);
            let alike = candidate.weights.values().filter(|w| w.groups & groups != 0);
            let near = alike.map(|w| ALIKE * w.weight * self.rarity_of(w.groups & groups));
            let counts = if term == order { ORDER } else { 1.0 };
            score += counts * near.fold(exact, f64::max);
        }
        let missing = candidate
            .own
            .iter()
            .filter(|word| !terms.iter().any(|t| t == *word || words::alike(t, word)));
        score - missing.map(|word| MISSING * IN_ACTION * self.rarity(word)).sum::<f64>()
    }

    /// What a word of a goal can bring. A word that no action knows brings nothing; it still says
    /// that something else may be meant.
    fn could(&self, term: &str) -> f64 {
        let groups = words::groups(term);
        let by_group = (0..64).any(|i| groups >> i & 1 == 1 && self.groups[i] > 0);
        let by_word = self.spread.contains_key(term);
        // Of two ways to meet it, the easier: the other may not be open to the action that is meant.
        match (by_word, by_group) {
            (true, true) => IN_ACTION * self.rarity(term).min(self.rarity_of(groups)),
            (true, false) => IN_ACTION * self.rarity(term),
            (false, true) => IN_ACTION * self.rarity_of(groups),
            (false, false) => UNKNOWN,
        }
    }

    /// How rare the rarest of these groups is.
    fn rarity_of(&self, groups: u64) -> f64 {
        let spreads = (0..64).filter(|i| groups >> i & 1 == 1).map(|i| self.groups[i]);
        let rarest = spreads.filter(|n| *n > 0).min().unwrap_or(1);
        (1.0 + self.candidates.len() as f64 / rarest as f64).ln()
    }

    fn rarity(&self, word: &str) -> f64 {
        let spread = self.spread.get(word).copied().unwrap_or(1).max(1);
        (1.0 + self.candidates.len() as f64 / spread as f64).ln()
    }
}

impl Sense for Index<'_> {
    /// A known verb, or how an action's name begins.
    fn is_order(&self, word: &str, next: &str) -> bool {
        let begins = |c: &Candidate<'_>| c.own.first().is_some_and(|w| w == word);
        words::is_verb(word, next) || self.candidates.iter().any(begins)
    }

    fn names_another(&self, tokens: &[Token], others: &[Token]) -> bool {
        let names = |tokens: &[Token]| {
            let part = Part { tokens: tokens.to_vec() };
            self.mentioned(&part, &part.terms())
        };
        let known = names(others);
        !known.is_empty() && names(tokens).iter().any(|name| !known.contains(name))
    }
}

impl<'a> Candidate<'a> {
    fn new(manifest: &'a Manifest, name: &'a str, action: &'a ActionManifest) -> Self {
        let mut weights = BTreeMap::new();
        let mut put = |text: &str, weight: f64| {
            for word in words::terms(text) {
                let groups = words::groups(&word);
                let seen = weights.entry(word).or_insert(Weight { weight, groups });
                seen.weight = seen.weight.max(weight);
            }
        };
        put(&manifest.name, IN_CONNECTOR);
        put(name, IN_ACTION);
        put(&action.title, IN_TITLE);
        put(&manifest.description, IN_DESCRIPTION);
        let input = action.input_schema.get("properties").and_then(Value::as_object);
        input.into_iter().flatten().for_each(|(property, _)| put(property, IN_INPUT));
        let own = words::terms(name);
        let verbs = own.first().map_or(0, |word| words::verbs(word));
        Self { manifest, name, action, weights, own, verbs }
    }

    /// `connector/action`.
    pub(super) fn uses(&self) -> String {
        format!("{}/{}", self.manifest.name, self.name)
    }

    /// How many values of the part the action has a member for.
    fn fits(&self, part: &Part) -> usize {
        let members = self.action.input_schema.get("properties").and_then(Value::as_object);
        let takes = |literal: &&Literal| {
            members.is_some_and(|m| m.keys().any(|name| fill::takes(name, literal)))
        };
        part.literals().filter(takes).count()
    }

    /// Whether a part has at least one word of the action's own name or title, or a value for it;
    /// and where it names no connector, two of them, so that `send it` alone means nothing. A
    /// connector with one action is meant by its name alone.
    fn is_meant_by(&self, part: &Part, terms: &[String], mentioned: bool) -> bool {
        let of_action = words::terms(&format!("{} {}", self.name, self.action.title));
        let connector = words::terms(&self.manifest.name);
        let hits = |words_of: &[String]| {
            terms.iter().filter(|t| words_of.iter().any(|w| w == *t || words::alike(w, t))).count()
        };
        let own = hits(&of_action) + self.fits(part);
        if mentioned {
            own >= 1 || self.manifest.actions.len() == 1
        } else {
            own >= 2 || own == 1 && hits(&connector) >= 1
        }
    }
}

/// Whether a part names a service; asked only when it names none of the catalog's.
fn names_a_stranger(part: &Part) -> bool {
    part.tokens.iter().any(|token| words::is_service(&token.low()))
}
