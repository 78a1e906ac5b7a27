//! What imports let a component do, in words for people.

use super::manifest::Grants;
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
const MEANINGS: [(&str, &str, Option<Grant>); 17] = [
    ("wproxy:plugin/metrics@", "counts and measures in the proxy's own metrics", Some(Grant::Metrics)),
    ("wproxy:plugin/kv@", "keeps values and counters from one call to the next", Some(Grant::Kv)),
    ("wproxy:plugin/sets@", "asks the sets that its manifest and the settings name", None),
    ("wproxy:plugin/helpers@", "looks whether the settings have the helpers that it asks", None),
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

// === impl Grant ===

impl Grant {
    const ALL: [Grant; 5] = [
        Grant::Clock,
        Grant::Random,
        Grant::Metrics,
        Grant::Kv,
        Grant::Directories,
    ];

    /// What to write below `[grants]`.
    pub fn line(self) -> &'static str {
        match self {
            Grant::Clock => "clock = true",
            Grant::Random => "random = true",
            Grant::Metrics => "metrics = true",
            Grant::Kv => "kv = true",
            Grant::Directories => "directories = { \"/lists\" = \"lists\" }",
        }
    }

    /// What to write, and what comes of it.
    pub(super) fn help(self) -> String {
        let lets = match self {
            Grant::Clock => "read the time",
            Grant::Random => "draw numbers that nobody can guess",
            Grant::Metrics => "have counters and histograms of its own in the proxy's metrics",
            Grant::Kv => "keep values and counters from one call to the next",
            Grant::Directories => "read the files of a folder `lists` beside the manifest",
        };
        format!("`{}` under [grants] lets it {lets}", self.line())
    }

    /// What is there without it, of WASI: that is never refused, because toolchains import it in any
    /// case. None of an interface of the host's own, which has to be granted.
    fn otherwise(self) -> Option<&'static str> {
        match self {
            Grant::Clock => Some("the time stands still"),
            Grant::Random => Some("random numbers are always the same"),
            Grant::Directories => Some("there are no files"),
            Grant::Metrics | Grant::Kv => None,
        }
    }
}

/// The first of these imports that has to be granted and is not, and by what.
pub(super) fn refused<'a>(imports: &'a [String], grants: &Grants) -> Option<(&'a str, Grant)> {
    let of = |import: &'a String| Some((import.as_str(), Right::of(import)?.grant?));
    let refused = |(_, grant): &(&str, Grant)| grant.otherwise().is_none() && !grants.has(*grant);
    imports.iter().filter_map(of).find(refused)
}

/// What of these imports is there and empty, because it is not granted: a line for each grant, with
/// what to write.
pub(super) fn empty(imports: &[String], grants: &Grants) -> Vec<String> {
    let missing = Grant::ALL.into_iter().filter(|grant| !grants.has(*grant));
    let line = |grant: Grant| {
        let otherwise = grant.otherwise()?;
        let is_about = |import: &&str| Right::of(import).is_some_and(|r| r.grant == Some(grant));
        let imports = imports.iter().map(String::as_str).filter(is_about);
        let imports: Vec<&str> = imports.collect();
        (!imports.is_empty())
            .then(|| format!("{}: {otherwise}; {}", imports.join(", "), grant.help()))
    };
    missing.filter_map(line).collect()
}

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
    fn what_is_not_granted_is_refused_or_empty() {
        let imports = [
            "wproxy:plugin/http@0.2.0",
            "wproxy:plugin/kv@0.2.0",
            "wasi:clocks/monotonic-clock@0.2.6",
            "wasi:clocks/wall-clock@0.2.6",
            "wasi:cli/stdout@0.2.6",
            "wasi:filesystem/types@0.2.6",
        ];
        let imports = imports.map(str::to_owned);
        let mut grants = Grants::default();
        assert_eq!(
            refused(&imports, &grants),
            Some((imports[1].as_str(), Grant::Kv))
        );
        let time = "wasi:clocks/monotonic-clock@0.2.6, wasi:clocks/wall-clock@0.2.6: the time \
                    stands still; `clock = true` under [grants] lets it read the time";
        let files = "wasi:filesystem/types@0.2.6: there are no files; `directories = { \"/lists\" = \
                     \"lists\" }` under [grants] lets it read the files of a folder `lists` beside \
                     the manifest";
        assert_eq!(empty(&imports, &grants), [time, files]);
        (grants.kv, grants.clock) = (true, true);
        assert_eq!(refused(&imports, &grants), None);
        assert_eq!(empty(&imports, &grants), [files]);
    }

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
