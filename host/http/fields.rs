//! Header and trailer fields (RFC 9110 §5): in their order, in their spelling.

use bytes::{Bytes, BytesMut};

/// A header or trailer section.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    lines: Vec<Field>,
    /// The [`mark`]s of all names that were ever in it. A request is looked through for dozens of
    /// fields that it does not have.
    marks: u64,
}

/// One field line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// A token (RFC 9110 §5.1), in the sender's spelling.
    pub name: Bytes,
    /// Without surrounding white space, without control characters but tab (RFC 9110 §5.5).
    pub value: Bytes,
}

impl Fields {
    /// No lines, with room for some.
    pub fn with_capacity(lines: usize) -> Self {
        Fields {
            lines: Vec::with_capacity(lines),
            marks: 0,
        }
    }

    /// The same lines, with room for some more.
    pub fn with_room(&self, more: usize) -> Self {
        let mut fields = Fields::with_capacity(self.len() + more);
        for line in self.iter() {
            fields.push(line.name.clone(), line.value.clone());
        }
        fields
    }

    /// The first line's value of that name.
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        let may_have = self.may_have(name.as_bytes());
        let line = may_have.then(|| self.lines.iter().find(|line| line.is(name)));
        line.flatten().map(|line| &line.value)
    }

    /// Every line's value of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> {
        let lines = match self.may_have(name.as_bytes()) {
            true => &self.lines[..],
            false => &[],
        };
        let lines = lines.iter().filter(move |line| line.is(name));
        lines.map(|line| &line.value)
    }

    fn may_have(&self, name: &[u8]) -> bool {
        self.marks & mark(name) != 0
    }

    /// All lines of that name as one value, joined by `, ` (RFC 9110 §5.3).
    pub fn joined(&self, name: &str) -> Option<Bytes> {
        let mut values = self.all(name);
        let first = values.next()?;
        let Some(second) = values.next() else {
            return Some(first.clone());
        };
        let mut joined = [first.as_ref(), second.as_ref()].join(&b", "[..]);
        for value in values {
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(value);
        }
        Some(joined.into())
    }

    /// Whether there is a line of that name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The elements of a list-valued field (RFC 9110 §5.6.1), empty ones left out. Not for fields
    /// whose elements may hold quoted commas.
    pub fn elements<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|&octet| octet == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// Whether a list-valued field has that element, compared without case.
    pub fn has_element(&self, name: &str, element: &str) -> bool {
        self.elements(name)
            .any(|found| found.eq_ignore_ascii_case(element.as_bytes()))
    }

    /// Replaces all lines of that name by one, at the place of the first; appends where there was none.
    pub fn set(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        let line = Field {
            name: name.into(),
            value: value.into(),
        };
        if !self.may_have(&line.name) {
            return self.push_line(line);
        }
        let same = |other: &Field| other.name.eq_ignore_ascii_case(&line.name);
        match self.lines.iter().position(same) {
            Some(place) => {
                let mut index = 0;
                self.lines.retain(|other| {
                    index += 1;
                    index <= place + 1 || !same(other)
                });
                self.lines[place].value = line.value;
            }
            None => self.lines.push(line),
        }
    }

    /// One more line at the end.
    pub fn push(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.push_line(Field {
            name: name.into(),
            value: value.into(),
        });
    }

    fn push_line(&mut self, line: Field) {
        self.marks |= mark(&line.name);
        self.lines.push(line);
    }

    /// Removes every line of that name. Whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        if !self.may_have(name.as_bytes()) {
            return false;
        }
        let before = self.lines.len();
        self.lines.retain(|line| !line.is(name));
        self.lines.len() < before
    }

    /// Keeps the lines of which that is true.
    pub fn retain(&mut self, keep: impl FnMut(&Field) -> bool) {
        self.lines.retain(keep);
    }

    /// All lines, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.lines.iter()
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Octets that the lines take on the wire.
    pub fn wire_len(&self) -> usize {
        let line = |line: &Field| line.name.len() + line.value.len() + ": \r\n".len();
        self.lines.iter().map(line).sum()
    }

    /// Octets of memory that they take, about. Those of a value that other lines have, too, count as
    /// well: it lasts as long as one of them.
    pub fn octets(&self) -> usize {
        self.wire_len() + size_of_val(&self.lines[..])
    }

    /// The same lines in memory of their own, for what lasts: each line keeps all of the section that
    /// it came with, whatever has been taken off that.
    pub fn compacted(&self) -> Self {
        let octets = |line: &Field| line.name.len() + line.value.len();
        let mut text = BytesMut::with_capacity(self.lines.iter().map(octets).sum());
        for Field { name, value } in &self.lines {
            text.extend_from_slice(name);
            text.extend_from_slice(value);
        }
        let mut text = text.freeze();
        let copy = |line: &Field| Field {
            name: text.split_to(line.name.len()),
            value: text.split_to(line.value.len()),
        };
        Fields {
            lines: self.lines.iter().map(copy).collect(),
            marks: self.marks,
        }
    }

    /// Writes the lines, without the empty one that ends a section.
    pub fn write(&self, out: &mut Vec<u8>) {
        for Field { name, value } in &self.lines {
            for part in [name.as_ref(), b": ", value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Fields) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Fields {}

/// One bit of 64 for a name, whatever its case: two names that have another one differ.
fn mark(name: &[u8]) -> u64 {
    let first = name.first().map_or(0, |first| first | 0x20);
    1 << (usize::from(first).wrapping_add(name.len() * 7) % 64)
}

// === impl Field ===

impl Field {
    /// Whether that is the line's name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// A token (RFC 9110 §5.6.2): field names, methods.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&octet| TOKEN[usize::from(octet)])
}

/// What a field line's value may hold (RFC 9110 §5.5): no control characters but tab.
pub fn is_value(text: &[u8]) -> bool {
    text.iter()
        .all(|&octet| octet == b'\t' || (octet >= b' ' && octet != 0x7f))
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        let byte = octet as u8;
        table[octet] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        octet += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::default();
        for &(name, value) in lines {
            fields.push(name, value);
        }
        fields
    }

    #[test]
    fn set_replaces_all_lines_at_the_first_one_s_place() {
        let mut some = fields(&[("A", "1"), ("B", "2"), ("b", "3"), ("C", "4"), ("B", "5")]);
        some.set("b", "x");
        assert_eq!(some, fields(&[("A", "1"), ("B", "x"), ("C", "4")]));
        some.set("D", "y");
        assert_eq!(some.len(), 4);
    }

    #[test]
    fn lines_of_one_name_join() {
        let some = fields(&[("A", "1"), ("B", "2"), ("a", "3, 4"), ("A", "")]);
        assert_eq!(some.joined("a").as_deref(), Some(&b"1, 3, 4, "[..]));
        assert_eq!(some.joined("b").as_deref(), Some(&b"2"[..]));
        assert_eq!(some.joined("c"), None);
        assert_eq!(some.elements("A").collect::<Vec<_>>(), [b"1", b"3", b"4"]);
        assert!(some.has_element("a", "4"));
    }

    /// Each would keep all of the section that it came with.
    #[test]
    fn compacted_fields_share_one_piece_of_memory_of_their_size() {
        let section = Bytes::from(b"X-Large: aaaaaaaaaa\r\nA: 1\r\nB: \r\n".to_vec());
        let mut some = Fields::default();
        for (name, value) in [(0..7, 9..19), (21..22, 24..25), (27..28, 30..30)] {
            some.push(section.slice(name), section.slice(value));
        }
        some.retain(|line| !line.is("x-large"));
        let compacted = some.compacted();
        assert_eq!(compacted, some);
        drop(some);
        assert!(section.is_unique());
        let octets = compacted.iter().flat_map(|line| [&line.name, &line.value]);
        let starts: Vec<usize> = octets.map(|octets| octets.as_ptr() as usize).collect();
        let first = starts[0];
        assert_eq!(starts[..3], [first, first + 1, first + 2]);
    }

    proptest! {
        /// The marks spare looking; they never hide a line.
        #[test]
        fn what_is_there_is_found(
            names in prop::collection::vec("[A-Ca-c^~-]{1,3}", 0..8),
            gone in "[A-Ca-c^~-]{1,3}",
            wanted in "[A-Ca-c^~-]{1,3}",
        ) {
            let mut some = Fields::default();
            for name in &names {
                some.push(name.clone(), "x");
            }
            let there = |name: &str| names.iter().any(|other| other.eq_ignore_ascii_case(name));
            prop_assert_eq!(some.has(&wanted), there(&wanted));
            prop_assert_eq!(some.remove(&gone), there(&gone));
            let left = there(&wanted) && !wanted.eq_ignore_ascii_case(&gone);
            prop_assert_eq!(some.has(&wanted), left);
        }
    }
}
