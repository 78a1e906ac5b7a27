//! Texts that are compared octet for octet.

use super::table::{Builder, LONGEST, Table};
use super::{Malformed, lines};

/// A line is a text.
#[derive(Debug)]
pub(super) struct Strings(Table);

// === impl Strings ===

impl Strings {
    pub(super) fn parse(text: &str) -> Result<Strings, Malformed> {
        let mut table = Builder::default();
        for line in lines(text) {
            if line.text.len() > LONGEST {
                return Err(line.malformed("a line of more than 64 KB"));
            }
            table.push(line.text.as_bytes());
        }
        Ok(Strings(table.finish()))
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.0.contains(text.as_bytes())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn size(&self) -> usize {
        self.0.size()
    }
}
