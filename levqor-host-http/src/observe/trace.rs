//! W3C trace context: which trace a request belongs to, and its own place in it.

use data_encoding::HEXLOWER;

use crate::ids;

/// A place in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// 32 hexadecimal digits.
    pub(crate) trace: String,
    /// 16 hexadecimal digits: this request.
    pub(crate) span: String,
    /// The span it was sent from.
    pub(crate) parent: Option<String>,
    flags: String,
}

impl Trace {
    /// A new place below the one that `traceparent` names; in a new trace where that is not one.
    pub(crate) fn below(traceparent: Option<&str>) -> Self {
        let span = random_span();
        match traceparent.and_then(read) {
            Some((trace, parent, flags)) => Self {
                trace: trace.to_owned(),
                span,
                parent: Some(parent.to_owned()),
                flags: flags.to_owned(),
            },
            None => {
                let trace = HEXLOWER.encode(&ids::random().to_be_bytes());
                Self { trace, span, parent: None, flags: "00".to_owned() }
            }
        }
    }

    /// As it goes on.
    pub(crate) fn traceparent(&self) -> String {
        ["00", &self.trace, &self.span, &self.flags].join("-")
    }
}

/// A new span's id.
pub(super) fn random_span() -> String {
    HEXLOWER.encode(&(ids::random() as u64).to_be_bytes())
}

/// Trace, span and flags.
pub(super) fn read(text: &str) -> Option<(&str, &str, &str)> {
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
    good.then_some((trace, span, flags))
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
        assert!(read(&trace.traceparent()).is_some());
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
            assert_eq!(read(wrong), None, "{wrong}");
            assert_ne!(Trace::below(Some(wrong)).trace, trace.trace, "{wrong}");
        }
    }
}
