//! Large sets that plugins ask and never see: the interface `sets`. Pure, but for [`shelf`].
//!
//! A file has one entry a line; those that begin with `#` are left out, and so is white space.
//! Domains and addresses are words, as in the files that squid reads: more of them can be in a
//! line, with a comment after them.

mod addresses;
mod domains;
mod regexes;
mod shelf;
mod strings;
mod table;

pub use shelf::{Sets, Shelf};

use crate::config::SetKind;
use addresses::Addresses;
use domains::Domains;
use regexes::Regexes;
use std::net::IpAddr;
use std::ops::Range;
use strings::Strings;

/// A set, in memory. It does not change.
#[derive(Debug)]
pub struct Set(Members);

#[derive(Debug)]
enum Members {
    Domains(Domains),
    Addresses(Addresses),
    Regexes(Regexes),
    Strings(Strings),
}

/// Something in a text that is no entry.
#[derive(Debug)]
pub struct Malformed {
    /// Where, in octets; none where it is about the whole.
    at: Option<Range<usize>>,
    message: String,
    help: Option<&'static str>,
}

/// Part of a text, and where it is.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    at: usize,
}

// === impl Set ===

impl Set {
    /// Reads a text.
    ///
    /// # Errors
    /// The first entry that is none.
    pub fn parse(kind: SetKind, text: &str) -> Result<Set, Malformed> {
        Ok(Set(match kind {
            SetKind::Domains => Members::Domains(Domains::parse(text)?),
            SetKind::Addresses => Members::Addresses(Addresses::parse(text)?),
            SetKind::Regexes => Members::Regexes(Regexes::parse(text)?),
            SetKind::Strings => Members::Strings(Strings::parse(text)?),
        }))
    }

    /// What it holds.
    pub fn kind(&self) -> SetKind {
        match &self.0 {
            Members::Domains(_) => SetKind::Domains,
            Members::Addresses(_) => SetKind::Addresses,
            Members::Regexes(_) => SetKind::Regexes,
            Members::Strings(_) => SetKind::Strings,
        }
    }

    /// How many entries it has. What says the same is counted once.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks that")]
    pub fn len(&self) -> usize {
        match &self.0 {
            Members::Domains(domains) => domains.len(),
            Members::Addresses(addresses) => addresses.len(),
            Members::Regexes(regexes) => regexes.len(),
            Members::Strings(strings) => strings.len(),
        }
    }

    /// Octets of memory; of regular expressions, nobody knows.
    pub fn size(&self) -> Option<usize> {
        match &self.0 {
            Members::Domains(domains) => Some(domains.size()),
            Members::Addresses(addresses) => Some(addresses.size()),
            Members::Regexes(_) => None,
            Members::Strings(strings) => Some(strings.size()),
        }
    }

    /// Whether it has that text; none where it holds addresses.
    pub fn contains(&self, text: &str) -> Option<bool> {
        match &self.0 {
            Members::Domains(domains) => Some(domains.contains(text)),
            Members::Addresses(_) => None,
            Members::Regexes(regexes) => Some(regexes.contains(text)),
            Members::Strings(strings) => Some(strings.contains(text)),
        }
    }

    /// Whether it has that address; none where it holds something else.
    pub fn contains_address(&self, address: IpAddr) -> Option<bool> {
        match &self.0 {
            Members::Addresses(addresses) => Some(addresses.contains(address)),
            _ => None,
        }
    }
}

// === impl Malformed ===

impl Malformed {
    fn whole(message: String) -> Malformed {
        Malformed {
            at: None,
            message,
            help: None,
        }
    }

    fn help(mut self, help: &'static str) -> Malformed {
        self.help = Some(help);
        self
    }
}

// === impl Word ===

impl Word<'_> {
    fn malformed(&self, message: impl Into<String>) -> Malformed {
        Malformed {
            at: Some(self.at..self.at + self.text.len()),
            message: message.into(),
            help: None,
        }
    }
}

/// The lines of a text that are no comments, without the white space around them.
fn lines(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut at = 0;
    let whole = text.split_inclusive('\n').map(move |line| {
        let begins = at;
        at += line.len();
        let text = line.trim_start();
        Word {
            at: begins + line.len() - text.len(),
            text: text.trim_end(),
        }
    });
    whole.filter(|line| !line.text.is_empty() && !line.text.starts_with('#'))
}

/// The words of these lines; one that begins with `#` ends its line.
fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    lines(text).flat_map(|line| {
        let words = line.text.split_whitespace();
        let comment = |word: &&str| word.starts_with('#');
        words
            .take_while(move |word| !comment(word))
            .map(move |word| {
                // A part of the line, so that it is not before it.
                let within = word.as_ptr() as usize - line.text.as_ptr() as usize;
                Word {
                    text: word,
                    at: line.at + within,
                }
            })
    })
}

#[cfg(test)]
mod tests;
