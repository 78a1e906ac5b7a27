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
/// Fields whose values are not for everybody who may see rules: the usual ones. The host, which shows
/// the words, knows more of them, and goes through these once more.
const SECRET: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-amz-security-token",
    "x-auth-token",
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
            Test::UrlRegex(_) => url(request.uri()),
            Test::UrlPathRegex(_) => match request.path() {
                "" => "no path, as CONNECT has it".into(),
                path => url(path),
            },
            Test::Time(_) => super::schedule::words(request.received()),
            Test::Browser(_) => field(request, "user-agent"),
            Test::ReqHeader(name, _) => field(request, name),
            Test::External(external) => external.words(request),
        }
    }
}

/// As it was sent: by that, the host finds the query in it where it is not to be shown.
fn url(text: &str) -> String {
    match text.contains('%') {
        true => format!("{text}, escapes decoded"),
        false => text.to_owned(),
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
mod tests;
