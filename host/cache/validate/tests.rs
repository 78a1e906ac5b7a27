use super::*;
use crate::cache::control::ResponseControl;
use crate::http::date;
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
    let mut fields = Fields::default();
    for &(name, value) in lines {
        fields.push(name, value);
    }
    fields
}

/// Of a response that came half a second after NOW.
fn times(response: &Fields) -> Times {
    let received = at(NOW) + Duration::from_millis(500);
    Times::of(response, &ResponseControl::default(), received, received)
}

const OLD: &str = "Thu, 01 Jan 2015 00:00:00 GMT";
const MIDDLE: &str = "Sun, 01 Nov 2026 00:00:00 GMT";
const SOON: &str = "Sun, 01 Nov 2026 00:00:01 GMT";
const LATE: &str = "Sat, 01 Jan 2033 00:00:00 GMT";

#[test]
fn conditions_of_the_client() {
    let both = || vec![("ETag", "\"v1\""), ("Last-Modified", MIDDLE)];
    let tag = |tag| vec![("ETag", tag)];
    let (by_tag, by_date) = (Some(true), Some(false));
    #[rustfmt::skip]
    let cases = [
        // RFC 9110 §13.1.2: a list, compared weakly.
        (both(), vec![("If-None-Match", "\"v1\"")], by_tag), (both(), vec![("If-None-Match", "W/\"v1\"")], by_tag),
        (tag("W/\"v1\""), vec![("If-None-Match", "\"v1\"")], by_tag), (tag("W/\"v1\""), vec![("If-None-Match", "W/\"v1\"")], by_tag),
        (both(), vec![("If-None-Match", "\"a\", \"v1\"")], by_tag), (both(), vec![("If-None-Match", "\"a\""), ("If-None-Match", "\"v1\"")], by_tag),
        (both(), vec![("If-None-Match", ",,\"a\" ,\t\"v1\" ,")], by_tag), (both(), vec![("If-None-Match", "\"zz\"")], None),
        (both(), vec![("If-None-Match", "\"V1\"")], None), (both(), vec![("If-None-Match", "w/\"v1\"")], None),
        (both(), vec![("If-None-Match", "")], None), (both(), vec![("If-None-Match", "\"v1")], None), (both(), vec![("If-None-Match", "v1")], None),
        // §8.8.3: commas and backslashes belong to the tag.
        (tag("\"a, b\""), vec![("If-None-Match", "\"a, b\"")], by_tag), (tag("\"b\""), vec![("If-None-Match", "\"a,\"b\",c\"")], None),
        (tag("\"b\""), vec![("If-None-Match", "\"a, \", \"b\"")], by_tag), (tag("b\""), vec![("If-None-Match", "\"a, b\"")], None),
        (tag("\"a\\\""), vec![("If-None-Match", "\"a\\\", \"b\"")], by_tag), (tag("\"\""), vec![("If-None-Match", "\"\"")], by_tag),
        (tag("\"a\""), vec![("If-None-Match", "\"a\"x")], None), (tag("\"b\""), vec![("If-None-Match", "\"a\"x, \"b\"")], by_tag),
        // Tags without quotes.
        (tag("v1"), vec![("If-None-Match", "v1")], by_tag), (tag("v1"), vec![("If-None-Match", "x, W/v1")], by_tag), (tag("v1"), vec![("If-None-Match", "\"v1\"")], None),
        // `*` alone is any current representation; in a list it is invalid.
        (both(), vec![("If-None-Match", "*")], by_tag), (vec![], vec![("If-None-Match", "*")], by_tag), (both(), vec![("If-None-Match", "*, \"a\"")], None),
        (both(), vec![("If-None-Match", "\"*\"")], None), (vec![], vec![("If-None-Match", "\"v1\"")], None),
        // §13.2.2: it takes precedence over If-Modified-Since.
        (both(), vec![("If-None-Match", "\"zz\""), ("If-Modified-Since", LATE)], None), (vec![], vec![("If-None-Match", ""), ("If-Modified-Since", LATE)], None),
        (both(), vec![("If-Modified-Since", OLD), ("If-None-Match", "\"v1\"")], by_tag),
        // §13.1.3: not later than; one valid date.
        (both(), vec![("If-Modified-Since", LATE)], by_date), (both(), vec![("If-Modified-Since", MIDDLE)], by_date), (both(), vec![("If-Modified-Since", OLD)], None),
        (both(), vec![("If-Modified-Since", "Sunday, 01-Nov-26 00:00:00 GMT")], by_date), (both(), vec![("If-Modified-Since", "Sun Nov  1 00:00:00 2026")], by_date),
        (both(), vec![("If-Modified-Since", "junk")], None), (both(), vec![("If-Modified-Since", LATE), ("If-Modified-Since", LATE)], None),
        (both(), vec![("If-Modified-Since", "Sat, 01 Jan 2033 00:00:00 GMT, Sat, 01 Jan 2033 00:00:00 GMT")], None),
        // RFC 9111 §4.3.2: without Last-Modified, Date; without that, the time of arrival.
        (vec![("Date", MIDDLE)], vec![("If-Modified-Since", SOON)], by_date), (vec![("Date", SOON)], vec![("If-Modified-Since", MIDDLE)], None),
        (vec![("Date", MIDDLE), ("Last-Modified", "junk")], vec![("If-Modified-Since", SOON)], by_date),
        (vec![("Date", MIDDLE), ("Last-Modified", LATE)], vec![("If-Modified-Since", SOON)], None),
        (vec![], vec![("If-Modified-Since", LATE)], by_date), (vec![], vec![("If-Modified-Since", SOON)], None),
        (both(), vec![], None),
    ];
    for (stored, request, by_etag) in cases {
        let expected = by_etag.map(|by_etag| Answer::NotModified { by_etag });
        let response = fields(&stored);
        let found = not_modified(&fields(&request), &response, &times(&response), at(NOW));
        assert_eq!(found, expected, "{stored:?} {request:?}");
    }
}

/// RFC 9110 §13.1.5, §8.8.2.2.
#[test]
fn a_range_of_another_version_is_not_asked_for() {
    let tag = |tag| vec![("ETag", tag), ("Last-Modified", OLD), ("Date", MIDDLE)];
    let dated = |modified, date| vec![("Last-Modified", modified), ("Date", date)];
    #[rustfmt::skip]
    let cases = [
        (tag("\"v1\""), vec!["\"v1\""], true), (tag("\"v1\""), vec!["\"v2\""], false), (tag("\"v1\""), vec![], true),
        // Strong comparison.
        (tag("\"v1\""), vec!["W/\"v1\""], false), (tag("W/\"v1\""), vec!["W/\"v1\""], false), (tag("W/\"v1\""), vec!["\"v1\""], false),
        // A date, though there is an ETag, is no strong validator.
        (tag("\"v1\""), vec![OLD], false), (tag("W/\"v1\""), vec![OLD], false),
        // An exact match with a Last-Modified that is a second older than Date.
        (dated(OLD, MIDDLE), vec![OLD], true), (dated(MIDDLE, SOON), vec![MIDDLE], true), (dated(MIDDLE, MIDDLE), vec![MIDDLE], false),
        (dated(SOON, MIDDLE), vec![SOON], false), (dated(OLD, MIDDLE), vec![MIDDLE], false), (dated(OLD, MIDDLE), vec!["Thursday, 01-Jan-15 00:00:00 GMT"], false),
        // The time of arrival is of another clock: a minute.
        (vec![("Last-Modified", OLD)], vec![OLD], true), (vec![("Last-Modified", "Fri, 15 Jan 2027 08:00:00 GMT")], vec!["Fri, 15 Jan 2027 08:00:00 GMT"], false),
        (vec![("Last-Modified", "Fri, 15 Jan 2027 07:59:00 GMT")], vec!["Fri, 15 Jan 2027 07:59:00 GMT"], true),
        (vec![], vec!["\"v1\""], false), (vec![], vec![OLD], false), (tag("\"v1\""), vec![""], false), (tag("\"v1\""), vec!["\"v1\"", "\"v1\""], false),
    ];
    for (stored, conditions, expected) in cases {
        let mut request = fields(&[("Range", "bytes=0-9")]);
        for condition in &conditions {
            request.push("If-Range", *condition);
        }
        let response = fields(&stored);
        let selected = selection(&request, &response, &times(&response), 100);
        let part = if expected {
            Selection::Part(0..10)
        } else {
            Selection::Whole
        };
        assert_eq!(selected, part, "{stored:?} {conditions:?}");
    }
    // A server MUST ignore If-Range without Range; Range may stand there once.
    let response = fields(&tag("\"v1\""));
    let select = |request: &[(&'static str, &'static str)]| {
        selection(&fields(request), &response, &times(&response), 100)
    };
    assert_eq!(select(&[("If-Range", "\"v1\"")]), Selection::Whole);
    assert_eq!(
        select(&[("Range", "bytes=0-9"), ("Range", "bytes=5-9")]),
        Selection::Whole
    );
    assert_eq!(select(&[("Range", "bytes=100-")]), Selection::Unsatisfiable);
    assert_eq!(
        select(&[("Range", "bytes=100-"), ("If-Range", "\"v2\"")]),
        Selection::Whole
    );
}

/// RFC 9111 §4.3.1.
#[test]
fn conditions_for_the_origin() {
    let mut request = fields(&[
        ("If-None-Match", "\"client\""),
        ("Range", "bytes=0-1"),
        ("If-Range", "\"client\""),
        ("Accept", "*/*"),
    ]);
    make_conditional(
        &mut request,
        &fields(&[("ETag", "\"v1\""), ("Last-Modified", OLD)]),
    );
    let expected = [
        ("Accept", "*/*"),
        ("If-Modified-Since", OLD),
        ("If-None-Match", "\"v1\""),
    ];
    assert_eq!(request, fields(&expected));
}

#[test]
fn what_can_be_asked_about() {
    #[rustfmt::skip]
    let cases = [
        (vec![], false), (vec![("ETag", "\"v1\"")], true), (vec![("Last-Modified", OLD)], true),
        (vec![("Last-Modified", "Thursday, 01-Jan-15 00:00:00 GMT")], true), (vec![("Last-Modified", "junk")], false), (vec![("Date", OLD)], false),
    ];
    for (stored, expected) in cases {
        assert_eq!(has_validator(&fields(&stored)), expected, "{stored:?}");
    }
}

/// RFC 9111 §4.3.4.
#[test]
fn which_response_a_304_is_about() {
    use Verdict::{Another, Holds, Renewed};
    let both = || {
        vec![
            ("ETag", "\"v1\""),
            ("Last-Modified", MIDDLE),
            ("Date", LATE),
        ]
    };
    let weak = || {
        vec![
            ("ETag", "W/\"v1\""),
            ("Last-Modified", MIDDLE),
            ("Date", LATE),
        ]
    };
    let strong_date = || vec![("Last-Modified", MIDDLE), ("Date", SOON)];
    let weak_date = || vec![("Last-Modified", MIDDLE), ("Date", MIDDLE)];
    #[rustfmt::skip]
    let cases = [
        // A strong validator: the stored response has the same, or it is not updated.
        (both(), vec![("ETag", "\"v1\"")], Renewed), (both(), vec![("ETag", "\"v2\"")], Another), (both(), vec![("ETag", "\"v2\""), ("Last-Modified", MIDDLE)], Another),
        (both(), vec![("ETag", "\"v1\""), ("Last-Modified", LATE)], Renewed), (weak(), vec![("ETag", "\"v2\"")], Another),
        (weak(), vec![("ETag", "\"v1\"")], Holds), (weak(), vec![("ETag", "\"v1\""), ("Last-Modified", MIDDLE)], Holds),
        (strong_date(), vec![("ETag", "\"v1\""), ("Last-Modified", MIDDLE)], Renewed), (strong_date(), vec![("ETag", "\"v1\""), ("Last-Modified", OLD)], Another),
        (strong_date(), vec![("ETag", "\"v1\"")], Another), (weak_date(), vec![("ETag", "\"v1\""), ("Last-Modified", MIDDLE)], Another),
        // Weak ones: they correspond.
        (both(), vec![("ETag", "W/\"v1\"")], Renewed), (weak(), vec![("ETag", "W/\"v1\"")], Renewed), (both(), vec![("ETag", "W/\"v2\"")], Another),
        (both(), vec![("Last-Modified", MIDDLE)], Renewed), (both(), vec![("Last-Modified", LATE)], Another), (weak_date(), vec![("Last-Modified", MIDDLE)], Renewed),
        (weak_date(), vec![("ETag", "W/\"v1\""), ("Last-Modified", MIDDLE)], Renewed), (weak_date(), vec![("ETag", "W/\"v1\"")], Another),
        (vec![("ETag", "\"v1\"")], vec![("Last-Modified", MIDDLE)], Another),
        // None: updated only where the stored response has none either.
        (both(), vec![], Holds), (weak(), vec![("Date", LATE)], Holds), (strong_date(), vec![], Holds), (vec![], vec![], Renewed),
        (vec![("Date", OLD)], vec![("Date", LATE)], Renewed), (vec![], vec![("ETag", "\"v1\"")], Another), (vec![], vec![("Last-Modified", OLD)], Another),
    ];
    for (stored, answer, expected) in cases {
        let stored = fields(&stored);
        let found = verdict(
            &stored,
            StatusCode::NOT_MODIFIED,
            &fields(&answer),
            &times(&stored),
        );
        assert_eq!(found, expected, "{stored:?} {answer:?}");
    }
}

/// RFC 9111 §4.3.5: matching values for any received validator.
#[test]
fn which_response_an_answer_to_head_is_about() {
    let stored = fields(&[("ETag", "\"v1\""), ("Last-Modified", MIDDLE)]);
    #[rustfmt::skip]
    let cases = [
        (vec![], true), (vec![("ETag", "\"v1\"")], true), (vec![("ETag", "\"v1\""), ("Last-Modified", MIDDLE)], true), (vec![("Last-Modified", MIDDLE)], true),
        (vec![("ETag", "\"v2\"")], false), (vec![("ETag", "W/\"v1\"")], false), (vec![("ETag", "\"v1\""), ("Last-Modified", LATE)], false),
        (vec![("Last-Modified", OLD)], false),
    ];
    for (answer, same) in cases {
        let expected = if same {
            Verdict::Renewed
        } else {
            Verdict::Another
        };
        let found = verdict(&stored, StatusCode::OK, &fields(&answer), &times(&stored));
        assert_eq!(found, expected, "{answer:?}");
    }
    let found = verdict(&fields(&[]), StatusCode::OK, &stored, &times(&stored));
    assert_eq!(found, Verdict::Another);
}

/// RFC 9111 §3.2.
#[test]
fn new_fields_take_the_place_of_the_old() {
    #[rustfmt::skip]
    let cases = [
        // Each field of the answer is added, replacing all lines of that name.
        (vec![("X", "1"), ("x", "2"), ("Y", "3")], vec![("X", "4"), ("Z", "5"), ("x", "6")], vec![("Y", "3"), ("X", "4"), ("Z", "5"), ("x", "6")]),
        (vec![("X", "1"), ("Y", "2")], vec![("X", "")], vec![("Y", "2"), ("X", "")]),
        (vec![("ETag", "\"v1\""), ("Cache-Control", "max-age=1"), ("Expires", "0")], vec![("ETag", "W/\"v1\""), ("Cache-Control", "max-age=2")],
            vec![("Expires", "0"), ("ETag", "W/\"v1\""), ("Cache-Control", "max-age=2")]),
        // "The Content-* prefix is not a signal that a header field is omitted from update."
        (vec![("Content-Foo", "1"), ("Content-Location", "/a"), ("Content-Security-Policy", "a")],
            vec![("Content-Foo", "2"), ("Content-Location", "/b"), ("Content-Security-Policy", "b")],
            vec![("Content-Foo", "2"), ("Content-Location", "/b"), ("Content-Security-Policy", "b")]),
        // Except Content-Length, what the stored response depends upon, and what is processed.
        (vec![("Content-Length", "5"), ("Content-Type", "a/b")], vec![("content-length", "0"), ("content-type", "c/d"), ("Content-Encoding", "gzip"), ("Content-Range", "bytes 0-1/2")],
            vec![("Content-Length", "5"), ("Content-Type", "a/b")]),
        // §3.1: what is not stored at all.
        (vec![("X", "1")], vec![("Proxy-Authenticate", "Basic"), ("Proxy-Authentication-Info", "a"), ("proxy-authorization", "b")], vec![("X", "1")]),
        // §4.2.3: the age is the answer's.
        (vec![("Age", "500"), ("X", "1")], vec![], vec![("X", "1")]), (vec![("Age", "500")], vec![("Age", "5")], vec![("Age", "5")]),
    ];
    for (stored, answer, expected) in cases {
        let stored = [stored, vec![("Date", OLD)]].concat();
        let answer = [answer, vec![("Date", SOON)]].concat();
        let expected = [expected, vec![("Date", SOON)]].concat();
        let renewed = freshened(&fields(&stored), &fields(&answer), at(NOW));
        assert_eq!(renewed, fields(&expected), "{stored:?} {answer:?}");
    }
    // RFC 9110 §6.6.1: without a date it came when it came.
    let renewed = freshened(&fields(&[("Date", OLD)]), &fields(&[]), at(NOW));
    assert_eq!(
        renewed.get("date").map(|date| &date[..]),
        Some(date(at(NOW)).as_bytes())
    );
}

/// RFC 9111 §5.2.2.4, §5.2.2.7: whoever says so, before or now.
#[test]
fn withheld_fields_stay_withheld() {
    #[rustfmt::skip]
    let cases = [
        // The answer says nothing new of them.
        (vec![("Cache-Control", "private=\"X-Mine\"")], vec![("X-Mine", "1"), ("X", "2")], vec!["Cache-Control", "X"]),
        // The answer says it now, of a field that was stored.
        (vec![("X-Mine", "1")], vec![("Cache-Control", "no-cache=\"x-mine\"")], vec!["Cache-Control"]),
        // The answer takes it back.
        (vec![("Cache-Control", "private=\"X-Mine\"")], vec![("Cache-Control", "max-age=1"), ("X-Mine", "1")], vec!["Cache-Control", "X-Mine"]),
    ];
    for (stored, answer, expected) in cases {
        let renewed = freshened(&fields(&stored), &fields(&answer), at(NOW));
        let kept = ResponseControl::of(&renewed).kept(&renewed);
        let names: Vec<_> = kept
            .iter()
            .filter(|line| !line.is("date"))
            .map(|line| line.name.clone())
            .collect();
        assert_eq!(names, expected, "{stored:?} {answer:?}");
    }
}

proptest! {
    #[test]
    fn any_conditions_are_read(octets in prop::collection::vec(any::<u8>(), 0..60), other in prop::collection::vec(any::<u8>(), 0..60)) {
        let (mut request, mut response) = (Fields::default(), Fields::default());
        for name in ["if-none-match", "if-modified-since", "if-range", "range"] {
            request.push(name, octets.clone());
        }
        for name in ["etag", "last-modified", "date"] {
            response.push(name, other.clone());
        }
        let times = times(&response);
        let _ = not_modified(&request, &response, &times, at(NOW));
        request.remove("if-none-match");
        let _ = not_modified(&request, &response, &times, at(NOW));
        let _ = selection(&request, &response, &times, 100);
        let _ = verdict(&response, StatusCode::NOT_MODIFIED, &request, &times);
    }

    /// A tag is found in a list exactly where it is a member.
    #[test]
    fn lists_of_tags_are_read(
        tags in prop::collection::vec("[!#-,a-c\\\\]{0,3}", 0..5),
        weak in prop::collection::vec(any::<bool>(), 5),
        wanted in "[!#-,a-c\\\\]{0,2}",
    ) {
        let members = tags.iter().zip(weak).map(|(tag, weak)| match weak {
            true => format!("W/\"{tag}\""),
            false => format!("\"{tag}\""),
        });
        let (mut request, mut response) = (Fields::default(), Fields::default());
        request.push("If-None-Match", members.collect::<Vec<_>>().join(" , "));
        response.push("ETag", format!("\"{wanted}\""));
        let found = not_modified(&request, &response, &times(&response), at(NOW)).is_some();
        prop_assert_eq!(found, tags.contains(&wanted));
    }
}
