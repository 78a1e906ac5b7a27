//! The chunked transfer coding (RFC 9112 §7.1), to the letter.

use super::fields::Fields;
use super::head::{Malformed, parse_trailers};
use bytes::{Buf, BytesMut};

/// Octets of one chunk's extensions; nobody sends any.
const MAX_EXTENSIONS: usize = 4096;
/// Octets of the trailer section.
const MAX_TRAILERS: usize = 64 * 1024;

/// Reads a chunked body, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Before a chunk's size.
    #[default]
    Size,
    /// So many octets of a chunk are to come.
    Data(u64),
    /// The CR LF after a chunk's data.
    DataEnd,
    Trailers,
    Done,
}

// === impl Decoder ===

impl Decoder {
    /// Moves what of the body is in `input` to the end of `body`. `true` when it has ended:
    /// then the trailers are in `trailers`, and `input` begins with what follows.
    ///
    /// # Errors
    /// Anything but the grammar of RFC 9112 §7.1: there is no telling where the body ends.
    pub(super) fn decode(
        &mut self,
        input: &mut BytesMut,
        body: &mut Vec<u8>,
        trailers: &mut Fields,
    ) -> Result<bool, Malformed> {
        loop {
            match self.state {
                State::Size => {
                    let Some(end) = line_end(input, MAX_EXTENSIONS)? else {
                        return Ok(false);
                    };
                    let size = size(&input[..end])?;
                    input.advance(end + 2);
                    self.state = match size {
                        0 => State::Trailers,
                        size => State::Data(size),
                    };
                }
                State::Data(left) => {
                    if input.is_empty() {
                        return Ok(false);
                    }
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    body.extend_from_slice(&input[..here]);
                    input.advance(here);
                    self.state = match left - here as u64 {
                        0 => State::DataEnd,
                        left => State::Data(left),
                    };
                }
                State::DataEnd => match input.as_ref() {
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok(false),
                    _ => return Err(Malformed::Framing("a chunk is longer than its size says")),
                },
                State::Trailers => {
                    let Some(end) = section_end(input)? else {
                        return Ok(false);
                    };
                    *trailers = parse_trailers(&input.split_to(end).freeze())?;
                    self.state = State::Done;
                }
                State::Done => return Ok(true),
            }
        }
    }
}

/// Where the CR of the first line's end is.
fn line_end(input: &[u8], limit: usize) -> Result<Option<usize>, Malformed> {
    match memchr::memchr(b'\n', input) {
        None if input.len() > limit => Err(Malformed::Framing("a chunk's extensions are too long")),
        None => Ok(None),
        Some(end) if end > 0 && input[end - 1] == b'\r' => Ok(Some(end - 1)),
        Some(_) => Err(Malformed::Framing("a chunk's size ends in LF without CR")),
    }
}

/// Where the trailer section ends, with its empty line.
fn section_end(input: &[u8]) -> Result<Option<usize>, Malformed> {
    if input.starts_with(b"\r\n") {
        return Ok(Some(2));
    }
    match memchr::memmem::find(input, b"\r\n\r\n") {
        Some(end) => Ok(Some(end + 4)),
        // A bare LF could end the section for somebody else.
        None if memchr::memmem::find(input, b"\n\n").is_some() || input.starts_with(b"\n") => {
            Err(Malformed::Framing("a trailer line ends in LF without CR"))
        }
        None if input.len() > MAX_TRAILERS => Err(Malformed::Framing("its trailers are too long")),
        None => Ok(None),
    }
}

/// `chunk-size [ chunk-ext ]`: hexadecimal digits, then nothing or an extension.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    const WRONG: Malformed = Malformed::Framing("a chunk's size is not a hexadecimal number");
    let digits = line
        .iter()
        .take_while(|octet| octet.is_ascii_hexdigit())
        .count();
    let (digits, extensions) = line.split_at(digits);
    let size = std::str::from_utf8(digits).map_err(|_| WRONG)?;
    let size = u64::from_str_radix(size, 16).map_err(|_| WRONG)?;
    if i64::try_from(size).is_err() {
        return Err(WRONG);
    }
    if !is_extensions(extensions) {
        return Err(WRONG);
    }
    Ok(size)
}

/// RFC 9112 §7.1.1: `*( BWS ";" BWS name [ BWS "=" BWS value ] )`. Read to be dropped, so only
/// what could hide an end of line from somebody matters: controls, and quotes that do not close.
fn is_extensions(text: &[u8]) -> bool {
    let space = text
        .iter()
        .take_while(|&&octet| octet == b' ' || octet == b'\t');
    let text = &text[space.count()..];
    if !(text.is_empty() || text.starts_with(b";")) {
        return false;
    }
    let mut quoted = false;
    let mut octets = text.iter();
    while let Some(&octet) = octets.next() {
        match octet {
            b'"' => quoted = !quoted,
            b'\\' if quoted && octets.next().is_none() => return false,
            b'\t' => {}
            octet if octet.is_ascii_control() => return false,
            _ => {}
        }
    }
    !quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The body, the trailers' number and what is left, the input coming in pieces of that size.
    fn decode(text: &[u8], piece: usize) -> Result<(Vec<u8>, usize, Vec<u8>), Malformed> {
        let mut decoder = Decoder::default();
        let (mut input, mut body) = (BytesMut::new(), Vec::new());
        let mut trailers = Fields::default();
        let mut pieces = text.chunks(piece);
        loop {
            if decoder.decode(&mut input, &mut body, &mut trailers)? {
                let rest = pieces.flatten().copied();
                input.extend(rest);
                return Ok((body, trailers.len(), input.to_vec()));
            }
            match pieces.next() {
                Some(piece) => input.extend_from_slice(piece),
                None => return Err(Malformed::Framing("unfinished")),
            }
        }
    }

    #[test]
    fn bodies() {
        #[rustfmt::skip]
        let cases: [(&str, &str, usize, &str); 7] = [
            ("0\r\n\r\n", "", 0, ""),
            ("5\r\nhello\r\n0\r\n\r\nGET", "hello", 0, "GET"),
            ("5\r\nhello\r\n00A\r\n0123456789\r\n000\r\n\r\n", "hello0123456789", 0, ""),
            ("5;foo=bar;baz=\"q\\\"x\"\r\nhello\r\n0;last\r\n\r\n", "hello", 0, ""),
            ("5 ;a\r\nhello\r\n0\r\n\r\n", "hello", 0, ""),
            ("3\r\n\r\n!\r\n0\r\n\r\n", "\r\n!", 0, ""),
            ("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", "x", 2, ""),
        ];
        for (text, body, trailers, rest) in cases {
            for piece in 1..=text.len() {
                let decoded = decode(text.as_bytes(), piece);
                let expected = (body.into(), trailers, rest.into());
                assert_eq!(decoded, Ok(expected), "{text:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_is_no_chunked_body_is_refused() {
        for text in [
            "z\r\nhello\r\n0\r\n\r\n",
            "5z\r\nhello\r\n0\r\n\r\n",
            "-5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "\r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5\r\r\nhello\r\n0\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhelloXX0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5;a\rb\r\nhello\r\n0\r\n\r\n",
            "5;a\0\r\nhello\r\n0\r\n\r\n",
            "5;a=\"\r\nhello\r\n0\r\n\r\n",
            "5;a=\"\\\r\nhello\r\n0\r\n\r\n",
            "5 a\r\nhello\r\n0\r\n\r\n",
            "8000000000000000\r\nhello\r\n",
            "10000000000000005\r\nhello\r\n",
            "0\r\nA : b\r\n\r\n",
            "0\r\nA: b\n\r\n\r\n",
            "0\r\nA: b\n\n",
            "0\r\n\n",
        ] {
            for piece in [1, 3, text.len()] {
                assert!(decode(text.as_bytes(), piece).is_err(), "{text:?}");
            }
        }
    }

    #[test]
    fn endless_extensions_and_trailers_are_refused() {
        let extensions = format!("5;{}", "a".repeat(MAX_EXTENSIONS));
        let trailers = format!("0\r\nA: {}", "a".repeat(MAX_TRAILERS));
        for text in [extensions, trailers] {
            let error = decode(text.as_bytes(), 1000).expect_err("endless");
            assert_ne!(error, Malformed::Framing("unfinished"));
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(
            octets in prop::collection::vec(any::<u8>(), 0..100),
            piece in 1usize..20,
        ) {
            let _ = decode(&octets, piece);
        }

        /// However a body is cut into chunks and pieces, it comes out whole.
        #[test]
        fn bodies_come_out_whole(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..8),
            piece in 1usize..40,
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                text.extend_from_slice(chunk);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(decode(&text, piece), Ok((chunks.concat(), 0, vec![])));
        }
    }
}
