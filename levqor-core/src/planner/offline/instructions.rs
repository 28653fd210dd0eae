//! Text in a goal that speaks to whoever reads it instead of saying what is wanted.
//!
//! Not the defence (that is [`super::super::check`] and that a draft is never run by itself): it
//! keeps the matcher from taking such text for orders.

use super::goal::Token;

/// What only somebody writes who speaks to a model past the goal: marks of chat formats.
pub(super) const MARKS: [&str; 6] = ["<system", "</", "<|", "[inst]", "[/inst]", "###"];
/// The same, as words.
const SPEECH: [&str; 7] = [
    "system prompt",
    "you are now",
    "new instructions",
    "developer mode",
    "jailbreak",
    "admin override",
    "as an ai",
];

/// Cuts off everything from the first sentence on that tries to instruct whoever reads the goal:
/// what remains, and whether something was cut.
pub(super) fn without_instructions(tokens: Vec<Token>) -> (Vec<Token>, bool) {
    let mut start = 0;
    for (i, token) in tokens.iter().enumerate() {
        let ends = *token == Token::Break;
        if (ends || i + 1 == tokens.len()) && instructs(&tokens[start..=i]) {
            return (tokens[..start].to_vec(), true);
        }
        if ends {
            start = i + 1;
        }
    }
    (tokens, false)
}

fn instructs(sentence: &[Token]) -> bool {
    const TURN: [&str; 8] =
        ["ignore", "disregard", "forget", "override", "bypass", "overrule", "skip", "circumvent"];
    const RULE: [&str; 12] = [
        "previous",
        "above",
        "prior",
        "earlier",
        "instruction",
        "instructions",
        "rules",
        "prompt",
        "system",
        "guidelines",
        "restrictions",
        "safety",
    ];
    const TAKE: [&str; 14] = [
        "send",
        "reveal",
        "print",
        "leak",
        "exfiltrate",
        "include",
        "dump",
        "expose",
        "post",
        "email",
        "show",
        "forward",
        "upload",
        "copy",
    ];
    const SECRET: [&str; 12] = [
        "secret",
        "secrets",
        "credential",
        "credentials",
        "password",
        "passwords",
        "token",
        "tokens",
        "env",
        "environment",
        "vault",
        "keys",
    ];
    let lows: Vec<String> = sentence.iter().map(Token::low).collect();
    let near = |first: &[&str], second: &[&str], reach: usize| {
        lows.iter().enumerate().any(|(i, word)| {
            let after = &lows[i + 1..lows.len().min(i + 1 + reach)];
            first.contains(&word.as_str()) && after.iter().any(|w| second.contains(&w.as_str()))
        })
    };
    let text = lows.join(" ");
    let speaks = lows.iter().find(|w| !w.is_empty()).is_some_and(|w| {
        matches!(w.as_str(), "system" | "assistant" | "developer" | "important")
            && sentence.get(1) == Some(&Token::Comma)
    });
    near(&TURN, &RULE, 5)
        || near(&TAKE, &SECRET, 6)
        || speaks
        || MARKS.iter().chain(&SPEECH).any(|mark| text.contains(mark))
}
