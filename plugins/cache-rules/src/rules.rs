//! squid's `refresh_pattern`, as data and a choice.

use serde::Deserialize;
use wproxy_sdk::{ConfigError, LookedAt, Overrides, Pattern};

/// The `[config]` table: lines of squid.conf, the directive's name left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// `-i (/cgi-bin/|\?) 0 0% 0`: pattern, minutes, percent, minutes, options. The first line
    /// whose pattern is found in the URI holds.
    #[serde(default)]
    pub(crate) refresh_pattern: Vec<String>,
}

/// One line: how long a response without explicit expiry is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// Seconds.
    pub(crate) min: u64,
    /// Of the time since Last-Modified.
    pub(crate) percent: u32,
    /// Seconds.
    pub(crate) max: u64,
    /// What to overrule in what RFC 9111 says.
    pub(crate) overrides: Overrides,
}

const DEFAULT_RULE: &str = "squid's default: . 0 20% 4320";
/// Where no line matches: squid's `refresh_pattern . 0 20% 4320`.
const DEFAULT: Freshness = Freshness {
    min: 0,
    percent: 20,
    max: 4320 * 60,
    overrides: Overrides::empty(),
};

/// The lines, understood.
#[derive(Debug)]
pub(crate) struct Rules {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    /// JSON Pointer to it.
    pointer: String,
    /// As it is written: `-i \.deb$`.
    written: String,
    pattern: Pattern,
    freshness: Freshness,
}

impl Rules {
    /// # Errors
    /// The line that is wrong.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let lines = config.refresh_pattern.iter().enumerate();
        let lines = lines.map(|(index, line)| {
            let pointer = format!("/refresh_pattern/{index}");
            match parse(line) {
                Ok((pattern, freshness)) => Ok(Line {
                    pointer,
                    written: written(line),
                    pattern,
                    freshness,
                }),
                Err(message) => Err(ConfigError::new(pointer, message)),
            }
        });
        let lines = lines.collect::<Result<_, _>>()?;
        Ok(Rules { lines })
    }

    /// The rule of the first line whose pattern is found in the URI; else squid's default.
    pub(crate) fn choose(&self, uri: &str) -> (&str, Freshness) {
        self.choose_before(uri, |_, _| {})
    }

    /// The lines that are looked at for that, the one that holds last.
    pub(crate) fn trace(&self, uri: &str) -> Vec<LookedAt> {
        const HOOK: &str = "cache-rules";
        let mut looked_at = Vec::new();
        let (rule, _) = self.choose_before(uri, |line, is_found| {
            let line_itself = LookedAt::new(HOOK, line.pointer.as_str());
            looked_at.push(line_itself.condition(line.written.as_str(), Some(is_found), uri));
        });
        if rule == DEFAULT_RULE {
            looked_at.push(LookedAt::new(HOOK, rule));
        }
        looked_at
    }

    /// What is told is what is done: this is the only way to a choice. `look` gets each line that is
    /// looked at, and whether its pattern is found.
    fn choose_before(&self, uri: &str, mut look: impl FnMut(&Line, bool)) -> (&str, Freshness) {
        let mut lines = self.lines.iter();
        let found = lines.find(|line| {
            let is_found = line.pattern.is_found(uri.as_bytes());
            look(line, is_found);
            is_found
        });
        match found {
            Some(line) => (&line.pointer, line.freshness),
            None => (DEFAULT_RULE, DEFAULT),
        }
    }

    /// Whether a line can let something be stored that RFC 9111 forbids to store.
    pub(crate) fn overrule_storage(&self) -> bool {
        let overruling = Overrides::IGNORE_NO_STORE | Overrides::IGNORE_PRIVATE;
        let mut lines = self.lines.iter();
        lines.any(|line| line.freshness.overrides.intersects(overruling))
    }
}

fn parse(line: &str) -> Result<(Pattern, Freshness), String> {
    const SHAPE: &str = "a line is `[-i] PATTERN MIN PERCENT% MAX [options]`, times in minutes";
    let mut words = line.split_whitespace().peekable();
    let ignore_case = words.next_if_eq(&"-i").is_some();
    let (Some(pattern), Some(min), Some(percent), Some(max)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(SHAPE.into());
    };
    let pattern = Pattern::new(pattern, ignore_case)?;
    let percent = percent.strip_suffix('%').unwrap_or(percent);
    let freshness = Freshness {
        min: minutes(min).ok_or_else(|| format!("`{min}` is not a number of minutes; {SHAPE}"))?,
        percent: percent
            .parse()
            .map_err(|_| format!("`{percent}` is not a percentage; {SHAPE}"))?,
        max: minutes(max).ok_or_else(|| format!("`{max}` is not a number of minutes; {SHAPE}"))?,
        overrides: words.try_fold(Overrides::empty(), |overrides, option| {
            Ok::<_, String>(overrides | overrule(option)?)
        })?,
    };
    Ok((pattern, freshness))
}

/// The pattern of a line, with its option.
fn written(line: &str) -> String {
    let mut words = line.split_whitespace().peekable();
    let count = if words.peek() == Some(&"-i") { 2 } else { 1 };
    words.take(count).collect::<Vec<_>>().join(" ")
}

fn minutes(text: &str) -> Option<u64> {
    text.parse::<u64>().ok()?.checked_mul(60)
}

fn overrule(option: &str) -> Result<Overrides, String> {
    Ok(match option {
        "override-expire" => Overrides::EXPIRE,
        "override-lastmod" => Overrides::LAST_MODIFIED,
        "reload-into-ims" => Overrides::RELOAD_INTO_IMS,
        "ignore-reload" => Overrides::IGNORE_RELOAD,
        "ignore-no-store" => Overrides::IGNORE_NO_STORE,
        "ignore-private" => Overrides::IGNORE_PRIVATE,
        "ignore-no-cache" | "ignore-must-revalidate" | "ignore-auth" => {
            return Err(format!(
                "squid dropped the option `{option}` itself; leave it out"
            ));
        }
        _ => {
            return Err(format!(
                "option `{option}` is not known; there are: override-expire, override-lastmod, \
                 reload-into-ims, ignore-reload, ignore-no-store, ignore-private"
            ));
        }
    })
}

// Which line holds is in `cases/`, which `wproxy plugin test` tries through wasm.
#[cfg(test)]
mod tests {
    use super::*;
    use wproxy_sdk::Outcome;

    fn rules(lines: &[&str]) -> Result<Rules, ConfigError> {
        let refresh_pattern = lines.iter().map(|&line| line.to_owned()).collect();
        Rules::new(&Config { refresh_pattern })
    }

    #[test]
    fn only_two_options_overrule_what_must_not_be_stored() {
        for (options, overrule) in [
            ("", false),
            (
                "override-expire override-lastmod reload-into-ims ignore-reload",
                false,
            ),
            ("ignore-no-store", true),
            ("override-expire ignore-private", true),
        ] {
            let line = format!("b 0 20% 1 {options}");
            let rules = rules(&["a 0 20% 1", &line]).expect("valid");
            assert_eq!(rules.overrule_storage(), overrule, "{options}");
        }
    }

    #[test]
    fn the_last_that_is_told_is_the_one_that_holds() {
        let rules = rules(&["-i \\.DEB$ 1 20% 2", "b 0 20% 1", "-i/ 0 20% 1"]).expect("valid");
        for (uri, told) in [
            ("http://x/a.deb", &["-i \\.DEB$"][..]),
            ("http://x/b", &["-i \\.DEB$", "b"]),
            ("http://x/-i/", &["-i \\.DEB$", "b", "-i/"]),
            ("http://x/", &["-i \\.DEB$", "b", "-i/", DEFAULT_RULE]),
        ] {
            let trace = rules.trace(uri);
            let names = trace.iter().map(|looked| match &looked.conditions[..] {
                [pattern] => pattern.text.as_str(),
                _ => looked.rule.as_str(),
            });
            assert_eq!(names.collect::<Vec<_>>(), told, "{uri}");
            let last = trace.last().expect("a rule");
            assert_eq!(last.rule, rules.choose(uri).0, "{uri}");
            let decides = trace
                .iter()
                .filter(|looked| looked.outcome == Outcome::Decides);
            assert_eq!(decides.count(), 1, "{uri}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_where() {
        #[rustfmt::skip]
        let cases = [
            ("", "a line is `[-i] PATTERN MIN PERCENT% MAX"),
            ("-i . 0 20%", "a line is"),
            ("( 0 20% 1", "`(` is not a regular expression: unclosed group"),
            (". x 20% 1", "`x` is not a number of minutes"),
            (". 0 20% 99999999999999999999", "is not a number of minutes"),
            (". 0 many% 1", "`many` is not a percentage"),
            (". 0 20% 1 override-expires", "option `override-expires` is not known"),
            (". 0 20% 1 ignore-auth", "leave it out"),
        ];
        for (line, message) in cases {
            let error = rules(&[". 0 20% 1", line]).expect_err(line);
            assert_eq!(error.at, "/refresh_pattern/1", "{line}");
            assert!(error.message.contains(message), "{line}: {}", error.message);
        }
    }
}
