//! Lists of regular expressions: squid's `url_regex` and its kin.

use crate::Pattern;

/// Alternatives; `-i` makes those after it ignore case, `+i` ends that.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    pub(super) fn extend(&mut self, values: &[&str]) -> Result<(), String> {
        let mut ignore_case = false;
        let before = self.0.len();
        for value in values {
            match *value {
                "-i" => ignore_case = true,
                "+i" => ignore_case = false,
                // Only for dstdom_regex, where it is how it always is: no reverse look-up.
                "-n" => {}
                pattern => self.0.push(Pattern::new(pattern, ignore_case)?),
            }
        }
        if self.0.len() == before {
            return Err("no pattern after the options".into());
        }
        Ok(())
    }

    pub(super) fn matches(&self, text: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.is_found(text))
    }
}
