//! [`Spans`]: where in the source each value of a document stands.

use std::collections::HashMap;
use std::ops::Range;

/// The source of a document and the bytes of each of its values, by JSON Pointer.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    source: String,
    values: HashMap<String, Range<usize>>,
    keys: HashMap<String, Range<usize>>,
    bytes: usize,
}

/// Bytes of pointers that are kept: a real document has under 100 KiB of them, one that nests long
/// keys around long lists would have gigabytes. Past it, places are those of the value around.
const POINTER_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Spans {
    pub(super) fn new(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    pub(super) fn add_value(&mut self, pointer: &str, span: Range<usize>) {
        self.bytes += pointer.len();
        if !self.is_full() {
            self.values.insert(pointer.to_owned(), span);
        }
    }

    pub(super) fn add_key(&mut self, pointer: &str, span: Range<usize>) {
        self.bytes += pointer.len();
        if !self.is_full() {
            self.keys.insert(pointer.to_owned(), span);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes > POINTER_BYTES_MAX
    }

    /// The text that was parsed.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The bytes of the value at `pointer`.
    #[must_use]
    pub fn value(&self, pointer: &str) -> Option<Range<usize>> {
        self.values.get(pointer).cloned()
    }

    /// The bytes of the key of the object member at `pointer`.
    #[must_use]
    pub fn key(&self, pointer: &str) -> Option<Range<usize>> {
        self.keys.get(pointer).cloned()
    }

    /// The bytes of the value at `pointer`, else of the closest value around it.
    ///
    /// Around is shown by its key or its first line: a whole block says nothing.
    #[must_use]
    pub fn nearest(&self, pointer: &str) -> Option<Range<usize>> {
        if let Some(exact) = self.value(pointer) {
            return Some(self.first_line(exact));
        }
        let (parent, _) = pointer.rsplit_once('/')?;
        self.key(parent).or_else(|| self.nearest(parent))
    }

    fn first_line(&self, span: Range<usize>) -> Range<usize> {
        let text = self.source.get(span.clone()).unwrap_or_default();
        let line = text.split('\n').next().unwrap_or_default().trim_end().len();
        span.start..span.start + line.max(1).min(span.len().max(1))
    }

    /// Bytes within the text value at `pointer`, where the source shows that text as it is.
    pub(crate) fn within(&self, pointer: &str, text: &str, offset: usize) -> Option<Range<usize>> {
        let span = self.value(pointer)?;
        let shown = self.source.get(span.clone())?;
        let start = span.start + shown.find(text)? + offset.min(text.len());
        let rest = self.source.get(start..)?;
        Some(start..start + rest.chars().next().map_or(0, char::len_utf8))
    }

    /// Line and column (in characters) of a byte, both from 1.
    #[must_use]
    pub fn line_column(&self, byte: usize) -> (u32, u32) {
        let byte = (0..=byte.min(self.source.len()))
            .rev()
            .find(|b| self.source.is_char_boundary(*b))
            .unwrap_or(0);
        let before = &self.source[..byte];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
}

/// `pointer` with one more key, escaped.
pub(crate) fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}
