//! What stands in for the host's sets where the logic is tested. It looks at one entry after the
//! other.

use super::Kind;
use crate::ranges;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A set of this thread's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handle {
    kind: Kind,
    // A plugin is kept where all threads could see it.
    entries: Arc<[String]>,
}

thread_local! {
    static SETS: RefCell<BTreeMap<String, Handle>> = RefCell::default();
}

pub(crate) fn set(name: &str, kind: Kind, entries: &[&str]) {
    let entries = entries.iter().map(|&entry| entry.to_owned()).collect();
    SETS.with_borrow_mut(|sets| sets.insert(name.to_owned(), Handle { kind, entries }));
}

pub(super) fn find(name: &str, kind: Kind) -> Result<Handle, String> {
    let found = SETS.with_borrow(|sets| sets.get(name).cloned());
    match found {
        Some(set) if set.kind == kind => Ok(set),
        Some(set) => {
            let (has, wanted) = (words(set.kind), words(kind));
            Err(format!(
                "the set `{name}` has {has}; here, {wanted} are wanted"
            ))
        }
        None => Err(format!("there is no set `{name}`")),
    }
}

pub(super) fn contains(set: &Handle, text: &str) -> bool {
    let mut entries = set.entries.iter();
    match set.kind {
        Kind::Domains => {
            let host = text.trim_end_matches('.').to_ascii_lowercase();
            entries.any(|entry| is_domain(&entry.to_ascii_lowercase(), &host))
        }
        Kind::Strings => entries.any(|entry| entry == text),
        Kind::Regexes => entries.any(|entry| is_found(entry, text)),
        Kind::Addresses => panic!("it asked a set of addresses for a text"),
    }
}

pub(super) fn contains_address(set: &Handle, address: IpAddr) -> bool {
    assert!(
        set.kind == Kind::Addresses,
        "it asked a set of texts for an address"
    );
    let number = ranges::number(address);
    set.entries.iter().any(|entry| {
        let mut ranges = ranges::parse(entry).expect("a test gives valid addresses");
        ranges.any(|(low, high)| (low..=high).contains(&number))
    })
}

fn is_domain(entry: &str, host: &str) -> bool {
    match entry.strip_prefix('.') {
        Some(domain) => host == domain || host.ends_with(entry),
        None => host == entry,
    }
}

#[cfg(feature = "pattern")]
fn is_found(entry: &str, text: &str) -> bool {
    let pattern = crate::Pattern::new(entry, false).expect("a test gives a valid expression");
    pattern.is_found(text.as_bytes())
}

#[cfg(not(feature = "pattern"))]
fn is_found(_: &str, _: &str) -> bool {
    panic!("sets of regular expressions want the feature `pattern`")
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Domains => "domains",
        Kind::Addresses => "addresses",
        Kind::Regexes => "regexes",
        Kind::Strings => "strings",
    }
}
