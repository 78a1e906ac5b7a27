//! The file of an object, version 2, and its name. Numbers are little-endian.
//!
//! ```text
//! 0    magic       8 octets, the version is the last of them
//! 8    body
//!      table       XXH3-64 of each block of the file up to here, magic and body, 8 octets each;
//!                  blocks are of 64 KiB, the last one may be shorter
//!      key
//!      metadata
//!      footer      length of the body (8), of the key (4), of the metadata (4), magic (8),
//!                  XXH3-64 of all from the table to here (8)
//! ```
//!
//! All that is not the body comes after it, for a body's length is known only at its end; it is
//! found from the end of the file. Every octet of the file is under one of the checksums. Another
//! metadata takes the place of the old, and the end of the file follows: where that is torn, the
//! last checksum says so.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::ops::Range;
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128_with_seed};

pub(super) const MAGIC: [u8; 8] = *b"wpcache\x02";
/// What stands before the body.
pub(super) const HEAD: u64 = MAGIC.len() as u64;
pub(super) const BLOCK: usize = 64 << 10;
pub(super) const FOOTER: usize = 32;
/// Octets of the longest key, and of the longest metadata.
const LONGEST: usize = 1 << 20;
/// No more is read at once, whatever is asked for.
pub(super) const AT_ONCE: usize = 1 << 20;

/// By what keys become names. Each folder has its own, so that nobody outside can choose keys that
/// share a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u64);

/// What an object is called by: XXH3-128 of its key. Of two keys that share a name, one is stored:
/// the file has the key, which is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest([u8; 16]);

/// Why a file is not the object that it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("it is shorter than any object")]
    Short,
    #[error("it does not end as an object of this version does")]
    Footer,
    #[error("it has {found} octets, where its footer speaks of {expected}")]
    Length { found: u64, expected: u64 },
    #[error("the checksum over its key and metadata is wrong")]
    Tail,
    #[error("the checksum of its block {0} is wrong")]
    Block(u64),
    #[error("it holds another key")]
    Key,
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// The key or the metadata has more than 1 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its key or its metadata is longer than 1 MiB")]
pub(super) struct TooLong;

/// The lengths that a footer tells, which are those of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    body: u64,
    table: usize,
    key: usize,
    metadata: usize,
}

/// All of a file that comes after the body.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    octets: Bytes,
    footer: Footer,
}

/// Makes the table while a file grows.
pub(super) struct Sums {
    table: Vec<u8>,
    block: Xxh3,
    octets: u64,
}

/// What to read of a file for a part of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first_block: u64,
    /// Of the file.
    pub(super) blocks: Range<u64>,
    /// Of the blocks.
    pub(super) wanted: Range<usize>,
}

// === impl Seed ===

impl Seed {
    pub(super) fn random() -> io::Result<Seed> {
        Ok(Seed(getrandom::u64()?))
    }

    /// None where it has not been written whole.
    pub(super) fn parse(text: &[u8]) -> Option<Seed> {
        let digits = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
        let seed = u64::from_str_radix(digits, 16).ok().map(Seed)?;
        (format!("{seed}") == digits).then_some(seed)
    }

    pub(super) fn digest(self, key: &[u8]) -> Digest {
        Digest(xxh3_128_with_seed(key, self.0).to_be_bytes())
    }
}

impl Display for Seed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

// === impl Digest ===

impl Digest {
    /// The folder that it belongs to.
    pub(super) fn shard(&self) -> u8 {
        self.0[0]
    }

    /// Of the name of a file.
    pub(super) fn parse(name: &str) -> Option<Digest> {
        let mut octets = [0; 16];
        let lower = |octet: u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
        if name.len() != 32 || !name.bytes().all(lower) {
            return None;
        }
        for (octet, digits) in octets.iter_mut().zip(name.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            *octet = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Digest(octets))
    }

    /// Below the store's folder.
    pub(super) fn path(&self) -> String {
        format!("{:02x}/{self}", self.shard())
    }
}

impl Display for Digest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

// === impl Footer ===

impl Footer {
    /// The end of a file of that length.
    pub(super) fn parse(end: &[u8], file: u64) -> Result<Footer, Damage> {
        let footer = end.last_chunk::<FOOTER>().ok_or(Damage::Short)?;
        if footer[16..24] != MAGIC {
            return Err(Damage::Footer);
        }
        let body = number(&footer[..8]);
        let length = |octets| usize::try_from(number(octets)).map_err(|_| Damage::Footer);
        let (key, metadata) = (length(&footer[8..12])?, length(&footer[12..16])?);
        if key > LONGEST || metadata > LONGEST || body >= file {
            return Err(Damage::Footer);
        }
        let table = blocks_of(body).checked_mul(8).ok_or(Damage::Footer)?;
        let footer = Footer {
            body,
            table: usize::try_from(table).map_err(|_| Damage::Footer)?,
            key,
            metadata,
        };
        match HEAD.saturating_add(body) + footer.tail() as u64 {
            expected if expected == file => Ok(footer),
            expected => Err(Damage::Length {
                found: file,
                expected,
            }),
        }
    }

    /// Octets from the table on.
    pub(super) fn tail(&self) -> usize {
        self.table + self.key + self.metadata + FOOTER
    }
}

// === impl Tail ===

impl Tail {
    pub(super) fn new(sums: Sums, key: &[u8], metadata: &[u8]) -> Result<Tail, TooLong> {
        let (body, mut octets) = (sums.body(), sums.into_table());
        let footer = Footer {
            body,
            table: octets.len(),
            key: key.len(),
            metadata: metadata.len(),
        };
        octets.reserve_exact(key.len() + metadata.len() + FOOTER);
        octets.extend_from_slice(key);
        Tail::ended(octets, footer, metadata)
    }

    /// What comes after the body in a file with such a footer.
    pub(super) fn parse(footer: Footer, octets: Bytes) -> Result<Tail, Damage> {
        match octets.split_last_chunk::<8>() {
            Some((sealed, seal)) if xxh3_64(sealed).to_le_bytes() == *seal => {
                Ok(Tail { octets, footer })
            }
            _ => Err(Damage::Tail),
        }
    }

    /// The same with other metadata.
    pub(super) fn with_metadata(&self, metadata: &[u8]) -> Result<Tail, TooLong> {
        let kept = self.footer.table + self.footer.key;
        Tail::ended(self.octets[..kept].to_vec(), self.footer, metadata)
    }

    fn ended(mut octets: Vec<u8>, footer: Footer, metadata: &[u8]) -> Result<Tail, TooLong> {
        let length = |length: usize| match length {
            0..=LONGEST => u32::try_from(length).map_err(|_| TooLong),
            _ => Err(TooLong),
        };
        octets.extend_from_slice(metadata);
        octets.extend_from_slice(&footer.body.to_le_bytes());
        octets.extend_from_slice(&length(footer.key)?.to_le_bytes());
        octets.extend_from_slice(&length(metadata.len())?.to_le_bytes());
        octets.extend_from_slice(&MAGIC);
        octets.extend_from_slice(&xxh3_64(&octets).to_le_bytes());
        let metadata = metadata.len();
        Ok(Tail {
            octets: octets.into(),
            footer: Footer { metadata, ..footer },
        })
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Octets of the body.
    pub(super) fn body(&self) -> u64 {
        self.footer.body
    }

    /// Octets of the whole file.
    pub(super) fn file(&self) -> u64 {
        self.place() + self.octets.len() as u64
    }

    /// Where in the file it begins.
    pub(super) fn place(&self) -> u64 {
        HEAD + self.footer.body
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.octets[self.footer.table..][..self.footer.key]
    }

    pub(super) fn metadata(&self) -> &[u8] {
        &self.octets[self.footer.table + self.footer.key..][..self.footer.metadata]
    }

    /// What other metadata changes, and where in the file it begins.
    pub(super) fn since_key(&self) -> (u64, &[u8]) {
        let skipped = self.footer.table + self.footer.key;
        (self.place() + skipped as u64, &self.octets[skipped..])
    }

    /// What to read for that part of the body; none behind its end. It may be less than what is
    /// asked for: whoever reads on from its end does not read a block twice.
    pub(super) fn span(&self, offset: u64, max: usize) -> Option<Span> {
        let block = BLOCK as u64;
        let end_of_body = self.place();
        let start = HEAD.checked_add(offset)?;
        let mut end = start.saturating_add(max.min(AT_ONCE) as u64);
        let whole = end - end % block;
        if end < end_of_body && start < whole {
            end = whole;
        }
        let end = end.min(end_of_body);
        if start >= end {
            return None;
        }
        let first_block = start / block;
        let from = first_block * block;
        let within = |place: u64| usize::try_from(place - from).ok();
        Some(Span {
            first_block,
            blocks: from..end.next_multiple_of(block).min(end_of_body),
            wanted: within(start)?..within(end)?,
        })
    }

    /// Whether those blocks of the file, from the first one on, are what was written.
    pub(super) fn verify(&self, first_block: u64, blocks: &[u8]) -> Result<(), Damage> {
        let table = &self.octets[..self.footer.table];
        for (number, block) in (first_block..).zip(blocks.chunks(BLOCK)) {
            let sum = usize::try_from(number).ok().and_then(|number| {
                let sum = table.get(number * 8..)?;
                sum.first_chunk::<8>()
            });
            if sum != Some(&xxh3_64(block).to_le_bytes()) {
                return Err(Damage::Block(number));
            }
        }
        Ok(())
    }
}

// === impl Sums ===

impl Sums {
    /// Of a file that begins, with the magic.
    pub(super) fn new() -> Sums {
        let mut sums = Sums {
            table: Vec::new(),
            block: Xxh3::new(),
            octets: 0,
        };
        sums.push(&MAGIC);
        sums
    }

    /// More of the file.
    pub(super) fn push(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let full = usize::try_from(self.octets % BLOCK as u64).expect("less than a block");
            let (now, later) = octets.split_at(octets.len().min(BLOCK - full));
            self.block.update(now);
            self.octets += now.len() as u64;
            octets = later;
            if full + now.len() == BLOCK {
                self.close_block();
            }
        }
    }

    /// Octets of the body so far.
    pub(super) fn body(&self) -> u64 {
        self.octets - HEAD
    }

    fn into_table(mut self) -> Vec<u8> {
        if !self.octets.is_multiple_of(BLOCK as u64) {
            self.close_block();
        }
        self.table
    }

    fn close_block(&mut self) {
        let sum = self.block.digest();
        self.table.extend_from_slice(&sum.to_le_bytes());
        self.block.reset();
    }
}

fn blocks_of(body: u64) -> u64 {
    HEAD.saturating_add(body).div_ceil(BLOCK as u64)
}

fn number(octets: &[u8]) -> u64 {
    octets
        .iter()
        .rev()
        .fold(0, |number, octet| number << 8 | u64::from(*octet))
}
