//! What imports let a component do, in words for people.

use serde::Serialize;

/// An import beyond what every plugin has, which are `http` and `log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Right {
    /// The interface.
    pub import: String,
    /// What it lets the plugin do here.
    pub means: &'static str,
    /// The key of `[grants]` that is about it.
    pub grant: Option<Grant>,
    /// Whether the manifest grants it, where there is one and it has to.
    pub granted: Option<bool>,
}

/// A key of `[grants]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grant {
    /// The time.
    Clock,
    /// Numbers that nobody can guess.
    Random,
    /// Counters and histograms of its own.
    Metrics,
    /// What it keeps from one call to the next.
    Kv,
    /// Directories to read.
    Directories,
}

/// By how the import's name begins, the first that fits.
#[rustfmt::skip]
const MEANINGS: [(&str, &str, Option<Grant>); 16] = [
    ("wproxy:plugin/metrics@", "counts and measures in the proxy's own metrics", Some(Grant::Metrics)),
    ("wproxy:plugin/kv@", "keeps values and counters from one call to the next", Some(Grant::Kv)),
    ("wproxy:plugin/sets@", "asks the sets that its manifest and the settings name", None),
    ("wasi:clocks/", "reads the time, which stands still without the grant `clock`", Some(Grant::Clock)),
    ("wasi:random/", "draws random numbers, always the same ones without the grant `random`", Some(Grant::Random)),
    ("wasi:cli/environment@", "reads environment and arguments: it finds none", None),
    ("wasi:cli/exit@", "ends itself: the call fails that does", None),
    ("wasi:cli/stdin@", "reads input: it finds none", None),
    ("wasi:cli/stdout@", "writes output, which goes to the proxy's log", None),
    ("wasi:cli/stderr@", "writes errors, which go to the proxy's log", None),
    ("wasi:cli/terminal-", "looks for a terminal: it finds none", None),
    ("wasi:filesystem/", "reads files: it finds none but those of `directories`", Some(Grant::Directories)),
    ("wasi:sockets/", "opens sockets: the call fails that does", None),
    ("wasi:http/", "makes HTTP requests of its own: the call fails that does", None),
    ("wasi:io/", "waits, and moves octets, for what else it imports", None),
    ("wasi:", "is not here: the call fails that uses it", None),
];

/// What every plugin may import; the last is words alone.
const EVERYONES: [&str; 3] = [
    "wproxy:plugin/http@",
    "wproxy:plugin/log@",
    "wproxy:plugin/bodies@",
];

// === impl Right ===

impl Right {
    /// What that import is about; none where every plugin has it.
    pub(super) fn of(import: &str) -> Option<Right> {
        if EVERYONES
            .iter()
            .any(|everyones| import.starts_with(everyones))
        {
            return None;
        }
        let known = MEANINGS
            .iter()
            .find(|(begins, ..)| import.starts_with(begins));
        let (means, grant) = match known {
            Some((_, means, grant)) => (*means, *grant),
            None => ("is not known to this host", None),
        };
        Some(Right {
            import: import.to_owned(),
            means,
            grant,
            granted: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_told_apart() {
        for (import, expected) in [
            ("wproxy:plugin/http@0.2.0", None),
            ("wproxy:plugin/log@7.0.0", None),
            ("wproxy:plugin/nonsense@0.2.0", Some(("is not known", None))),
            (
                "wasi:clocks/wall-clock@0.2.6",
                Some(("reads the time", Some(Grant::Clock))),
            ),
            (
                "wasi:random/insecure@0.2.0",
                Some(("draws random", Some(Grant::Random))),
            ),
            (
                "wasi:cli/terminal-stdin@0.2.6",
                Some(("looks for a terminal", None)),
            ),
            ("wasi:keyvalue/store@0.2.0", Some(("is not here", None))),
            ("env", Some(("is not known", None))),
        ] {
            let right = Right::of(import);
            let found = right.as_ref().map(|right| (right.means, right.grant));
            match (found, expected) {
                (None, None) => {}
                (Some((means, grant)), Some((words, expected))) => {
                    assert!(means.starts_with(words), "{import}: {means}");
                    assert_eq!(grant, expected, "{import}");
                }
                other => panic!("{import}: {other:?}"),
            }
        }
    }
}
