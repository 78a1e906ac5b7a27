use super::pieces::Mismatch;
use super::*;
use crate::cache::control::ResponseControl;
use crate::cache::freshness::Times;
use bytes::Bytes;
use proptest::prelude::*;
use std::time::{Duration, SystemTime};

fn fields(lines: &[(&'static str, &str)]) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in lines {
        fields.push(*name, (*value).to_owned());
    }
    fields
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn times(fields: &Fields) -> Times {
    Times::of(fields, &ResponseControl::default(), now(), now())
}

#[test]
fn what_a_range_selects() {
    use Selection::{Part, Unsatisfiable, Whole};
    let parts = |ranges: &[Range<u64>]| Selection::Parts(ranges.to_vec());
    #[rustfmt::skip]
    let cases = [
        // RFC 9110 §14.1.2: the examples.
        ("bytes=0-499", 10_000, Part(0..500)), ("bytes=500-999", 10_000, Part(500..1000)), ("bytes=-500", 10_000, Part(9500..10_000)),
        ("bytes=9500-", 10_000, Part(9500..10_000)), ("bytes=0-0,-1", 10_000, parts(&[0..1, 9999..10_000])),
        ("bytes= 0-999, 4500-5499, -1000", 10_000, parts(&[0..1000, 4500..5500, 9000..10_000])),
        ("bytes=500-600,601-999", 10_000, Part(500..1000)), ("bytes=500-700,601-999", 10_000, Part(500..1000)),
        // §14.1: range unit names are case-insensitive. §14.2: others are ignored.
        ("BYTES=0-9", 100, Part(0..10)), ("items=0-9", 100, Whole), ("bytes =0-9", 100, Whole), ("=0-9", 100, Whole), ("0-9", 100, Whole),
        // §14.1.2: what is longer than the body ends with it.
        ("bytes=0-999", 100, Part(0..100)), ("bytes=99-", 100, Part(99..100)), ("bytes=-999", 100, Part(0..100)),
        ("bytes=0-99999999999999999999", 100, Part(0..100)), ("bytes=-99999999999999999999", 100, Part(0..100)), ("bytes=5-18446744073709551615", 100, Part(5..100)),
        ("bytes=007-0009", 100, Part(7..10)),
        // What is satisfiable: a first position in the body, a suffix that is not empty.
        ("bytes=100-", 100, Unsatisfiable), ("bytes=100-200", 100, Unsatisfiable), ("bytes=-0", 100, Unsatisfiable), ("bytes=-0,100-", 100, Unsatisfiable),
        ("bytes=99999999999999999999-", 100, Unsatisfiable), ("bytes=100-,-1", 100, Part(99..100)), ("bytes=-0,0-0", 100, Part(0..1)),
        // §14.1.1: one invalid specifier makes all of it invalid.
        ("bytes=", 100, Whole), ("bytes=,", 100, Whole), ("bytes=-", 100, Whole), ("bytes=9-0", 100, Whole), ("bytes=a-b", 100, Whole), ("bytes=+1-2", 100, Whole),
        ("bytes=1", 100, Whole), ("bytes=1-2-3", 100, Whole), ("bytes=1 -2", 100, Whole), ("bytes=1- 2", 100, Whole), ("bytes=--1", 100, Whole), ("bytes=0-1,x", 100, Whole),
        ("bytes=0-1,9-0", 100, Whole), ("bytes=0-1;5-6", 100, Whole), ("bytes=0x0-1", 100, Whole), ("bytes=\u{661}-2", 100, Whole),
        // RFC 9110 §5.6.1.2: empty elements.
        ("bytes=,,0-9,", 100, Part(0..10)), ("bytes=0-9 ,\t20-29", 100, parts(&[0..10, 20..30])),
        // §15.3.7.2: in the order of the request; what overlaps is one, at the place of the first.
        ("bytes=-10,0-9", 100, parts(&[90..100, 0..10])), ("bytes=50-59,0-9,55-69", 100, parts(&[50..70, 0..10])),
        ("bytes=50-59,0-9,5-54", 100, Part(0..60)), ("bytes=0-,0-,0-", 100, Part(0..100)), ("bytes=0-9,11-20", 100, parts(&[0..10, 11..21])),
        // §14.2: of an empty body Range may be ignored.
        ("bytes=0-9", 0, Whole), ("bytes=-1", 0, Whole),
    ];
    for (text, length, expected) in cases {
        assert_eq!(
            select(text.as_bytes(), length),
            expected,
            "{text} of {length}"
        );
    }
}

/// RFC 9110 §17.15.
#[test]
fn too_many_ranges_are_ignored() {
    let many = |count: u64, step: u64| {
        let ranges: Vec<String> = (0..count)
            .map(|index| format!("{0}-{0}", index * step))
            .collect();
        select(format!("bytes={}", ranges.join(",")).as_bytes(), 100_000)
    };
    assert!(matches!(many(256, 2), Selection::Parts(parts) if parts.len() == 256));
    assert_eq!(many(256, 1), Selection::Part(0..256));
    assert_eq!(many(257, 1), Selection::Whole);
    assert_eq!(many(10_000, 2), Selection::Whole);
}

/// RFC 9110 §14.4.
#[test]
fn what_a_part_is_said_to_be() {
    #[rustfmt::skip]
    let cases = [
        ("bytes 42-1233/1234", Some((42..1234, Some(1234)))), ("bytes 42-1233/*", Some((42..1234, None))), ("bytes 0-0/1", Some((0..1, Some(1)))),
        ("BYTES 0-4/5", Some((0..5, Some(5)))), ("bytes 00-04/005", Some((0..5, Some(5)))),
        // The examples.
        ("bytes 0-499/1234", Some((0..500, Some(1234)))), ("bytes 734-1233/1234", Some((734..1234, Some(1234)))),
        // Invalid: the last before the first, or not before the complete length.
        ("bytes 5-4/9", None), ("bytes 0-5/5", None), ("bytes 0-5/0", None), ("bytes 5-9/3", None),
        ("bytes */1234", None), ("bytes */*", None), ("bytes=0-4/5", None), ("bytes  0-4/5", None), ("bytes 0-4/5 ", None), ("bytes\t0-4/5", None),
        ("bytes 0 -4/5", None), ("bytes 0-4 /5", None), ("bytes 0-4/ 5", None), ("bytes 0-4", None), ("bytes 0-/5", None), ("bytes -4/5", None),
        ("bytes 0-4/", None), ("bytes 0-4/5/6", None), ("bytes 0-4/5, bytes 0-4/5", None), ("items 0-4/5", None), ("", None), ("bytes", None),
        ("bytes +0-4/5", None), ("bytes 0-4/x", None),
        ("bytes 0-18446744073709551615/*", None), ("bytes 0-4/99999999999999999999", None), ("bytes 99999999999999999998-99999999999999999999/*", None),
    ];
    for (text, expected) in cases {
        let found = ContentRange::of(&fields(&[("Content-Range", text)]));
        let expected = expected.map(|(range, total)| ContentRange { range, total });
        assert_eq!(found, expected, "{text}");
    }
    assert_eq!(ContentRange::of(&fields(&[])), None);
    let twice = [
        ("Content-Range", "bytes 0-4/5"),
        ("content-range", "bytes 0-4/5"),
    ];
    assert_eq!(ContentRange::of(&fields(&twice)), None);
    assert_eq!(unsatisfied(1234), "bytes */1234");
}

/// RFC 9110 §14.6, §15.3.7.2.
#[test]
fn several_parts_are_one_answer() {
    let body = b"0123456789abcdefghij";
    let kind = Bytes::from_static(b"text/plain; charset=x");
    let plan = Multipart::new(&[15..20, 0..2], 20, Some(&kind), 0xab);
    let boundary = "000000000000000000000000000000ab";
    assert_eq!(
        plan.content_type(),
        format!("multipart/byteranges; boundary={boundary}")
    );
    let expected = format!(
        "--{boundary}\r\nContent-Type: text/plain; charset=x\r\nContent-Range: bytes 15-19/20\r\n\r\nfghij\
         \r\n--{boundary}\r\nContent-Type: text/plain; charset=x\r\nContent-Range: bytes 0-1/20\r\n\r\n01\
         \r\n--{boundary}--\r\n"
    );
    assert_eq!(written(&plan, body), expected.as_bytes());
    assert_eq!(plan.len(), expected.len() as u64);
    // Without a media type the parts have none.
    let plain = Multipart::new(std::slice::from_ref(&(0..1)), 20, None, 0xab);
    let text =
        format!("--{boundary}\r\nContent-Range: bytes 0-0/20\r\n\r\n0\r\n--{boundary}--\r\n");
    assert_eq!(written(&plain, body), text.as_bytes());
}

fn written(plan: &Multipart, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for segment in plan.segments() {
        match segment {
            Segment::Text(text) => out.extend_from_slice(text),
            Segment::Body(range) => {
                let place = |place| usize::try_from(place).expect("it is small");
                out.extend_from_slice(&body[place(range.start)..place(range.end)]);
            }
        }
    }
    out
}

const BODY: &[u8] = b"0123456789abcdefghij";

/// The 206 for that part of BODY.
fn part(range: Range<usize>, more: &[(&'static str, &str)]) -> Option<Pieces> {
    let content_range = format!("bytes {}-{}/20", range.start, range.end - 1);
    let mut lines = vec![("ETag", "\"v1\""), ("Content-Range", &content_range)];
    lines.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    lines.extend(more);
    let fields = fields(&lines);
    Pieces::of_part(&fields, &times(&fields), Bytes::from_static(&BODY[range]))
}

fn held(pieces: &Pieces, range: Range<u64>) -> Option<Vec<u8>> {
    Some(pieces.slice(range)?.concat())
}

/// RFC 9111 §3.4, RFC 9110 §15.3.7.3, §14.4.
#[test]
fn what_can_be_combined_at_all() {
    let old = "Thu, 01 Jan 2015 00:00:00 GMT";
    #[rustfmt::skip]
    let cases = [
        (vec![], true),
        // Only with a strong validator.
        (vec![("ETag", "W/\"v1\"")], false), (vec![("ETag", "W/\"v1\""), ("Last-Modified", old)], false),
        // An invalid Content-Range, another unit, no complete length.
        (vec![("Content-Range", "bytes 0-4/3")], false), (vec![("Content-Range", "items 0-4/20")], false), (vec![("Content-Range", "bytes 0-4/*")], false),
        // Several parts in one.
        (vec![("Content-Type", "Multipart/ByteRanges; boundary=x")], false), (vec![("Content-Type", "multipart/byte")], true),
        // Of another length than it says.
        (vec![("Content-Range", "bytes 0-5/20")], false), (vec![("Content-Range", "bytes 0-3/20")], false),
    ];
    for (lines, expected) in cases {
        assert_eq!(part(0..5, &lines).is_some(), expected, "{lines:?}");
    }
    // Last-Modified, where it is strong.
    for (date, expected) in [("Thu, 01 Jan 2015 00:00:01 GMT", true), (old, false)] {
        let fields = fields(&[
            ("Last-Modified", old),
            ("Date", date),
            ("Content-Range", "bytes 0-4/20"),
        ]);
        let pieces = Pieces::of_part(&fields, &times(&fields), Bytes::from_static(b"01234"));
        assert_eq!(pieces.is_some(), expected, "{date}");
    }
    let none = fields(&[("Content-Range", "bytes 0-4/20")]);
    assert!(Pieces::of_part(&none, &times(&none), Bytes::from_static(b"01234")).is_none());
    let tagged = fields(&[("ETag", "\"v1\"")]);
    let beginning = |octets: &'static [u8]| {
        Pieces::of_beginning(&tagged, &times(&tagged), 4, Bytes::from_static(octets))
    };
    assert!(beginning(b"").is_none() && beginning(b"01234").is_none());
    assert_eq!(
        beginning(b"0123")
            .and_then(|pieces| pieces.complete())
            .as_deref(),
        Some(&b"0123"[..])
    );
}

#[test]
fn pieces_make_a_whole() {
    let mut pieces = part(5..10, &[]).expect("a part");
    assert_eq!(held(&pieces, 5..10).as_deref(), Some(&b"56789"[..]));
    assert_eq!(held(&pieces, 6..8).as_deref(), Some(&b"67"[..]));
    assert_eq!(
        (
            held(&pieces, 4..6),
            held(&pieces, 9..11),
            held(&pieces, 0..1)
        ),
        (None, None, None)
    );
    assert_eq!((held(&pieces, 0..20), pieces.complete()), (None, None));
    assert_eq!(pieces.missing(0..20), [0..5, 10..20]);
    let before = pieces.octets();
    // One that overlaps at both ends, and one that touches.
    for range in [15..20, 8..16, 0..5] {
        let more = part(range, &[]).expect("a part");
        assert_eq!(pieces.combine(more, now()), Ok(()));
    }
    assert_eq!(pieces.missing(0..20), []);
    assert_eq!(held(&pieces, 3..17).as_deref(), Some(&BODY[3..17]));
    assert_eq!(pieces.complete().as_deref(), Some(BODY));
    assert_eq!(pieces.total(), 20);
    assert!(pieces.octets() > before + 15);
    assert!(!pieces.fields().has("content-range"));
}

#[test]
fn other_versions_are_not_combined() {
    let mut pieces = part(0..5, &[("X", "1")]).expect("a part");
    let before = pieces.clone();
    let lying = fields(&[("ETag", "\"v1\""), ("Content-Range", "bytes 3-7/20")]);
    let lying = Pieces::of_part(&lying, &times(&lying), Bytes::from_static(b"34xyz"));
    let lying_more = fields(&[("ETag", "\"v1\""), ("Content-Range", "bytes 3-7/20")]);
    let lying_more = Pieces::of_part(
        &lying_more,
        &times(&lying_more),
        Bytes::from_static(b"3x567"),
    );
    #[rustfmt::skip]
    let cases = [
        (part(5..10, &[("ETag", "\"v2\"")]), Err(Mismatch::Validator)), (part(5..10, &[("Content-Range", "bytes 5-9/21")]), Err(Mismatch::Length)),
        (lying_more, Err(Mismatch::Content)),
    ];
    for (more, expected) in cases {
        let more = more.expect("a part");
        assert_eq!(pieces.combine(more, now()), expected);
        assert_eq!(held(&pieces, 0..5), held(&before, 0..5));
        assert_eq!(pieces.missing(0..20), std::slice::from_ref(&(5..20)));
        assert_eq!(pieces.fields(), before.fields());
    }
    // Where nothing contradicts, nothing can be known.
    assert_eq!(pieces.combine(lying.expect("a part"), now()), Ok(()));
}

/// RFC 9111 §3.4: as §3.2 says.
#[test]
fn combining_renews_the_fields() {
    let mut pieces = part(
        0..5,
        &[
            ("Age", "9"),
            ("X", "1"),
            ("Y", "2"),
            ("Content-Type", "a/b"),
        ],
    )
    .expect("a part");
    let more = part(
        5..9,
        &[
            ("X", "3"),
            ("Date", "Thu, 01 Jan 2015 00:00:00 GMT"),
            ("Content-Type", "c/d"),
            ("Content-Length", "4"),
        ],
    );
    assert_eq!(pieces.combine(more.expect("a part"), now()), Ok(()));
    let expected = [
        ("Y", "2"),
        ("Content-Type", "a/b"),
        ("ETag", "\"v1\""),
        ("X", "3"),
        ("Date", "Thu, 01 Jan 2015 00:00:00 GMT"),
    ];
    assert_eq!(*pieces.fields(), fields(&expected));
}

/// RFC 9110 §15.3.7.3: the fields of an incomplete 200 replace those that were there.
#[test]
fn a_beginning_brings_all_fields() {
    let mut pieces = part(5..20, &[("X", "1"), ("Content-Type", "a/b")]).expect("a part");
    let fields = fields(&[
        ("ETag", "\"v1\""),
        ("Content-Type", "c/d"),
        ("Content-Length", "20"),
    ]);
    let beginning =
        Pieces::of_beginning(&fields, &times(&fields), 20, Bytes::from_static(&BODY[..6]));
    assert_eq!(
        pieces.combine(beginning.expect("a beginning"), now()),
        Ok(())
    );
    assert_eq!(pieces.complete().as_deref(), Some(BODY));
    assert_eq!(
        *pieces.fields(),
        self::fields(&[("ETag", "\"v1\""), ("Content-Type", "c/d")])
    );
}

proptest! {
    #[test]
    fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..60), length in any::<u64>()) {
        let mut fields = Fields::default();
        fields.push("Content-Range", octets.clone());
        let _ = (select(&octets, length), ContentRange::of(&fields));
        let _ = select(&[b"bytes=", &octets[..]].concat(), length);
    }

    /// The parts selected are just the octets asked for, apart from each other.
    #[test]
    fn every_octet_asked_for_is_selected(
        specs in prop::collection::vec((0u64..40, prop::option::of(0u64..10), any::<bool>()), 1..12),
        length in 1u64..40,
    ) {
        let mut asked = vec![false; 40];
        let specs: Vec<String> = specs.iter().map(|&(first, more, suffix)| {
            let (from, to) = match (suffix, more) {
                (true, _) => (length.saturating_sub(first), length),
                (false, None) => (first, length),
                (false, Some(more)) => (first, length.min(first + more + 1)),
            };
            for place in from..to {
                asked[place as usize] = true;
            }
            match (suffix, more) {
                (true, _) => format!("-{first}"),
                (false, None) => format!("{first}-"),
                (false, Some(more)) => format!("{first}-{}", first + more),
            }
        }).collect();
        let selected = match select(format!("bytes={}", specs.join(", ")).as_bytes(), length) {
            Selection::Whole => return Err(TestCaseError::fail("ignored")),
            Selection::Unsatisfiable => vec![],
            Selection::Part(part) => vec![part],
            Selection::Parts(parts) => parts,
        };
        let mut found = vec![false; 40];
        for part in &selected {
            prop_assert!(part.start < part.end && part.end <= length);
            for place in part.clone() {
                prop_assert!(!found[place as usize]);
                found[place as usize] = true;
            }
            prop_assert!(selected.iter().all(|other| other.end != part.start));
        }
        prop_assert_eq!(found, asked);
    }

    #[test]
    fn content_ranges_are_read_as_written(start in 0u64..1000, length in 1u64..1000, more in 0u64..1000) {
        let (range, total) = (start..start + length, start + length + more);
        let text = ContentRange::write(&range, total);
        let read = ContentRange::of(&fields(&[("Content-Range", &text)]));
        prop_assert_eq!(read, Some(ContentRange { range, total: Some(total) }));
    }

    /// A plan's length is that of what is written.
    #[test]
    fn plans_know_their_length(ranges in prop::collection::vec((0u64..10, 1u64..10), 1..6), nonce in any::<u128>()) {
        let ranges: Vec<_> = ranges.into_iter().map(|(start, length)| start..start + length).collect();
        let plan = Multipart::new(&ranges, 20, Some(&Bytes::from_static(b"a/b")), nonce);
        prop_assert_eq!(plan.len(), written(&plan, BODY).len() as u64);
    }

    /// Against a row of octets that are there or not.
    #[test]
    fn pieces_are_what_came(parts in prop::collection::vec((0usize..20, 1usize..8), 1..8), asked in (0u64..22, 0u64..22)) {
        let mut row: Vec<Option<u8>> = vec![None; 20];
        let mut pieces: Option<Pieces> = None;
        for (start, length) in parts {
            let end = (start + length).min(20);
            row[start..end].iter_mut().zip(&BODY[start..end]).for_each(|(slot, octet)| *slot = Some(*octet));
            let came = part(start..end, &[]).expect("a part");
            match &mut pieces {
                None => pieces = Some(came),
                Some(pieces) => prop_assert_eq!(pieces.combine(came, now()), Ok(())),
            }
            let pieces = pieces.as_ref().expect("there is one");
            let whole: Option<Vec<u8>> = row.iter().copied().collect();
            prop_assert_eq!(pieces.complete().map(|body| body.to_vec()), whole);
            let expected: Option<Vec<u8>> = (asked.0..asked.1).map(|place| *row.get(place as usize)?).collect();
            let expected = expected.filter(|_| asked.0 <= asked.1);
            prop_assert_eq!(held(pieces, asked.0..asked.1), expected);
            let missing: Vec<u64> = pieces.missing(0..20).into_iter().flatten().collect();
            let expected: Vec<u64> = (0..20).filter(|&place| row[place as usize].is_none()).collect();
            prop_assert_eq!(missing, expected);
        }
    }
}

/// Bug: what was held of a body kept all of the header sections that its parts had come with.
#[test]
fn pieces_keep_no_sections() {
    let section = |tag: &str| Bytes::from(format!("ETag{tag}Content-Range").into_bytes());
    let part = |section: &Bytes, place: u64| {
        let mut fields = Fields::default();
        let tag = section.slice(4..section.len() - 13);
        fields.push(section.slice(..4), tag);
        let range = format!("bytes {place}-{place}/20");
        fields.push(section.slice(section.len() - 13..), range);
        Pieces::of_part(&fields, &times(&fields), Bytes::from_static(b"a")).expect("a part")
    };
    let sections = [(); 2].map(|()| section("\"v1\""));
    let mut pieces = part(&sections[0], 0);
    assert_eq!(pieces.combine(part(&sections[1], 1), now()), Ok(()));
    assert!(sections.iter().all(Bytes::is_unique));
    assert_eq!(
        pieces.fields().get("etag").map(|tag| &tag[..]),
        Some(&b"\"v1\""[..])
    );
}
