use super::*;
use proptest::prelude::*;

fn fields(lines: &[&str]) -> Fields {
    let mut fields = Fields::default();
    for line in lines {
        fields.push("Cache-Control", (*line).to_owned());
    }
    fields
}

fn response(lines: &[&str]) -> ResponseControl {
    ResponseControl::of(&fields(lines))
}

fn request(lines: &[&str]) -> RequestControl {
    RequestControl::of(&fields(lines))
}

#[test]
fn numbers_of_seconds() {
    #[rustfmt::skip]
    let cases = [
        // §5.2: names are compared case-insensitively; both forms of the argument are accepted.
        ("max-age=60", Some(60)), ("MAX-AGE=60", Some(60)), ("max-age=\"60\"", Some(60)), ("max-age=\"6\\0\"", Some(60)),
        // §1.2.2: a non-negative integer; what is too large is 2^31.
        ("max-age=0060", Some(60)), ("max-age=2147483647", Some(LONGEST - 1)), ("max-age=2147483648", Some(LONGEST)),
        ("max-age=2147483649", Some(LONGEST)), ("max-age=18446744073709551616", Some(LONGEST)),
        ("max-age=99999999999999999999999", Some(LONGEST)),
        // §4.2.1: what is invalid is stale.
        ("max-age=abc", Some(0)), ("max-age=60s", Some(0)), ("max-age=-1", Some(0)), ("max-age=+1", Some(0)),
        ("max-age=60.0", Some(0)), ("max-age='60'", Some(0)), ("max-age=\"\"", Some(0)), ("max-age=\" 60\"", Some(0)),
        ("max-age=", Some(0)), ("max-age", Some(0)), ("max-age=60 5", Some(0)), ("max-age=6\u{660}", Some(0)),
        ("max-age=\"60\"x", Some(0)), ("max-age=\"60", Some(0)), ("max-age=60\"", Some(0)), ("max-age==60", Some(0)),
        // §4.2.1: of duplicates the first.
        ("max-age=60, max-age=0", Some(60)), ("max-age=0, max-age=60", Some(0)), ("max-age=x, max-age=60", Some(0)),
        // RFC 9110 §5.6.4: what is quoted is no directive, whatever is escaped.
        ("x=\"a, max-age=1\", max-age=2", Some(2)), ("x=\"a\\\", max-age=1\", max-age=2", Some(2)),
        ("x=\"\\\\\", max-age=1", Some(1)), ("max-age=2, x=\"max-age=1\"", Some(2)), ("x=\"max-age=1\"", None),
        // RFC 9110 §5.6.3, §5.6.1.2: bad white space and empty elements.
        (" , ,max-age = 3 ", Some(3)), ("max-age =\t\"3\"\t,", Some(3)), ("", None), (",", None), ("=", None), ("=5,max-age=4", Some(4)),
        // A quote without an end hides nothing.
        ("x=\"a, max-age=1", Some(1)), ("x=\"a\\\", max-age=1", Some(1)), ("x\"y, max-age=1, z\"", Some(1)),
        // §5.2.3: unknown directives are ignored.
        ("xmax-age=1", None), ("max-age-x=1", None), ("max age=1", None), ("\"max-age\"=1", None), ("m\u{e1}x-age=1", None),
        ("a-directive-with-a-name-that-is-quite-long=5, max-age=1", Some(1)),
    ];
    for (text, expected) in cases {
        assert_eq!(response(&[text]).max_age, expected, "{text}");
        assert_eq!(request(&[text]).max_age, expected, "{text}");
    }
}

#[test]
fn directives_of_responses() {
    let other = ResponseControl::default;
    #[rustfmt::skip]
    let cases = [
        (vec![], other()),
        // RFC 9110 §5.3: lines are one list.
        (vec!["max-age=60", "Private, no-cache"], ResponseControl { max_age: Some(60), private: true, no_cache: true, ..other() }),
        (vec!["x=\"a", "no-store\""], other()),
        (vec!["s-maxage=5,S-MaxAge=6"], ResponseControl { s_maxage: Some(5), ..other() }),
        (vec!["public"], ResponseControl { public: true, ..other() }),
        (vec!["must-revalidate, proxy-revalidate"], ResponseControl { must_revalidate: true, proxy_revalidate: true, ..other() }),
        (vec!["no-store, must-understand"], ResponseControl { no_store: true, must_understand: true, ..other() }),
        (vec!["no-transform, immutable, foo=bar, only-if-cached, max-stale"], other()),
        // RFC 5861 §3, §4.
        (vec!["stale-while-revalidate=5, stale-if-error=\"6\""],
            ResponseControl { stale_while_revalidate: Some(5), stale_if_error: Some(6), ..other() }),
        (vec!["stale-while-revalidate, stale-if-error=x"],
            ResponseControl { stale_while_revalidate: Some(0), stale_if_error: Some(0), ..other() }),
        // §5.2: no argument is allowed. What forbids counts all the same, what permits does not.
        (vec!["no-store=1, must-revalidate=x, proxy-revalidate=\""],
            ResponseControl { no_store: true, must_revalidate: true, proxy_revalidate: true, ..other() }),
        (vec!["public=1, must-understand=\"\""], other()),
    ];
    for (lines, expected) in cases {
        assert_eq!(response(&lines), expected, "{lines:?}");
    }
}

/// §5.2.2.4, §5.2.2.7.
#[test]
fn directives_that_name_fields_are_about_those_alone() {
    #[rustfmt::skip]
    let cases = [
        ("no-cache=\"Set-Cookie\"", false, false, &["set-cookie"][..]),
        ("private=\"X-A, x-b\", max-age=1", false, false, &["x-a", "x-b"]),
        ("private=\",X-A,,\"", false, false, &["x-a"]), ("private=\"X\\-A\"", false, false, &["x-a"]),
        ("private=x-a", false, false, &["x-a"]),
        ("no-cache, no-cache=\"x\"", true, false, &["x"]), ("no-cache=\"x\", no-cache", true, false, &["x"]),
        ("no-cache=\"x\", private=\"y\"", false, false, &["x", "y"]),
        // What is malformed is about all of it.
        ("no-cache=\"\"", true, false, &[]), ("no-cache=\",\"", true, false, &[]), ("private=\"a b\"", false, true, &[]),
        ("private=", false, true, &[]), ("private=\"x-a", false, true, &[]), ("private=\"x-a\"b", false, true, &[]),
        ("private=\"x-a, \u{e1}\"", false, true, &[]),
        // Without these it would be another response.
        ("private=\"x-a, Content-Encoding\"", false, true, &[]), ("no-cache=\"vary\"", true, false, &[]),
        ("no-cache=Content-Type", true, false, &[]), ("private=\"CDN-Cache-Control\"", false, true, &[]),
    ];
    for (text, no_cache, private, withheld) in cases {
        let control = response(&[text]);
        assert_eq!(
            (control.no_cache, control.private),
            (no_cache, private),
            "{text}"
        );
        assert_eq!(control.withheld, withheld, "{text}");
    }
    let mut received = Fields::default();
    for name in [
        "X-A",
        "X-B",
        "x-a",
        "X-C",
        "Proxy-Authenticate",
        "Proxy-Authentication-Info",
    ] {
        received.push(name, "1");
    }
    let kept = response(&["private=\"X-a\", no-cache=\"x-C\""]).kept(&received);
    assert_eq!(
        kept.iter().map(|line| &line.name[..]).collect::<Vec<_>>(),
        [b"X-B"]
    );
}

#[test]
fn directives_of_requests() {
    let other = RequestControl::default;
    #[rustfmt::skip]
    let cases = [
        (vec!["no-cache", "No-Store"], RequestControl { no_cache: true, no_store: true, ..other() }),
        // §5.2.1.2: without a value, any staleness.
        (vec!["max-stale, min-fresh=5, only-if-cached"],
            RequestControl { max_stale: Some(u64::MAX), min_fresh: Some(5), only_if_cached: true, ..other() }),
        (vec!["max-stale=7"], RequestControl { max_stale: Some(7), ..other() }),
        (vec!["max-stale=7, max-stale"], RequestControl { max_stale: Some(7), ..other() }),
        (vec!["max-stale=x"], RequestControl { max_stale: Some(0), ..other() }),
        // The strictest is the longest here.
        (vec!["min-fresh"], RequestControl { min_fresh: Some(LONGEST), ..other() }),
        (vec!["min-fresh=-5"], RequestControl { min_fresh: Some(LONGEST), ..other() }),
        // RFC 5861 §4.
        (vec!["stale-if-error=7"], RequestControl { stale_if_error: Some(7), ..other() }),
        (vec!["private, s-maxage=5, must-revalidate, no-transform"], other()),
    ];
    for (lines, expected) in cases {
        assert_eq!(request(&lines), expected, "{lines:?}");
    }
}

/// §5.4.
#[test]
fn pragma_counts_where_there_is_no_cache_control() {
    let mut fields = Fields::default();
    fields.push("Pragma", "x, No-Cache");
    assert!(RequestControl::of(&fields).no_cache);
    assert!(ResponseControl::of(&fields).no_cache);
    fields.push("Cache-Control", "max-age=5");
    assert!(!RequestControl::of(&fields).no_cache);
    assert!(!ResponseControl::of(&fields).no_cache);
}

/// RFC 9213.
#[test]
fn targeted_fields_take_the_place_of_cache_control() {
    let targeted = ResponseControl {
        targeted: true,
        ..ResponseControl::default()
    };
    let own = response(&["no-store"]);
    #[rustfmt::skip]
    let cases = [
        // §3.1: the examples.
        (vec!["max-age=600"], ResponseControl { max_age: Some(600), ..targeted.clone() }),
        (vec!["none"], targeted.clone()),
        (vec![], own.clone()),
        // §2.1: Booleans, Strings, Integers; parameters and unknown directives do not matter.
        (vec!["no-store, private, no-cache"], ResponseControl { no_store: true, private: true, no_cache: true, ..targeted.clone() }),
        (vec!["no-store=?1;x=5, foo=(1 2), bar=1.5"], ResponseControl { no_store: true, ..targeted.clone() }),
        (vec!["private=\"X-A\", no-cache=\"x-b, x-c\""],
            ResponseControl { withheld: vec!["x-a".into(), "x-b".into(), "x-c".into()], ..targeted.clone() }),
        (vec!["private=\"\""], ResponseControl { private: true, ..targeted.clone() }),
        (vec!["max-age=99999999999"], ResponseControl { max_age: Some(LONGEST), ..targeted.clone() }),
        (vec!["stale-while-revalidate=1,stale-if-error=2;a,must-revalidate"], ResponseControl {
            stale_while_revalidate: Some(1), stale_if_error: Some(2), must_revalidate: true, ..targeted.clone() }),
        // RFC 9651 §4.2: lines are joined; §3.2: of duplicates the last.
        (vec!["max-age=1", "public"], ResponseControl { max_age: Some(1), public: true, ..targeted.clone() }),
        (vec!["max-age=1, max-age=2"], ResponseControl { max_age: Some(2), ..targeted.clone() }),
        // §2.1: empty, or a parsing error.
        (vec![""], own.clone()), (vec!["max-age=1, &"], own.clone()), (vec!["MAX-AGE=1"], own.clone()),
        (vec!["max-age =1"], own.clone()), (vec!["max-age= 1"], own.clone()), (vec!["max-age=1,"], own.clone()),
        (vec!["max-age=1,,public"], own.clone()), (vec!["max-age=1000000000000000"], own.clone()), (vec!["\u{e1}"], own.clone()),
        // §2.1: values that violate the constraints are not consumed.
        (vec!["max-age=\"1\""], own.clone()), (vec!["max-age=1.0"], own.clone()), (vec!["max-age=-1"], own.clone()),
        (vec!["max-age"], own.clone()), (vec!["max-age=(1)"], own.clone()), (vec!["no-cache=x-a"], own.clone()),
        (vec!["no-store=?0"], own.clone()), (vec!["public=1"], own.clone()),
    ];
    for (lines, expected) in cases {
        let mut fields = fields(&["no-store"]);
        for line in &lines {
            fields.push("CDN-Cache-Control", (*line).to_owned());
        }
        let with = ResponseControl::of_targeted(&fields, &["cdn-cache-control"]);
        assert_eq!(with, expected, "{lines:?}");
        // §2.2: what is not on the list changes nothing.
        assert_eq!(
            ResponseControl::of_targeted(&fields, &["x"]),
            own,
            "{lines:?}"
        );
        assert_eq!(ResponseControl::of(&fields), own, "{lines:?}");
    }
}

/// RFC 9213 §2.2: in target-list order, whatever the order of the lines.
#[test]
fn the_first_valid_targeted_field_counts() {
    let mut fields = fields(&["max-age=1"]);
    fields.push("Second", "max-age=2");
    fields.push("First", "max-age=3");
    let max_age = |targets: &[&str]| ResponseControl::of_targeted(&fields, targets).max_age;
    assert_eq!(max_age(&["first", "second"]), Some(3));
    assert_eq!(max_age(&["second", "first"]), Some(2));
    assert_eq!(max_age(&["none", "second"]), Some(2));
    assert_eq!(max_age(&[]), Some(1));
}

/// One directive as it may be written, and what it says.
fn directive() -> impl Strategy<Value = (String, ResponseControl)> {
    let case = any::<u32>();
    let space = "[ \t]{0,2}";
    let number = 0..=LONGEST;
    (0..9usize, case, space, any::<bool>(), number).prop_map(
        |(which, case, space, quoted, number)| {
            let mut control = ResponseControl::default();
            let argument = |number: u64| match quoted {
                true => format!("{space}={space}\"{number}\""),
                false => format!("{space}={space}{number}"),
            };
            let (name, argument) = match which {
                0 => ("max-age", argument(*control.max_age.insert(number))),
                1 => ("s-maxage", argument(*control.s_maxage.insert(number))),
                2 => (
                    "stale-if-error",
                    argument(*control.stale_if_error.insert(number)),
                ),
                3 => {
                    control.no_store = true;
                    ("no-store", String::new())
                }
                4 => {
                    control.public = true;
                    ("public", String::new())
                }
                5 => {
                    control.no_cache = true;
                    ("no-cache", String::new())
                }
                6 => {
                    control.withheld.push("x-a".to_owned());
                    ("private", "=\"X-A\"".to_owned())
                }
                // Whatever stands in quotes says nothing.
                7 => (
                    "unknown",
                    "=\"no-store, max-age=1, \\\", private\"".to_owned(),
                ),
                _ => ("extension", argument(number)),
            };
            let spelt = name.chars().enumerate().map(|(index, letter)| {
                match case >> (index % 32) & 1 == 1 {
                    true => letter.to_ascii_uppercase(),
                    false => letter,
                }
            });
            (
                format!("{space}{}{argument}{space}", spelt.collect::<String>()),
                control,
            )
        },
    )
}

proptest! {
    #[test]
    fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut fields = Fields::default();
        fields.push("Cache-Control", octets);
        let _ = (RequestControl::of(&fields), ResponseControl::of(&fields));
        let _ = ResponseControl::of_targeted(&fields, &["cache-control"]);
    }

    /// Directives are read as they were meant, however they are spelt and spread over lines.
    #[test]
    fn valid_directives_are_understood(lines in prop::collection::vec(prop::collection::vec(directive(), 0..4), 0..4)) {
        let mut fields = Fields::default();
        let mut meant = ResponseControl::default();
        for line in &lines {
            let texts: Vec<&str> = line.iter().map(|(text, _)| text.as_str()).collect();
            fields.push("cache-control", texts.join(","));
            for (_, one) in line {
                meant.max_age = meant.max_age.or(one.max_age);
                meant.s_maxage = meant.s_maxage.or(one.s_maxage);
                meant.stale_if_error = meant.stale_if_error.or(one.stale_if_error);
                meant.no_store |= one.no_store;
                meant.public |= one.public;
                meant.no_cache |= one.no_cache;
                meant.withheld.extend(one.withheld.iter().cloned());
            }
        }
        prop_assert_eq!(ResponseControl::of(&fields), meant);
    }
}
