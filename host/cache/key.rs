//! Cache keys: the URI, and what the response varies by (RFC 9111 §2, §4.1).

use crate::http::Fields;
use std::sync::Arc;

/// Under what a response is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    uri: Arc<str>,
    /// Of a response that varies: which set of variants, and the request's values.
    variant: Option<(u64, Box<[u8]>)>,
}

/// The request fields that a URI's responses vary by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vary {
    /// Lower case, sorted.
    pub names: Arc<[String]>,
    /// Distinguishes this set of variants from one before: what was stored then is not found.
    pub set: u64,
}

impl Key {
    /// The key of a URI.
    pub fn of(uri: &Arc<str>) -> Key {
        Key {
            uri: uri.clone(),
            variant: None,
        }
    }

    /// The key of the variant that a request selects.
    pub fn variant(&self, vary: &Vary, request: &Fields) -> Key {
        let mut values = Vec::new();
        for name in &*vary.names {
            match request.joined(name) {
                // No field and an empty one are two things.
                None => values.push(0),
                Some(value) => {
                    values.push(1);
                    normalise(&value, &mut values);
                }
            }
            values.push(b'\n');
        }
        Key {
            uri: self.uri.clone(),
            variant: Some((vary.set, values.into())),
        }
    }

    /// Whose response it is.
    pub fn uri(&self) -> &Arc<str> {
        &self.uri
    }

    /// The set of variants that it belongs to; none where the response does not vary.
    pub fn set(&self) -> Option<u64> {
        self.variant.as_ref().map(|(set, _)| *set)
    }

    /// Octets that it takes.
    pub fn len(&self) -> usize {
        self.uri.len() + self.variant.as_ref().map_or(0, |(_, values)| values.len())
    }
}

/// §4.1 lets white space differ where the field's syntax does.
fn normalise(value: &[u8], out: &mut Vec<u8>) {
    let words = value
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    for word in words {
        out.extend_from_slice(word);
        if !word.ends_with(b",") {
            out.push(b' ');
        }
    }
}

/// The names in a response's Vary, sorted; none for `*`, which matches no request.
pub fn vary_names(response: &Fields) -> Option<Vec<String>> {
    let mut names: Vec<String> = response
        .elements("vary")
        .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase())
        .collect();
    names.sort_unstable();
    names.dedup();
    (!names.iter().any(|name| name == "*")).then_some(names)
}

/// The absolute URI of a reference, where it has the same origin as the base.
pub fn same_origin(base: &str, reference: &str) -> Option<String> {
    let authority = base.find("://")? + 3;
    let path = base[authority..]
        .find('/')
        .map_or(base.len(), |slash| authority + slash);
    if reference.starts_with('/') && !reference.starts_with("//") {
        return Some(format!("{}{reference}", &base[..path]));
    }
    let reference = reference.split('#').next()?;
    let rest = reference
        .get(..path)
        .filter(|origin| origin.eq_ignore_ascii_case(&base[..path]))?;
    let tail = &reference[rest.len()..];
    (tail.is_empty() || tail.starts_with('/')).then(|| format!("{}{tail}", &base[..path]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::default();
        for &(name, value) in lines {
            fields.push(name, value);
        }
        fields
    }

    #[test]
    fn variants_are_selected_by_the_request() {
        let vary = Vary {
            names: ["accept-encoding".to_owned()].into(),
            set: 1,
        };
        let key = |value| {
            Key::of(&"http://a/".into()).variant(&vary, &fields(&[("Accept-Encoding", value)]))
        };
        assert_eq!(key("gzip"), key(" gzip"));
        assert_eq!(key("gzip, br"), key("gzip,  br"));
        assert_ne!(key("gzip"), key("gzip, br"));
        let none = Key::of(&"http://a/".into()).variant(&vary, &fields(&[]));
        assert_ne!(none, key(""));
        let later = Vary { set: 2, ..vary };
        assert_ne!(
            none,
            Key::of(&"http://a/".into()).variant(&later, &fields(&[]))
        );
    }

    #[test]
    fn names_of_vary() {
        let names = |value| vary_names(&fields(&[("Vary", value)]));
        assert_eq!(
            names("B, a,,b").as_deref(),
            Some(&["a".to_owned(), "b".into()][..])
        );
        assert_eq!(names("a, *"), None);
        assert_eq!(vary_names(&fields(&[])), Some(vec![]));
    }

    #[test]
    fn only_uris_of_the_same_origin_are_invalidated() {
        let base = "http://a:81/x?y";
        for (reference, expected) in [
            ("/z", Some("http://a:81/z")),
            ("http://A:81/z#f", Some("http://a:81/z")),
            ("http://a:81", Some("http://a:81")),
            ("http://a/z", None),
            ("http://a:810/z", None),
            ("https://a:81/z", None),
            ("//a:81/z", None),
            ("z", None),
            ("http://a:81@evil/", None),
        ] {
            assert_eq!(
                same_origin(base, reference).as_deref(),
                expected,
                "{reference}"
            );
        }
    }
}
