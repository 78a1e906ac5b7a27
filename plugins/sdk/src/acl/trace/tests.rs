use super::super::AccessList;
use super::*;
use crate::Moment;
use crate::sets::Kind;
use crate::testing::{self, Sample};
use proptest::prelude::*;

/// What is said of the acl line, named x, and whether it holds.
fn said(line: &str, request: &Sample) -> (Option<bool>, String) {
    let acls = Acls::parse("", &[format!("x {line}")]).expect(line);
    let list = AccessList::parse("", &["allow x"], &acls).expect(line);
    let mut traced = list.trace(&acls, request);
    let mut conditions = traced.lines.remove(0).conditions;
    let condition = conditions.remove(0);
    assert_eq!(condition.text, "x");
    (condition.holds, condition.why)
}

#[test]
fn each_type_says_what_it_has_compared_with_what() {
    testing::set("hosts", Kind::Domains, &[".b.test"]);
    let get = || Sample::get("http://www.example.com:81/a/b.HTML?q");
    let many = |value: &str, count: usize| vec![value; count].join(" ");
    let looked_up = Sample {
        addresses: Some(vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()]),
        ..get()
    };
    let nowhere = Sample {
        addresses: Some(vec![]),
        ..get()
    };
    let monday = Sample {
        received: Moment {
            unix: 4 * 86_400 + 9 * 3600 + 300,
            utc_offset: 3600,
        },
        ..get()
    };
    let curl = get().with("User-Agent", "curl/8");
    let secret = get().with("Authorization", "Basic c2VjcmV0");
    #[rustfmt::skip]
    let cases = [
        ("src 10.0.0.0/8", get(), Some(false), "src 10.0.0.0/8: client 192.0.2.1"),
        ("src 192.0.2.0/24 ::1", get(), Some(true), "src 192.0.2.0/24 ::1: client 192.0.2.1"),
        ("dst 10.0.0.0/8", get(), None, "dst 10.0.0.0/8: the addresses of www.example.com are not known yet"),
        ("dst 10.0.0.0/8", looked_up, Some(false), "dst 10.0.0.0/8: www.example.com is 192.0.2.1, 192.0.2.2"),
        ("dst 10.0.0.0/8", nowhere, Some(false), "dst 10.0.0.0/8: www.example.com has no address"),
        ("dstdomain .example.com", get(), Some(true), "dstdomain .example.com: host www.example.com"),
        ("dstdomain set:hosts", get(), Some(false), "dstdomain set:hosts: host www.example.com"),
        ("dstdom_regex -i EXAMPLE", get(), Some(true), "dstdom_regex -i EXAMPLE: host www.example.com"),
        ("port 80 443", get(), Some(false), "port 80 443: 81"),
        ("method GET", get(), Some(true), "method GET: GET"),
        ("proto http", get(), Some(true), "proto http: http"),
        ("proto none", Sample::connect("a:443"), Some(true), "proto none: none, as CONNECT has it"),
        ("url_regex q$", get(), Some(true), "url_regex q$: http://www.example.com:81/a/b.HTML?q"),
        ("urlpath_regex ^/a/", get(), Some(true), "urlpath_regex ^/a/: /a/b.HTML?q"),
        ("urlpath_regex .", Sample::connect("a:443"), Some(false), "urlpath_regex .: no path, as CONNECT has it"),
        ("urlpath_regex e$", Sample::get("http://a/setup.%65xe"), Some(true), "urlpath_regex e$: /setup.%65xe, escapes decoded"),
        ("time D 10:00-11:00", monday, Some(true), "time D 10:00-11:00: Monday 10:05"),
        ("time SA", get(), Some(false), "time SA: Thursday 00:00"),
        ("browser ^curl/", curl, Some(true), "browser ^curl/: user-agent: curl/8"),
        ("browser ^curl/", get(), Some(false), "browser ^curl/: there is no user-agent"),
        ("req_header X-Tag evil", get().with("x-tag", "good"), Some(false), "req_header X-Tag evil: x-tag: good"),
        ("req_header Authorization ^Basic", secret, Some(true), "req_header Authorization ^Basic: authorization: (not shown)"),
        (&format!("port {} 81", many("80", 50)), get(), Some(true), "port 81, among others: 81"),
        (&format!("port {}", many("8000", 50)), get(), Some(false), &format!("port {}...: 81", &many("8000", 50)[..SHOWN])),
        (&format!("url_regex {} -i B.html", many("nowhere", 20)), get(), Some(true), "url_regex -i B.html, among others: http://www.example.com:81/a/b.HTML?q"),
        (&format!("req_header X-Tag {} g..d", many("evil", 20)), get().with("x-tag", "good"), Some(true), "req_header X-Tag g..d, among others: x-tag: good"),
    ];
    for (line, request, holds, why) in cases {
        assert_eq!(said(line, &request), (holds, why.to_owned()), "{line}");
    }
    let all = Acls::parse("", &[""; 0]).expect("none");
    let list = AccessList::parse("", &["deny all"], &all).expect("valid");
    assert_eq!(
        list.trace(&all, &get()).lines[0].conditions[0].why,
        "everyone"
    );
}

#[test]
fn lines_of_one_acl_are_shown_together() {
    let acls = Acls::parse("", &["Safe port 80", "safe port 443"]).expect("valid");
    let list = AccessList::parse("", &["deny !SAFE", "allow all"], &acls).expect("valid");
    let traced = list.trace(&acls, &Sample::get("https://a/"));
    let lines: Vec<_> = traced.lines.iter().map(|l| (l.line, l.applies)).collect();
    assert_eq!(lines, [(0, Some(false)), (1, Some(true))]);
    let condition = &traced.lines[0].conditions[0];
    assert_eq!(
        (condition.text.as_str(), condition.holds, &*condition.why),
        ("!Safe", Some(false), "port 80, 443: 443")
    );
}

#[test]
fn what_comes_after_the_first_that_fails_is_not_looked_at() {
    let acls = Acls::parse("", &["web port 80", "inside dst 10.0.0.0/8"]).expect("valid");
    let list = AccessList::parse(
        "",
        &["deny !web inside", "deny web inside all", "allow all"],
        &acls,
    );
    let traced = list
        .expect("valid")
        .trace(&acls, &Sample::get("http://example.com/"));
    let looked: Vec<(Option<bool>, Vec<&str>)> = traced
        .lines
        .iter()
        .map(|line| {
            let texts = line.conditions.iter().map(|condition| &*condition.text);
            (line.applies, texts.collect())
        })
        .collect();
    assert_eq!(
        looked,
        [(Some(false), vec!["!web"]), (None, vec!["web", "inside"])]
    );
    assert_eq!(traced.decided, Err(Undecided::Addresses));
}

proptest! {
    /// Whatever the lines and the request are, what is told is what is done: the last line that
    /// was looked at is the one that decides, and it alone applies.
    #[test]
    fn what_is_told_is_what_is_done(
        lines in prop::collection::vec((any::<bool>(), prop::collection::vec((any::<bool>(), 0usize..7), 1..4)), 0..8),
        port in prop::sample::select(vec![80u16, 81, 443]),
        client in prop::sample::select(vec!["10.0.0.1", "192.0.2.1"]),
        known in any::<bool>(),
    ) {
        let acls = Acls::parse("", &[
            "a port 80", "b port 80 443", "c src 10.0.0.0/8", "d dst 192.0.2.0/24", "e method GET", "f dstdomain .org",
        ]).expect("valid");
        let names = ["a", "b", "c", "d", "e", "f", "all"];
        let lines: Vec<String> = lines.iter().map(|(allow, terms)| {
            let terms = terms.iter().map(|(not, name)| format!(" {}{}", if *not { "!" } else { "" }, names[*name]));
            format!("{}{}", if *allow { "allow" } else { "deny" }, terms.collect::<String>())
        }).collect();
        let list = AccessList::parse("", &lines, &acls).expect("valid");
        let mut request = Sample::get(&format!("http://example.com:{port}/")).from(client);
        request.addresses = known.then(|| vec![[192, 0, 2, 7].into()]);
        let decided = list.decide(&acls, &request);
        let traced = list.trace(&acls, &request);
        prop_assert_eq!(traced.decided, decided.clone());
        let looked = traced.lines.iter().map(|line| line.line);
        prop_assert!(looked.eq(0..traced.lines.len()));
        let Some((last, before)) = traced.lines.split_last() else {
            prop_assert!(lines.is_empty());
            return Ok(());
        };
        prop_assert!(before.iter().all(|line| line.applies == Some(false)));
        match decided {
            Err(_) => prop_assert_eq!(last.applies, None),
            Ok(Decided { line: Some(line), .. }) => {
                prop_assert_eq!((last.line, last.applies), (line, Some(true)));
            }
            Ok(Decided { line: None, .. }) => {
                prop_assert_eq!((last.applies, traced.lines.len()), (Some(false), lines.len()));
            }
        }
        for line in &traced.lines {
            let holds: Vec<_> = line.conditions.iter().map(|condition| condition.holds).collect();
            let (last, before) = holds.split_last().expect("a line has an acl");
            prop_assert!(before.iter().all(|holds| *holds == Some(true)));
            prop_assert_eq!(*last, line.applies);
        }
    }
}
