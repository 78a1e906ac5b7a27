use super::*;
use proptest::prelude::*;

fn uri(method: &str, text: &str) -> Result<String, String> {
    let method: Method = method.parse().expect("a method");
    match Target::parse(&method, &Bytes::copy_from_slice(text.as_bytes())) {
        Ok(Form::Proxy(target)) => Ok(target.uri()),
        Ok(Form::Own(path)) => Ok(format!("own {}", String::from_utf8_lossy(&path))),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn targets_are_normalised_and_paths_are_not() {
    #[rustfmt::skip]
    let cases = [
        ("GET", "http://Example.com/A/../b//c?x=%41", "http://example.com/A/../b//c?x=%41"),
        ("GET", "HTTP://example.com:80", "http://example.com/"),
        ("GET", "http://example.com:81?q", "http://example.com:81/?q"),
        ("GET", "http://example.com./a#b?c", "http://example.com/a"),
        ("GET", "http://example.com#@other.example/a", "http://example.com/"),
        ("GET", "http://user:secret@example.com/a@b", "http://example.com/a@b"),
        ("GET", "http://a@b@example.com/", "http://example.com/"),
        ("GET", "https://example.com/", "https://example.com/"),
        ("GET", "https://example.com:80/", "https://example.com:80/"),
        ("GET", "http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("GET", "http://example.com/\u{e9}", "http://example.com/%C3%A9"),
        ("GET", "ftp://example.com/a", "ftp://example.com/a"),
        ("GET", "cache_object://127.0.0.1/info", "cache_object://127.0.0.1/info"),
        ("OPTIONS", "http://example.com", "http://example.com*"),
        ("OPTIONS", "http://example.com/", "http://example.com/"),
        ("OPTIONS", "*", "own *"),
        ("GET", "/a?b", "own /a?b"),
        ("CONNECT", "example.com:443", "example.com:443"),
        ("CONNECT", "[2001:db8::1]:443", "[2001:db8::1]:443"),
    ];
    for (method, text, expected) in cases {
        assert_eq!(
            uri(method, text).as_deref(),
            Ok(expected),
            "{method} {text}"
        );
    }
}

#[test]
fn what_is_no_target_is_refused() {
    #[rustfmt::skip]
    let cases = [
        ("GET", "example.com/x"), ("GET", "*"), ("GET", "example.com:80"), ("GET", ""),
        ("GET", "http:/example.com/x"), ("GET", "http:///x"), ("GET", "javascript:1"),
        ("GET", "urn:isbn:1"), ("GET", "file:///etc/passwd"), ("GET", "://a/"), ("GET", "1http://a/"),
        ("GET", "http://a:b/"), ("GET", "http://a:-80/"), ("GET", "http://a:4294967376/"),
        ("CONNECT", "example.com"), ("CONNECT", "example.com:"), ("CONNECT", ":443"),
        ("CONNECT", "*"), ("CONNECT", "example.com:443/x"), ("CONNECT", "u:p@example.com:443"),
        ("CONNECT", "http://example.com:443"), ("CONNECT", "/"), ("connect", "example.com:443"),
    ];
    for (method, text) in cases {
        assert!(
            uri(method, text).is_err(),
            "{method} {text}: {:?}",
            uri(method, text)
        );
    }
}

#[test]
fn user_information_is_kept_apart() {
    let text = Bytes::from_static(b"http://user:pa%20ss@example.com/");
    let Ok(Form::Proxy(target)) = Target::parse(&Method::GET, &text) else {
        panic!("a good target");
    };
    assert_eq!(
        target.user_information.as_deref(),
        Some(&b"user:pa%20ss"[..])
    );
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(text in prop::collection::vec(0x21u8.., 0..60), connect: bool) {
        let method = if connect { Method::CONNECT } else { Method::GET };
        let _ = Target::parse(&method, &Bytes::from(text));
    }

    /// The normal form, read again, is the same target.
    #[test]
    fn normal_forms_are_stable(text in "[hH]ttps?://[a-zA-Z0-9.\\[\\]:@-]{1,20}[/?#]?[ -~&&[^ ]]{0,20}") {
        if let Ok(once) = uri("GET", &text) {
            prop_assert_eq!(uri("GET", &once), Ok(once.clone()));
        }
    }
}
