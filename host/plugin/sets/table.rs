//! Texts by the million, in two pieces of memory.

use xxhash_rust::xxh3::xxh3_64;

/// Texts, found by their hashes. One of twenty octets takes about forty.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Each text, after its length in two octets.
    texts: Box<[u8]>,
    /// A power of two, half of them free: the upper half of a hash, and where the text is, plus
    /// one. Most of what is not there is told by its hash alone.
    slots: Box<[u64]>,
    len: usize,
}

/// A table to be.
#[derive(Debug, Default)]
pub(super) struct Builder {
    texts: Vec<u8>,
    count: usize,
}

/// Octets of the longest text.
pub(super) const LONGEST: usize = u16::MAX as usize;
/// Of a text's length.
const PREFIX: usize = size_of::<u16>();

// === impl Builder ===

impl Builder {
    /// Adds a text of [`LONGEST`] octets at most. Those before it take less than 4 GB: files are
    /// limited.
    pub(super) fn push(&mut self, text: &[u8]) {
        debug_assert!(text.len() <= LONGEST);
        self.texts.extend((text.len() as u16).to_ne_bytes());
        self.texts.extend(text);
        self.count += 1;
    }

    /// The table of what has been added. What was added twice is there once.
    pub(super) fn finish(self) -> Table {
        if self.count == 0 {
            return Table::default();
        }
        let mut table = Table {
            texts: self.texts.into_boxed_slice(),
            slots: vec![0; (self.count * 2).next_power_of_two()].into_boxed_slice(),
            len: 0,
        };
        let mut at = 0;
        while at < table.texts.len() {
            let text = table.text(at);
            let (next, hash) = (at + PREFIX + text.len(), xxh3_64(text));
            if let Err(free) = table.find(hash, text) {
                table.slots[free] = upper(hash) | (at as u64 + 1);
                table.len += 1;
            }
            at = next;
        }
        table
    }
}

// === impl Table ===

impl Table {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Octets of memory.
    pub(super) fn size(&self) -> usize {
        self.texts.len() + size_of_val(&*self.slots)
    }

    pub(super) fn contains(&self, text: &[u8]) -> bool {
        self.len > 0 && self.find(xxh3_64(text), text).is_ok()
    }

    /// Its slot; else the free one where it would be.
    fn find(&self, hash: u64, text: &[u8]) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return Err(at);
            }
            let place = (slot as u32 - 1) as usize;
            if upper(slot) == upper(hash) && self.text(place) == text {
                return Ok(at);
            }
            at = (at + 1) & mask;
        }
    }

    fn text(&self, at: usize) -> &[u8] {
        let begins = at + PREFIX;
        let length = u16::from_ne_bytes([self.texts[at], self.texts[at + 1]]);
        &self.texts[begins..begins + usize::from(length)]
    }
}

fn upper(hash: u64) -> u64 {
    hash & !u64::from(u32::MAX)
}
