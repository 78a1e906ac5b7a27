//! Header sections: the first line and the fields (RFC 9112 §2 to §5).

use super::fields::{Fields, is_token, is_value};
use bytes::Bytes;
use http::{Method, StatusCode};
use std::fmt;

/// HTTP/1 versions. A minor version above 1 counts as 1.1 (RFC 9110 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// A request's header section, as it was sent.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// A token, case kept.
    pub method: Method,
    /// Octets without space and control characters.
    pub target: Bytes,
    /// Of the message.
    pub version: Version,
    /// The field lines.
    pub fields: Fields,
}

/// A response's header section, as it was sent.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// 100 to 599.
    pub status: StatusCode,
    /// What follows the status code, without control characters; mostly empty or its usual name.
    pub reason: Bytes,
    /// Of the message.
    pub version: Version,
    /// The field lines.
    pub fields: Fields,
}

/// Why octets are no header section.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// RFC 9112 §3
    #[error("the request line is not `METHOD target HTTP/1.1`")]
    RequestLine,
    /// RFC 9112 §4
    #[error("the status line is not `HTTP/1.1 200 reason`")]
    StatusLine,
    /// RFC 9110 §2.5
    #[error("HTTP version `{0}` is not spoken here; HTTP/1.1 and HTTP/1.0 are")]
    Version(String),
    /// RFC 9112 §2.2
    #[error("line {line} ends in LF without CR")]
    BareLf {
        /// Counted from 1, the first line.
        line: usize,
    },
    /// RFC 9112 §5.2
    #[error("line {line} begins with white space (obsolete line folding)")]
    Folding {
        /// Counted from 1, the first line.
        line: usize,
    },
    /// RFC 9112 §5.1
    #[error("line {line} has no colon, or white space before it, or no proper field name")]
    FieldName {
        /// Counted from 1, the first line.
        line: usize,
    },
    /// RFC 9110 §5.5
    #[error("line {line} has a control character in its value")]
    FieldValue {
        /// Counted from 1, the first line.
        line: usize,
    },
    /// More lines than anybody needs: work that grows with them has to have a bound.
    #[error("it has more than {MAX_FIELDS} field lines")]
    TooManyFields,
    /// RFC 9112 §3.2
    #[error("an HTTP/1.1 request has one Host field, with a host and perhaps a port")]
    Host,
    /// RFC 9112 §6
    #[error("{0}")]
    Framing(&'static str),
}

/// Field lines of a header or trailer section.
const MAX_FIELDS: usize = 1000;

/// Where requests are refused, responses are read with the patience that RFC 9112 asks of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    Strict,
    Lenient,
}

// === impl RequestHead ===

impl RequestHead {
    /// Reads a header section, from the request line to the empty line that ends it.
    pub fn parse(section: &Bytes) -> Result<RequestHead, Malformed> {
        let mut lines = Lines::of(section);
        let first = lines
            .next_line(Patience::Strict)?
            .ok_or(Malformed::RequestLine)?;
        let mut parts = first.split(|&octet| octet == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed::RequestLine);
        };
        if !is_token(method) || target.is_empty() || target.iter().any(u8::is_ascii_control) {
            return Err(Malformed::RequestLine);
        }
        let method = Method::from_bytes(method).map_err(|_| Malformed::RequestLine)?;
        let target = section.slice_ref(target);
        let version = Version::parse(version).map_err(|unknown| match unknown {
            Some(other) => Malformed::Version(other),
            None => Malformed::RequestLine,
        })?;
        let fields = lines.fields(Patience::Strict)?;
        Ok(RequestHead {
            method,
            target,
            version,
            fields,
        })
    }
}

// === impl ResponseHead ===

impl ResponseHead {
    /// Reads a header section, from the status line to the empty line that ends it.
    pub fn parse(section: &Bytes) -> Result<ResponseHead, Malformed> {
        let mut lines = Lines::of(section);
        let first = lines
            .next_line(Patience::Lenient)?
            .ok_or(Malformed::StatusLine)?;
        let (version, rest) = first.split_at_checked(8).ok_or(Malformed::StatusLine)?;
        let version = Version::parse(version).map_err(|_| Malformed::StatusLine)?;
        let (status, reason) = match rest {
            [b' ', status @ ..] if status.len() == 3 => (status, &[][..]),
            [b' ', a, b, c, b' ', reason @ ..] => (&[*a, *b, *c][..], reason),
            _ => return Err(Malformed::StatusLine),
        };
        let status = StatusCode::from_bytes(status)
            .ok()
            .filter(|status| status.as_u16() < 600)
            .ok_or(Malformed::StatusLine)?;
        if !is_value(reason) {
            return Err(Malformed::StatusLine);
        }
        let reason = section.slice_ref(reason);
        let fields = lines.fields(Patience::Lenient)?;
        Ok(ResponseHead {
            status,
            reason,
            version,
            fields,
        })
    }
}

/// Reads the field lines of a trailer section, up to and with the empty line that ends it.
pub(super) fn parse_trailers(section: &Bytes) -> Result<Fields, Malformed> {
    Lines::of(section).fields(Patience::Strict)
}

/// The lines of a header section.
struct Lines<'a> {
    section: &'a Bytes,
    rest: &'a [u8],
    line: usize,
}

// === impl Lines ===

impl<'a> Lines<'a> {
    fn of(section: &'a Bytes) -> Self {
        Lines {
            section,
            rest: section,
            line: 0,
        }
    }

    /// The next line without its end; none at the end of the section.
    fn next_line(&mut self, patience: Patience) -> Result<Option<&'a [u8]>, Malformed> {
        let Some(end) = memchr::memchr(b'\n', self.rest) else {
            return Ok(None);
        };
        self.line += 1;
        let (line, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        match line.strip_suffix(b"\r") {
            Some(line) => Ok(Some(line)),
            None if patience == Patience::Lenient => Ok(Some(line)),
            None => Err(Malformed::BareLf { line: self.line }),
        }
    }

    fn fields(mut self, patience: Patience) -> Result<Fields, Malformed> {
        let mut fields = Fields::with_capacity(8);
        while let Some(text) = self.next_line(patience)? {
            let line = self.line;
            if text.is_empty() {
                return Ok(fields);
            }
            if matches!(text[0], b' ' | b'\t') {
                return Err(Malformed::Folding { line });
            }
            if fields.len() == MAX_FIELDS {
                return Err(Malformed::TooManyFields);
            }
            let colon = memchr::memchr(b':', text).ok_or(Malformed::FieldName { line })?;
            let (mut name, value) = (&text[..colon], text[colon + 1..].trim_ascii());
            if patience == Patience::Lenient {
                // RFC 9112 §5.1: a proxy removes such white space from a response.
                name = name.trim_ascii_end();
            }
            if !is_token(name) {
                return Err(Malformed::FieldName { line });
            }
            // trim_ascii takes form feed for white space; a field does not.
            if !is_value(&text[colon + 1..]) {
                return Err(Malformed::FieldValue { line });
            }
            let value = match patience {
                Patience::Lenient if self.folds() => self.unfolded(value)?,
                _ => self.section.slice_ref(value),
            };
            fields.push(self.section.slice_ref(name), value);
        }
        Ok(fields)
    }

    /// Whether the next line goes on with the one before it (obsolete line folding).
    fn folds(&self) -> bool {
        matches!(self.rest.first(), Some(b' ' | b'\t'))
    }

    /// A value with the lines that go on with it: each folding becomes a space (RFC 9112 §5.2).
    fn unfolded(&mut self, value: &[u8]) -> Result<Bytes, Malformed> {
        let mut unfolded = value.to_vec();
        while self.folds()
            && let Some(text) = self.next_line(Patience::Lenient)?
        {
            if !is_value(text) {
                return Err(Malformed::FieldValue { line: self.line });
            }
            unfolded.push(b' ');
            unfolded.extend_from_slice(text.trim_ascii());
        }
        Ok(Bytes::from(unfolded.trim_ascii().to_vec()))
    }
}

// === impl Version ===

impl Version {
    /// The error holds what the version is, where it is one at all.
    fn parse(text: &[u8]) -> Result<Version, Option<String>> {
        match text {
            b"HTTP/1.1" => Ok(Version::Http11),
            b"HTTP/1.0" => Ok(Version::Http10),
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                if *major == b'1' {
                    Ok(Version::Http11)
                } else {
                    Err(Some(String::from_utf8_lossy(text).into_owned()))
                }
            }
            _ => Err(None),
        }
    }
}

/// As Via has it: `1.1` (RFC 9110 §7.6.3).
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Http10 => "1.0",
            Version::Http11 => "1.1",
        })
    }
}

#[cfg(test)]
mod tests;
