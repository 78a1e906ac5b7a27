//! Ranges (RFC 9110 §14): what of a body is asked for, how several parts make one answer, and what
//! a 206 holds.

mod multipart;
mod pieces;

use crate::http::Fields;
use std::ops::Range;

pub use multipart::{Multipart, Segment};
pub use pieces::Pieces;

/// What of a body a Range field selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of it: 200.
    Whole,
    /// One part: 206.
    Part(Range<u64>),
    /// Several, which neither touch nor overlap, in the order in which they were asked for: 206
    /// with [`Multipart`] content.
    Parts(Vec<Range<u64>>),
    /// None that exists: 416.
    Unsatisfiable,
}

/// What a part of a body is said to be (§14.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentRange {
    /// Not empty.
    pub range: Range<u64>,
    /// Octets of all of the body; none where the sender does not know.
    pub total: Option<u64>,
}

/// `int-range` or `suffix-range` (§14.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    /// From the first position to the last, that one included.
    Positions(u64, u64),
    /// So many octets at the end.
    Suffix(u64),
}

/// Nobody who means well asks for more ranges at once (§17.15). dnf does for as many, of metadata
/// in zchunk's format.
const MOST: usize = 256;

/// What a Range field selects of a body of that length. A field that is malformed, in another unit,
/// or asks for too many ranges is ignored, as §14.2 allows, and so is one about an empty body.
pub fn select(range: &[u8], length: u64) -> Selection {
    let Some(specs) = parse(range).filter(|_| length > 0) else {
        return Selection::Whole;
    };
    let ranges = specs.iter().filter_map(|spec| spec.resolve(length));
    let mut parts = coalesced(ranges.collect());
    match parts.len() {
        0 => Selection::Unsatisfiable,
        1 => Selection::Part(parts.remove(0)),
        _ => Selection::Parts(parts),
    }
}

/// `bytes=` and its specifiers (§14.1.1); none where any of them is invalid.
fn parse(text: &[u8]) -> Option<Vec<Spec>> {
    let equals = text.iter().position(|&octet| octet == b'=')?;
    let (unit, set) = (&text[..equals], &text[equals + 1..]);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let specs = set.split(|&octet| octet == b',').map(<[u8]>::trim_ascii);
    let specs = specs.filter(|spec| !spec.is_empty()).take(MOST + 1);
    let specs: Vec<Spec> = specs.map(Spec::parse).collect::<Option<_>>()?;
    (1..=MOST).contains(&specs.len()).then_some(specs)
}

/// One or more digits. What is too large for the type is past the end of any body.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        std::str::from_utf8(digits)
            .ok()?
            .parse()
            .unwrap_or(u64::MAX),
    )
}

/// Ranges that overlap or touch become one, at the place of the first of them (§15.3.7.2). Gaps are
/// not filled, however small: not every client expects what it has not asked for.
fn coalesced(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut numbered: Vec<(usize, Range<u64>)> = ranges.into_iter().enumerate().collect();
    numbered.sort_by_key(|(_, range)| range.start);
    let mut merged: Vec<(usize, Range<u64>)> = Vec::with_capacity(numbered.len());
    for (place, range) in numbered {
        match merged.last_mut() {
            Some((first, last)) if range.start <= last.end => {
                *first = place.min(*first);
                last.end = range.end.max(last.end);
            }
            _ => merged.push((place, range)),
        }
    }
    merged.sort_by_key(|(place, _)| *place);
    merged.into_iter().map(|(_, range)| range).collect()
}

/// Content-Range of a 416 (§15.5.17).
pub fn unsatisfied(length: u64) -> String {
    format!("bytes */{length}")
}

// === impl Spec ===

impl Spec {
    fn parse(text: &[u8]) -> Option<Spec> {
        let dash = text.iter().position(|&octet| octet == b'-')?;
        let (first, last) = (&text[..dash], &text[dash + 1..]);
        if first.is_empty() {
            return Some(Spec::Suffix(number(last)?));
        }
        let first = number(first)?;
        let last = match last {
            b"" => u64::MAX,
            last => number(last)?,
        };
        (first <= last).then_some(Spec::Positions(first, last))
    }

    /// What it means for a body of that length; none where it is not satisfiable (§14.1.2).
    fn resolve(self, length: u64) -> Option<Range<u64>> {
        let range = match self {
            Spec::Positions(first, last) => first..last.saturating_add(1).min(length),
            Spec::Suffix(octets) => length.saturating_sub(octets)..length,
        };
        (!range.is_empty()).then_some(range)
    }
}

// === impl ContentRange ===

impl ContentRange {
    /// Reads the field of a single part's 206; none where it is not exactly one that is valid, in
    /// octets: then nothing may be combined with that part.
    pub fn of(fields: &Fields) -> Option<ContentRange> {
        let mut lines = fields.all("content-range");
        let line = lines.next().filter(|_| lines.next().is_none())?;
        let (unit, range) = line.split_at_checked("bytes ".len())?;
        if !unit.eq_ignore_ascii_case(b"bytes ") {
            return None;
        }
        let exact = |digits| number(digits).filter(|&number| number < u64::MAX);
        let slash = range.iter().position(|&octet| octet == b'/')?;
        let (positions, total) = (&range[..slash], &range[slash + 1..]);
        let dash = positions.iter().position(|&octet| octet == b'-')?;
        let (first, last) = (exact(&positions[..dash])?, exact(&positions[dash + 1..])?);
        let total = match total {
            b"*" => None,
            digits => Some(exact(digits)?),
        };
        let valid = first <= last && total.is_none_or(|total| last < total);
        valid.then_some(ContentRange {
            range: first..last + 1,
            total,
        })
    }

    /// The field of a part of a body of that length.
    pub fn write(range: &Range<u64>, total: u64) -> String {
        format!(
            "bytes {}-{}/{total}",
            range.start,
            range.end.saturating_sub(1)
        )
    }
}

#[cfg(test)]
mod tests;
