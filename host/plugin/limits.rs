//! What a plugin may use up, and the fields that it may change.

use super::bindings::FieldError;
use crate::http::{Fields, is_token, is_value};
use std::time::Duration;

/// Limits of one plugin, from its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long one call may take; default 10 ms.
    pub time: Duration,
    /// Octets of memory of one instance; default 64 MB.
    pub memory: usize,
    /// Calls after which an instance is made anew; default 1,000,000.
    pub calls: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            time: Duration::from_millis(10),
            memory: 64 << 20,
            calls: 1_000_000,
        }
    }
}

/// Fields that a hook changes: all of it, or, where the call fails, nothing.
#[derive(Debug)]
pub(super) struct Draft {
    fields: Fields,
    keep: Keep,
    /// As they were, once there is a change.
    before: Option<Fields>,
    /// Octets on the wire.
    limit: usize,
}

/// When the fields are wanted as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Always: they are lent to be read.
    Always,
    /// When the call fails, because the request goes on.
    OnFailure,
    /// Never: a failure ends the request, and its fields with it.
    Never,
}

/// Framing, routing and hop-by-hop fields (RFC 9110 §7.6.1): to read only.
const HOST_OWNED: [&str; 9] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "host",
];

// === impl Draft ===

impl Draft {
    pub(super) fn new(fields: Fields, limit: usize, keep: Keep) -> Self {
        Draft {
            fields,
            keep,
            before: None,
            limit,
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
        if is_host_owned(name) || !self.fields.has(name) {
            return false;
        }
        self.writable().remove(name)
    }

    /// The fields as the call left them; as they were, where it failed.
    pub(super) fn finish(self, well: bool) -> Fields {
        match self.before {
            Some(before) if !well || self.keep == Keep::Always => before,
            _ => self.fields,
        }
    }

    fn change(
        &mut self,
        name: &str,
        value: &[u8],
        replaced: usize,
    ) -> Result<&mut Fields, FieldError> {
        // First, because whatever comes after looks at every octet.
        if self.fields.wire_len() - replaced + name.len() + value.len() + 4 > self.limit {
            return Err(FieldError::TooLarge);
        }
        if !is_token(name.as_bytes()) || !is_value(value) || value.trim_ascii() != value {
            return Err(FieldError::Syntax);
        }
        if is_host_owned(name) {
            return Err(FieldError::HostOwned);
        }
        Ok(self.writable())
    }

    fn writable(&mut self) -> &mut Fields {
        if self.before.is_none() && self.keep != Keep::Never {
            self.before = Some(self.fields.clone());
        }
        &mut self.fields
    }
}

fn is_host_owned(name: &str) -> bool {
    HOST_OWNED
        .iter()
        .any(|owned| owned.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        let mut fields = Fields::default();
        fields.push("Host", "a");
        fields.push("Via", "1.1 b");
        Draft::new(fields, 100, Keep::OnFailure)
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
