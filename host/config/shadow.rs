//! `[shadow]`: the candidate that is asked beside what serves, and how much of the traffic.

use super::{Mistake, Size, Source, within};
use crate::thread::NICEST;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// What runs in the shadow.
#[derive(Debug, Clone, PartialEq)]
pub struct Shadowing {
    /// What is tried; nothing if it names nothing.
    pub candidate: Chain,
    /// How much of the traffic it sees, and how much is kept of what comes of that.
    pub bounds: Bounds,
}

/// How much of the traffic the candidate sees, and how much is kept of what comes of that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Percent of the requests that it is asked about; default all, 100.
    pub sample_pct: f64,
    /// Requests that may wait to be compared; default 8192. What comes beyond them is left out.
    pub queue: usize,
    /// Octets of memory that they may take, about; default 64 MB.
    pub queue_mem: usize,
    /// Kinds of differences that the report has room for; default 100.
    pub report: usize,
    /// Requests that it names for each; default 5.
    pub examples: usize,
    /// How far everything else comes before it, as nice(1) has it: 0, not at all, to 19, the default,
    /// with which it runs only while nothing else has a use for a processor.
    pub nice: u8,
}

/// Where a chain of plugins comes from, as far as that is not where the proxy's own comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// A folder of plugins.
    pub plugins: Option<PathBuf>,
    /// A settings file: its `[plugins]`, `[sets]` and `[helpers]` hold, and nothing else of it.
    pub config: Option<PathBuf>,
}

/// `[shadow]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenShadow {
    plugins: Option<PathBuf>,
    config: Option<PathBuf>,
    sample_pct: Option<Spanned<f64>>,
    queue: Option<Spanned<usize>>,
    queue_mem: Option<Spanned<Size>>,
    report: Option<Spanned<usize>>,
    examples: Option<Spanned<usize>>,
    nice: Option<Spanned<u8>>,
}

// === impl Shadowing ===

impl Shadowing {
    /// What stands in a file in that folder.
    pub(super) fn from_written(
        written: WrittenShadow,
        folder: &Path,
        source: &Source,
    ) -> Result<Shadowing, Mistake> {
        let beside = |path: Option<PathBuf>| path.map(|path| folder.join(path));
        let count = |written: Option<Spanned<usize>>, default, most: usize, what: &str| {
            let message = format!("{what}: 1 to {most}");
            within(written.as_ref(), default, 1..=most, &message, source)
        };
        Ok(Shadowing {
            candidate: Chain {
                plugins: beside(written.plugins),
                config: beside(written.config),
            },
            bounds: Bounds {
                sample_pct: sample(written.sample_pct.as_ref(), source)?,
                queue: count(written.queue, 8192, 1 << 20, "requests that may wait")?,
                queue_mem: memory(written.queue_mem.as_ref(), source)?,
                report: count(written.report, 100, 10_000, "kinds of differences")?,
                nice: nice(written.nice.as_ref(), source)?,
                examples: count(written.examples, 5, 100, "requests that are named for each")?,
            },
        })
    }
}

fn sample(written: Option<&Spanned<f64>>, source: &Source) -> Result<f64, Mistake> {
    let range = f64::MIN_POSITIVE..=100.0;
    within(written, 100.0, range, "not a share of the requests", source)
        .map_err(|mistake| mistake.help("write percents: 100 for all of them, 0.5 for one of 200"))
}

fn nice(written: Option<&Spanned<u8>>, source: &Source) -> Result<u8, Mistake> {
    within(written, NICEST, 0..=NICEST, "0 to 19", source)
        .map_err(|mistake| mistake.help("with 19 everything else comes first, with 0 nothing does"))
}

fn memory(written: Option<&Spanned<Size>>, source: &Source) -> Result<usize, Mistake> {
    let range = Size(1 << 20)..=Size(16 << 30);
    let message = "what waits may take 1 MB to 16 GB";
    within(written, Size(64 << 20), range, message, source).map(Size::octets)
}

// === impl Chain ===

impl Chain {
    /// Whether it is the proxy's own.
    pub fn is_own(&self) -> bool {
        *self == Chain::default()
    }

    /// What it names, and where it names nothing, what that one does.
    #[must_use]
    pub fn or(self, other: Chain) -> Chain {
        Chain {
            plugins: self.plugins.or(other.plugins),
            config: self.config.or(other.config),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Configuration;
    use super::*;

    fn shadow(text: &str) -> Result<Shadowing, String> {
        let source = Source::new("/etc/wproxy/wproxy.toml", format!("[shadow]\n{text}"));
        let loaded = Configuration::from_source(Some(&source), &[]);
        loaded
            .map(|loaded| loaded.shadow)
            .map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn what_is_written_holds_and_the_rest_has_defaults() {
        let nothing = shadow("").expect("valid");
        assert!(nothing.candidate.is_own());
        let defaults = Bounds {
            sample_pct: 100.0,
            queue: 8192,
            queue_mem: 64 << 20,
            report: 100,
            examples: 5,
            nice: 19,
        };
        assert_eq!(nothing.bounds, defaults);
        let some = shadow(
            "plugins = \"next\"\nconfig = \"/srv/next.toml\"\nsample_pct = 5\nqueue = 1\n\
             queue_mem = \"2 MB\"\n             report = 2\nexamples = 3\nnice = 4",
        );
        let candidate = Chain {
            plugins: Some("/etc/wproxy/next".into()),
            config: Some("/srv/next.toml".into()),
        };
        let bounds = Bounds {
            sample_pct: 5.0,
            queue: 1,
            queue_mem: 2 << 20,
            report: 2,
            examples: 3,
            nice: 4,
        };
        assert_eq!(some, Ok(Shadowing { candidate, bounds }));
    }

    #[test]
    fn what_cannot_be_is_a_mistake() {
        for (text, message) in [
            ("sample_pct = 0", "not a share of the requests"),
            ("sample_pct = 100.5", "not a share of the requests"),
            ("sample_pct = nan", "not a share of the requests"),
            ("queue = 0", "requests that may wait: 1 to 1048576"),
            ("queue_mem = \"1 KB\"", "what waits may take 1 MB to 16 GB"),
            ("report = 0", "kinds of differences: 1 to 10000"),
            (
                "examples = 101",
                "requests that are named for each: 1 to 100",
            ),
            ("nice = 20", "0 to 19"),
            ("plugin = \"next\"", "did you mean `plugins`?"),
        ] {
            let mistake = shadow(text).expect_err(text);
            assert!(mistake.contains(message), "{text}: {mistake}");
        }
    }
}
