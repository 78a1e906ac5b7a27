use super::*;
use proptest::prelude::*;

fn request(text: &str) -> Result<RequestHead, Malformed> {
    RequestHead::parse(&Bytes::copy_from_slice(text.as_bytes()))
}

fn response(text: &[u8]) -> Result<ResponseHead, Malformed> {
    ResponseHead::parse(&Bytes::copy_from_slice(text))
}

fn lines(fields: &Fields) -> Vec<String> {
    let line = |field: &crate::http::Field| {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        format!("{}={}", text(&field.name), text(&field.value))
    };
    fields.iter().map(line).collect()
}

#[test]
fn a_request_is_read_as_sent() {
    let head = request("FoO http://a/b HTTP/1.1\r\nhost: a\r\nX-A:\t b c \t\r\nx-a:\r\n\r\n");
    let head = head.expect("well-formed");
    assert_eq!(head.method, "FoO");
    assert_eq!(head.target, "http://a/b");
    assert_eq!(head.version, Version::Http11);
    assert_eq!(lines(&head.fields), ["host=a", "X-A=b c", "x-a="]);
}

#[test]
fn versions() {
    let version = |text: &str| request(&format!("GET / {text}\r\n\r\n")).map(|head| head.version);
    assert_eq!(version("HTTP/1.0"), Ok(Version::Http10));
    assert_eq!(version("HTTP/1.2"), Ok(Version::Http11));
    for other in ["HTTP/2.0", "HTTP/0.9"] {
        assert_eq!(version(other), Err(Malformed::Version(other.into())));
    }
    for other in [
        "HTTP/1.10",
        "HTTP/1",
        "HTTP/1,1",
        "RTSP/1.0",
        "http/1.1",
        "",
    ] {
        assert_eq!(version(other), Err(Malformed::RequestLine), "{other}");
    }
}

#[test]
fn requests_are_refused_where_two_parties_could_differ() {
    #[rustfmt::skip]
    let cases = [
        ("GET http://a/\r\n\r\n", Malformed::RequestLine),
        ("GET  http://a/ HTTP/1.1\r\n\r\n", Malformed::RequestLine),
        ("GET http://a/ HTTP/1.1 \r\n\r\n", Malformed::RequestLine),
        ("GET http://a/\tb HTTP/1.1\r\n\r\n", Malformed::RequestLine),
        ("GET http://a/\u{7f} HTTP/1.1\r\n\r\n", Malformed::RequestLine),
        ("GET http://a/\rb HTTP/1.1\r\n\r\n", Malformed::RequestLine),
        ("G\"ET http://a/ HTTP/1.1\r\n\r\n", Malformed::RequestLine),
        (" GET http://a/ HTTP/1.1\r\n\r\n", Malformed::RequestLine),
        ("GET http://a/ HTTP/1.1\nHost: a\r\n\r\n", Malformed::BareLf { line: 1 }),
        ("GET http://a/ HTTP/1.1\r\nHost: a\n\r\n", Malformed::BareLf { line: 2 }),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\n", Malformed::BareLf { line: 3 }),
        ("GET http://a/ HTTP/1.1\r\n X: a\r\n\r\n", Malformed::Folding { line: 2 }),
        ("GET http://a/ HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n", Malformed::Folding { line: 3 }),
        ("GET http://a/ HTTP/1.1\r\nX : a\r\n\r\n", Malformed::FieldName { line: 2 }),
        ("GET http://a/ HTTP/1.1\r\nX\r\n\r\n", Malformed::FieldName { line: 2 }),
        ("GET http://a/ HTTP/1.1\r\n: a\r\n\r\n", Malformed::FieldName { line: 2 }),
        ("GET http://a/ HTTP/1.1\r\nX@: a\r\n\r\n", Malformed::FieldName { line: 2 }),
        ("GET http://a/ HTTP/1.1\r\n\u{e9}: a\r\n\r\n", Malformed::FieldName { line: 2 }),
        ("GET http://a/ HTTP/1.1\r\nX: a\0b\r\n\r\n", Malformed::FieldValue { line: 2 }),
        ("GET http://a/ HTTP/1.1\r\nX: a\rb\r\n\r\n", Malformed::FieldValue { line: 2 }),
        ("GET http://a/ HTTP/1.1\r\nX: a\u{b}\r\n\r\n", Malformed::FieldValue { line: 2 }),
        ("GET http://a/ HTTP/1.1\r\nX: a\u{c}\r\n\r\n", Malformed::FieldValue { line: 2 }),
    ];
    for (text, expected) in cases {
        assert_eq!(request(text).map(|_| ()), Err(expected), "{text:?}");
    }
}

#[test]
fn responses_are_read_with_patience() {
    let head = response(b"HTTP/1.1 200 All \xe9\r\nA : b\r\nC: d\r\n  e\nF: g\r\n\r\n");
    let head = head.expect("as RFC 9112 lets a proxy read it");
    assert_eq!(head.status, 200);
    assert_eq!(head.reason.as_ref(), b"All \xe9");
    assert_eq!(lines(&head.fields), ["A=b", "C=d e", "F=g"]);
    for (text, status) in [
        ("HTTP/1.1 204\r\n\r\n", 204),
        ("HTTP/1.0 599 \r\n\r\n", 599),
        ("HTTP/1.2 200 OK\r\n\r\n", 200),
    ] {
        assert_eq!(response(text.as_bytes()).expect(text).status, status);
    }
}

#[test]
fn folded_lines_are_one_value_however_many_they_are() {
    let head = response(b"HTTP/1.1 200 OK\r\nA:\r\n b\r\n \t\r\n\tc \r\nD: e\r\n \r\n\r\n");
    assert_eq!(lines(&head.expect("it folds").fields), ["A=b  c", "D=e"]);
    let many = 100_000;
    let folded = format!("HTTP/1.1 200 OK\r\nA: b\r\n{}\r\n", "\tc\r\n".repeat(many));
    let head = response(folded.as_bytes()).expect("it folds");
    assert_eq!(lines(&head.fields), [format!("A=b{}", " c".repeat(many))]);
    assert_eq!(
        response(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n d\0\r\n\r\n").map(|_| ()),
        Err(Malformed::FieldValue { line: 4 })
    );
}

#[test]
fn a_section_has_a_thousand_lines_at_most() {
    let many = |lines: usize| "a:\r\n".repeat(lines) + "\r\n";
    let asked = |lines| request(&format!("GET / HTTP/1.1\r\n{}", many(lines)));
    let answered = |lines| response(format!("HTTP/1.1 200 OK\r\n{}", many(lines)).as_bytes());
    let trailers = |lines| parse_trailers(&many(lines).into());
    assert_eq!(asked(1000).map(|head| head.fields.len()), Ok(1000));
    assert_eq!(answered(1000).map(|head| head.fields.len()), Ok(1000));
    assert_eq!(trailers(1000).map(|trailers| trailers.len()), Ok(1000));
    assert_eq!(asked(1001).map(|_| ()), Err(Malformed::TooManyFields));
    assert_eq!(answered(1001).map(|_| ()), Err(Malformed::TooManyFields));
    assert_eq!(trailers(1001).map(|_| ()), Err(Malformed::TooManyFields));
}

#[test]
fn what_is_no_response_is_refused() {
    for text in [
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 99 X\r\n\r\n",
        "HTTP/1.1 600 X\r\n\r\n",
        "HTTP/1.1 abc X\r\n\r\n",
        "HTTP/1.1  200 X\r\n\r\n",
        "HTTP/1.1 200 X\0\r\n\r\n",
        "hello\r\n\r\n",
        "",
    ] {
        let parsed = response(text.as_bytes()).map(|_| ());
        assert_eq!(parsed, Err(Malformed::StatusLine), "{text:?}");
    }
    assert!(response(b"HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n").is_err());
    assert!(response(b"HTTP/1.1 200 OK\r\n X: a\r\n\r\n").is_err());
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = RequestHead::parse(&Bytes::from(octets.clone()));
        let _ = ResponseHead::parse(&Bytes::from(octets));
    }

    /// What is read and written again is the same, and unambiguous.
    #[test]
    fn what_was_read_can_be_written_and_read_again(
        names in prop::collection::vec("[A-Za-z0-9!#$-]{1,10}", 0..6),
        values in prop::collection::vec("[\\t -~\u{80}-\u{ff}]{0,20}", 6),
    ) {
        let mut text = "GET http://a/ HTTP/1.1\r\n".to_owned();
        for (name, value) in names.iter().zip(&values) {
            text.push_str(&format!("{name}:{value}\r\n"));
        }
        text.push_str("\r\n");
        let head = request(&text).expect("well-formed");
        let mut again = b"GET http://a/ HTTP/1.1\r\n".to_vec();
        head.fields.write(&mut again);
        again.extend_from_slice(b"\r\n");
        let again = RequestHead::parse(&again.into()).expect("well-formed");
        prop_assert_eq!(again.fields, head.fields);
    }
}
