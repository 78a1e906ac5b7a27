use super::*;
use proptest::prelude::*;

fn tail(body: &[u8], key: &[u8], metadata: &[u8]) -> Tail {
    let mut sums = Sums::new();
    sums.push(body);
    Tail::new(sums, key, metadata).unwrap()
}

#[test]
fn a_file_is_what_its_description_says() {
    let tail = tail(b"body", b"key", b"metadata");
    let mut expected = Vec::new();
    expected.extend_from_slice(&xxh3_64(b"wpcache\x02body").to_le_bytes());
    expected.extend_from_slice(b"keymetadata");
    expected.extend_from_slice(&[4, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 8, 0, 0, 0]);
    expected.extend_from_slice(b"wpcache\x02");
    let sum = xxh3_64(&expected).to_le_bytes();
    expected.extend_from_slice(&sum);
    assert_eq!(tail.octets(), expected);
    assert_eq!((tail.place(), tail.file()), (12, 12 + 8 + 11 + 32));
}

#[test]
fn a_name_is_read_as_it_is_written() {
    let seed = Seed::parse(b"0123456789abcdef\n").unwrap();
    let digest = seed.digest(b"http://example.org/");
    let name = digest.to_string();
    // From xxHash's own implementation.
    assert_eq!(name, "a0d2051084ef62f0bf36c010033e2252");
    assert_eq!(Digest::parse(&name), Some(digest));
    assert_eq!(digest.path(), format!("{}/{name}", &name[..2]));
    for no_name in [
        "",
        &name[1..],
        &name.to_uppercase(),
        &format!("{name}0"),
        &name.replace('0', "+"),
    ] {
        assert_eq!(Digest::parse(no_name), None);
    }
}

#[test]
fn a_seed_is_read_as_it_is_written() {
    let seed = Seed::random().unwrap();
    assert_ne!(Seed::random().unwrap(), seed);
    let text = format!("{seed}\n");
    assert_eq!(Seed::parse(text.as_bytes()), Some(seed));
    for torn in 0..text.len() {
        assert_eq!(Seed::parse(&text.as_bytes()[..torn]), None);
    }
    for no_seed in [
        "0123456789ABCDEF\n",
        "+123456789abcdef\n",
        "00123456789abcdef\n",
    ] {
        assert_eq!(Seed::parse(no_seed.as_bytes()), None);
    }
}

proptest! {
    /// Whatever the pieces and the wishes, the body comes whole, and no block is read twice by
    /// who can take one.
    #[test]
    fn spans_cover_the_body(
        body in prop_oneof![0..1000_u64, 60_000..70_000_u64, 0..5_u64 << 20],
        start in 0..6_u64 << 20,
        max in prop_oneof![1..1000_usize, 50_000..3_usize << 20],
    ) {
        let footer = Footer { body, table: 0, key: 0, metadata: 0 };
        let tail = Tail { octets: Bytes::new(), footer };
        let mut offset = start;
        let mut last_end = 0;
        while let Some(span) = tail.span(offset, max) {
            let length = (span.wanted.end - span.wanted.start) as u64;
            prop_assert!(length > 0 && length <= max as u64);
            prop_assert_eq!(span.first_block * BLOCK as u64, span.blocks.start);
            prop_assert_eq!(span.blocks.start + span.wanted.start as u64, HEAD + offset);
            prop_assert!(span.blocks.end - span.blocks.start <= (AT_ONCE + BLOCK) as u64);
            prop_assert!(span.blocks.end <= HEAD + body);
            let whole = span.blocks.end % BLOCK as u64 == 0;
            prop_assert!(whole || span.blocks.end == HEAD + body);
            prop_assert!(max < BLOCK || span.blocks.start >= last_end);
            last_end = span.blocks.end;
            offset += length;
        }
        prop_assert_eq!(offset, start.max(body));
    }

    #[test]
    fn no_octets_are_mistaken_for_a_footer(octets in proptest::collection::vec(any::<u8>(), 0..100), magic: bool) {
        let mut octets = octets;
        if let Some(place) = octets.len().checked_sub(16).filter(|_| magic) {
            octets[place..place + 8].copy_from_slice(&MAGIC);
        }
        if let Ok(footer) = Footer::parse(&octets, octets.len() as u64) {
            prop_assert!(footer.tail() <= octets.len());
            let start = octets.len() - footer.tail();
            prop_assert!(Tail::parse(footer, octets.split_off(start).into()).is_err());
        }
    }

    /// Lengths that are no file's do not make anybody read, or keep, that much.
    #[test]
    fn a_footer_speaks_of_its_file(lengths: [u8; 16], file: u64) {
        let mut end = lengths.to_vec();
        end.extend_from_slice(&MAGIC);
        end.extend_from_slice(&[0; 8]);
        if let Ok(footer) = Footer::parse(&end, file) {
            prop_assert_eq!(HEAD + footer.body + footer.tail() as u64, file);
        }
    }
}
