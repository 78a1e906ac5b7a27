//! Sizes and durations as squid.conf has them: a number, a space, a unit.

use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Octets: `"128 MB"`. As in squid, KB is 1024 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub struct Size(pub u64);

/// A length of time: `"30 s"`, `"2 minutes"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub struct Span(pub Duration);

impl Size {
    /// As memory has it.
    pub fn octets(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn parse(text: &str) -> Result<Size, String> {
        const USAGE: &str = "a size is a number and a unit: \"64 KB\", \"128 MB\", \"2 GB\"";
        let (number, unit) = split(text).ok_or_else(|| format!("{USAGE}, not {text:?}"))?;
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "b" | "byte" | "bytes" => 1,
            "kb" | "kib" => 1 << 10,
            "mb" | "mib" => 1 << 20,
            "gb" | "gib" => 1 << 30,
            _ => return Err(format!("unit {unit:?} is not known; {USAGE}")),
        };
        let octets = number.checked_mul(factor);
        let octets = octets.ok_or_else(|| format!("{text:?} is more than can be counted"))?;
        Ok(Size(octets))
    }
}

impl Span {
    fn parse(text: &str) -> Result<Span, String> {
        const USAGE: &str = "a duration is a number and a unit: \"10 ms\", \"30 s\", \"2 minutes\"";
        let (number, unit) = split(text).ok_or_else(|| format!("{USAGE}, not {text:?}"))?;
        let milliseconds: u64 = match unit.to_ascii_lowercase().as_str() {
            "ms" | "millisecond" | "milliseconds" => 1,
            "s" | "sec" | "second" | "seconds" => 1000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            "w" | "week" | "weeks" => 7 * 86_400_000,
            _ => return Err(format!("unit {unit:?} is not known; {USAGE}")),
        };
        // Longer ones would overflow a point in time that they are added to.
        let milliseconds = number
            .checked_mul(milliseconds)
            .filter(|&milliseconds| milliseconds <= 36_500 * 86_400_000)
            .ok_or_else(|| format!("{text:?} is more than a hundred years"))?;
        Ok(Span(Duration::from_millis(milliseconds)))
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Both are strings to serde, and on the command line.
macro_rules! from_text {
    ($type:ty, $expecting:literal) => {
        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                <$type>::parse(text)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        <$type>::parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

from_text!(Size, "a size with its unit, as \"64 KB\"");
from_text!(Span, "a duration with its unit, as \"30 s\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, octets) in [
            ("64 KB", 65_536),
            ("50KB", 51_200),
            ("128 MB", 128 << 20),
            ("1 GiB", 1 << 30),
            ("0 bytes", 0),
        ] {
            assert_eq!(Size::parse(text), Ok(Size(octets)), "{text}");
        }
        for text in [
            "",
            "64",
            "KB",
            "-1 KB",
            "1.5 MB",
            "1 XB",
            "99999999999 GB",
            "64 KB x",
        ] {
            assert!(Size::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("10 ms", 10),
            ("30s", 30_000),
            ("1 minute", 60_000),
            ("15 minutes", 900_000),
            ("1 day", 86_400_000),
        ] {
            let span = Span(Duration::from_millis(milliseconds));
            assert_eq!(Span::parse(text), Ok(span), "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            "-1 s",
            "1 fortnight",
            "36501 days",
            "99999999999999999999 s",
        ] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
    }
}
