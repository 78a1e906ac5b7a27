//! Cache-Control (RFC 9111 §5.2), of requests and of responses.

use crate::http::{Fields, is_token};

/// What a response says of its storing and freshness. Durations in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseControl {
    pub max_age: Option<u64>,
    pub s_maxage: Option<u64>,
    pub no_store: bool,
    /// All of it has to be asked about; where fields are named, see [`Self::withheld`].
    pub no_cache: bool,
    /// All of it; where fields are named, see [`Self::withheld`].
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    /// RFC 5861 §4: for so long it may be served stale where the origin fails.
    pub stale_if_error: Option<u64>,
    /// Fields that `no-cache="..."` and `private="..."` name, in lower case: a cache that does not
    /// keep them cannot serve them wrongly (§5.2.2.4, §5.2.2.7).
    pub withheld: Vec<String>,
}

/// What a request says of the answer that it wants. Durations in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestControl {
    pub no_cache: bool,
    pub no_store: bool,
    pub only_if_cached: bool,
    pub max_age: Option<u64>,
    pub min_fresh: Option<u64>,
    /// `u64::MAX` for any staleness.
    pub max_stale: Option<u64>,
}

/// RFC 9111 §1.2.2: what is larger counts as this.
const LONGEST: u64 = 1 << 31;

impl ResponseControl {
    /// Reads all lines. Of a directive given twice, the first counts (§4.2.1).
    pub fn of(fields: &Fields) -> ResponseControl {
        let mut control = ResponseControl::default();
        each_directive(fields, "cache-control", |name, value| match (name, value) {
            ("max-age", _) => set(&mut control.max_age, seconds(value)),
            ("s-maxage", _) => set(&mut control.s_maxage, seconds(value)),
            ("no-store", _) => control.no_store = true,
            ("no-cache", None) => control.no_cache = true,
            ("private", None) => control.private = true,
            ("no-cache" | "private", Some(names)) => match field_names(names) {
                Some(names) => control.withheld.extend(names),
                // What cannot be understood is taken at its strictest.
                None if name == "private" => control.private = true,
                None => control.no_cache = true,
            },
            ("public", _) => control.public = true,
            ("must-revalidate", _) => control.must_revalidate = true,
            ("proxy-revalidate", _) => control.proxy_revalidate = true,
            ("must-understand", _) => control.must_understand = true,
            ("stale-if-error", _) => set(&mut control.stale_if_error, seconds(value)),
            _ => {}
        });
        // §5.4: only where there is no Cache-Control.
        if !fields.has("cache-control") && fields.has_element("pragma", "no-cache") {
            control.no_cache = true;
        }
        control
    }

    /// The fields that may be kept.
    pub fn kept(&self, fields: &Fields) -> Fields {
        let mut kept = fields.clone();
        kept.retain(|line| !self.withheld.iter().any(|name| line.is(name)));
        kept
    }

    /// Whether it forbids that a stale response be served, whatever the reason (§4.2.4).
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some() || self.no_cache
    }
}

impl RequestControl {
    /// Reads all lines, and Pragma where there is no Cache-Control (§5.4).
    pub fn of(fields: &Fields) -> RequestControl {
        let mut control = RequestControl::default();
        each_directive(fields, "cache-control", |name, value| match name {
            "no-cache" => control.no_cache = true,
            "no-store" => control.no_store = true,
            "only-if-cached" => control.only_if_cached = true,
            "max-age" => set(&mut control.max_age, seconds(value)),
            "min-fresh" => set(&mut control.min_fresh, seconds(value)),
            "max-stale" => match value {
                None => control.max_stale = Some(u64::MAX),
                Some(_) => set(&mut control.max_stale, seconds(value)),
            },
            _ => {}
        });
        if !fields.has("cache-control") && fields.has_element("pragma", "no-cache") {
            control.no_cache = true;
        }
        control
    }
}

fn set(slot: &mut Option<u64>, seconds: u64) {
    slot.get_or_insert(seconds);
}

/// A number of seconds; what is none counts as 0, which is stale (§4.2.1).
fn seconds(value: Option<&[u8]>) -> u64 {
    let digits = value.unwrap_or_default();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let digits = std::str::from_utf8(digits).unwrap_or("0");
    digits
        .parse()
        .map_or(LONGEST, |seconds: u64| seconds.min(LONGEST))
}

/// The list of field names that `no-cache` or `private` holds; none if it is not one.
fn field_names(value: &[u8]) -> Option<Vec<String>> {
    let names = value.split(|&octet| octet == b',').map(<[u8]>::trim_ascii);
    let names = names.filter(|name| !name.is_empty()).map(|name| {
        let name = std::str::from_utf8(name)
            .ok()
            .filter(|name| is_token(name.as_bytes()))?;
        Some(name.to_ascii_lowercase())
    });
    let names: Vec<String> = names.collect::<Option<_>>()?;
    (!names.is_empty()).then_some(names)
}

/// Calls with each directive's name in lower case and its value, unquoted.
fn each_directive(fields: &Fields, field: &str, mut call: impl FnMut(&str, Option<&[u8]>)) {
    for line in fields.all(field) {
        let mut rest: &[u8] = line;
        while !rest.is_empty() {
            let (directive, after) = rest.split_at(directive_end(rest));
            rest = after.get(1..).unwrap_or_default();
            let equals = directive.iter().position(|&octet| octet == b'=');
            let (name, value) = match equals {
                Some(equals) => (
                    &directive[..equals],
                    Some(directive[equals + 1..].trim_ascii()),
                ),
                None => (directive, None),
            };
            let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
            let quoted = value.and_then(|value| value.strip_prefix(b"\"")?.strip_suffix(b"\""));
            call(&name, quoted.or(value));
        }
    }
}

/// Where the comma is that ends the first directive: not one in quotes.
fn directive_end(text: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (index, &octet) in text.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return index,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(lines: &[&str]) -> Fields {
        let mut fields = Fields::default();
        for line in lines {
            fields.push("Cache-Control", (*line).to_owned());
        }
        fields
    }

    #[test]
    fn responses() {
        let max_age = |text| ResponseControl::of(&fields(&[text])).max_age;
        #[rustfmt::skip]
        let cases = [
            ("max-age=60", Some(60)), ("MAX-AGE=60", Some(60)), ("max-age=\"60\"", Some(60)),
            ("max-age=abc", Some(0)), ("max-age=-1", Some(0)), ("max-age=", Some(0)), ("max-age", Some(0)),
            ("max-age=99999999999999999999999", Some(LONGEST)), ("max-age=60, max-age=0", Some(60)),
            ("x=\"a, max-age=1\", max-age=2", Some(2)), ("x=\"a\\\", max-age=1\", max-age=2", Some(2)),
            (" , ,max-age = 3 ", Some(3)), ("", None), ("xmax-age=1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(max_age(text), expected, "{text}");
        }
        let both = ResponseControl::of(&fields(&["max-age=60", "Private, no-cache"]));
        assert!(both.private && both.no_cache && both.max_age == Some(60));
    }

    #[test]
    fn directives_that_name_fields_are_about_those_alone() {
        #[rustfmt::skip]
        let cases = [
            ("no-cache=\"Set-Cookie\"", false, false, &["set-cookie"][..]),
            ("private=\"X-A, x-b\", max-age=1", false, false, &["x-a", "x-b"]),
            ("private=x-a", false, false, &["x-a"]),
            ("no-cache, no-cache=\"x\"", true, false, &["x"]),
            ("no-cache=\"\"", true, false, &[]),
            ("private=\"a b\"", false, true, &[]),
            ("private=", false, true, &[]),
        ];
        for (text, no_cache, private, withheld) in cases {
            let control = ResponseControl::of(&fields(&[text]));
            assert_eq!(
                (control.no_cache, control.private),
                (no_cache, private),
                "{text}"
            );
            assert_eq!(control.withheld, withheld, "{text}");
        }
    }

    #[test]
    fn requests() {
        let control = RequestControl::of(&fields(&["max-stale, min-fresh=5, only-if-cached"]));
        assert_eq!(control.max_stale, Some(u64::MAX));
        assert_eq!(control.min_fresh, Some(5));
        assert!(control.only_if_cached && !control.no_cache);
        assert_eq!(
            RequestControl::of(&fields(&["max-stale=7"])).max_stale,
            Some(7)
        );
        let mut pragma = Fields::default();
        pragma.push("Pragma", "no-cache");
        assert!(RequestControl::of(&pragma).no_cache);
        pragma.push("Cache-Control", "max-age=5");
        assert!(!RequestControl::of(&pragma).no_cache);
    }

    proptest! {
        #[test]
        fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut fields = Fields::default();
            fields.push("Cache-Control", octets);
            let _ = (RequestControl::of(&fields), ResponseControl::of(&fields));
        }
    }
}
