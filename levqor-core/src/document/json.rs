//! JSON with spans, by JSON's own rules; duplicate keys are errors. Never recurses.

use serde_json::Value;

use super::build::{Builder, Word, word};
use super::{Issue, Spans};

pub(super) fn read(source: &str) -> Result<(Value, Spans), Box<Issue>> {
    let mut reader = Reader { source, at: 0, builder: Builder::new(source) };
    reader.document()?;
    Ok(reader.builder.finish())
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    builder: Builder,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<(), Box<Issue>> {
        loop {
            self.value()?;
            // After a value: close what closes here, then either the end or one more value.
            loop {
                self.space();
                if !self.builder.is_nested() {
                    let rest = self.at < self.source.len();
                    return if rest { Err(self.wrong("the end of the text")) } else { Ok(()) };
                }
                match self.peek() {
                    b',' => {
                        self.at += 1;
                        self.space();
                        if self.builder.in_object() {
                            self.key()?;
                        }
                        break;
                    }
                    close @ (b']' | b'}') if (close == b'}') == self.builder.in_object() => {
                        self.at += 1;
                        self.builder.end(self.at);
                    }
                    _ if self.builder.in_object() => return Err(self.wrong("`,` or `}`")),
                    _ => return Err(self.wrong("`,` or `]`")),
                }
            }
        }
    }

    /// One scalar, or the opening of containers down to the first scalar or empty container.
    fn value(&mut self) -> Result<(), Box<Issue>> {
        loop {
            self.space();
            let start = self.at;
            match self.peek() {
                open @ (b'{' | b'[') => {
                    self.at += 1;
                    self.builder.start(open == b'{', start..self.at)?;
                    self.space();
                    if self.peek() == open + 2 {
                        self.at += 1;
                        self.builder.end(self.at);
                        return Ok(());
                    }
                    if open == b'{' {
                        self.key()?;
                    }
                }
                b'"' => {
                    let text = self.text()?;
                    self.builder.scalar(Value::String(text), start..self.at);
                    return Ok(());
                }
                _ => return self.word(),
            }
        }
    }

    fn key(&mut self) -> Result<(), Box<Issue>> {
        let start = self.at;
        if self.peek() != b'"' {
            return Err(self.wrong("a key in double quotes"));
        }
        let name = self.text()?;
        self.builder.key(name, start..self.at)?;
        self.space();
        if self.peek() != b':' {
            return Err(self.wrong("`:`"));
        }
        self.at += 1;
        Ok(())
    }

    fn text(&mut self) -> Result<String, Box<Issue>> {
        let start = self.at;
        self.at += 1;
        while !matches!(self.peek(), b'"' | b'\n' | 0) {
            self.at += 1 + usize::from(self.peek() == b'\\');
        }
        self.at = (self.at + 1).min(self.source.len());
        let raw = self.source.get(start..self.at).unwrap_or_default();
        serde_json::from_str(raw).map_err(|_| {
            self.at = start;
            self.wrong("a text in double quotes with JSON's escapes")
        })
    }

    fn word(&mut self) -> Result<(), Box<Issue>> {
        let start = self.at;
        let part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.' | b'_');
        while part(self.peek()) {
            self.at += 1;
        }
        let text = &self.source[start..self.at];
        match word(text) {
            Word::Value(value) if !text.is_empty() => {
                self.builder.scalar(value, start..self.at);
                Ok(())
            }
            Word::TooBig => {
                let message = "the number does not fit into 64 bits; quote it to keep it";
                Err(self.builder.issue("document.number", start..self.at, message))
            }
            _ => {
                self.at = start;
                Err(self.wrong("a value"))
            }
        }
    }

    fn peek(&self) -> u8 {
        self.source.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn wrong(&self, expected: &str) -> Box<Issue> {
        let found = match self.source.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) => format!("`{}`", c.escape_debug()),
            None => "the end".to_owned(),
        };
        let end = (self.at + 1).min(self.source.len()).max(self.at);
        let message = format!("not valid JSON: expected {expected}, found {found}");
        self.builder.issue("document.syntax", self.at..end, &message)
    }
}
