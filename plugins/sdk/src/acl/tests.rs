use super::addresses::Addresses;
use super::*;
use crate::sets::Kind;
use crate::testing::{self, Sample};
use crate::{Answer, Moment};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the acl line, named x, matches the request.
fn matches(line: &str, request: &Sample) -> Result<bool, Undecided> {
    let acls = Acls::parse("", &[format!("x {line}")]).expect(line);
    let list = AccessList::parse("", &["allow x"], &acls).expect(line);
    Ok(list.decide(&acls, request)?.line.is_some())
}

fn at(unix: i64, utc_offset: i32) -> Sample {
    Sample {
        received: Moment { unix, utc_offset },
        ..Sample::get("http://example.com/")
    }
}

#[test]
fn each_type_matches_as_in_squid() {
    const MONDAY: i64 = 4 * 86_400;
    let get = |uri| Sample::get(uri);
    let plain = || get("http://www.example.com/a/b.HTML?q");
    let from = |client| plain().from(client);
    #[rustfmt::skip]
    let cases = [
        ("src 10.0.0.0/8", from("10.255.1.2"), true),
        ("src 10.0.0.0/8", from("11.0.0.0"), false),
        ("src 10.0.0.0/8", from("::ffff:10.0.0.1"), true),
        ("src 10.0.0.0/255.0.0.0", from("10.9.9.9"), true),
        ("src 10.0.0.7/8", from("10.9.9.9"), true),
        ("src 10.0.0.1-10.0.0.9", from("10.0.0.9"), true),
        ("src 10.0.0.1-10.0.0.9", from("10.0.0.10"), false),
        ("src 10.1.0.0-10.2.0.0/16", from("10.2.255.255"), true),
        ("src 127.0.0.1/32 ::1", from("::1"), true),
        ("src 127.0.0.1/32 ::1", from("127.0.0.2"), false),
        ("src 2001:db8::/32", from("2001:db8:ffff::1"), true),
        ("src all", from("192.0.2.1"), true),
        ("src ipv6", from("192.0.2.1"), false),
        ("src ipv6", from("2001:db8::1"), true),
        ("src ipv4", from("192.0.2.1"), true),
        ("src 0.0.0.0/0", from("2001:db8::1"), false),
        ("dst 127.0.0.0/8 0.0.0.0/32 ::1", get("http://127.9.9.9/"), true),
        ("dst 127.0.0.0/8 0.0.0.0/32 ::1", get("http://0.0.0.0/"), true),
        ("dst 127.0.0.0/8 0.0.0.0/32 ::1", get("http://0.0.0.1/"), false),
        ("dst 127.0.0.0/8", Sample { addresses: Some(vec![]), ..plain() }, false),
        ("dst ::1", Sample { addresses: Some(vec![[192, 0, 2, 1].into(), Ipv6Addr::LOCALHOST.into()]), ..plain() }, true),
        ("dstdomain www.example.com", plain(), true),
        ("dstdomain WWW.Example.Com", plain(), true),
        ("dstdomain example.com", plain(), false),
        ("dstdomain .example.com", plain(), true),
        ("dstdomain .example.com", get("http://example.com/"), true),
        ("dstdomain .example.com", get("http://badexample.com/"), false),
        ("dstdomain .com .org", get("http://a.b.org/"), true),
        ("dstdomain 192.0.2.1", get("http://192.0.2.1/"), true),
        ("dstdom_regex ^www", plain(), true),
        ("dstdom_regex -i EXAMPLE", plain(), true),
        ("dstdom_regex EXAMPLE", plain(), false),
        ("port 80", plain(), true),
        ("port 1-79 81-65535", plain(), false),
        ("port 443", Sample::connect("example.com:443"), true),
        ("method CONNECT", Sample::connect("example.com:443"), true),
        ("method connect", Sample::connect("example.com:443"), true),
        ("method GET HEAD", plain(), true),
        ("method POST", plain(), false),
        ("method POST", Sample::new("post", "http://example.com/"), true),
        ("method foo", Sample::new("foo", "http://example.com/"), true),
        ("method foo", Sample::new("Foo", "http://example.com/"), true),
        ("proto HTTP", plain(), true),
        ("proto cache_object", Sample { scheme: "cache_object".into(), ..plain() }, true),
        ("proto cache_object", plain(), false),
        ("proto NONE", Sample::connect("example.com:443"), true),
        ("url_regex ^http://www", plain(), true),
        ("url_regex -i html\\? +i q$", plain(), true),
        ("url_regex html", plain(), false),
        ("urlpath_regex ^/a/", plain(), true),
        ("urlpath_regex example", plain(), false),
        ("url_regex -i \\.exe$", get("http://a/setup.%65%58e"), true),
        ("urlpath_regex \\.exe$", get("http://a/setup.%65xe"), true),
        ("urlpath_regex \\.exe$", get("http://a/setup%2Eexe"), true),
        ("urlpath_regex %65", get("http://a/setup.%65xe"), false),
        ("urlpath_regex %65", get("http://a/setup.%2565xe"), true),
        ("time MTWHF 9:00-17:00", at(MONDAY + 9 * 3600, 0), true),
        ("time MTWHF 9:00-17:00", at(MONDAY + 17 * 3600 + 59, 0), true),
        ("time MTWHF 9:00-17:00", at(MONDAY + 17 * 3600 + 60, 0), false),
        ("time MTWHF 9:00-17:00", at(MONDAY + 8 * 3600, 3600), true),
        ("time D", at(MONDAY - 1, 0), false),
        ("time D", at(MONDAY - 1, 60), true),
        ("time SA", at(MONDAY - 1, 0), true),
        ("time 0:00-24:00", at(-1, 0), true),
        ("browser ^curl/", plain().with("User-Agent", "curl/8"), true),
        ("browser ^curl/", plain(), false),
        ("req_header X-Tag -i ^SECRET$", plain().with("x-tag", "secret"), true),
        ("req_header X-Tag evil", plain().with("x-tag", "good").with("X-Tag", "evil"), true),
        ("req_header X-Tag .", plain(), false),
    ];
    for (line, request, expected) in cases {
        assert_eq!(
            matches(line, &request),
            Ok(expected),
            "{line} / {request:?}"
        );
    }
}

#[test]
fn sets_stand_beside_values() {
    testing::set("hosts", Kind::Domains, &["a.test", ".b.test"]);
    testing::set(
        "networks",
        Kind::Addresses,
        &["10.0.0.0/8", "2001:db8::1-2001:db8::9"],
    );
    let from = |client| Sample::get("http://www.b.test/").from(client);
    #[rustfmt::skip]
    let cases = [
        ("dstdomain set:hosts", from("10.0.0.1"), true),
        ("dstdomain c.test set:hosts", Sample::get("http://c.test/"), true),
        ("dstdomain .c.test set:hosts", Sample::get("http://a.test/"), true),
        ("dstdomain set:hosts", Sample::get("http://www.a.test/"), false),
        ("src set:networks", from("10.9.9.9"), true),
        ("src set:networks", from("11.0.0.0"), false),
        ("src 11.0.0.0 set:networks", from("11.0.0.0"), true),
        ("src set:networks", from("2001:db8::8"), true),
        ("dst set:networks", Sample::get("http://[2001:db8::a]/"), false),
        ("dst set:networks", Sample::get("http://10.0.0.1/"), true),
    ];
    for (line, request, expected) in cases {
        assert_eq!(
            matches(line, &request),
            Ok(expected),
            "{line} / {request:?}"
        );
    }
    let error = Acls::parse("/acl", &["x src set:hosts"]).expect_err("other kind");
    assert_eq!(
        error.message,
        "the set `hosts` has domains; here, addresses are wanted"
    );
}

#[test]
fn dst_of_a_name_needs_addresses() {
    let request = Sample::get("http://example.com/");
    assert_eq!(
        matches("dst 10.0.0.0/8", &request),
        Err(Undecided::Addresses)
    );
}

#[test]
fn earlier_lines_decide_before_addresses_are_needed() {
    let acls = Acls::parse("", &["inside dst 10.0.0.0/8", "web port 80"]).expect("valid");
    let list = AccessList::parse("", &["deny web inside", "allow all"], &acls).expect("valid");
    let other_port = Sample::get("http://example.com:81/");
    assert_eq!(list.decide(&acls, &other_port).map(|d| d.line), Ok(Some(1)));
    let web = Sample::get("http://example.com/");
    assert_eq!(list.decide(&acls, &web), Err(Undecided::Addresses));
}

#[test]
fn without_a_match_the_opposite_of_the_last_line_holds() {
    let acls = Acls::parse("", &["web port 80"]).expect("valid");
    let request = Sample::get("http://example.com:81/");
    for (lines, allow) in [
        (&["deny web"][..], true),
        (&["allow web"], false),
        (&["allow web", "deny web"], true),
        (&[], false),
    ] {
        let list = AccessList::parse("", lines, &acls).expect("valid");
        let decided = list.decide(&acls, &request).expect("no dst");
        assert_eq!((decided.allow, decided.line), (allow, None), "{lines:?}");
    }
}

#[test]
fn lines_of_one_name_are_alternatives() {
    let acls = Acls::parse("", &["Safe port 80", "safe port 443", "ALL_OF_IT src all"]);
    let acls = acls.expect("names are compared without case");
    let list = AccessList::parse("", &["allow SAFE !none_of_it"], &acls);
    assert!(list.is_err());
    let list = AccessList::parse("", &["allow SAFE all"], &acls).expect("valid");
    for (uri, allow) in [
        ("http://a/", true),
        ("https://a/", true),
        ("http://a:81/", false),
    ] {
        let decided = list.decide(&acls, &Sample::get(uri)).expect("no dst");
        assert_eq!(decided.allow, allow, "{uri}");
    }
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    #[rustfmt::skip]
    let cases = [
        ("localnet", "an acl is a name, a type and values"),
        ("localnet src", "no values after its type `src`"),
        ("x srcs 10.0.0.0/8", "type `srcs` is not known; there are: src, dst"),
        ("x src 10.0.0.0/33", "`/33` is neither a prefix length nor a netmask"),
        ("x src 10.0.0.0/255.0.255.0", "neither a prefix length nor a netmask"),
        ("x src 10.0.0.0/ffff::", "neither a prefix length nor a netmask"),
        ("x src ten", "`ten` is not an IP address"),
        ("x src 10.0.0.9-10.0.0.1", "ends before it begins"),
        ("x src 10.0.0.9-::1", "mixes IPv4 and IPv6"),
        ("x dstdomain *.example.com", "write example.com for the host alone"),
        ("x dstdomain .", "is not a domain"),
        ("x dstdomain \"/etc/list\"", "`x = { file = \"/etc/list\", kind = \"domains\" }`, and write `set:x`"),
        ("x url_regex \"/etc/list\"", "values from a file (\"/etc/list\") cannot be read here; list them"),
        ("x dstdomain set:nowhere", "there is no set `nowhere`"),
        ("x port 80-", "is not a port"),
        ("x port 443-80", "is not a port"),
        ("x port 65536", "is not a port"),
        ("x url_regex (", "not a regular expression: unclosed group"),
        ("x url_regex -i", "no pattern after the options"),
        ("x time 17:00-9:00", "is not a time"),
        ("x time X", "is not a time"),
        ("x time M 9:00-17:61", "is not a time"),
        ("x time M 9:00-25:00", "is not a time"),
        ("x req_header X-Tag", "no pattern after the options"),
        ("all port 80", "`all` is built in"),
        ("x external directory", "what is the helper `directory` asked?"),
        ("x external directory %SCR", "`%SCR` is not known; there are: %SRC, "),
        ("x external directory %>{a b}", "`%>{a` is not known"),
        ("x external directory %>{}", "`%>{}` is not known"),
    ];
    for (line, message) in cases {
        let error = Acls::parse("/acl", &["a port 1", line]).expect_err(line);
        assert_eq!(error.at, "/acl/1", "{line}");
        assert!(error.message.contains(message), "{line}: {}", error.message);
    }
}

#[test]
fn one_name_has_one_type() {
    let error = Acls::parse("/acl", &["x port 1", "x src 10.0.0.1"]).expect_err("two types");
    assert_eq!(
        error.message,
        "acl `x` is of type port further up; one name has one type"
    );
    let error = Acls::parse("/acl", &["x req_header A b", "x req_header C d"]).expect_err("fields");
    assert!(
        error.message.contains("tests the field `a` further up"),
        "{}",
        error.message
    );
}

#[test]
fn list_errors_say_what_is_wrong_and_where() {
    let acls = Acls::parse("/acl", &["web port 80"]).expect("valid");
    for (line, message) in [
        ("permit web", "`permit`: a line begins with allow or deny"),
        ("", "an empty line"),
        ("deny", "for everyone, say `all`"),
        ("deny !wbe", "acl `wbe` is not defined; there are: all, web"),
    ] {
        let error = AccessList::parse("/http_access", &["allow web", line], &acls).expect_err(line);
        assert_eq!(error.at, "/http_access/1", "{line}");
        assert!(error.message.contains(message), "{line}: {}", error.message);
    }
}

#[test]
fn a_helper_is_asked_when_its_turn_comes() {
    let acls = Acls::parse(
        "",
        &[
            "web port 80",
            "members external directory %SRC staff",
            "login external passwords %LOGIN %PASSWORD",
        ],
    );
    let acls = acls.expect("valid");
    let lines = ["deny web !members", "deny !login", "allow all"];
    let list = AccessList::parse("", &lines, &acls).expect("valid");
    assert!(list.needs_answers(&acls) && !list.needs_addresses(&acls));
    let key = "192.0.2.1 staff";
    let answered = |uri, answer| Sample::get(uri).answered("directory", key, answer);
    let basic = |sample: Sample| sample.with("Proxy-Authorization", "Basic YW5uOnB3");
    let ask = |helper: &str, key: &str| Undecided::Answer {
        helper: helper.into(),
        key: key.into(),
    };
    let failed = Undecided::Failed {
        helper: "directory".into(),
        message: Some("down".into()),
    };
    let (web, other) = ("http://a/", "http://a:81/");
    let yes = || Answer::found(&[]);
    let cases = [
        (Sample::get(web), Err(ask("directory", key))),
        (
            answered(web, Answer::failed(&[("message", "down")])),
            Err(failed),
        ),
        (answered(web, Answer::not_found(&[])), Ok(Some(0))),
        // The first acl of the line does not match.
        (Sample::get(other), Err(Undecided::Credentials)),
        (answered(web, yes()), Err(Undecided::Credentials)),
        (basic(answered(web, yes())), Err(ask("passwords", "ann pw"))),
        (
            basic(Sample::get(other)).answered("passwords", "ann pw", Answer::not_found(&[])),
            Ok(Some(1)),
        ),
        (
            basic(Sample::get(other)).answered("passwords", "ann pw", yes()),
            Ok(Some(2)),
        ),
    ];
    for (request, expected) in cases {
        let decided = list.decide(&acls, &request).map(|decided| decided.line);
        assert_eq!(decided, expected, "{request:?}");
    }
    assert_eq!(
        [0, 1, 2].map(|line| list.is_about_login(line, &acls)),
        [false, true, false]
    );
    let said = answered(web, Answer::not_found(&[("message", "Not yet.")]));
    assert_eq!(list.message(0, &acls, &said).as_deref(), Some("Not yet."));
    assert_eq!(list.message(0, &acls, &Sample::get(web)), None);
    let twice = Acls::parse("/acl", &["x external a %SRC", "x external a %DST"]);
    assert_eq!(twice.expect_err("two lines").at, "/acl/1");
}

proptest! {
    /// The merged, sorted ranges say what each value says alone.
    #[test]
    fn merged_ranges_contain_what_their_parts_contain(
        networks in prop::collection::vec((any::<u32>(), 0u32..=32), 1..20),
        probes in prop::collection::vec(any::<u32>(), 20),
    ) {
        let values: Vec<String> = networks
            .iter()
            .map(|&(bits, prefix)| format!("{}/{prefix}", Ipv4Addr::from_bits(bits)))
            .collect();
        let mut set = Addresses::default();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        set.extend(&values).expect("valid values");
        let edges = networks.iter().map(|&(bits, _)| bits);
        for probe in probes.iter().copied().chain(edges) {
            let naive = networks.iter().any(|&(bits, prefix)| {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                bits & mask == probe & mask
            });
            prop_assert_eq!(set.contains(IpAddr::V4(Ipv4Addr::from_bits(probe))), naive);
        }
    }

    /// No line of text makes the parsers panic.
    #[test]
    fn parsers_take_any_text(line in "\\PC{0,60}") {
        let kinds = ["src", "dst", "dstdomain", "dstdom_regex", "port", "time", "req_header", "external"];
        for kind in kinds {
            let _ = Acls::parse("", &[format!("x {kind} {line}")]);
        }
        let _ = Acls::parse("", &[line]);
    }
}
