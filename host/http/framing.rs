//! How long a message's body is (RFC 9112 §6).

use super::fields::Fields;
use super::head::{Malformed, RequestHead, ResponseHead, Version};
use bytes::Bytes;
use http::{Method, StatusCode};

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many octets.
    Length(u64),
    /// With the last chunk and the trailers.
    Chunked,
    /// With the connection: responses only.
    UntilClose,
}

/// The framing of a request's body. What two parties could take differently is refused, where
/// RFC 9112 would let a server repair it.
///
/// # Errors
/// The connection cannot go on: nobody knows where the next request begins.
pub fn request_framing(head: &RequestHead) -> Result<Framing, Malformed> {
    let codings = one_line(&head.fields, "transfer-encoding")
        .map_err(|()| Malformed::Framing("Transfer-Encoding is on several lines"))?;
    if let Some(codings) = codings {
        if head.version == Version::Http10 {
            return Err(Malformed::Framing("HTTP/1.0 has no Transfer-Encoding"));
        }
        if head.fields.has("content-length") {
            return Err(Malformed::Framing(
                "it has both Transfer-Encoding and Content-Length",
            ));
        }
        if !codings.eq_ignore_ascii_case(b"chunked") {
            return Err(Malformed::Framing("its Transfer-Encoding is not `chunked`"));
        }
        return Ok(Framing::Chunked);
    }
    let length = one_line(&head.fields, "content-length")
        .map_err(|()| Malformed::Framing("Content-Length is on several lines"))?;
    match length {
        Some(digits) => Ok(Framing::Length(length_of(digits)?)),
        None => Ok(Framing::None),
    }
}

/// The framing of the response to a request of that method (RFC 9112 §6.3).
///
/// # Errors
/// Nobody knows where the body ends.
pub fn response_framing(method: &Method, head: &ResponseHead) -> Result<Framing, Malformed> {
    if *method == Method::HEAD || is_bodiless(head.status) {
        return Ok(Framing::None);
    }
    if head.fields.has("transfer-encoding") {
        let mut codings = head.fields.elements("transfer-encoding");
        return match (codings.next(), codings.next()) {
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            _ => Err(Malformed::Framing("its Transfer-Encoding is not `chunked`")),
        };
    }
    Ok(match declared_length(&head.fields)? {
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    })
}

/// What Content-Length says, whether there is a body or not.
///
/// # Errors
/// It is not a number, or several.
pub fn declared_length(fields: &Fields) -> Result<Option<u64>, Malformed> {
    // RFC 9112 §6.3: the same length several times over counts once.
    let mut lengths = fields.elements("content-length").map(length_of);
    let Some(length) = lengths.next().transpose()? else {
        return match fields.has("content-length") {
            true => Err(Malformed::Framing("its Content-Length is empty")),
            false => Ok(None),
        };
    };
    for another in lengths {
        if another? != length {
            return Err(Malformed::Framing("it has several Content-Lengths"));
        }
    }
    Ok(Some(length))
}

/// Whether another response can follow this one on its connection: the server keeps it open
/// (RFC 9112 §9.3), and nobody could see the body's end elsewhere (§6.1).
pub fn keeps_connection(head: &ResponseHead) -> bool {
    let ambiguous = head.fields.has("transfer-encoding")
        && (head.version == Version::Http10 || head.fields.has("content-length"));
    !ambiguous
        && match head.version {
            Version::Http11 => !head.fields.has_element("connection", "close"),
            Version::Http10 => head.fields.has_element("connection", "keep-alive"),
        }
}

/// Whether a response of that status never has a body (RFC 9110 §6.4.1).
pub fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

fn one_line<'a>(fields: &'a Fields, name: &'a str) -> Result<Option<&'a Bytes>, ()> {
    let mut lines = fields.all(name);
    match (lines.next(), lines.next()) {
        (line, None) => Ok(line),
        _ => Err(()),
    }
}

/// Content-Length (RFC 9110 §8.6): digits alone, and few enough for what any party can count.
fn length_of(digits: &(impl AsRef<[u8]> + ?Sized)) -> Result<u64, Malformed> {
    let digits = digits.as_ref();
    let length = std::str::from_utf8(digits)
        .ok()
        .filter(|_| digits.iter().all(u8::is_ascii_digit));
    length
        .and_then(|digits| digits.parse::<u64>().ok())
        .filter(|&length| i64::try_from(length).is_ok())
        .ok_or(Malformed::Framing("its Content-Length is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        #[rustfmt::skip]
        let cases = [
            ("1.1", "", Some(Framing::None)),
            ("1.1", "Content-Length: 0\r\n", Some(Framing::Length(0))),
            ("1.1", "Content-Length:\t5\t \r\n", Some(Framing::Length(5))),
            ("1.1", "Transfer-Encoding: Chunked\r\n", Some(Framing::Chunked)),
            ("1.1", "Content-Length: 5, 5\r\n", None),
            ("1.1", "Content-Length: 5\r\nContent-Length: 5\r\n", None),
            ("1.1", "Content-Length: +5\r\n", None),
            ("1.1", "Content-Length: -5\r\n", None),
            ("1.1", "Content-Length: 1_0\r\n", None),
            ("1.1", "Content-Length: \r\n", None),
            ("1.1", "Content-Length: 5,\r\n", None),
            ("1.1", "Content-Length: 0x5\r\n", None),
            ("1.1", "Content-Length: \u{ff15}\r\n", None),
            ("1.1", "Content-Length: 9223372036854775807\r\n", Some(Framing::Length(u64::MAX >> 1))),
            ("1.1", "Content-Length: 9223372036854775808\r\n", None),
            ("1.1", "Content-Length: 18446744073709551621\r\n", None),
            ("1.1", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", None),
            ("1.1", "Transfer-Encoding: chunked, chunked\r\n", None),
            ("1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", None),
            ("1.1", "Transfer-Encoding: gzip, chunked\r\n", None),
            ("1.1", "Transfer-Encoding: identity\r\n", None),
            ("1.1", "Transfer-Encoding: ,chunked\r\n", None),
            ("1.1", "Transfer-Encoding:\r\n", None),
            ("1.0", "Transfer-Encoding: chunked\r\n", None),
            ("1.0", "Content-Length: 5\r\n", Some(Framing::Length(5))),
        ];
        for (version, fields, expected) in cases {
            let text = format!("POST / HTTP/{version}\r\n{fields}\r\n");
            let head = RequestHead::parse(&text.clone().into()).expect("well-formed");
            assert_eq!(request_framing(&head).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn responses() {
        let get = Method::GET;
        #[rustfmt::skip]
        let cases = [
            (&get, 200, "", Some(Framing::UntilClose)),
            (&get, 200, "Content-Length: 5\r\n", Some(Framing::Length(5))),
            (&get, 200, "Content-Length: 5\r\nContent-Length: 5, 5\r\n", Some(Framing::Length(5))),
            (&get, 200, "Content-Length: 5\r\nContent-Length: 6\r\n", None),
            (&get, 200, "Content-Length: +5\r\n", None),
            (&get, 200, "Content-Length:\r\n", None),
            (&get, 200, "Transfer-Encoding: chunked\r\n", Some(Framing::Chunked)),
            (&get, 200, "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n", Some(Framing::Chunked)),
            (&get, 200, "Transfer-Encoding: gzip, chunked\r\n", None),
            (&get, 204, "Content-Length: 5\r\n", Some(Framing::None)),
            (&get, 304, "Content-Length: 5\r\n", Some(Framing::None)),
            (&get, 101, "", Some(Framing::None)),
            (&Method::HEAD, 200, "Content-Length: 5\r\n", Some(Framing::None)),
        ];
        for (method, status, fields, expected) in cases {
            let text = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
            let head = ResponseHead::parse(&text.clone().into()).expect("well-formed");
            assert_eq!(
                response_framing(method, &head).ok(),
                expected,
                "{method} {text:?}"
            );
        }
    }

    #[test]
    fn a_declared_length_is_digits_alone() {
        for (fields, expected) in [
            ("", Ok(None)),
            ("Content-Length: 5\r\n", Ok(Some(5))),
            ("Content-Length: 5, 5\r\n", Ok(Some(5))),
            ("Content-Length: +5\r\n", Err(())),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", Err(())),
        ] {
            let text = format!("HTTP/1.1 304 X\r\n{fields}\r\n");
            let head = ResponseHead::parse(&text.into()).expect("well-formed");
            let length = declared_length(&head.fields).map_err(drop);
            assert_eq!(length, expected, "{fields:?}");
        }
    }

    #[test]
    fn what_ends_a_connection() {
        for (version, fields, keeps) in [
            ("1.1", "", true),
            ("1.1", "Connection: x, Close\r\n", false),
            ("1.1", "Transfer-Encoding: chunked\r\n", true),
            (
                "1.1",
                "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                false,
            ),
            ("1.0", "", false),
            ("1.0", "Connection: keep-alive\r\n", true),
            (
                "1.0",
                "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n",
                false,
            ),
        ] {
            let text = format!("HTTP/{version} 200 X\r\n{fields}\r\n");
            let head = ResponseHead::parse(&text.into()).expect("well-formed");
            assert_eq!(keeps_connection(&head), keeps, "{version} {fields:?}");
        }
    }
}
