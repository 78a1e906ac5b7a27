//! How a list comes to its decision, and the words for it.

use super::list::{Decided, Observer};
use super::{Acl, Acls, Test, Undecided};
use crate::{Condition, LookedAt, Outcome, Request};

/// How a list has come to its decision.
#[derive(Debug)]
pub struct Traced {
    /// What it says.
    pub decided: Result<Decided, Undecided>,
    /// The lines that were looked at, in order.
    pub lines: Vec<TracedLine>,
}

/// A line that was looked at.
#[derive(Debug)]
pub struct TracedLine {
    /// Its index.
    pub line: usize,
    /// Whether it applies; none where what decides is not known.
    pub applies: Option<bool>,
    /// Its acls, up to the first that does not match: those after it are not looked at.
    pub conditions: Vec<Condition>,
}

/// Puts into words what it sees.
pub(super) struct Writer<'a> {
    acls: &'a Acls,
    request: &'a dyn Request,
    /// Of the line in hand.
    conditions: Vec<Condition>,
    pub(super) lines: Vec<TracedLine>,
}

/// Characters of an acl's values that are shown as they are.
const SHOWN: usize = 80;
/// Fields whose values are not for everybody who may see rules.
const SECRET: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
];

// === impl TracedLine ===

impl TracedLine {
    /// As [`Explain`](crate::Explain) gives it: of that hook, and named so. A line that applies
    /// decides.
    pub fn looked_at(self, hook: &str, rule: impl Into<String>) -> LookedAt {
        LookedAt {
            hook: hook.into(),
            rule: rule.into(),
            outcome: match self.applies {
                Some(true) => Outcome::Decides,
                Some(false) => Outcome::DoesNotApply,
                None => Outcome::Undecided,
            },
            conditions: self.conditions,
        }
    }
}

// === impl Writer ===

impl<'a> Writer<'a> {
    pub(super) fn new(acls: &'a Acls, request: &'a dyn Request) -> Writer<'a> {
        Writer {
            acls,
            request,
            conditions: Vec::new(),
            lines: Vec::new(),
        }
    }
}

impl Observer for Writer<'_> {
    fn term(&mut self, acl: usize, negated: bool, matches: &Result<bool, Undecided>) {
        let acl = &self.acls.acls[acl];
        let not = if negated { "!" } else { "" };
        self.conditions.push(Condition {
            text: format!("{not}{}", acl.name),
            holds: matches.as_ref().ok().map(|matches| *matches != negated),
            why: acl.why(self.request, matches),
        });
    }

    fn line(&mut self, line: usize, applies: &Result<bool, Undecided>) {
        self.lines.push(TracedLine {
            line,
            applies: applies.as_ref().ok().copied(),
            conditions: std::mem::take(&mut self.conditions),
        });
    }
}

// === impl Acl ===

impl Acl {
    /// What was compared with what: `port 80, 443: 8080`.
    fn why(&self, request: &dyn Request, matches: &Result<bool, Undecided>) -> String {
        let subject = self.test.subject(request);
        match &self.test {
            Test::All => subject,
            _ => format!("{} {}: {subject}", self.kind, self.shown(request, matches)),
        }
    }

    /// The values for people: where there are many, one that matches, or the first ones.
    fn shown(&self, request: &dyn Request, matches: &Result<bool, Undecided>) -> String {
        let all = self.values.join(", ");
        if all.len() <= SHOWN {
            return all;
        }
        let has_it = |values: &Vec<&str>| {
            let test = Test::parse(&self.kind, values);
            test.is_ok_and(|test| test.matches(request) == Ok(true))
        };
        let found = match matches {
            Ok(true) => self.alternatives().into_iter().find(has_it),
            _ => None,
        };
        match found {
            Some(values) => format!("{}, among others", values.join(" ")),
            None => format!("{}...", &all[..all.floor_char_boundary(SHOWN)]),
        }
    }

    /// The values one by one, each with the options that hold for it.
    fn alternatives(&self) -> Vec<Vec<&str>> {
        let mut alternatives = Vec::new();
        for line in &self.values {
            let mut words = line.split_whitespace();
            let mut before = match &self.test {
                Test::Time(_) => {
                    alternatives.push(words.collect());
                    continue;
                }
                // The field's name stands before its patterns.
                Test::ReqHeader(..) => words.next().into_iter().collect(),
                _ => Vec::new(),
            };
            let fixed = before.len();
            for word in words {
                match word {
                    "-i" => before.push(word),
                    "+i" => before.truncate(fixed),
                    word => alternatives.push([&before[..], &[word]].concat()),
                }
            }
        }
        alternatives
    }
}

// === impl Test ===

impl Test {
    /// What of the request it looks at.
    fn subject(&self, request: &dyn Request) -> String {
        match self {
            Test::All => "everyone".into(),
            Test::Src(_) => format!("client {}", request.client()),
            Test::Dst(_) => addresses(request),
            Test::DstDomain(_) | Test::DstDomRegex(_) => format!("host {}", request.host()),
            Test::Port(_) => request.port().to_string(),
            Test::Method(_) => request.method().to_owned(),
            Test::Proto(_) => match request.scheme() {
                "" => "none, as CONNECT has it".into(),
                scheme => scheme.to_owned(),
            },
            Test::UrlRegex(_) => request.uri().to_owned(),
            Test::UrlPathRegex(_) => match request.path() {
                "" => "no path, as CONNECT has it".into(),
                path => path.to_owned(),
            },
            Test::Time(_) => super::schedule::words(request.received()),
            Test::Browser(_) => field(request, "user-agent"),
            Test::ReqHeader(name, _) => field(request, name),
            Test::External(external) => external.words(request),
        }
    }
}

fn addresses(request: &dyn Request) -> String {
    let host = request.host();
    match request.addresses() {
        None => format!("the addresses of {host} are not known yet"),
        Some([]) => format!("{host} has no address"),
        Some(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("{host} is {}", addresses.join(", "))
        }
    }
}

fn field(request: &dyn Request, name: &str) -> String {
    match request.field(name) {
        None => format!("there is no {name}"),
        Some(_) if SECRET.contains(&name) => format!("{name}: (not shown)"),
        Some(value) => format!("{name}: {}", String::from_utf8_lossy(&value)),
    }
}

#[cfg(test)]
mod tests {
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
}
