//! Several parts in one answer: `multipart/byteranges` (RFC 9110 §14.6), as a plan.

use super::ContentRange;
use bytes::Bytes;
use std::ops::Range;

/// What is sent for several ranges of a body, without the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    boundary: String,
    segments: Vec<Segment>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// These octets.
    Text(Bytes),
    /// This part of the body.
    Body(Range<u64>),
}

// === impl Multipart ===

impl Multipart {
    /// The plan for these ranges of a body of that length and media type. The nonce makes the
    /// boundary: who could guess it could write a body that reads as other parts than it has.
    pub fn new(
        ranges: &[Range<u64>],
        total: u64,
        content_type: Option<&Bytes>,
        nonce: u128,
    ) -> Multipart {
        let boundary = format!("{nonce:032x}");
        let mut segments = Vec::with_capacity(2 * ranges.len() + 1);
        for (index, range) in ranges.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\r\n" };
            let mut head = format!("{line_end}--{boundary}\r\n").into_bytes();
            if let Some(content_type) = content_type {
                head.extend_from_slice(b"Content-Type: ");
                head.extend_from_slice(content_type);
                head.extend_from_slice(b"\r\n");
            }
            let content_range = ContentRange::write(range, total);
            head.extend_from_slice(format!("Content-Range: {content_range}\r\n\r\n").as_bytes());
            segments.push(Segment::Text(head.into()));
            segments.push(Segment::Body(range.clone()));
        }
        segments.push(Segment::Text(format!("\r\n--{boundary}--\r\n").into()));
        Multipart { boundary, segments }
    }

    /// The whole answer's Content-Type. It has no Content-Range (§15.3.7.2).
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Octets of the whole answer.
    pub fn len(&self) -> u64 {
        self.segments.iter().map(Segment::len).sum()
    }

    /// What is sent, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

// === impl Segment ===

impl Segment {
    /// Octets.
    pub fn len(&self) -> u64 {
        match self {
            Segment::Text(text) => text.len() as u64,
            Segment::Body(range) => range.end - range.start,
        }
    }
}
