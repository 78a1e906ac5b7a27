//! Lists of regular expressions: squid's `url_regex` and its kin.

use crate::Pattern;
use std::borrow::Cow;

/// Alternatives; `-i` makes those after it ignore case, `+i` ends that.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    pub(super) fn extend(&mut self, values: &[&str]) -> Result<(), String> {
        let mut ignore_case = false;
        let before = self.0.len();
        for value in values {
            match *value {
                "-i" => ignore_case = true,
                "+i" => ignore_case = false,
                // Only for dstdom_regex, where it is how it always is: no reverse look-up.
                "-n" => {}
                pattern => self.0.push(Pattern::new(pattern, ignore_case)?),
            }
        }
        if self.0.len() == before {
            return Err("no pattern after the options".into());
        }
        Ok(())
    }

    pub(super) fn matches(&self, text: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.is_found(text))
    }

    /// A server takes `%65` for `e`, and so have rules to: as in squid, escapes are decoded first.
    pub(super) fn match_url(&self, url: &str) -> bool {
        self.matches(&unescaped(url))
    }
}

/// squid's `rfc1738_unescape`: once, `%%` being a percent sign; `%00` and what is no escape stay.
fn unescaped(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return text.as_bytes().into();
    }
    let mut unescaped = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [octet, after @ ..] = rest {
        let (octet, after) = match (octet, after) {
            (b'%', [b'%', after @ ..]) => (b'%', after),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) if high | low != 0 => ((high << 4) | low, after),
                _ => (*octet, &rest[1..]),
            },
            _ => (*octet, after),
        };
        unescaped.push(octet);
        rest = after;
    }
    unescaped.into()
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_as_squid_does_it() {
        for (text, expected) in [
            ("/a?b", &b"/a?b"[..]),
            ("/setup.%65%78%65", b"/setup.exe"),
            ("/%2e%2E/%fF", b"/../\xff"),
            ("/%2565", b"/%65"),
            ("%%65%", b"%65%"),
            ("/%00/%0/%zz/%4", b"/%00/%0/%zz/%4"),
            ("%%%41", b"%A"),
        ] {
            assert_eq!(unescaped(text), expected, "{text}");
        }
    }
}
