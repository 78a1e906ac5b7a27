use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
    let mut fields = Fields::default();
    for &(name, value) in lines {
        fields.push(name, value);
    }
    fields
}

/// RFC 3986 §6.2.2, §6.2.3, RFC 9110 §4.2.3.
#[test]
fn one_spelling_for_each_uri() {
    #[rustfmt::skip]
    let cases = [
        ("http://a/", "http://a/"), ("https://a.b-c_d:8080/x?y=z", "https://a.b-c_d:8080/x?y=z"),
        // RFC 9110 §4.2.3: the example.
        ("http://example.com:80/~smith/home.html", "http://example.com/~smith/home.html"),
        ("http://EXAMPLE.com/%7Esmith/home.html", "http://example.com/~smith/home.html"),
        ("http://EXAMPLE.com:/%7esmith/home.html", "http://example.com/~smith/home.html"),
        // §6.2.2.1: case of scheme, host, and escapes; of nothing else.
        ("HTTP://A/B?C", "http://a/B?C"), ("http://a/%c3%A9?%e2", "http://a/%C3%A9?%E2"), ("http://User@A/", "http://User@a/"),
        // §6.2.2.2: escapes of unreserved characters; of no others.
        ("http://a/%41%7A%30%2D%2e%5F%7E", "http://a/Az0-._~"), ("http://a/x?%61=%2E", "http://a/x?a=."),
        ("http://a/%2F%3f%23%25%26%2b%20%00", "http://a/%2F%3F%23%25%26%2B%20%00"), ("http://a/%2541", "http://a/%2541"),
        ("http://a/b%2Fc", "http://a/b%2Fc"),
        // §6.2.2.3: dot segments, in the path.
        ("http://a/./b/../b/%63/%7bfoo%7d", "http://a/b/c/%7Bfoo%7D"), ("http://a/b/c/./../../g", "http://a/g"),
        ("http://a/..", "http://a/"), ("http://a/../../g", "http://a/g"), ("http://a/b/.", "http://a/b/"), ("http://a/b/..", "http://a/"),
        ("http://a/b/../", "http://a/"), ("http://a/b//../c", "http://a/b/c"), ("http://a//b", "http://a//b"),
        ("http://a/%2e%2E/b/.%2e/c", "http://a/c"), ("http://a/.well-known/x", "http://a/.well-known/x"), ("http://a/...", "http://a/..."),
        ("http://a/b?c/../d", "http://a/b?c/../d"),
        // §6.2.3: by scheme.
        ("http://a", "http://a/"), ("http://a?x", "http://a/?x"), ("http://a:443/", "http://a:443/"), ("https://a:443/", "https://a/"),
        ("https://a:80/", "https://a:80/"), ("http://a:0080/", "http://a/"), ("http://a:08080/", "http://a:8080/"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"), ("http://a./", "http://a/"),
        // RFC 9110 §7.1: a target has no fragment.
        ("http://a/b#c", "http://a/b"), ("http://a#c?d/e", "http://a/"), ("http://a/b?c#d?e", "http://a/b?c"),
        // What is malformed stays as it is.
        ("http://a/%", "http://a/%"), ("http://a/%4/../%41", "http://a/%4/../%41"), ("http://a/b?%zz&%41", "http://a/b?%zz&%41"),
        ("http://a/%%34%31", "http://a/%%34%31"), ("http://a?%4", "http://a/?%4"), ("http://a/%4\u{e9}", "http://a/%4\u{e9}"),
        ("http://A..b/", "http://a..b/"), ("http://a:x/", "http://a:x/"), ("http:///b", "http:///b"),
        ("a:443", "a:443"), ("", ""), ("/x/../y", "/x/../y"), ("x:y://A", "x:y://A"),
    ];
    for (uri, expected) in cases {
        assert_eq!(normalised(uri), expected, "{uri}");
        assert_eq!(normalised(expected), expected, "{uri}");
        assert_eq!(Key::of(&uri.into()), Key::of(&expected.into()), "{uri}");
    }
}

#[test]
fn different_resources_stay_different() {
    let uris = [
        "http://a/",
        "https://a/",
        "http://a:81/",
        "http://b/",
        "http://a/?",
        "http://a//",
        "http://a/A",
        "http://a/a",
        "http://a/a/",
        "http://a/a?b",
        "http://a/a%3Fb",
        "http://a/a%2Fb",
        "http://a/a/b",
        "http://a/a%252Fb",
        "http://a/%61%",
        "http://a/a%",
        "http://u@a/",
        "http://a/a;b",
        "http://a/a+b",
        "http://a/a%2Bb",
        "http://a/a%20b",
        "http://a/a?b=/../c",
        "http://a/a?c",
    ];
    let mut known: HashMap<Key, &str> = HashMap::new();
    for uri in uris {
        if let Some(other) = known.insert(Key::of(&uri.into()), uri) {
            panic!("{uri} and {other} are one");
        }
    }
}

#[test]
fn dot_segments_are_found_in_any_spelling() {
    #[rustfmt::skip]
    let cases = [
        ("http://a/b/../c", true), ("http://a/.", true), ("http://a/..?x", true), ("http://a/%2e/b", true), ("http://a/.%2E", true),
        ("http://a/%2E%2e", true), ("http://a/b?c/../d", false), ("http://a/.b/..c/...", false), ("http://a/%2e%", false),
        ("http://a", false), ("http://..", false), ("http://a/b%2f..%2fc", false),
    ];
    for (uri, expected) in cases {
        assert_eq!(has_dot_segments(uri), expected, "{uri}");
    }
}

/// RFC 9111 §4.4, RFC 3986 §5.4.1.
#[test]
fn only_uris_of_the_same_origin_are_invalidated() {
    let base = "http://a:81/b/c/d;p?q";
    #[rustfmt::skip]
    let cases = [
        ("/z", Some("http://a:81/z")), ("http://A:81/z#f", Some("http://a:81/z")), ("http://a:81", Some("http://a:81/")),
        ("HTTP://a:81/%7Ex", Some("http://a:81/~x")), ("//a:81/z", Some("http://a:81/z")),
        ("g", Some("http://a:81/b/c/g")), ("./g/", Some("http://a:81/b/c/g/")), ("g?y/./x", Some("http://a:81/b/c/g?y/./x")),
        ("?y", Some("http://a:81/b/c/d;p?y")), ("", Some("http://a:81/b/c/d;p?q")), ("#s", Some("http://a:81/b/c/d;p?q")),
        ("..", Some("http://a:81/b/")), ("../../../g", Some("http://a:81/g")), (";x", Some("http://a:81/b/c/;x")),
        ("http://a/z", None), ("http://a:810/z", None), ("https://a:81/z", None), ("//b:81/z", None), ("//a/z", None),
        ("http://a:81@evil/", None), ("http://evil@a:81/", None), ("http://a:81.evil/", None), ("//", None), ("http:g", None),
        ("mailto:a@b", None), ("g:h", None),
    ];
    for (reference, expected) in cases {
        assert_eq!(
            same_origin(base, reference).as_deref(),
            expected,
            "{reference}"
        );
    }
    // The port that the scheme implies.
    assert_eq!(
        same_origin("http://a", "http://a:80/x").as_deref(),
        Some("http://a/x")
    );
}

fn variant(vary: &[&str], request: &[(&'static str, &'static str)]) -> Key {
    let names: Vec<String> = vary.iter().map(|name| (*name).to_owned()).collect();
    let names = names.into();
    Key::of(&"http://a/".into()).variant(&Vary { names, set: 1 }, &fields(request))
}

/// §4.1.
#[test]
fn requests_that_match() {
    #[rustfmt::skip]
    let same = [
        // White space, where the syntax has it; lines of one name.
        ("accept-encoding", vec!["gzip"], vec![" gzip"]), ("accept-encoding", vec!["gzip,br"], vec!["gzip \t, br"]),
        ("accept-encoding", vec!["gzip, br"], vec!["gzip", "br"]), ("x", vec!["1, 2"], vec!["1", "2"]), ("x", vec!["1,2"], vec![" 1 , 2 "]),
        ("x", vec!["\"a,b\" , c"], vec!["\"a,b\",c"]),
        // RFC 9110 §12.5.3, §12.5.2: codings and charsets are compared without case, and in any order.
        ("accept-encoding", vec!["gzip, br"], vec!["BR, GZip"]), ("accept-encoding", vec!["gzip"], vec!["x-gzip"]),
        ("accept-encoding", vec!["gzip, gzip,"], vec!["gzip"]), ("accept-charset", vec!["utf-8, ISO-8859-1"], vec!["iso-8859-1,UTF-8"]),
        // §12.4.2: weights are numbers.
        ("accept-encoding", vec!["gzip;q=1.0, br;q=0.50, *;q=0"], vec!["*; Q=0.000, gzip, br ;q=0.5"]),
        // §12.5.4, §12.5.1.
        ("accept-language", vec!["de-AT, en;q=0.5"], vec!["DE-at , EN ; q=0.500"]),
        ("accept", vec!["text/html;level=1, */*;q=0.1"], vec!["TEXT/HTML; LEVEL=1,*/*;Q=0.10"]),
    ];
    #[rustfmt::skip]
    let different = [
        ("accept-encoding", vec!["gzip"], vec!["gzip, br"]), ("accept-encoding", vec!["gzip"], vec!["gzip;q=0"]),
        ("accept-encoding", vec!["gzip;q=0.5"], vec!["gzip;q=0.05"]), ("accept-encoding", vec!["gzip;q=0.5"], vec!["gzip;q=0.55"]),
        // Absent can only match absent.
        ("accept-encoding", vec![], vec![""]), ("x", vec![], vec![""]), ("x", vec![""], vec!["0"]),
        // Order may be significant.
        ("accept-language", vec!["de, en"], vec!["en, de"]), ("accept", vec!["a/b, c/d"], vec!["c/d, a/b"]), ("x", vec!["1, 2"], vec!["2, 1"]),
        // Values may be case-sensitive, and white space in quotes matters.
        ("accept", vec!["a/b;c=D"], vec!["a/b;c=d"]), ("x", vec!["A"], vec!["a"]), ("user-agent", vec!["a b"], vec!["a  b"]),
        ("x", vec!["\"a, b\""], vec!["\"a,b\""]), ("x", vec!["\"\\\" , \""], vec!["\"\\\",\""]), ("x", vec!["a,,b"], vec!["a,b"]),
        ("cookie", vec!["a=1; b=2"], vec!["a=1;b=2"]),
    ];
    let key = |name: &'static str, values: &[&'static str]| {
        let lines: Vec<_> = values.iter().map(|value| (name, *value)).collect();
        variant(&[name], &lines)
    };
    for (name, one, other) in same {
        assert_eq!(
            key(name, &one),
            key(name, &other),
            "{name} {one:?} {other:?}"
        );
    }
    for (name, one, other) in different {
        assert_ne!(
            key(name, &one),
            key(name, &other),
            "{name} {one:?} {other:?}"
        );
    }
    // Every selecting field counts, and no other.
    let two = |request: &[(&'static str, &'static str)]| variant(&["a", "b"], request);
    assert_ne!(two(&[("A", "1")]), two(&[("B", "1")]));
    assert_ne!(two(&[("A", "1"), ("B", "")]), two(&[("A", ""), ("B", "1")]));
    assert_eq!(
        two(&[("A", "1"), ("C", "1")]),
        two(&[("C", "2"), ("a", "1")])
    );
    assert_eq!(variant(&[], &[("A", "1")]), variant(&[], &[]));
}

#[test]
fn a_new_set_of_variants_hides_the_old() {
    let of = |set| {
        let names = ["x".to_owned()].into();
        Key::of(&"http://a/".into()).variant(&Vary { names, set }, &fields(&[]))
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    assert_ne!(of(1), Key::of(&"http://a/".into()));
}

/// RFC 9110 §12.5.5.
#[test]
fn names_of_vary() {
    #[rustfmt::skip]
    let cases = [
        (vec![], Some(vec![])), (vec![""], Some(vec![])), (vec!["B, a,,b"], Some(vec!["a", "b"])), (vec!["a", "B"], Some(vec!["a", "b"])),
        (vec!["*"], None), (vec!["a, *"], None), (vec!["*, a"], None), (vec![", *"], None), (vec!["", "*"], None), (vec!["*", "*"], None),
        // What cannot be understood could be anything.
        (vec!["a b"], None), (vec!["\"a\""], None), (vec!["a, \u{e1}"], None), (vec!["a;b"], None),
    ];
    for (lines, expected) in cases {
        let lines: Vec<_> = lines.into_iter().map(|line| ("Vary", line)).collect();
        let names = vary_names(&fields(&lines));
        assert_eq!(
            names.as_deref(),
            expected
                .as_deref()
                .map(|names| names
                    .iter()
                    .map(|&name| name.to_owned())
                    .collect::<Vec<_>>())
                .as_deref(),
            "{lines:?}"
        );
    }
}

/// Text that is nearly a URI.
fn uri() -> impl Strategy<Value = String> {
    let host = "[a-zA-Z0-9.:@_-]{0,8}|\\[::1\\]|EXAMPLE\\.com\\.?(:(80|443|81)?)?";
    let segment = "[a-zA-Z~]{0,2}|\\.{1,3}|%2[eEfF]|%[0-9a-fA-F]{0,2}|[?#]|\\PC";
    (
        "(http|HTTP|https|ftp|x)?(://|:)?",
        host,
        prop::collection::vec((segment, "/?"), 0..8),
    )
        .prop_map(|(scheme, host, tail)| {
            let tail: String = tail.into_iter().flat_map(|(a, b)| [a, b]).collect();
            format!("{scheme}{host}/{tail}")
        })
}

/// The octets of a path, and of each whether it stands for itself though it could be a delimiter.
fn atoms(path: &str) -> Option<Vec<(bool, u8)>> {
    let mut octets = path.bytes();
    let mut atoms = Vec::new();
    while let Some(octet) = octets.next() {
        let mut digit = || char::from(octets.next()?).to_digit(16);
        atoms.push(match octet {
            b'%' => {
                let octet = u8::try_from(digit()? * 16 + digit()?).ok()?;
                (!octet.is_ascii_alphanumeric(), octet)
            }
            _ => (false, octet),
        });
    }
    Some(atoms)
}

proptest! {
    #[test]
    fn normal_forms_are_stable(uri in uri()) {
        let normal = normalised(&uri).into_owned();
        prop_assert_eq!(&normalised(&normal), &normal);
        prop_assert!(!normal.contains('#'));
    }

    #[test]
    fn any_text_is_normalised(text in any::<String>(), other in any::<String>()) {
        let normal = normalised(&text).into_owned();
        prop_assert_eq!(&normalised(&normal), &normal);
        let _ = (same_origin(&text, &other), has_dot_segments(&text));
        let _ = same_origin("http://a/b", &other);
    }

    /// Whatever the look that nearly all URIs pass at once overlooks.
    #[test]
    fn no_dot_segment_is_overlooked(path in "([a./?#]|%2[eEf]|%){0,8}") {
        let plain = path.replace("%2e", ".").replace("%2E", ".");
        let mut segments = plain.split(['?', '#']).next().unwrap_or_default().split('/');
        let expected = segments.any(|segment| matches!(segment, "." | ".."));
        prop_assert_eq!(has_dot_segments(&path), expected);
        prop_assert_eq!(has_dot_segments(&format!("http://a/{path}")), expected);
    }

    /// Two paths are one exactly where they are the same data between the same delimiters.
    #[test]
    fn only_spellings_are_merged(one in "/([a-b/;]|%[26][1BbFf]|%){0,4}", other in "/([a-b/;]|%[26][1BbFf]|%){0,4}") {
        let key = |path: &str| normalised(&format!("http://a{path}")).into_owned();
        let same = match (atoms(&one), atoms(&other)) {
            (None, None) => one == other,
            (one, other) => one == other,
        };
        prop_assert_eq!(key(&one) == key(&other), same);
    }

    #[test]
    fn octets_of_keys_differ_where_keys_do(
        keys in prop::collection::vec(("[ab/\0]{0,3}", prop::option::of((0u64..3, prop::collection::vec(0u8..3, 0..4)))), 0..20)
    ) {
        let mut known: HashMap<Vec<u8>, Key> = HashMap::new();
        for (uri, variant) in keys {
            let key = Key { uri: uri.into(), variant: variant.map(|(set, values)| (set, values.into())) };
            let other = known.insert(key.to_octets(), key.clone());
            prop_assert!(other.is_none_or(|other| other == key));
        }
    }

    /// What is appended for two requests tells them apart wherever their plain values differ.
    #[test]
    fn values_are_not_confused(one in prop::collection::vec("[a\"1;]{0,2}", 2), other in prop::collection::vec("[a\"1;]{0,2}", 2)) {
        let key = |values: &[String]| {
            let mut request = Fields::default();
            request.push("x", values[0].clone());
            request.push("y", values[1].clone());
            let names = ["x".to_owned(), "y".to_owned()].into();
            Key::of(&"http://a/".into()).variant(&Vary { names, set: 0 }, &request)
        };
        prop_assert_eq!(key(&one) == key(&other), one == other);
    }

    #[test]
    fn any_fields_are_keyed(octets in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut fields = Fields::default();
        for name in ["accept", "accept-encoding", "accept-language", "x", "vary"] {
            fields.push(name, octets.clone());
        }
        let names: Vec<String> = ["accept", "accept-encoding", "accept-language", "x"].map(str::to_owned).into();
        let vary = Vary { names: names.into(), set: 0 };
        let _ = (Key::of(&"http://a/".into()).variant(&vary, &fields), vary_names(&fields));
    }
}
