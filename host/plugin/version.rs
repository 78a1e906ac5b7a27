//! The versions of the WIT package that this host serves: the current one and the one before.

use std::fmt;

/// A version of `wproxy:plugin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `wit/0.1/`: methods and schemes are strings, nothing is spared, there is neither
    /// `cache-key` nor `observer`.
    V0_1,
    /// `wit/`
    V0_2,
}

/// The interface by which a plugin says how it comes to its answers.
pub(super) const EXPLAIN: &str = "explain";
/// How the names of this project's interfaces begin.
const PACKAGE: &str = "wproxy:plugin/";

// === impl Version ===

impl Version {
    /// All that are served, the current one first.
    pub const ALL: [Version; 2] = [Version::V0_2, Version::V0_1];

    /// `0.2.0`
    pub fn as_str(self) -> &'static str {
        match self {
            Version::V0_1 => "0.1.0",
            Version::V0_2 => "0.2.0",
        }
    }

    /// The interfaces that there are to import, beside those of the empty WASI.
    pub(super) fn imports(self) -> &'static [&'static str] {
        match self {
            Version::V0_1 => &["http", "log"],
            Version::V0_2 => &["http", "log", "metrics", "kv", "sets", "helpers", "bodies"],
        }
    }

    /// The interfaces that there are to export and that are no hooks: no request comes there.
    pub(super) fn asides(self) -> &'static [&'static str] {
        match self {
            Version::V0_1 => &["lifecycle"],
            Version::V0_2 => &["lifecycle", EXPLAIN],
        }
    }

    /// The whole name of an interface: `wproxy:plugin/access@0.2.0`.
    pub(super) fn interface(self, name: impl fmt::Display) -> String {
        format!("{PACKAGE}{name}@{self}")
    }

    /// The version of that text.
    pub(super) fn of(text: &str) -> Option<Version> {
        Version::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An interface of this project's, taken apart: its name and the text of its version. None for
/// anybody else's.
pub(super) fn parts(interface: &str) -> Option<(&str, &str)> {
    let ours = interface.strip_prefix(PACKAGE)?;
    Some(ours.split_once('@').unwrap_or((ours, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_come_apart_and_together() {
        assert_eq!(
            parts("wproxy:plugin/access@0.2.0"),
            Some(("access", "0.2.0"))
        );
        assert_eq!(parts("wproxy:plugin/access"), Some(("access", "")));
        assert_eq!(parts("wasi:io/poll@0.2.0"), None);
        for version in Version::ALL {
            assert_eq!(Version::of(version.as_str()), Some(version));
            let interface = version.interface("log");
            assert_eq!(parts(&interface), Some(("log", version.as_str())));
        }
        assert_eq!(Version::of("0.2.1"), None);
    }
}
