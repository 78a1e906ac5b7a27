//! Regular expressions, as squid's `url_regex` has them: over octets, found anywhere.

use super::{Malformed, lines};
use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};

/// A line is an expression. After a line `-i`, case does not count; after `+i`, it does again.
#[derive(Debug)]
pub(super) struct Regexes(RegexSet);

/// Octets of all of them together, compiled.
const LARGEST: usize = 64 << 20;
/// Octets that a thread which asks them may remember of what it has found out. With less, a set of
/// 10,000 forgets faster than it learns, and takes a hundred times as long.
const REMEMBERED: usize = 16 << 20;

// === impl Regexes ===

impl Regexes {
    pub(super) fn parse(text: &str) -> Result<Regexes, Malformed> {
        let mut ignore_case = false;
        let mut patterns = Vec::new();
        for line in lines(text) {
            match line.text {
                "-i" => ignore_case = true,
                "+i" => ignore_case = false,
                pattern if ignore_case => patterns.push((format!("(?i:{pattern})"), line)),
                pattern => patterns.push((pattern.to_owned(), line)),
            }
        }
        let all = patterns.iter().map(|(pattern, _)| pattern);
        let set = RegexSetBuilder::new(all)
            .unicode(false)
            .size_limit(LARGEST)
            .dfa_size_limit(REMEMBERED)
            .build();
        set.map(Regexes).map_err(|error| {
            let wrong = patterns.iter().find_map(|(pattern, line)| {
                let error = alone(pattern)?;
                Some(line.malformed(format!("not a regular expression: {error}")))
            });
            wrong.unwrap_or_else(|| Malformed::whole(reason(&error)))
        })
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What is wrong with that one.
fn alone(pattern: &str) -> Option<String> {
    let built = RegexBuilder::new(pattern).unicode(false).build();
    built.err().map(|error| reason(&error))
}

/// The last line says it; those before draw the pattern.
fn reason(error: &regex::Error) -> String {
    let error = error.to_string();
    let reason = error.lines().last().unwrap_or_default();
    reason.trim_start_matches("error: ").to_owned()
}
