//! YAML to JSON values: plain words by JSON's rules, no anchors, aliases or tags.

use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span};
use serde_json::Value;

use super::build::{Builder, Word, word};
use super::{Issue, Spans};

pub(super) fn read(source: &str) -> Result<(Value, Spans), Box<Issue>> {
    let mut builder = Builder::new(source);
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut documents = 0;
    for next in Parser::new_from_str_with_options(source, options) {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => return Err(syntax(&builder, source, &error)),
        };
        let at = bytes(&span, source);
        if let Event::DocumentStart(..) = event {
            documents += 1;
            if documents > 1 {
                let message = "the text holds more than one document";
                return Err(builder.issue("document.multiple", at, message));
            }
        }
        take(&mut builder, event, at)?;
    }
    Ok(builder.finish())
}

fn take(builder: &mut Builder, event: Event<'_>, at: Range<usize>) -> Result<(), Box<Issue>> {
    if let Event::Scalar(_, _, anchor, tag) = &event {
        refuse(builder, *anchor, tag.is_some(), &at)?;
    }
    if let Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag) = &event {
        refuse(builder, *anchor, tag.is_some(), &at)?;
        if builder.wants_key() {
            return Err(builder.issue("document.key", at, "the key of an object must be a text"));
        }
    }
    match event {
        Event::Alias(_) | Event::UnresolvedAlias(_) => refuse(builder, 1, false, &at),
        Event::Scalar(text, _, _, _) if builder.wants_key() => {
            if text == "<<" {
                let message = "merge keys (`<<`) are not part of the format";
                return Err(builder.issue("document.alias", at, message));
            }
            if at.is_empty() {
                return Err(builder.issue("document.key", at, "the key of an object is empty"));
            }
            builder.key(text.into_owned(), at)
        }
        // The parser's word for nothing is `~`, which is a text where somebody wrote it.
        Event::Scalar(_, ScalarStyle::Plain, _, _) if at.is_empty() => {
            builder.scalar(Value::Null, at);
            Ok(())
        }
        Event::Scalar(text, ScalarStyle::Plain, _, _) => {
            let value = match word(&text) {
                Word::Value(value) => value,
                Word::Text => Value::String(text.into_owned()),
                Word::TooBig => {
                    let message = "the number does not fit into 64 bits; quote it to keep it";
                    return Err(builder.issue("document.number", at, message));
                }
            };
            builder.scalar(value, at);
            Ok(())
        }
        Event::Scalar(text, ..) => {
            builder.scalar(Value::String(text.into_owned()), at);
            Ok(())
        }
        Event::SequenceStart(..) => builder.start(false, at),
        Event::MappingStart(..) => builder.start(true, at),
        Event::SequenceEnd | Event::MappingEnd => {
            builder.end(at.end);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn refuse(
    builder: &Builder,
    anchor: usize,
    tagged: bool,
    at: &Range<usize>,
) -> Result<(), Box<Issue>> {
    if anchor != 0 {
        let message = "YAML anchors and aliases are not part of the format; write it out";
        return Err(builder.issue("document.alias", at.clone(), message));
    }
    if tagged {
        let message = "YAML tags are not part of the format";
        return Err(builder.issue("document.tag", at.clone(), message));
    }
    Ok(())
}

fn bytes(span: &Span, source: &str) -> Range<usize> {
    let clamp = |byte: Option<usize>| byte.unwrap_or(0).min(source.len());
    let (start, end) = (clamp(span.start.byte_offset()), clamp(span.end.byte_offset()));
    start..end.max(start)
}

fn syntax(builder: &Builder, source: &str, error: &granit_parser::ScanError) -> Box<Issue> {
    let byte = error.marker().byte_offset().unwrap_or(0).min(source.len());
    let line = source[..floor(source, byte)].rsplit('\n').next().unwrap_or_default();
    let after = source[floor(source, byte)..].split('\n').next().unwrap_or_default();
    let hint = if line.contains("${{") || after.contains("${{") {
        "; inside `{ }` and `[ ]` an expression must be quoted: \"${{ … }}\""
    } else {
        ""
    };
    let message = format!("not valid YAML: {}{hint}", error.info());
    builder.issue("document.syntax", byte..(byte + 1).min(source.len()).max(byte), &message)
}

fn floor(source: &str, byte: usize) -> usize {
    (0..=byte).rev().find(|b| source.is_char_boundary(*b)).unwrap_or(0)
}
