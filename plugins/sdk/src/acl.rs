//! squid's access control model: named tests, and ordered lists of lines that refer to them.
//!
//! ```
//! use wproxy_sdk::acl::{AccessList, Acls};
//! use wproxy_sdk::testing::Sample;
//!
//! let acls = Acls::parse("/acl", &[
//!     "localnet src 10.0.0.0/8",
//!     "Safe_ports port 80 443",
//! ])?;
//! let access = AccessList::parse("/http_access", &["deny !Safe_ports", "allow localnet"], &acls)?;
//!
//! let verdict = access.decide(&acls, &Sample::get("http://example.com/").from("10.1.2.3"))?;
//! assert_eq!((verdict.allow, verdict.line), (true, Some(1)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod addresses;
mod domains;
mod external;
mod list;
mod patterns;
mod ports;
mod rfc1738;
mod schedule;
mod trace;

pub use list::{AccessList, Decided};
pub use trace::{Traced, TracedLine};

use crate::{ConfigError, Request};
use addresses::Addresses;
use domains::Domains;
use external::External;
use patterns::Patterns;
use ports::Ports;
use schedule::Schedule;
use std::collections::HashMap;

/// The `acl` lines of a configuration: each a name, a type and values (squid directive `acl`).
///
/// Values of one line, and lines of one name, are alternatives. Names are compared without case.
/// `all` is there from the start.
///
/// In place of values in a file, which squid has, `src`, `dst` and `dstdomain` take a set of the
/// host's by its name: `ads dstdomain set:ads`. Others can be beside it.
///
/// squid has what a helper is asked with the helper; here it stands in the acl:
/// `staff external directory %LOGIN %SRC staff`.
#[derive(Debug)]
pub struct Acls {
    acls: Vec<Acl>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
struct Acl {
    /// As its first line spells it.
    name: String,
    kind: String,
    /// The values of each line, for people.
    values: Vec<String>,
    test: Test,
}

/// What one name tests. The variants are squid's types.
#[derive(Debug)]
enum Test {
    All,
    Src(Addresses),
    Dst(Addresses),
    DstDomain(Domains),
    DstDomRegex(Patterns),
    Port(Ports),
    Method(Vec<String>),
    Proto(Vec<String>),
    UrlRegex(Patterns),
    UrlPathRegex(Patterns),
    Time(Schedule),
    Browser(Patterns),
    ReqHeader(String, Patterns),
    External(External),
}

const KINDS: &str = "src, dst, dstdomain, dstdom_regex, port, method, proto, url_regex, \
                     urlpath_regex, time, browser, req_header, external";

/// What has to be known before a list can decide, and is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecided {
    /// The destination's addresses: answer `resolve`.
    Addresses,
    /// What a helper says: answer `lookup`.
    Answer {
        /// Which.
        helper: String,
        /// What it is asked.
        key: String,
    },
    /// Who is asking: answer `authenticate`.
    Credentials,
    /// What a helper should have said: it has failed, so that nobody knows.
    Failed {
        /// Which.
        helper: String,
        /// What it, or the host, says about that.
        message: Option<String>,
    },
}

impl std::fmt::Display for Undecided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Undecided::Addresses => f.write_str("the destination's addresses are not known yet"),
            Undecided::Answer { helper, .. } => write!(f, "the helper `{helper}` has to be asked"),
            Undecided::Credentials => f.write_str("nobody has said who is asking"),
            Undecided::Failed { helper, .. } => write!(f, "the helper `{helper}` failed"),
        }
    }
}

impl std::error::Error for Undecided {}

// === impl Acls ===

impl Acls {
    /// Reads lines of squid.conf without the word `acl`: `localnet src 10.0.0.0/8`. `at` is the
    /// JSON Pointer of the list, for errors.
    ///
    /// # Errors
    /// The first line that is not an acl, with the pointer to it.
    pub fn parse<S: AsRef<str>>(at: &str, lines: &[S]) -> Result<Self, ConfigError> {
        let mut acls = Acls {
            acls: Vec::new(),
            by_name: HashMap::new(),
        };
        acls.insert("all", "src", &["all"], Test::All);
        for (index, line) in lines.iter().enumerate() {
            acls.line(line.as_ref())
                .map_err(|message| ConfigError::new(format!("{at}/{index}"), message))?;
        }
        Ok(acls)
    }

    /// Whether an acl of type `method` names that method, in upper case.
    pub fn name_method(&self, method: &str) -> bool {
        self.acls.iter().any(|acl| match &acl.test {
            Test::Method(methods) => methods.iter().any(|named| named == method),
            _ => false,
        })
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_whitespace();
        let (Some(name), Some(kind)) = (words.next(), words.next()) else {
            return Err("an acl is a name, a type and values: `localnet src 10.0.0.0/8`".into());
        };
        let values: Vec<&str> = words.collect();
        if let Some(file) = values.iter().find(|value| value.starts_with('"')) {
            return Err(match set_kind(kind) {
                Some(holds) => format!(
                    "values from a file ({file}) cannot be read here: name it under [sets], \
                     `{name} = {{ file = {file}, kind = \"{holds}\" }}`, and write `set:{name}`"
                ),
                None => {
                    format!(
                        "values from a file ({file}) cannot be read here; list them on the line"
                    )
                }
            });
        }
        if values.is_empty() {
            return Err(format!(
                "acl `{name}` has no values after its type `{kind}`"
            ));
        }
        match self.by_name.get(&name.to_ascii_lowercase()) {
            None => {
                let test = Test::parse(kind, &values)?;
                self.insert(name, kind, &values, test);
            }
            Some(&index) => {
                let acl = &mut self.acls[index];
                if matches!(acl.test, Test::All) {
                    return Err("`all` is built in and matches everyone".into());
                }
                if acl.kind != kind {
                    return Err(format!(
                        "acl `{name}` is of type {} further up; one name has one type",
                        acl.kind
                    ));
                }
                acl.test.extend(&values)?;
                acl.values.push(values.join(" "));
            }
        }
        Ok(())
    }

    fn insert(&mut self, name: &str, kind: &str, values: &[&str], test: Test) {
        self.by_name
            .insert(name.to_ascii_lowercase(), self.acls.len());
        self.acls.push(Acl {
            name: name.to_owned(),
            kind: kind.to_owned(),
            values: vec![values.join(" ")],
            test,
        });
    }

    fn index(&self, name: &str) -> Result<usize, String> {
        let found = self.by_name.get(&name.to_ascii_lowercase());
        found.copied().ok_or_else(|| {
            let mut known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
            known.sort_unstable();
            format!(
                "acl `{name}` is not defined; there are: {}",
                known.join(", ")
            )
        })
    }

    fn is_all(&self, index: usize) -> bool {
        matches!(self.acls[index].test, Test::All)
    }

    fn needs_addresses(&self, index: usize) -> bool {
        matches!(self.acls[index].test, Test::Dst(_))
    }

    fn external(&self, index: usize) -> Option<&External> {
        match &self.acls[index].test {
            Test::External(external) => Some(external),
            _ => None,
        }
    }

    fn matches(&self, index: usize, request: &dyn Request) -> Result<bool, Undecided> {
        self.acls[index].test.matches(request)
    }
}

// === impl Test ===

impl Test {
    fn parse(kind: &str, values: &[&str]) -> Result<Test, String> {
        let mut test = match kind {
            "src" => Test::Src(Addresses::default()),
            "dst" => Test::Dst(Addresses::default()),
            "dstdomain" => Test::DstDomain(Domains::default()),
            "dstdom_regex" => Test::DstDomRegex(Patterns::default()),
            "port" => Test::Port(Ports::default()),
            "method" => Test::Method(Vec::new()),
            "proto" => Test::Proto(Vec::new()),
            "url_regex" => Test::UrlRegex(Patterns::default()),
            "urlpath_regex" => Test::UrlPathRegex(Patterns::default()),
            "time" => Test::Time(Schedule::default()),
            "browser" => Test::Browser(Patterns::default()),
            "req_header" => Test::ReqHeader(values[0].to_ascii_lowercase(), Patterns::default()),
            "external" => return External::parse(values).map(Test::External),
            _ => {
                return Err(format!(
                    "acl type `{kind}` is not known; there are: {KINDS}"
                ));
            }
        };
        test.extend(values)?;
        Ok(test)
    }

    fn extend(&mut self, values: &[&str]) -> Result<(), String> {
        match self {
            Test::All => Ok(()),
            Test::Src(set) | Test::Dst(set) => set.extend(values),
            Test::DstDomain(set) => set.extend(values),
            Test::DstDomRegex(patterns)
            | Test::UrlRegex(patterns)
            | Test::UrlPathRegex(patterns)
            | Test::Browser(patterns) => patterns.extend(values),
            Test::Port(set) => set.extend(values),
            Test::Method(set) => {
                set.extend(values.iter().map(|value| value.to_ascii_uppercase()));
                Ok(())
            }
            Test::Proto(set) => {
                set.extend(values.iter().map(|value| value.to_ascii_lowercase()));
                Ok(())
            }
            Test::Time(schedule) => schedule.extend(values),
            Test::ReqHeader(name, patterns) => match values {
                [first, rest @ ..] if first.eq_ignore_ascii_case(name) => patterns.extend(rest),
                _ => Err(format!(
                    "this acl tests the field `{name}` further up; one name has one field"
                )),
            },
            Test::External(_) => Err("this acl asks a helper further up: one is one line".into()),
        }
    }

    fn matches(&self, request: &dyn Request) -> Result<bool, Undecided> {
        Ok(match self {
            Test::All => true,
            Test::Src(set) => set.contains(request.client()),
            Test::Dst(set) => {
                let addresses = request.addresses().ok_or(Undecided::Addresses)?;
                addresses.iter().any(|&address| set.contains(address))
            }
            Test::DstDomain(set) => set.contains(request.host()),
            Test::DstDomRegex(patterns) => patterns.matches(request.host().as_bytes()),
            Test::Port(set) => set.contains(request.port()),
            Test::Method(set) => set.iter().any(|method| method == request.method()),
            Test::Proto(set) => {
                // CONNECT has no scheme; squid calls that NONE.
                let scheme = match request.scheme() {
                    "" => "none",
                    scheme => scheme,
                };
                set.iter().any(|proto| proto == scheme)
            }
            Test::UrlRegex(patterns) => patterns.matches(request.uri().as_bytes()),
            Test::UrlPathRegex(patterns) => patterns.matches(request.path().as_bytes()),
            Test::Time(schedule) => schedule.contains(request.received()),
            Test::Browser(patterns) => field_matches(request, "user-agent", patterns),
            Test::ReqHeader(name, patterns) => field_matches(request, name, patterns),
            Test::External(external) => external.matches(request)?,
        })
    }
}

/// What a set holds that can stand in an acl of that type.
fn set_kind(kind: &str) -> Option<&'static str> {
    match kind {
        "src" | "dst" => Some("addresses"),
        "dstdomain" => Some("domains"),
        _ => None,
    }
}

/// The name of a set that a value stands for.
fn set_name(value: &str) -> Option<&str> {
    value.strip_prefix("set:")
}

fn field_matches(request: &dyn Request, name: &str, patterns: &Patterns) -> bool {
    let value = request.field(name);
    value.is_some_and(|value| patterns.matches(&value))
}

#[cfg(test)]
mod tests;
