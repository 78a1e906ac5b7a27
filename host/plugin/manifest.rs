//! `plugin.toml`: what a plugin is, may and costs.

mod written;

use super::Hook;
use super::component::Component;
use super::digest::Digest;
use super::limits::Limits;
use super::rights::Grant;
use super::wasi::Preopen;
use crate::config::{Mistake, Section, SetFile, Source};
use serde::Deserialize;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use written::{Written, digest, grants, limits, name};

/// A plugin's manifest, understood.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// What logs, error pages and `[plugins.NAME]` call it.
    pub name: String,
    /// Where its component is.
    pub component: Component,
    /// What the component's octets have to be.
    pub digest: Option<Spanned<Digest>>,
    /// Plugins are asked in ascending order, equal ones by name; default 50.
    pub order: i64,
    /// What it may use up.
    pub limits: Limits,
    /// What it may do beyond seeing requests and writing log lines.
    pub grants: Grants,
    /// What happens where it fails.
    pub failure: FailurePolicies,
    /// The sets that it can ask, unless the settings name others in their places.
    pub sets: Vec<SetFile>,
    /// Its own `[config]`.
    pub config: Section,
    source: Source,
    component_span: Range<usize>,
}

/// Rights beyond those of every plugin. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// The time of day and a clock that runs; without it both stand still.
    pub clock: bool,
    /// Numbers that nobody can guess; without it they are the same for every instance.
    pub random: bool,
    /// Counters and histograms in the proxy's own metrics: the interface `metrics`.
    pub metrics: bool,
    /// What it keeps from one call to the next: the interface `kv`.
    pub kv: bool,
    /// Directories, to read only; without one there are no files. The worker itself reads: what is
    /// slow belongs into `configure`.
    pub directories: Vec<Directory>,
}

/// A directory that is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// What the plugin knows it by: `/lists`.
    pub guest: String,
    /// Where it is; beside the manifest if it was written as relative.
    pub host: PathBuf,
    /// Where the manifest names it.
    span: Range<usize>,
}

/// What happens to a request where the plugin fails in one of its hooks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailurePolicies {
    access: FailurePolicy,
    request_headers: FailurePolicy,
    response_headers: FailurePolicy,
    cache_rules: FailurePolicy,
    cache_key: FailurePolicy,
    request_body: FailurePolicy,
    response_body: FailurePolicy,
}

/// What happens to a request where a hook fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailurePolicy {
    /// The request is answered with an error page; a response is not stored; the cache is not asked.
    #[default]
    Closed,
    /// As if the plugin had answered `pass`, or changed nothing.
    Open,
}

// === impl Manifest ===

impl Manifest {
    /// Reads `plugin.toml` in that folder.
    pub fn read(folder: &Path) -> Result<Manifest, Mistake> {
        let source = Source::read(&folder.join("plugin.toml"))?;
        Manifest::in_folder(folder, &source)
    }

    /// The same from a text.
    pub fn from_source(source: &Source) -> Result<Manifest, Mistake> {
        Manifest::in_folder(Path::new(""), source)
    }

    /// The same, as it would be in that folder.
    fn in_folder(folder: &Path, source: &Source) -> Result<Manifest, Mistake> {
        let written: Written = source.parse()?;
        let name = name(written.name, source)?;
        let component = Component::parse(written.component.get_ref())
            .map_err(|why| source.mistake(written.component.span(), why))?;
        let config = match source.section(&["config"])? {
            Some(section) => section,
            None => source.empty_section(),
        };
        Ok(Manifest {
            name,
            component_span: written.component.span(),
            component,
            digest: written
                .digest
                .map(|written| digest(&written, source))
                .transpose()?,
            order: written.order.unwrap_or(50),
            limits: limits(&written.limits, source)?,
            grants: grants(written.grants, folder, source)?,
            failure: FailurePolicies {
                access: written.failure.access,
                request_headers: written.failure.request_headers,
                response_headers: written.failure.response_headers,
                cache_rules: written.failure.cache_rules,
                cache_key: written.failure.cache_key,
                request_body: written.failure.request_body,
                response_body: written.failure.response_body,
            },
            sets: SetFile::all(written.sets, folder, source)?,
            config,
            source: source.clone(),
        })
    }

    /// Of a component that has none: the default limits, nothing granted.
    pub(super) fn of_nothing() -> Manifest {
        let source = Source::new("(no manifest)", "");
        Manifest {
            name: "inspected".into(),
            component: Component::File(PathBuf::new()),
            digest: None,
            order: 50,
            limits: Limits::default(),
            grants: Grants::default(),
            failure: FailurePolicies::default(),
            sets: Vec::new(),
            config: source.empty_section(),
            component_span: 0..0,
            source,
        }
    }

    /// A mistake about the component that the manifest names.
    pub fn component_mistake(&self, message: impl Into<String>) -> Mistake {
        self.source.mistake(self.component_span.clone(), message)
    }

    /// Opens the directories that it grants.
    ///
    /// # Errors
    /// One cannot be opened.
    pub(super) fn open_directories(&self) -> Result<Arc<[Preopen]>, Mistake> {
        let open = |directory: &Directory| {
            Preopen::open(&directory.guest, &directory.host).map_err(|error| {
                let host = directory.host.display();
                let what = format!("cannot open the directory {host}: {error}");
                self.source.mistake(directory.span.clone(), what)
            })
        };
        self.grants.directories.iter().map(open).collect()
    }

    /// A mistake about the digest that the manifest gives; about the component where it gives none.
    pub(super) fn digest_mistake(&self, message: impl Into<String>) -> Mistake {
        let span = self.digest.as_ref().map(Spanned::span);
        let span = span.unwrap_or_else(|| self.component_span.clone());
        self.source.mistake(span, message)
    }

    /// The file, as people call it.
    pub fn file(&self) -> &str {
        self.source.name()
    }
}

// === impl Grants ===

/// As the manifest has them, for people.
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            ("clock", self.clock),
            ("random", self.random),
            ("metrics", self.metrics),
            ("kv", self.kv),
        ];
        let named = named.iter().filter(|(_, granted)| *granted);
        let named = named.map(|(name, _)| (*name).to_owned());
        let directories = self
            .directories
            .iter()
            .map(|Directory { guest, host, .. }| format!("{guest} (reads {})", host.display()));
        let all: Vec<String> = named.chain(directories).collect();
        match all.is_empty() {
            true => f.write_str("none"),
            false => f.write_str(&all.join(", ")),
        }
    }
}

// === impl Grants ===

impl Grants {
    pub(super) fn has(&self, grant: Grant) -> bool {
        match grant {
            Grant::Clock => self.clock,
            Grant::Random => self.random,
            Grant::Metrics => self.metrics,
            Grant::Kv => self.kv,
            Grant::Directories => !self.directories.is_empty(),
        }
    }
}

// === impl FailurePolicies ===

impl FailurePolicies {
    /// The policy for that hook.
    pub fn of(&self, hook: Hook) -> FailurePolicy {
        match hook {
            Hook::Access => self.access,
            Hook::RequestHeaders => self.request_headers,
            Hook::ResponseHeaders => self.response_headers,
            Hook::CacheRules => self.cache_rules,
            Hook::CacheKey => self.cache_key,
            Hook::RequestBody => self.request_body,
            Hook::ResponseBody => self.response_body,
            // There is no request that it could fail.
            Hook::Observer => FailurePolicy::Open,
        }
    }
}

#[cfg(test)]
mod tests;
