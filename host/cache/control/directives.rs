//! The grammar of Cache-Control: `#( token [ "=" ( token / quoted-string ) ] )` (RFC 9111 §5.2).

use crate::http::{Fields, is_token};
use std::borrow::Cow;

/// What follows a directive's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument<'a> {
    None,
    /// A token, or what a quoted-string stands for.
    Text(Cow<'a, [u8]>),
    /// Neither.
    Malformed,
}

/// Directives with longer names are none that anybody knows.
const LONGEST_NAME: usize = 32;

/// Calls with each directive's name in lower case and its argument, in order, line by line.
pub fn each(fields: &Fields, field: &str, mut call: impl FnMut(&str, Argument<'_>)) {
    for line in fields.all(field) {
        let mut rest: &[u8] = line;
        while !rest.is_empty() {
            let (name, argument);
            (name, argument, rest) = first(rest);
            let mut buffer = [0; LONGEST_NAME];
            if let Some(name) = lower_case(name, &mut buffer) {
                call(name, argument);
            }
        }
    }
}

/// The first directive, and what follows its comma. White space is tolerated around `=` (RFC 9110
/// §5.6.3).
fn first(text: &[u8]) -> (&[u8], Argument<'_>, &[u8]) {
    let end = text.iter().position(|octet| b",=".contains(octet));
    let (name, after) = text.split_at(end.unwrap_or(text.len()));
    let name = name.trim_ascii();
    let Some(value) = after.strip_prefix(b"=") else {
        return (name, Argument::None, after.get(1..).unwrap_or_default());
    };
    let value = value.trim_ascii_start();
    match value.strip_prefix(b"\"").and_then(unquoted) {
        Some((text, after)) => {
            let (junk, rest) = at_comma(after);
            match junk.is_empty() {
                true => (name, Argument::Text(text), rest),
                false => (name, Argument::Malformed, rest),
            }
        }
        // A quote that is never closed quotes nothing: the directives behind it count.
        None => {
            let (token, rest) = at_comma(value);
            match is_token(token) {
                true => (name, Argument::Text(token.into()), rest),
                false => (name, Argument::Malformed, rest),
            }
        }
    }
}

/// What stands before the next comma, and what after it.
fn at_comma(text: &[u8]) -> (&[u8], &[u8]) {
    let comma = text.iter().position(|&octet| octet == b',');
    let (before, after) = text.split_at(comma.unwrap_or(text.len()));
    (before.trim_ascii(), after.get(1..).unwrap_or_default())
}

/// The text of a quoted-string after its first quote (RFC 9110 §5.6.4), and what follows it; none
/// where it has no end.
fn unquoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let end = text.iter().position(|octet| b"\"\\".contains(octet))?;
    if text[end] == b'"' {
        return Some((text[..end].into(), &text[end + 1..]));
    }
    let mut unescaped = text[..end].to_vec();
    let mut rest = text[end..].iter();
    loop {
        match rest.next()? {
            b'"' => return Some((unescaped.into(), rest.as_slice())),
            b'\\' => unescaped.push(*rest.next()?),
            &octet => unescaped.push(octet),
        }
    }
}

/// Names are compared without case (RFC 9111 §5.2).
fn lower_case<'a>(name: &[u8], buffer: &'a mut [u8; LONGEST_NAME]) -> Option<&'a str> {
    let lower = buffer.get_mut(..name.len()).filter(|_| is_token(name))?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).ok()
}

// === impl Argument ===

impl Argument<'_> {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        matches!(self, Argument::None)
    }
}
