//! Parts of one representation, gathered from several answers (RFC 9111 §3.3, §3.4).

use super::ContentRange;
use crate::cache::freshness::Times;
use crate::cache::validate::{StrongValidator, freshened, strong_validator};
use crate::http::Fields;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::SystemTime;

/// What is held of a representation. All of it has the same strong validator and belongs to a body
/// of one length.
#[derive(Debug, Clone)]
pub struct Pieces {
    /// Those of the complete response: without Content-Range and Content-Length.
    fields: Fields,
    /// This came as a 200: its fields are all that there are.
    of_whole: bool,
    validator: StrongValidator,
    total: u64,
    /// By their place in the body. They do not overlap, and none is empty.
    held: BTreeMap<u64, Bytes>,
}

/// Why pieces do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// They are of two versions.
    #[error("the validators differ")]
    Validator,
    /// The body would have two lengths.
    #[error("the complete lengths differ")]
    Length,
    /// The origin gives two versions the same validator.
    #[error("the validators are the same, but the octets differ")]
    Content,
}

/// Octets that a piece takes beside its own.
const OVERHEAD: usize = 96;

// === impl Pieces ===

impl Pieces {
    /// The content of a 206 with a single part. None where it cannot be combined with others: it
    /// has no strong validator, no valid Content-Range with a complete length, or is not of the
    /// length that Content-Range says.
    pub fn of_part(fields: &Fields, times: &Times, content: Bytes) -> Option<Pieces> {
        let ContentRange { range, total } = ContentRange::of(fields)?;
        let complete = content.len() as u64 == range.end - range.start;
        if !complete || is_multipart(fields) {
            return None;
        }
        let validator = strong_validator(fields, times)?;
        Some(Pieces::new(
            fields,
            validator,
            total?,
            (range.start, content),
        ))
    }

    /// The beginning of a 200 that broke off before its `total` octets had come.
    pub fn of_beginning(
        fields: &Fields,
        times: &Times,
        total: u64,
        content: Bytes,
    ) -> Option<Pieces> {
        if content.is_empty() || content.len() as u64 > total {
            return None;
        }
        let validator = strong_validator(fields, times)?;
        Some(Pieces {
            of_whole: true,
            ..Pieces::new(fields, validator, total, (0, content))
        })
    }

    fn new(fields: &Fields, validator: StrongValidator, total: u64, piece: (u64, Bytes)) -> Pieces {
        let mut fields = fields.clone();
        fields.remove("content-range");
        fields.remove("content-length");
        Pieces {
            fields: fields.compacted(),
            of_whole: false,
            validator,
            total,
            held: BTreeMap::from([piece]),
        }
    }

    /// Adds what a newer answer holds. A 200's fields take the place of those that were there, a
    /// 206's renew them (RFC 9111 §3.4, RFC 9110 §15.3.7.3). Where the two do not belong together
    /// nothing changes, and the newer one is what the origin has now.
    pub fn combine(&mut self, newer: Pieces, response_time: SystemTime) -> Result<(), Mismatch> {
        if self.validator != newer.validator {
            return Err(Mismatch::Validator);
        }
        if self.total != newer.total {
            return Err(Mismatch::Length);
        }
        for (start, content) in &newer.held {
            let end = start + content.len() as u64;
            let differs = |(place, held): (u64, Bytes)| {
                let offset = place - start;
                held != content_slice(content, offset..offset + held.len() as u64)
            };
            if self.parts(*start..end).any(differs) {
                return Err(Mismatch::Content);
            }
        }
        for (start, content) in newer.held {
            let end = start + content.len() as u64;
            for gap in self.missing(start..end) {
                let part = content_slice(&content, gap.start - start..gap.end - start);
                // A part would keep all of the other's memory.
                let part = match part.len() == content.len() {
                    true => part,
                    false => Bytes::copy_from_slice(&part),
                };
                self.held.insert(gap.start, part);
            }
        }
        self.fields = match newer.of_whole {
            true => newer.fields,
            false => freshened(&self.fields, &newer.fields, response_time).compacted(),
        };
        Ok(())
    }

    /// The octets of that range, where all of them are held.
    pub fn slice(&self, range: Range<u64>) -> Option<Vec<Bytes>> {
        let length = range.end.checked_sub(range.start)?;
        let parts: Vec<Bytes> = self.parts(range).map(|(_, part)| part).collect();
        let held: u64 = parts.iter().map(|part| part.len() as u64).sum();
        (held == length).then_some(parts)
    }

    /// What of that range is not held, in order: what the origin would have to be asked for.
    pub fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut place = range.start;
        for (start, part) in self.parts(range.clone()) {
            if place < start {
                gaps.push(place..start);
            }
            place = start + part.len() as u64;
        }
        if place < range.end {
            gaps.push(place..range.end);
        }
        gaps
    }

    /// All of the body in one piece, once it is held.
    pub fn complete(&self) -> Option<Bytes> {
        let mut parts = self.slice(0..self.total)?;
        match parts.len() {
            1 => parts.pop(),
            _ => Some(parts.concat().into()),
        }
    }

    /// The fields of the complete response, without Content-Length.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Octets of the complete body.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Octets that it takes in memory.
    pub fn octets(&self) -> usize {
        let pieces = self.held.values().map(|piece| piece.len() + OVERHEAD);
        size_of::<Pieces>() + self.fields.octets() + pieces.sum::<usize>()
    }

    /// What is held of that range, in order, with its place in the body.
    fn parts(&self, range: Range<u64>) -> impl Iterator<Item = (u64, Bytes)> {
        // A piece that begins before the range may reach into it.
        let before = self.held.range(..range.start).next_back();
        let first = before.map_or(range.start, |(start, _)| *start);
        let pieces = self.held.range(first..range.end.max(first));
        pieces.filter_map(move |(start, piece)| {
            let from = range.start.max(*start);
            let to = range.end.min(start + piece.len() as u64);
            (from < to).then(|| (from, content_slice(piece, from - start..to - start)))
        })
    }
}

/// Whether the content is several parts, each with a Content-Range of its own (RFC 9110
/// §15.3.7.2): there is no place in the body where it would belong.
fn is_multipart(fields: &Fields) -> bool {
    const MULTIPART: &[u8] = b"multipart/byteranges";
    let start = |kind: &Bytes| kind.get(..MULTIPART.len()).map(<[u8]>::to_ascii_lowercase);
    fields.get("content-type").and_then(start).as_deref() == Some(MULTIPART)
}

/// A part of a piece, which is in memory: its places fit.
fn content_slice(content: &Bytes, range: Range<u64>) -> Bytes {
    let place = |place: u64| usize::try_from(place).unwrap_or(content.len());
    content.slice(place(range.start)..place(range.end))
}
