//! Ordered allow and deny lines over named acls.

use super::trace::{Traced, Writer};
use super::{Acls, Undecided};
use crate::{ConfigError, Request};

/// An ordered list of lines such as `deny CONNECT !SSL_ports` (squid's `http_access` and its kin).
///
/// A line applies where all its acls match; the first line that applies decides. Where none does,
/// the opposite of the last line holds, and where there is no line, nothing is allowed.
#[derive(Debug)]
pub struct AccessList {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    allow: bool,
    terms: Vec<Term>,
}

#[derive(Debug)]
struct Term {
    acl: usize,
    negated: bool,
}

/// What a list says of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// May it?
    pub allow: bool,
    /// Index of the line that applied; none where the opposite of the last one holds.
    pub line: Option<usize>,
}

/// Looks on while a list comes to its decision.
pub(super) trait Observer {
    /// That acl of the line in hand has been looked at.
    fn term(&mut self, acl: usize, negated: bool, matches: &Result<bool, Undecided>);
    /// That line has been looked at: whether it applies.
    fn line(&mut self, index: usize, applies: &Result<bool, Undecided>);
}

/// Nobody looks on, which costs nothing.
struct Nobody;

impl AccessList {
    /// Reads lines of squid.conf without the directive's name: `deny !Safe_ports`. `at` is the
    /// JSON Pointer of the list, for errors.
    ///
    /// # Errors
    /// The first line that is none, or names an acl that is not there.
    pub fn parse<S: AsRef<str>>(at: &str, lines: &[S], acls: &Acls) -> Result<Self, ConfigError> {
        let mut list = AccessList { lines: Vec::new() };
        for (index, line) in lines.iter().enumerate() {
            list.push(line.as_ref().split_whitespace(), acls)
                .map_err(|message| ConfigError::new(format!("{at}/{index}"), message))?;
        }
        Ok(list)
    }

    /// A list without lines, to be filled by [`AccessList::push`].
    pub fn empty() -> Self {
        AccessList { lines: Vec::new() }
    }

    /// Adds a line given as words: `deny`, `CONNECT`, `!SSL_ports`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn push<'a>(
        &mut self,
        mut words: impl Iterator<Item = &'a str>,
        acls: &Acls,
    ) -> Result<(), String> {
        let allow = match words.next() {
            Some("allow") => true,
            Some("deny") => false,
            Some(other) => return Err(format!("`{other}`: a line begins with allow or deny")),
            None => return Err("an empty line; a line is `allow` or `deny` and acl names".into()),
        };
        let terms = words
            .map(|word| {
                let (negated, name) = match word.strip_prefix('!') {
                    Some(name) => (true, name),
                    None => (false, word),
                };
                let acl = acls.index(name)?;
                Ok(Term { acl, negated })
            })
            .collect::<Result<Vec<Term>, String>>()?;
        if terms.is_empty() {
            return Err("no acl after allow or deny; for everyone, say `all`".into());
        }
        self.lines.push(Line { allow, terms });
        Ok(())
    }

    /// The first line that applies decides.
    ///
    /// # Errors
    /// An acl would decide and what it asks for is not known yet. A line is left at the first acl
    /// that does not match: of those after it nothing need be known.
    pub fn decide(&self, acls: &Acls, request: &dyn Request) -> Result<Decided, Undecided> {
        self.decide_before(acls, request, &mut Nobody)
    }

    /// The same, with every line that was looked at and what came of each of its acls.
    pub fn trace(&self, acls: &Acls, request: &dyn Request) -> Traced {
        let mut writer = Writer::new(acls, request);
        let decided = self.decide_before(acls, request, &mut writer);
        Traced {
            decided,
            lines: writer.lines,
        }
    }

    /// What is told is what is done: this is the only way to a decision.
    fn decide_before(
        &self,
        acls: &Acls,
        request: &dyn Request,
        observer: &mut impl Observer,
    ) -> Result<Decided, Undecided> {
        for (index, line) in self.lines.iter().enumerate() {
            let applies = line.applies(acls, request, observer);
            observer.line(index, &applies);
            if applies? {
                return Ok(Decided {
                    allow: line.allow,
                    line: Some(index),
                });
            }
        }
        Ok(Decided {
            allow: self.lines.last().is_some_and(|last| !last.allow),
            line: None,
        })
    }

    /// Whether a `dst` acl may have to decide: then [`AccessList::decide`] can ask for addresses.
    pub fn needs_addresses(&self, acls: &Acls) -> bool {
        let mut terms = self.lines.iter().flat_map(|line| &line.terms);
        terms.any(|term| acls.needs_addresses(term.acl))
    }

    /// Whether an `external` acl may have to decide: then [`AccessList::decide`] can ask helpers.
    pub fn needs_answers(&self, acls: &Acls) -> bool {
        let mut terms = self.lines.iter().flat_map(|line| &line.terms);
        terms.any(|term| acls.external(term.acl).is_some())
    }

    /// What helpers say to people about that line's decision (squid's `message=`): the last one
    /// that says something.
    pub fn message(&self, line: usize, acls: &Acls, request: &dyn Request) -> Option<String> {
        let terms = self.lines.get(line)?.terms.iter().rev();
        let mut answers = terms.filter_map(|term| acls.external(term.acl)?.answer(request));
        answers.find_map(|answer| answer.pair("message").map(str::to_owned))
    }

    /// Whether that line, where it denies, denies because of who is asking: then it is asked for
    /// other credentials. As in squid, its last acl is what counts.
    pub fn is_about_login(&self, line: usize, acls: &Acls) -> bool {
        let last = self.lines.get(line).and_then(|line| line.terms.last());
        let external = last.and_then(|term| acls.external(term.acl));
        external.is_some_and(super::External::is_about_login)
    }

    /// The verdict where the first line is for `all` and so decides whatever the request: such
    /// lists are common (`deny all`) and cost no look at the request.
    pub fn constant(&self, acls: &Acls) -> Option<bool> {
        let first = self.lines.first()?;
        let always = first
            .terms
            .iter()
            .all(|term| !term.negated && acls.is_all(term.acl));
        always.then_some(first.allow)
    }
}

// === impl Line ===

impl Line {
    fn applies(
        &self,
        acls: &Acls,
        request: &dyn Request,
        observer: &mut impl Observer,
    ) -> Result<bool, Undecided> {
        for &Term { acl, negated } in &self.terms {
            let matches = acls.matches(acl, request);
            observer.term(acl, negated, &matches);
            if matches? == negated {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

// === impl Nobody ===

impl Observer for Nobody {
    #[inline]
    fn term(&mut self, _: usize, _: bool, _: &Result<bool, Undecided>) {}

    #[inline]
    fn line(&mut self, _: usize, _: &Result<bool, Undecided>) {}
}
