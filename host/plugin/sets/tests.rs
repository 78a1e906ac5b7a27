use super::*;
use crate::config::SetKind::{self, Addresses, Domains, Regexes, Strings};
use crate::config::{Mistake, SetFile, Source, WrittenSets};
use proptest::prelude::*;
use serde::Deserialize;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

fn set(kind: SetKind, text: &str) -> Set {
    Set::parse(kind, text).expect(text)
}

fn contains(set: &Set, what: &str) -> bool {
    let answer = match set.kind() {
        Addresses => set.contains_address(what.parse().expect(what)),
        _ => set.contains(what),
    };
    answer.expect("it is asked what it holds")
}

#[test]
fn each_kind_matches_as_in_squid() {
    let domains =
        "# a list\n\n  Example.com \n.sub.example.org. # why\n.a .b\r\n192.0.2.1\nx_y.test";
    let addresses = "10.0.0.0/8 192.0.2.1\n192.0.2.3-192.0.2.5 # three\n198.51.100.7/255.255.255.0\n\
                     2001:db8::/32\n::1";
    #[rustfmt::skip]
    let cases = [
        (Domains, domains, &["example.com", "EXAMPLE.com.", "sub.example.org", "x.y.sub.Example.org", "a", "b.a", "c.b", "192.0.2.1", "x_y.test"][..],
            &["www.example.com", "example.org", "badsub.example.org", "com", "", ".", "..", "ab"][..]),
        (Addresses, addresses, &["10.255.255.255", "192.0.2.1", "::ffff:192.0.2.4", "198.51.100.255", "2001:db8:ffff::1", "::1"],
            &["11.0.0.0", "192.0.2.2", "192.0.2.6", "2001:db9::", "::", "::ffff:11.0.0.0", "0.0.0.1"]),
        (Addresses, "ipv4", &["0.0.0.0", "255.255.255.255"], &["::1", "ffff::"]),
        (Addresses, "ipv6", &["::1", "ffff::"], &["0.0.0.0", "255.255.255.255"]),
        (Addresses, "all", &["0.0.0.0", "::"], &[]),
        (Addresses, "0.0.0.0/0", &["1.2.3.4"], &["2001:db8::1"]),
        (Addresses, "::ffff:10.0.0.0/104", &["10.1.2.3"], &["11.0.0.0"]),
        (Addresses, "::/0", &["::1", "1.2.3.4"], &[]),
        (Addresses, "10.1.0.0-10.2.0.0/16", &["10.2.255.255"], &["10.3.0.0"]),
        (Regexes, "^http://ads\\.\n-i\nBanner\n+i\nCase$", &["http://ads.test/", "x/BANNER/", "Case"], &["http://bads.test", "case", ""]),
        (Strings, " one two \nOne\n", &["one two", "One"], &["one", "ONE", "", " one two "]),
    ];
    for (kind, text, members, others) in cases {
        let set = set(kind, text);
        for member in members {
            assert!(contains(&set, member), "{member} in {text}");
        }
        for other in others {
            assert!(!contains(&set, other), "{other} in {text}");
        }
    }
    for kind in [Domains, Addresses, Regexes, Strings] {
        let set = set(kind, "# nothing\n");
        assert_eq!((set.len(), set.kind()), (0, kind));
        let answers = (set.contains(""), set.contains_address([0; 4].into()));
        match kind {
            Addresses => assert_eq!(answers, (None, Some(false))),
            _ => assert_eq!(answers, (Some(false), None)),
        }
    }
}

#[test]
fn names_that_no_domain_has_are_below_one_all_the_same() {
    let set = set(Domains, ".example.com");
    for labels in [1, 126, 200_000] {
        let host = format!("{}example.com", "a.".repeat(labels));
        assert_eq!(set.contains(&host), Some(true), "{labels}");
        assert_eq!(set.contains(&format!("{host}.org")), Some(false));
    }
}

#[test]
fn what_says_the_same_is_counted_once() {
    for (kind, text, len) in [
        (Domains, "a.test A.test. .a.test\nb.test", 3),
        (Addresses, "10.0.0.0/8 10.1.0.0/16 10.0.0.0-11.0.0.0", 1),
        (Strings, "a\nb\na", 2),
    ] {
        assert_eq!(set(kind, text).len(), len, "{text}");
    }
}

/// `[sets]` of a manifest in that folder.
fn files(folder: &Path, sets: &str) -> Result<Vec<SetFile>, Mistake> {
    #[derive(Deserialize)]
    struct Written {
        sets: WrittenSets,
    }
    let source = Source::new("plugin.toml", format!("[sets]\n{sets}\n"));
    SetFile::all(source.parse::<Written>()?.sets, folder, &source)
}

/// A shelf with what is in the folder's only file.
fn shelf(folder: &Path, kind: &str, previous: Option<&Shelf>) -> Result<(Shelf, Sets), Mistake> {
    let files = files(
        folder,
        &format!("a = {{ file = 'a.txt', kind = '{kind}' }}"),
    )?;
    let mut shelf = Shelf::default();
    let sets = Sets::new(shelf.read(&files, previous)?);
    Ok((shelf, sets))
}

#[test]
fn mistakes_show_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.txt");
    let long = format!("{}.test", "a".repeat(250));
    #[rustfmt::skip]
    let cases = [
        ("domains", "a.test\n b.test *.c.test\n", "`*.c.test` is not a domain", "2:9"),
        ("domains", "a.test\nhttp://b.test/\n", ".example.com for all below it too", "2:1"),
        ("domains", "a.test\nbücher.test", "in ASCII: xn--...", "2:1"),
        ("domains", "a..test", "is not a domain", "1:1"),
        ("domains", ".", "is not a domain", "1:1"),
        ("domains", &long, "is not a domain", "1:1"),
        ("addresses", "# why\n\n10.0.0.0/33\n", "`/33` is neither a prefix length nor a netmask", "3:1"),
        ("addresses", "10.0.0.1 ten", "`ten` is not an IP address", "1:10"),
        ("addresses", "10.0.0.9-10.0.0.1", "ends before it begins", "1:1"),
        ("addresses", "10.0.0.9-::1", "mixes IPv4 and IPv6", "1:1"),
        ("addresses", "10.0.0.0/255.0.255.0", "neither a prefix length nor a netmask", "1:1"),
        ("regexes", "a\n-i\n  (b\n", "not a regular expression: unclosed group", "3:3"),
    ];
    for (kind, text, says, place) in cases {
        fs::write(&file, text).unwrap();
        let mistake = shelf(folder.path(), kind, None)
            .expect_err(text)
            .to_string();
        assert!(mistake.contains(says), "{text}: {mistake}");
        let place = format!("--> {}:{place}\n", file.display());
        assert!(mistake.contains(&place), "{text}: {mistake}");
    }
    fs::write(&file, b"a.test\nb\xff.test\nc.test").unwrap();
    let mistake = shelf(folder.path(), "domains", None).expect_err("no UTF-8");
    let mistake = mistake.to_string();
    let place = format!("--> {}:2:2\n", file.display());
    assert!(
        mistake.contains("this is not UTF-8") && mistake.contains(&place),
        "{mistake}"
    );
    fs::write(&file, "a".repeat(70_000)).unwrap();
    let mistake = shelf(folder.path(), "strings", None).expect_err("too long");
    assert!(mistake.to_string().contains("a line of more than 64 KB"));
    fs::remove_file(&file).unwrap();
    let mistake = shelf(folder.path(), "domains", None)
        .expect_err("gone")
        .to_string();
    assert!(mistake.starts_with("cannot read the set "), "{mistake}");
    assert!(mistake.contains("--> plugin.toml:2:14\n"), "{mistake}");
    let mistake = files(folder.path(), "'a b' = { file = 'a', kind = 'strings' }");
    let mistake = mistake.expect_err("no name").to_string();
    assert!(
        mistake.starts_with("not a set's name\n --> plugin.toml:2:1\n"),
        "{mistake}"
    );
}

#[test]
fn what_has_not_changed_is_not_parsed_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.txt");
    fs::write(&file, "\u{feff}a.test\n").unwrap();
    let (first, sets) = shelf(folder.path(), "domains", None).expect("valid");
    assert_eq!(sets.to_string(), "a (1 domain)");
    // As a program leaves it that writes what was there before.
    fs::write(&file, "\u{feff}a.test\n").unwrap();
    let (second, same) = shelf(folder.path(), "domains", Some(&first)).expect("valid");
    assert!(sets == same);
    // It is another set where it is of another kind, or says something else.
    let (_, other) = shelf(folder.path(), "strings", Some(&second)).expect("valid");
    assert!(sets != other);
    fs::write(&file, "b.test\n").unwrap();
    let (_, other) = shelf(folder.path(), "domains", Some(&second)).expect("valid");
    assert!(sets != other);
    assert_eq!(other.get(0).map(|set| contains(set, "b.test")), Some(true));
    // One that is no longer used is no longer kept.
    let weak = std::sync::Arc::downgrade(&first.0[0]);
    drop((first, sets, same, second));
    assert!(weak.upgrade().is_none());
}

#[test]
fn one_content_is_one_set_whatever_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.txt", "b.txt"] {
        fs::write(folder.path().join(name), "a.test").unwrap();
    }
    let files = files(
        folder.path(),
        "a = { file = 'a.txt', kind = 'domains' }\nb = { file = 'b.txt', kind = 'domains' }",
    );
    let mut shelf = Shelf::default();
    let sets = Sets::new(shelf.read(&files.expect("valid"), None).expect("valid"));
    assert_eq!(shelf.0.len(), 1);
    assert_eq!(sets.find("b", Domains), Ok(1));
    assert!(std::ptr::eq(
        sets.get(0).expect("a"),
        sets.get(1).expect("b")
    ));
    assert!(sets.get(2).is_none());
    assert_eq!(
        sets.find("a", Addresses),
        Err("the set `a` has domains; here, addresses are wanted".into())
    );
    assert_eq!(
        sets.find("c", Addresses),
        Err(
            "there is no set `c`; there are: a, b. Its file is named under [sets]: \
             c = { file = \"c.txt\", kind = \"addresses\" }"
                .into()
        )
    );
}

/// A million of them, as the lists are that people have.
#[test]
fn a_million_domains_fit_into_100_mib() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for number in 0..1_000_000 {
        writeln!(text, ".tracker-{number}.ads.example.com").expect("a String");
    }
    let set = set(Domains, &text);
    assert_eq!(set.len(), 1_000_000);
    let size = set.size().expect("known");
    assert!(size < 60 << 20, "{size} octets for {} of text", text.len());
    assert_eq!(set.contains("a.tracker-999999.ads.example.com"), Some(true));
    assert_eq!(set.contains("tracker-1000000.ads.example.com"), Some(false));
}

/// Of few letters and labels, so that what is asked is often there.
fn name() -> impl Strategy<Value = String> {
    prop::collection::vec("[abAB]{1,2}", 1..4).prop_map(|labels| labels.join("."))
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 2]>().prop_map(|[c, d]| IpAddr::from([10, 0, c % 4, d % 8])),
        any::<[u8; 2]>().prop_map(|[g, h]| {
            let (g, h) = (u16::from(g % 4), u16::from(h % 8));
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, g, h))
        }),
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

/// An entry, and the oracle for it.
fn network() -> impl Strategy<Value = (String, IpAddr, IpAddr)> {
    let prefix = (address(), 0u32..=128).prop_map(|(address, prefix)| match address {
        IpAddr::V4(address) => {
            let prefix = prefix.min(32);
            let free = u32::MAX.checked_shr(prefix).unwrap_or(0);
            let (low, high) = (address.to_bits() & !free, address.to_bits() | free);
            let ends = (Ipv4Addr::from_bits(low), Ipv4Addr::from_bits(high));
            (format!("{address}/{prefix}"), ends.0.into(), ends.1.into())
        }
        IpAddr::V6(address) => {
            let free = u128::MAX.checked_shr(prefix).unwrap_or(0);
            let (low, high) = (address.to_bits() & !free, address.to_bits() | free);
            let ends = (Ipv6Addr::from_bits(low), Ipv6Addr::from_bits(high));
            (format!("{address}/{prefix}"), ends.0.into(), ends.1.into())
        }
    });
    let range = (address(), address())
        .prop_filter("of one family", |(a, b)| a.is_ipv4() == b.is_ipv4())
        .prop_map(|(a, b)| {
            let (low, high) = (a.min(b), a.max(b));
            (format!("{low}-{high}"), low, high)
        });
    prop_oneof![prefix, range, address().prop_map(|a| (a.to_string(), a, a))]
}

proptest! {
    #[test]
    fn domains_are_as_a_naive_list_has_them(
        entries in prop::collection::vec(("[.]?", name()), 0..40),
        hosts in prop::collection::vec(name(), 40),
    ) {
        let lines: Vec<String> = entries.iter().map(|(dot, name)| format!("{dot}{name}")).collect();
        let set = set(Domains, &lines.join("\n"));
        let lines: Vec<String> = lines.iter().map(|line| line.to_ascii_lowercase()).collect();
        for host in hosts.iter().chain(entries.iter().map(|(_, name)| name)) {
            let lower = host.to_ascii_lowercase();
            let naive = lines.iter().any(|line| match line.strip_prefix('.') {
                Some(domain) => lower == domain || lower.ends_with(line),
                None => lower == *line,
            });
            prop_assert_eq!(set.contains(host), Some(naive), "{} in {:?}", host, lines);
        }
    }

    #[test]
    fn addresses_are_as_a_naive_list_has_them(
        entries in prop::collection::vec(network(), 0..40),
        asked in prop::collection::vec(address(), 40),
    ) {
        let lines: Vec<&str> = entries.iter().map(|(line, ..)| line.as_str()).collect();
        let set = set(Addresses, &lines.join("\n"));
        let ends = entries.iter().flat_map(|(_, low, high)| [*low, *high]);
        for address in asked.into_iter().chain(ends) {
            let number = |address: IpAddr| match address.to_canonical() {
                IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
                IpAddr::V6(address) => address.to_bits(),
            };
            let naive = entries.iter().any(|(_, low, high)| {
                (number(*low)..=number(*high)).contains(&number(address))
            });
            prop_assert_eq!(set.contains_address(address), Some(naive), "{} in {:?}", address, lines);
        }
    }

    #[test]
    fn strings_are_as_a_naive_list_has_them(
        entries in prop::collection::vec("[ab]{1,3}", 0..40),
        asked in prop::collection::vec("[ab]{0,3}", 40),
    ) {
        let set = set(Strings, &entries.join("\n"));
        let unique: std::collections::BTreeSet<&String> = entries.iter().collect();
        prop_assert_eq!(set.len(), unique.len());
        for text in asked.iter().chain(&entries) {
            prop_assert_eq!(set.contains(text), Some(entries.contains(text)));
        }
    }

    #[test]
    fn regexes_are_as_a_naive_list_has_them(
        entries in prop::collection::vec(("[ab]{1,2}[.?+*]?", any::<bool>()), 0..10),
        asked in prop::collection::vec("[abAB]{0,6}", 20),
    ) {
        let lines = entries.iter().map(|(pattern, ignore_case)| {
            format!("{}\n{pattern}", if *ignore_case { "-i" } else { "+i" })
        });
        let set = set(Regexes, &lines.collect::<Vec<_>>().join("\n"));
        for text in asked {
            let naive = entries.iter().any(|(pattern, ignore_case)| {
                let pattern = regex::bytes::RegexBuilder::new(pattern)
                    .unicode(false)
                    .case_insensitive(*ignore_case)
                    .build();
                pattern.expect("valid").is_match(text.as_bytes())
            });
            prop_assert_eq!(set.contains(&text), Some(naive), "{} in {:?}", text, entries);
        }
    }

    /// Whatever is in a file, nothing panics, and a mistake points into it.
    #[test]
    fn any_text_can_be_read(text in "(\\PC|[\n\r\t #.:/-]){0,60}") {
        for kind in [Domains, Addresses, Regexes, Strings] {
            if let Err(Malformed { at: Some(at), .. }) = Set::parse(kind, &text) {
                prop_assert!(text.get(at).is_some());
            }
        }
    }
}
