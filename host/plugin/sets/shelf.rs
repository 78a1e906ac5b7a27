//! The sets of a generation: each file is read once, and what has not changed is not parsed again.

use super::{Malformed, Set};
use crate::config::{Mistake, SetFile, SetKind, Source};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// What a generation has read.
#[derive(Debug, Clone, Default)]
pub struct Shelf(pub(super) Vec<Arc<Loaded>>);

/// A set, and what it was parsed from.
#[derive(Debug)]
pub struct Loaded {
    /// Of the file's octets: the file is the operator's, who has no use for a collision.
    digest: u128,
    set: Set,
}

/// The sets that a plugin can ask, by their names. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Sets(Arc<[(String, Arc<Loaded>)]>);

/// Octets of a file: what is in memory has to be found by 32 bits.
const MAX_FILE: u64 = 1 << 30;

// === impl Shelf ===

impl Shelf {
    /// Reads files, unless their content is here or was on the shelf before.
    ///
    /// # Errors
    /// One cannot be read, or has something in it that is no entry.
    pub fn read<'a>(
        &mut self,
        files: impl IntoIterator<Item = &'a SetFile>,
        previous: Option<&Shelf>,
    ) -> Result<BTreeMap<String, Arc<Loaded>>, Mistake> {
        let mut sets = BTreeMap::new();
        for file in files {
            sets.insert(file.name.clone(), self.one(file, previous)?);
        }
        Ok(sets)
    }

    fn one(&mut self, file: &SetFile, previous: Option<&Shelf>) -> Result<Arc<Loaded>, Mistake> {
        let (name, shown) = (&file.name, file.file.display());
        let mut octets = Vec::new();
        File::open(&file.file)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut octets))
            .map_err(|error| file.mistake(format!("cannot read the set {shown}: {error}")))?;
        if octets.len() as u64 > MAX_FILE {
            return Err(file.mistake(format!("the set {shown} has more than 1 GB")));
        }
        let digest = xxh3_128(&octets);
        let known = self.0.iter().chain(previous.into_iter().flat_map(|p| &p.0));
        let mut known =
            known.filter(|loaded| loaded.digest == digest && loaded.set.kind() == file.kind);
        if let Some(loaded) = known.next().cloned() {
            tracing::info!("set `{name}`: {} unchanged", loaded.set);
            if !self.0.iter().any(|here| Arc::ptr_eq(here, &loaded)) {
                self.0.push(loaded.clone());
            }
            return Ok(loaded);
        }
        let set = parse(file, &octets)?;
        tracing::info!("set `{name}`: {set} from {shown}");
        let loaded = Arc::new(Loaded { digest, set });
        self.0.push(loaded.clone());
        Ok(loaded)
    }
}

fn parse(file: &SetFile, octets: &[u8]) -> Result<Set, Mistake> {
    let text = std::str::from_utf8(octets).map_err(|error| {
        let at = error.valid_up_to();
        let malformed = Malformed {
            at: Some(at..at),
            message: "this is not UTF-8".into(),
            help: None,
        };
        mistake(file, octets, malformed)
    })?;
    // Editors that mark what they write as Unicode.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Set::parse(file.kind, text).map_err(|malformed| mistake(file, text.as_bytes(), malformed))
}

/// Shows the line; no more of a large file.
fn mistake(file: &SetFile, text: &[u8], malformed: Malformed) -> Mistake {
    let Malformed { at, message, help } = malformed;
    let mistake = match at {
        None => file.mistake(message),
        Some(at) => {
            let begins = memchr::memrchr(b'\n', &text[..at.start]).map_or(0, |end| end + 1);
            let ends = memchr::memchr(b'\n', &text[at.start..]);
            let ends = ends.map_or(text.len(), |length| at.start + length);
            let number = 1 + memchr::memchr_iter(b'\n', &text[..begins]).count();
            let line = String::from_utf8_lossy(&text[begins..ends]).into_owned();
            let name = file.file.display().to_string();
            let within = at.start - begins..at.end.min(ends) - begins;
            Source::line(&name, number, line).mistake(within, message)
        }
    };
    match help {
        Some(help) => mistake.help(help),
        None => mistake,
    }
}

// === impl Sets ===

impl Sets {
    /// These.
    pub fn new(sets: BTreeMap<String, Arc<Loaded>>) -> Sets {
        Sets(sets.into_iter().collect())
    }

    /// The number of the set with that name.
    ///
    /// # Errors
    /// Why there is none, for whoever wrote that name into a configuration.
    pub fn find(&self, name: &str, kind: SetKind) -> Result<u32, String> {
        let named = (0..).zip(&*self.0).find(|(_, (known, _))| known == name);
        match named {
            Some((number, (_, loaded))) if loaded.set.kind() == kind => Ok(number),
            Some((_, (_, loaded))) => {
                let has = loaded.set.kind();
                Err(format!(
                    "the set `{name}` has {has}; here, {kind} are wanted"
                ))
            }
            None => {
                let known: Vec<&str> = self.0.iter().map(|(known, _)| known.as_str()).collect();
                let known = match known.is_empty() {
                    true => String::new(),
                    false => format!("; there are: {}", known.join(", ")),
                };
                Err(format!(
                    "there is no set `{name}`{known}. Its file is named under [sets]: \
                     {name} = {{ file = \"{name}.txt\", kind = \"{kind}\" }}"
                ))
            }
        }
    }

    /// The set of that number.
    pub fn get(&self, number: u32) -> Option<&Set> {
        let (_, loaded) = self.0.get(usize::try_from(number).ok()?)?;
        Some(&loaded.set)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The same sets by the same names, and not only sets that say the same.
impl PartialEq for Sets {
    fn eq(&self, other: &Sets) -> bool {
        let same = |((name, set), (other_name, other)): (&(String, Arc<_>), &(String, Arc<_>))| {
            name == other_name && Arc::ptr_eq(set, other)
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&*other.0).all(same)
    }
}

/// For people: `blocked (3 domains), offices (2 addresses)`.
impl fmt::Display for Sets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, loaded)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name} ({})", loaded.set)?;
        }
        Ok(())
    }
}

/// `3 domains`
impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.len(), self.kind()) {
            (1, SetKind::Domains) => f.write_str("1 domain"),
            (1, SetKind::Addresses) => f.write_str("1 address"),
            (1, SetKind::Regexes) => f.write_str("1 regex"),
            (1, SetKind::Strings) => f.write_str("1 string"),
            (count, kind) => write!(f, "{count} {kind}"),
        }
    }
}
