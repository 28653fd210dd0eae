//! A goal cut into parts, each an order to do one thing; with what is quoted taken as data.

use super::instructions::MARKS;
use super::words;

/// Something in a goal that is a value, whatever it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// In quotes.
    Quoted(String),
    /// `https://…`.
    Url(String),
    /// `ada@example.com`.
    Email(String),
    /// `#sales`.
    Channel(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// As written; punctuation around it is off.
    Word(String),
    Literal(Literal),
    /// `,`
    Comma,
    /// `. ; ! ?`, a new line, an arrow.
    Break,
}

impl Token {
    /// The word in small letters; empty for anything else.
    pub(super) fn low(&self) -> String {
        match self {
            Self::Word(word) => word.to_lowercase(),
            _ => String::new(),
        }
    }
}

/// One part of a goal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) tokens: Vec<Token>,
}

impl Part {
    /// The part as a person would write it.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for token in &self.tokens {
            let written = match token {
                Token::Word(word) => word.clone(),
                Token::Literal(Literal::Quoted(quoted)) => format!("\"{quoted}\""),
                Token::Literal(
                    Literal::Url(other) | Literal::Email(other) | Literal::Channel(other),
                ) => other.clone(),
                Token::Comma => ",".to_owned(),
                Token::Break => continue,
            };
            if !text.is_empty() && written != "," {
                text.push(' ');
            }
            text.push_str(&written);
        }
        text
    }

    pub(super) fn literals(&self) -> impl Iterator<Item = &Literal> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Literal(literal) => Some(literal),
            _ => None,
        })
    }

    /// The words that mean something. What is quoted, and addresses, are not among them.
    pub(super) fn terms(&self) -> Vec<String> {
        let words: Vec<_> = self.tokens.iter().map(Token::low).collect();
        let mut terms = words::terms(&words.join(" "));
        terms.extend(self.order().and_then(|order| words::implied(&order)).map(str::to_owned));
        terms
    }

    /// The first word that is not politeness, as written.
    pub(super) fn order(&self) -> Option<String> {
        let mut lows = self.tokens.iter().map(Token::low).filter(|w| !w.is_empty());
        lows.find(|word| !words::is_polite(word))
    }
}

/// Cuts a goal into tokens.
pub(super) fn tokens(goal: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = goal;
    while let Some(c) = rest.chars().next() {
        let after_word = matches!(found.last(), Some(Token::Word(_))) && !starts_fresh(goal, rest);
        if let Some((quoted, left)) = (!after_word).then(|| quoted(rest)).flatten() {
            found.push(Token::Literal(Literal::Quoted(quoted)));
            rest = left;
        } else if c == '\n' {
            found.push(Token::Break);
            rest = &rest[1..];
        } else if c.is_whitespace() {
            rest = &rest[c.len_utf8()..];
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (chunk, left) = rest.split_at(end);
            // A quote that opens inside a chunk: `subject:"x y"`.
            let cut = chunk.find(['"', '“', '«']).filter(|at| *at > 0).unwrap_or(end);
            chunk_tokens(&chunk[..cut], &mut found);
            rest = if cut < end { &rest[cut..] } else { left };
        }
    }
    found
}

/// Whether `rest` begins after white space or at the start: an apostrophe there opens a quote.
fn starts_fresh(goal: &str, rest: &str) -> bool {
    let before = goal[..goal.len() - rest.len()].chars().next_back();
    before.is_none_or(|c| c.is_whitespace() || "(:\"“«".contains(c))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    const PAIRS: [(char, char); 6] =
        [('"', '"'), ('“', '”'), ('«', '»'), ('`', '`'), ('‘', '’'), ('\'', '\'')];
    let open = text.chars().next()?;
    let (_, close) = PAIRS.iter().find(|(o, _)| *o == open)?;
    let inner = &text[open.len_utf8()..];
    let end = inner.find(*close)?;
    Some((inner[..end].to_owned(), &inner[end + close.len_utf8()..]))
}

fn chunk_tokens(chunk: &str, found: &mut Vec<Token>) {
    if matches!(chunk, "->" | "=>" | "→" | "⇒" | "|" | "-" | "–" | "—") {
        found.push(Token::Break);
        return;
    }
    if chunk == "&" {
        found.push(Token::Word("and".to_owned()));
        return;
    }
    if MARKS.iter().any(|mark| chunk.to_ascii_lowercase().contains(mark)) {
        found.push(Token::Word(chunk.to_owned()));
        return;
    }
    let word = chunk.trim_start_matches(['(', '[', '"', '\'']);
    let bare = word.trim_end_matches([',', '.', ';', ':', '!', '?', ')', ']', '"', '\'']);
    if !bare.is_empty() {
        found.push(value_or_word(bare));
    }
    let tail = &word[bare.len()..];
    if tail.contains(['.', ';', '!', '?']) {
        found.push(Token::Break);
    } else if tail.contains([',', ':']) {
        found.push(Token::Comma);
    }
}

fn value_or_word(bare: &str) -> Token {
    let low = bare.to_lowercase();
    if low.starts_with("https://") || low.starts_with("http://") {
        return Token::Literal(Literal::Url(bare.to_owned()));
    }
    let is_email = bare
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'));
    if is_email {
        return Token::Literal(Literal::Email(bare.to_owned()));
    }
    if bare.len() > 1 && bare.starts_with('#') && !bare[1..].contains('#') {
        return Token::Literal(Literal::Channel(bare.to_owned()));
    }
    Token::Word(if low == "e-mail" { "email".to_owned() } else { bare.to_owned() })
}

/// Words of one part: an order in more words than that is prose, and comparing each of its words
/// with the catalog would take long.
const PART_TOKENS_MAX: usize = 60;
/// Parts of one goal: twice what a draft may have as steps.
const PARTS_MAX: usize = 40;

/// What the cutting of a goal asks about its words.
pub(super) trait Sense {
    /// Whether `word`, before `next`, orders something to be done.
    fn is_order(&self, word: &str, next: &str) -> bool;
    /// Whether `tokens` name a connector, and one that `others` do not name beside theirs.
    fn names_another(&self, tokens: &[Token], others: &[Token]) -> bool;
}

/// Cuts tokens into parts: at sentence ends; at `,` `and` `then` where an order follows; and where
/// one order is for two connectors (`post it to Slack and Telegram`), which then both get it. Also
/// whether there were more than [`PARTS_MAX`].
pub(super) fn parts(tokens: &[Token], sense: &impl Sense) -> (Vec<Part>, bool) {
    let mut parts: Vec<Part> = Vec::new();
    let mut open = Part::default();
    for (i, token) in tokens.iter().enumerate() {
        if parts.len() >= PARTS_MAX {
            return (parts, true);
        }
        let first = open.tokens.first().map(Token::low).unwrap_or_default();
        let joins = matches!(token.low().as_str(), "and" | "then" | "afterwards");
        let orders = || orders_next(&tokens[i + 1..], sense);
        let separates = match token {
            Token::Break => true,
            // `when a lead arrives, …`, but `on Slack, …`.
            Token::Comma if is_condition(&first) => true,
            Token::Comma if matches!(first.as_str(), "on" | "in" | "with" | "using") => false,
            Token::Comma => orders(),
            _ => joins && orders(),
        };
        let shared = !separates && (joins || *token == Token::Comma);
        if shared && let Some(order) = shared_order(&open, &tokens[i + 1..], sense) {
            parts.push(std::mem::take(&mut open));
            open.tokens.push(order);
        } else if separates {
            parts.extend((!open.tokens.is_empty()).then(|| std::mem::take(&mut open)));
        } else {
            if open.tokens.len() >= PART_TOKENS_MAX {
                parts.push(std::mem::take(&mut open));
            }
            open.tokens.push(token.clone());
        }
    }
    parts.extend((!open.tokens.is_empty()).then_some(open));
    (parts, false)
}

/// The order of the open part, when what comes next names another connector for it.
fn shared_order(open: &Part, rest: &[Token], sense: &impl Sense) -> Option<Token> {
    let ends = |t: &Token| {
        matches!(t, Token::Comma | Token::Break) || matches!(t.low().as_str(), "and" | "then")
    };
    let next = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
    // Two sources are one reading of the other order: `from HubSpot and Stripe to Slack`.
    let source = open.tokens.iter().chain(next).any(|t| t.low() == "from");
    if source || !sense.names_another(next, &open.tokens) {
        return None;
    }
    open.order().map(Token::Word)
}

/// Whether a part that begins with this word says when, not what.
pub(super) fn is_condition(low: &str) -> bool {
    matches!(low, "when" | "whenever" | "if" | "once" | "after" | "before" | "upon")
}

/// Whether the next words, politeness aside, are an order.
fn orders_next(rest: &[Token], sense: &impl Sense) -> bool {
    for (i, token) in rest.iter().enumerate() {
        match token {
            Token::Comma => {}
            Token::Word(_) => {
                let low = token.low();
                let next = rest.get(i + 1).map(Token::low).unwrap_or_default();
                if sense.is_order(&low, &next) {
                    return true;
                }
                if !words::is_polite(&low) {
                    return false;
                }
            }
            Token::Literal(_) | Token::Break => return false,
        }
    }
    false
}
