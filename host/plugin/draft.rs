//! The fields that a hook may change.

// The SDK's, so that a plugin's own tests forbid what is forbidden here.
#[path = "../../plugins/sdk/src/testing/owned.rs"]
mod owned;

use super::bindings::FieldError;
use crate::http::{Field, Fields, is_token, is_value};
use owned::is_host_owned;
use std::collections::HashSet;

/// Fields that a hook changes: all of it, or, where the call fails, nothing.
#[derive(Debug)]
pub(super) struct Draft {
    fields: Fields,
    keep: Keep,
    /// As they were, once there is a change.
    before: Option<Fields>,
    /// Octets on the wire.
    limit: usize,
    /// Octets that the call can still write.
    room: usize,
}

/// When the fields are wanted as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// They are lent to be read: every change is refused.
    ReadOnly,
    /// When the call fails, because the request goes on.
    OnFailure,
    /// Never: a failure ends the request, and its fields with it.
    Never,
}

/// Names that are looked for one by one faster than in a set.
const FEW: usize = 16;

// === impl Draft ===

impl Draft {
    /// Fields that may grow to `limit` octets on the wire, by a call that may write `room` octets.
    pub(super) fn new(fields: Fields, limit: usize, room: usize, keep: Keep) -> Self {
        Draft {
            fields,
            keep,
            before: None,
            limit,
            room,
        }
    }

    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }

    pub(super) fn set(&mut self, name: String, value: Vec<u8>) -> Result<(), FieldError> {
        let old: usize = self
            .fields
            .all(&name)
            .map(|old| name.len() + old.len() + 4)
            .sum();
        let fields = self.change(&name, &value, old)?;
        fields.set(name, value);
        Ok(())
    }

    pub(super) fn append(&mut self, name: String, value: Vec<u8>) -> Result<(), FieldError> {
        let fields = self.change(&name, &value, 0)?;
        fields.push(name, value);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        if self.is_read_only(name) || !self.fields.has(name) {
            return false;
        }
        self.writable().remove(name)
    }

    /// The same for several, in time that does not grow with the product of names and lines.
    pub(super) fn remove_all(&mut self, names: &[String]) {
        if names.len() <= FEW {
            for name in names {
                self.remove(name);
            }
            return;
        }
        let names = names.iter().filter(|name| !self.is_read_only(name));
        let names: HashSet<Vec<u8>> = names
            .map(|name| name.as_bytes().to_ascii_lowercase())
            .collect();
        let is_named = |line: &Field| names.contains(&line.name.to_ascii_lowercase());
        if self.fields.iter().any(is_named) {
            self.writable().retain(|line| !is_named(line));
        }
    }

    /// The fields as the call left them; as they were, where it failed.
    pub(super) fn finish(self, well: bool) -> Fields {
        match self.before {
            Some(before) if !well => before,
            _ => self.fields,
        }
    }

    fn change(
        &mut self,
        name: &str,
        value: &[u8],
        replaced: usize,
    ) -> Result<&mut Fields, FieldError> {
        if self.keep == Keep::ReadOnly {
            return Err(FieldError::HostOwned);
        }
        // First, because whatever comes after looks at every octet.
        let written = name.len() + value.len();
        if written > self.room || self.fields.wire_len() - replaced + written + 4 > self.limit {
            return Err(FieldError::TooLarge);
        }
        if !is_token(name.as_bytes()) || !is_value(value) || value.trim_ascii() != value {
            return Err(FieldError::Syntax);
        }
        if self.is_read_only(name) {
            return Err(FieldError::HostOwned);
        }
        self.room -= written;
        Ok(self.writable())
    }

    fn writable(&mut self) -> &mut Fields {
        if self.before.is_none() && self.keep == Keep::OnFailure {
            self.before = Some(self.fields.clone());
        }
        &mut self.fields
    }

    fn is_read_only(&self, name: &str) -> bool {
        self.keep == Keep::ReadOnly || is_host_owned(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        let mut fields = Fields::default();
        fields.push("Host", "a");
        fields.push("Via", "1.1 b");
        Draft::new(fields, 100, 1000, Keep::OnFailure)
    }

    #[test]
    fn a_failed_call_changes_nothing() {
        let mut draft = draft();
        assert!(draft.remove("via"));
        assert_eq!(draft.set("X".into(), b"y".into()), Ok(()));
        let fields = draft.finish(false);
        assert_eq!(fields.len(), 2);
        assert!(fields.has("Via"));
    }

    #[test]
    fn a_call_that_returns_well_changes_all() {
        let mut draft = draft();
        assert!(draft.remove("via"));
        assert!(!draft.remove("via"));
        assert_eq!(draft.append("X".into(), b"y".into()), Ok(()));
        assert_eq!(draft.append("X".into(), b"z".into()), Ok(()));
        let fields = draft.finish(true);
        assert_eq!(fields.joined("x").as_deref(), Some(&b"y, z"[..]));
    }

    #[test]
    fn what_may_not_be_changed() {
        let mut draft = draft();
        for (name, value, error) in [
            ("a b", "c", FieldError::Syntax),
            ("", "c", FieldError::Syntax),
            ("A", "b\r\nc: d", FieldError::Syntax),
            ("A", " b", FieldError::Syntax),
            ("CONTENT-length", "5", FieldError::HostOwned),
            ("host", "evil", FieldError::HostOwned),
        ] {
            assert_eq!(draft.set(name.into(), value.into()), Err(error), "{name}");
            assert_eq!(
                draft.append(name.into(), value.into()),
                Err(error),
                "{name}"
            );
        }
        assert!(!draft.remove("Host"));
        let long = vec![b'x'; 90];
        assert_eq!(draft.append("A".into(), long), Err(FieldError::TooLarge));
        assert_eq!(draft.finish(true), self::draft().finish(true));
    }

    #[test]
    fn few_names_and_many_are_removed_alike() {
        for others in [0, 2 * FEW] {
            let mut draft = draft();
            draft.append("X-Other".into(), b"1".into()).expect("room");
            let others = (0..others).map(|n| format!("X-{n}"));
            let names: Vec<String> = ["x-OTHER", "Host"]
                .map(Into::into)
                .into_iter()
                .chain(others)
                .collect();
            draft.remove_all(&names);
            assert_eq!(draft.finish(true), self::draft().finish(true));
        }
    }

    #[test]
    fn fields_that_are_lent_to_be_read_take_no_change() {
        let mut draft = draft();
        draft.keep = Keep::ReadOnly;
        draft.limit = 0;
        let refused = Err(FieldError::HostOwned);
        assert_eq!(draft.append("X".into(), b"y".into()), refused);
        assert_eq!(draft.set("Via".into(), b"y".into()), refused);
        assert!(!draft.remove("Via"));
        assert_eq!(draft.before, None);
        assert_eq!(draft.finish(true), self::draft().finish(true));
    }

    #[test]
    fn what_a_call_writes_counts_though_it_is_replaced() {
        let mut draft = draft();
        draft.room = 100;
        assert_eq!(draft.set("A".into(), vec![b'x'; 49]), Ok(()));
        let refused = draft.set("A".into(), vec![b'x'; 50]);
        assert_eq!(refused, Err(FieldError::TooLarge));
        assert_eq!(draft.set("A".into(), vec![b'x'; 49]), Ok(()));
        assert_eq!(draft.set("A".into(), Vec::new()), Err(FieldError::TooLarge));
    }

    #[test]
    fn replacing_counts_only_what_is_new() {
        let mut draft = draft();
        assert_eq!(draft.set("A".into(), vec![b'x'; 70]), Ok(()));
        assert_eq!(draft.set("a".into(), vec![b'y'; 70]), Ok(()));
        assert_eq!(
            draft.append("a".into(), vec![b'y'; 70]),
            Err(FieldError::TooLarge)
        );
    }
}
