//! W3C trace context: which trace a request belongs to, and its own place in it.

use crate::caller::secret::Random;

/// A place in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// 32 hexadecimal digits.
    pub(crate) trace: String,
    /// 16 hexadecimal digits: this request.
    pub(crate) span: String,
    flags: String,
}

impl Trace {
    /// A new place below the one that `traceparent` names; in a new trace where that is not one.
    pub(crate) fn below(traceparent: Option<&str>) -> Self {
        let span = hex(&Random::bytes::<8>());
        match traceparent.and_then(parse) {
            Some((trace, flags)) => Self { trace: trace.to_owned(), span, flags: flags.to_owned() },
            None => Self { trace: hex(&Random::bytes::<16>()), span, flags: "00".to_owned() },
        }
    }

    /// As it goes on.
    pub(crate) fn traceparent(&self) -> String {
        format!("00-{}-{}-{}", self.trace, self.span, self.flags)
    }
}

/// Trace id and flags.
fn parse(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is = |text: &str, length: usize| {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        text.len() == length && text.bytes().all(digit)
    };
    let known = is(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    let good = known
        && is(trace, 32)
        && is(span, 16)
        && is(flags, 2)
        && trace.bytes().any(|b| b != b'0')
        && span.bytes().any(|b| b != b'0');
    good.then_some((trace, flags))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_on_in_its_callers_trace_or_begins_one() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::below(Some(given));
        assert_eq!(trace.trace, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(trace.span, "00f067aa0ba902b7");
        assert!(trace.traceparent().ends_with("-01"));
        assert!(parse(&trace.traceparent()).is_some());
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-\n1",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
            assert_ne!(Trace::below(Some(wrong)).trace, trace.trace, "{wrong}");
        }
    }
}
