//! A header section that stands in for the host's.

use super::owned::is_host_owned;
use crate::http::{FieldError, Fields};
use std::cell::RefCell;

/// Header fields for a test. As with the host, what is no field and what is the host's own cannot be
/// written; nothing is too large.
#[derive(Debug, Default)]
pub struct FieldList(RefCell<Vec<(String, Vec<u8>)>>);

impl FieldList {
    /// Fields of these lines.
    pub fn of(lines: &[(&str, &str)]) -> Self {
        let lines = lines.iter().map(|&(n, v)| (n.to_owned(), v.into()));
        FieldList(RefCell::new(lines.collect()))
    }

    /// The lines as `Name: value`, for comparing.
    ///
    /// # Panics
    /// On a value that is not UTF-8.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.text().into_iter();
        lines
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    }

    /// The lines as names and values.
    ///
    /// # Panics
    /// On a value that is not UTF-8.
    pub fn text(&self) -> Vec<(String, String)> {
        let line = |(name, value): (String, Vec<u8>)| {
            let value = String::from_utf8(value).expect("a test compares text");
            (name, value)
        };
        self.entries().into_iter().map(line).collect()
    }
}

/// A token, and a value without control characters and without white space around it.
fn check(name: &str, value: &[u8]) -> Result<(), FieldError> {
    let token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    let printable = |octet: &u8| *octet == b'\t' || (*octet >= b' ' && *octet != 0x7f);
    let is_field = !name.is_empty()
        && name.bytes().all(token)
        && value.iter().all(printable)
        && value.trim_ascii() == value;
    match is_field {
        false => Err(FieldError::Syntax),
        true if is_host_owned(name) => Err(FieldError::HostOwned),
        true => Ok(()),
    }
}

// === impl FieldList ===

impl Fields for FieldList {
    fn get(&self, name: &str) -> Vec<Vec<u8>> {
        let lines = self.0.borrow();
        let values = lines.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        values.map(|(_, value)| value.clone()).collect()
    }

    fn has(&self, name: &str) -> bool {
        let lines = self.0.borrow();
        lines.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        check(name, value)?;
        let mut lines = self.0.borrow_mut();
        let same = |(n, _): &(String, Vec<u8>)| n.eq_ignore_ascii_case(name);
        match lines.iter().position(same) {
            None => lines.push((name.into(), value.into())),
            Some(place) => {
                // The first one's spelling stays.
                lines[place].1 = value.into();
                let mut index = 0;
                lines.retain(|line| {
                    index += 1;
                    index <= place + 1 || !same(line)
                });
            }
        }
        Ok(())
    }

    fn append(&self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        check(name, value)?;
        self.0.borrow_mut().push((name.into(), value.into()));
        Ok(())
    }

    fn remove(&self, name: &str) -> bool {
        if is_host_owned(name) {
            return false;
        }
        let mut lines = self.0.borrow_mut();
        let before = lines.len();
        lines.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        lines.len() < before
    }

    fn remove_all(&self, names: &[String]) {
        for name in names {
            self.remove(name);
        }
    }

    fn entries(&self) -> Vec<(String, Vec<u8>)> {
        self.0.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_refuses_is_refused() {
        let fields = FieldList::of(&[("Host", "a"), ("Via", "1.1 b")]);
        for (name, value, error) in [
            ("a b", "c", FieldError::Syntax),
            ("", "c", FieldError::Syntax),
            ("A", "b\r\nC: d", FieldError::Syntax),
            ("A", " b", FieldError::Syntax),
            ("HOST", "b", FieldError::HostOwned),
            ("Content-Length", "5", FieldError::HostOwned),
        ] {
            assert_eq!(fields.set(name, value.as_bytes()), Err(error), "{name}");
            assert_eq!(fields.append(name, value.as_bytes()), Err(error), "{name}");
        }
        assert!(!fields.remove("host"));
        assert_eq!(fields.lines(), ["Host: a", "Via: 1.1 b"]);
    }

    #[test]
    fn set_replaces_all_lines_in_the_place_and_spelling_of_the_first() {
        let fields = FieldList::of(&[("a", "1"), ("B", "2"), ("b", "3"), ("C", "4")]);
        assert_eq!(fields.set("b", b"x"), Ok(()));
        assert_eq!(fields.set("D", b"y"), Ok(()));
        assert_eq!(fields.lines(), ["a: 1", "B: x", "C: 4", "D: y"]);
    }
}
