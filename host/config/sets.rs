//! `[sets]`: files of names or addresses, in the settings and in a plugin's manifest.

use super::{Mistake, Source};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// A file that holds a set.
#[derive(Debug, Clone)]
pub struct SetFile {
    /// What plugins call it.
    pub name: String,
    /// Where it is; beside the file that names it if it was written as relative.
    pub file: PathBuf,
    /// What it holds.
    pub kind: SetKind,
    source: Source,
    span: Range<usize>,
}

/// What a set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetKind {
    /// As squid's `dstdomain`.
    Domains,
    /// As squid's `src` and `dst`.
    Addresses,
    /// As squid's `url_regex`.
    Regexes,
    /// As they are.
    Strings,
}

/// `[sets]` as it is written: `blocked = { file = "blocked.txt", kind = "domains" }`
pub type WrittenSets = BTreeMap<Spanned<String>, WrittenSet>;

/// A line of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenSet {
    file: Spanned<PathBuf>,
    kind: SetKind,
}

// === impl SetFile ===

impl SetFile {
    /// Those that stand in a file in that folder.
    ///
    /// # Errors
    /// A name is none.
    pub fn all(
        written: WrittenSets,
        folder: &Path,
        source: &Source,
    ) -> Result<Vec<SetFile>, Mistake> {
        let set = |(name, WrittenSet { file, kind }): (Spanned<String>, WrittenSet)| {
            check(&name, "set", source)?;
            Ok(SetFile {
                name: name.into_inner(),
                span: file.span(),
                file: folder.join(file.into_inner()),
                kind,
                source: source.clone(),
            })
        };
        written.into_iter().map(set).collect()
    }

    /// A mistake where it is named.
    pub fn mistake(&self, message: impl Into<String>) -> Mistake {
        self.source.mistake(self.span.clone(), message)
    }
}

/// That it is the name of such a thing: plugins, metrics and the log call it so.
pub(super) fn check(name: &Spanned<String>, what: &str, source: &Source) -> Result<(), Mistake> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let text = name.get_ref();
    match (1..=64).contains(&text.len()) && text.chars().all(allowed) {
        true => Ok(()),
        false => Err(source
            .mistake(name.span(), format!("not a {what}'s name"))
            .help("letters, digits, `-`, `_` and `.` make one, 64 at most")),
    }
}

impl fmt::Display for SetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetKind::Domains => "domains",
            SetKind::Addresses => "addresses",
            SetKind::Regexes => "regexes",
            SetKind::Strings => "strings",
        })
    }
}
