//! Where a chunked body ends.
//!
//! Reads the grammar and nothing beside it: digits, CR LF, so many bytes, CR LF. What is refused
//! here, hyper never sees, and what is passed it reads the same.

use crate::limits::CHUNK_LINE_BYTES_MAX;

/// Hexadecimal digits of a chunk's size: more than 4 GiB in one chunk is no body of ours.
const DIGITS_MAX: usize = 8;

/// How far a chunked body has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In a size, after so many digits.
    Size { digits: usize, size: u64 },
    /// In what may follow a size, after so many bytes.
    Extension { bytes: usize, size: u64 },
    /// After a size's CR.
    SizeEnd { size: u64 },
    /// In a chunk with so much left.
    Data { left: u64 },
    /// After a chunk, before its CR and before its LF.
    DataEnd { is_cr_read: bool },
    /// In a line after the last chunk, after so many bytes.
    Trailer { bytes: usize },
    /// After the CR of such a line, which was empty or not.
    TrailerEnd { is_last: bool, bytes: usize },
    /// At the end of the body.
    Done,
}

impl Chunks {
    pub(super) fn begin() -> Self {
        Self::Size { digits: 0, size: 0 }
    }

    /// Reads on: how many of these bytes are the body's, up to its end. `None` where they are not
    /// chunks.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() && *self != Self::Done {
            if let Self::Data { left } = self {
                let step = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= step as u64;
                at += step;
                if *left == 0 {
                    *self = Self::DataEnd { is_cr_read: false };
                }
                continue;
            }
            *self = self.after(bytes[at])?;
            at += 1;
        }
        Some(at)
    }

    fn after(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Size { digits, size }, b'\r') if digits > 0 => Some(Self::SizeEnd { size }),
            (Self::Size { digits, size }, b';') if digits > 0 => {
                Some(Self::Extension { bytes: 0, size })
            }
            (Self::Size { digits, size }, _) if digits < DIGITS_MAX => {
                let digit = char::from(byte).to_digit(16)?;
                Some(Self::Size { digits: digits + 1, size: size * 16 + u64::from(digit) })
            }
            (Self::Extension { size, .. }, b'\r') => Some(Self::SizeEnd { size }),
            (Self::Extension { bytes, size }, b' '..=b'~') if bytes < CHUNK_LINE_BYTES_MAX => {
                Some(Self::Extension { bytes: bytes + 1, size })
            }
            (Self::SizeEnd { size: 0 }, b'\n') => Some(Self::Trailer { bytes: 0 }),
            (Self::SizeEnd { size }, b'\n') => Some(Self::Data { left: size }),
            (Self::DataEnd { is_cr_read: false }, b'\r') => {
                Some(Self::DataEnd { is_cr_read: true })
            }
            (Self::DataEnd { is_cr_read: true }, b'\n') => Some(Self::begin()),
            (Self::Trailer { bytes }, b'\r') => {
                Some(Self::TrailerEnd { is_last: bytes == 0, bytes })
            }
            (Self::Trailer { bytes }, b' '..=b'~') if bytes < CHUNK_LINE_BYTES_MAX => {
                Some(Self::Trailer { bytes: bytes + 1 })
            }
            (Self::TrailerEnd { is_last: true, .. }, b'\n') => Some(Self::Done),
            (Self::TrailerEnd { is_last: false, .. }, b'\n') => Some(Self::Trailer { bytes: 0 }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes are the body's, fed in pieces of this size.
    fn read(text: &str, piece: usize) -> Option<(usize, bool)> {
        let (mut chunks, mut total) = (Chunks::begin(), 0);
        for piece in text.as_bytes().chunks(piece) {
            let used = chunks.advance(piece)?;
            total += used;
            if used < piece.len() {
                break;
            }
        }
        Some((total, chunks == Chunks::Done))
    }

    #[test]
    fn chunks_end_where_the_grammar_says() {
        for (text, expected) in [
            ("0\r\n\r\n", Some((5, true))),
            ("3\r\nabc\r\n0\r\n\r\nGET /", Some((13, true))),
            ("A;x=\"y\"\r\n0123456789\r\n0\r\nt: v\r\n\r\nrest", Some((32, true))),
            ("3\r\nab", Some((5, false))),
            ("000003\r\nabc\r\n0\r\n\r\n", Some((18, true))),
            ("3\nabc\r\n0\r\n\r\n", None),
            ("3\r\nabcd\r\n0\r\n\r\n", None),
            ("3\r\nabc0\r\n\r\n", None),
            (" 3\r\nabc\r\n0\r\n\r\n", None),
            ("3 \r\nabc\r\n0\r\n\r\n", None),
            ("-1\r\n", None),
            ("0x3\r\nabc\r\n", None),
            ("\r\n", None),
            ("ffffffffff\r\n", None),
            ("3;\nabc\r\n", None),
            ("0\r\na\nb\r\n\r\n", None),
        ] {
            for piece in [1, 2, 3, 100] {
                assert_eq!(read(text, piece), expected, "{text:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn lines_around_chunks_are_bounded() {
        let long = "x".repeat(CHUNK_LINE_BYTES_MAX + 1);
        assert_eq!(read(&format!("1;{long}\r\n"), 7), None);
        assert_eq!(read(&format!("0\r\n{long}"), 7), None);
    }
}
