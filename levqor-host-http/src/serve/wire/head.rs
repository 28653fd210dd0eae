//! Whether a request's head is one that everybody reads the same way.
//!
//! Smuggling lives on heads that a proxy and the host behind it read differently. So what is only
//! *usually* understood is refused: two `Host`s, a length beside chunks, a folded line, a bare line
//! feed. hyper reads a head after this and finds nothing to refuse.

use axum::http::uri::Authority;
use axum::http::{StatusCode, Uri};
use memchr::memmem;

use crate::http::Problem;
use crate::limits::{HEAD_BYTES_MAX, HEADERS_MAX, TARGET_BYTES_MAX};

/// What the bytes that have come are.
#[derive(Debug)]
pub(super) enum Head {
    /// The beginning of a head, so far without fault.
    Partial,
    /// A head of so many bytes, and how its body ends.
    Whole { bytes: usize, body: Framing },
    /// None that is answered by a handler.
    Bad(Box<Problem>),
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// The head at the beginning of these bytes, of which the first `seen` were looked at before.
pub(super) fn check(bytes: &[u8], seen: usize) -> Head {
    // One empty line before a request is what some old clients send after a body.
    let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let from = seen.saturating_sub(3).max(skipped);
    let end = memmem::find(&bytes[from.min(bytes.len())..], b"\r\n\r\n");
    let judged = match end {
        Some(at) => whole(&bytes[skipped..from + at + 4], skipped),
        None => partial(&bytes[skipped..]).map(|()| Head::Partial),
    };
    judged.unwrap_or_else(|problem| Head::Bad(Box::new(problem)))
}

fn partial(bytes: &[u8]) -> Result<(), Problem> {
    // A lone CR may yet be the empty line before a request.
    if bytes.first().is_some_and(|first| !first.is_ascii_alphabetic()) && bytes != b"\r" {
        return Err(bad("this is not HTTP"));
    }
    lines_end_well(bytes)?;
    let line = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    if line > TARGET_BYTES_MAX + 64 {
        return Err(target_too_long());
    }
    if bytes.len() > HEAD_BYTES_MAX {
        return Err(too_large());
    }
    Ok(())
}

fn whole(bytes: &[u8], skipped: usize) -> Result<Head, Problem> {
    partial(bytes)?;
    let mut room = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut room);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(bad("the head does not end where it should")),
        Err(httparse::Error::TooManyHeaders) => return Err(too_large()),
        Err(httparse::Error::Version) if names_a_version(bytes) => {
            let detail = "HTTP/1.1 is spoken here";
            let status = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            return Err(Problem::new(status, "request.version", detail));
        }
        Err(_) => return Err(bad("the head is not HTTP/1.1")),
    }
    let fields = &*request.headers;
    let host = host(fields)?;
    target(request.method.unwrap_or_default(), request.path.unwrap_or_default(), &host)?;
    let body = framing(fields, request.version == Some(1))?;
    Ok(Head::Whole { bytes: bytes.len() + skipped, body })
}

/// Whether the first line is one of HTTP, if not of a version that we speak.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    words.nth(2).is_some_and(|word| word.starts_with(b"HTTP/")) && words.next().is_none()
}

/// Every line ends with both of its characters, and nothing else has either of them. A CR at the
/// very end may yet be followed by its other half.
fn lines_end_well(bytes: &[u8]) -> Result<(), Problem> {
    let is_good = |at: usize| match bytes[at] {
        b'\r' => bytes.get(at + 1).is_none_or(|next| *next == b'\n'),
        b'\n' => at > 0 && bytes[at - 1] == b'\r',
        _ => false,
    };
    if memchr::memchr3_iter(b'\r', b'\n', 0, bytes).all(is_good) {
        return Ok(());
    }
    Err(bad("a line ends with something else than CR LF"))
}

fn named<'a>(fields: &'a [httparse::Header<'a>], name: &str) -> Vec<&'a [u8]> {
    fields.iter().filter(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value).collect()
}

fn host(fields: &[httparse::Header<'_>]) -> Result<Authority, Problem> {
    let [host] = named(fields, "host")[..] else {
        return Err(bad("a request has one `Host`"));
    };
    let host = Authority::try_from(host).ok().filter(|host| !host.as_str().contains('@'));
    host.ok_or_else(|| bad("`Host` is not one"))
}

fn target(method: &str, target: &str, host: &Authority) -> Result<(), Problem> {
    if method == "CONNECT" {
        let detail = "this host is not a proxy";
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "request.method", detail));
    }
    if target.len() > TARGET_BYTES_MAX {
        return Err(target_too_long());
    }
    let uri: Uri = target.parse().map_err(|_| bad("the target is not a path"))?;
    let is_same = |authority: &Authority| {
        authority.as_str().eq_ignore_ascii_case(host.as_str()) && uri.scheme().is_some()
    };
    let is_good = match uri.authority() {
        Some(authority) => is_same(authority),
        None => target.starts_with('/') || (target == "*" && method == "OPTIONS"),
    };
    if is_good { Ok(()) } else { Err(bad("the target is not a path of this host")) }
}

fn framing(fields: &[httparse::Header<'_>], is_1_1: bool) -> Result<Framing, Problem> {
    let lengths = named(fields, "content-length");
    let codings = named(fields, "transfer-encoding");
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) => {
            let digits = std::str::from_utf8(length).unwrap_or_default();
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let length = digits.parse().ok().filter(|_| is_number);
            length.map(Framing::Length).ok_or_else(|| bad("`Content-Length` is not a number"))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && is_1_1 => Ok(Framing::Chunked),
        ([], _) => Err(bad("`Transfer-Encoding` is `chunked` or absent")),
        _ => Err(bad("a body has one `Content-Length`, or is chunked")),
    }
}

fn bad(detail: &str) -> Problem {
    Problem::bad_request("request.head", detail)
}

fn too_large() -> Problem {
    let detail = format!("a head has at most {HEAD_BYTES_MAX} bytes and {HEADERS_MAX} fields");
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    Problem::new(status, "request.head_too_large", detail)
}

fn target_too_long() -> Problem {
    let detail = format!("a target has at most {TARGET_BYTES_MAX} bytes");
    Problem::new(StatusCode::URI_TOO_LONG, "request.target_too_long", detail)
}

/// The head that came too slowly.
pub(super) fn slow() -> Problem {
    let detail = "the head came too slowly";
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request.head_slow", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Result<(usize, Framing), u16> {
        match check(text.as_bytes(), 0) {
            Head::Whole { bytes, body } => Ok((bytes, body)),
            Head::Bad(problem) => Err(problem.status().as_u16()),
            Head::Partial => Err(0),
        }
    }

    #[test]
    fn one_meaning_or_none() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n";
        let many = "x: y\r\n".repeat(100);
        let cases = [
            (format!("{get}\r\n"), Ok(Framing::Length(0))),
            (format!("\r\n{get}\r\n"), Ok(Framing::Length(0))),
            (format!("{get}Content-Length: 5\r\n\r\n"), Ok(Framing::Length(5))),
            (format!("{get}Transfer-Encoding: CHUNKED\r\n\r\n"), Ok(Framing::Chunked)),
            ("GET http://a/x HTTP/1.1\r\nHost: A\r\n\r\n".to_owned(), Ok(Framing::Length(0))),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Ok(Framing::Length(0))),
            (get.to_owned(), Err(0)),
            (format!("\r\n\r\n{get}\r\n"), Err(400)),
            (format!("{get}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(400)),
            (format!("{get}Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), Err(400)),
            (format!("{get}Content-Length: 5, 5\r\n\r\n"), Err(400)),
            (format!("{get}Content-Length: +5\r\n\r\n"), Err(400)),
            (format!("{get}Content-Length:\r\n\r\n"), Err(400)),
            (format!("{get}Content-Length: 99999999999999999999\r\n\r\n"), Err(400)),
            (format!("{get}Transfer-Encoding: gzip, chunked\r\n\r\n"), Err(400)),
            (format!("{get}Transfer-Encoding: chunked, chunked\r\n\r\n"), Err(400)),
            (format!("{get}Transfer-Encoding: xchunked\r\n\r\n"), Err(400)),
            (format!("{get}Transfer-Encoding: identity\r\n\r\n"), Err(400)),
            (format!("{get}Transfer-Encoding : chunked\r\n\r\n"), Err(400)),
            (format!("{get}Transfer-Encoding:\x0bchunked\r\n\r\n"), Err(400)),
            ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".into(), Err(400)),
            (format!("{get}Host: a\r\n\r\n"), Err(400)),
            ("GET / HTTP/1.1\r\n\r\n".into(), Err(400)),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n".into(), Err(400)),
            ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n".into(), Err(400)),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".into(), Err(400)),
            (format!("{get}X: a\r\n b\r\n\r\n"), Err(400)),
            (format!("{get}X: a\n\r\n"), Err(400)),
            ("GET / HTTP/1.1\nHost: a\n\n".into(), Err(400)),
            (format!("{get}X: a\rb\r\n\r\n"), Err(400)),
            (format!("{get}X: a\0b\r\n\r\n"), Err(400)),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".into(), Err(400)),
            ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n".into(), Err(400)),
            ("GET a HTTP/1.1\r\nHost: a\r\n\r\n".into(), Err(400)),
            ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".into(), Err(501)),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), Err(505)),
            ("\x16\x03\x01\x02".into(), Err(400)),
            (format!("{get}{many}\r\n"), Err(431)),
            (format!("{get}x: {}\r\n\r\n", "y".repeat(17_000)), Err(431)),
            (format!("{get}x: {}", "y".repeat(17_000)), Err(431)),
            (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(8_192)), Err(414)),
            (format!("GET /{}", "y".repeat(9_000)), Err(414)),
        ];
        for (text, expected) in cases {
            let got = judged(&text);
            assert_eq!(got.map(|(_, body)| body), expected, "{text:.200}");
            if let Ok((bytes, _)) = got {
                assert_eq!(bytes, text.len());
            }
        }
    }

    #[test]
    fn a_head_is_the_same_in_any_pieces() {
        let text = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET";
        let end = text.len() - 6;
        for until in 0..text.len() {
            match check(&text[..until], until.saturating_sub(1)) {
                Head::Partial => assert!(until < end, "{until}"),
                Head::Whole { bytes, body } => {
                    assert_eq!((bytes, body), (end, Framing::Length(3)));
                    assert_eq!(until, end);
                    break;
                }
                Head::Bad(problem) => panic!("{until}: {problem:?}"),
            }
        }
    }
}
