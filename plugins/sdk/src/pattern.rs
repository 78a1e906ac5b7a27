//! Regular expressions as squid has them: over octets, found anywhere in the text.

use regex::bytes::{Regex, RegexBuilder};

/// A regular expression of a configuration.
///
/// ```
/// use wproxy_sdk::Pattern;
///
/// let dynamic = Pattern::new(r"(/cgi-bin/|\?)", true)?;
/// assert!(dynamic.is_found(b"http://example.com/CGI-BIN/a"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles it; `ignore_case` is squid's `-i`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for [`ConfigError`](crate::ConfigError).
    pub fn new(pattern: &str, ignore_case: bool) -> Result<Pattern, String> {
        let built = RegexBuilder::new(pattern)
            .unicode(false)
            .case_insensitive(ignore_case)
            .build();
        built.map(Pattern).map_err(|error| {
            // The last line says what is wrong; those before draw the pattern, as the host will.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            format!("`{pattern}` is not a regular expression: {reason}")
        })
    }

    /// Whether it matches anywhere in that text.
    pub fn is_found(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}
