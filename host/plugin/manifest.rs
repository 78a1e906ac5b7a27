//! `plugin.toml`: what a plugin is, may and costs.

use super::component::Component;
use super::digest::Digest;
use super::kv::Bounds;
use super::limits::Limits;
use super::rights::Grant;
use super::wasi::Preopen;
use super::watch::{Beyond, Bounds as BodyBounds};
use super::{Hook, engine};
use crate::config::{Mistake, Section, SetFile, Size, Source, Span, WrittenSets, within};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    component: Spanned<String>,
    #[serde(default)]
    digest: Option<Spanned<String>>,
    #[serde(default)]
    order: Option<i64>,
    #[serde(default)]
    limits: WrittenLimits,
    #[serde(default)]
    grants: WrittenGrants,
    #[serde(default)]
    failure: WrittenFailure,
    #[serde(default)]
    sets: WrittenSets,
    #[serde(default, rename = "config")]
    _config: toml::Table,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenLimits {
    time: Option<Spanned<Span>>,
    memory: Option<Spanned<Size>>,
    table_elements: Option<Spanned<usize>>,
    stack: Option<Spanned<Size>>,
    fields: Option<Spanned<Size>>,
    log_line: Option<Spanned<Size>>,
    log_lines: Option<Spanned<usize>>,
    log_rate: Option<u32>,
    handles: Option<Spanned<usize>>,
    series: Option<Spanned<usize>>,
    kv_size: Option<Spanned<Size>>,
    kv_entries: Option<Spanned<usize>>,
    body: Option<Spanned<Size>>,
    body_beyond: Option<Beyond>,
    body_time: Option<Spanned<Span>>,
    held: Option<Spanned<Size>>,
    held_beyond: Option<Beyond>,
    bodies: Option<Spanned<usize>>,
    calls: Option<Spanned<u64>>,
    batch: Option<Spanned<usize>>,
    queue: Option<Spanned<usize>>,
    failures: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenGrants {
    clock: bool,
    random: bool,
    metrics: bool,
    kv: bool,
    directories: BTreeMap<Spanned<String>, Spanned<PathBuf>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct WrittenFailure {
    access: FailurePolicy,
    request_headers: FailurePolicy,
    response_headers: FailurePolicy,
    cache_rules: FailurePolicy,
    cache_key: FailurePolicy,
    request_body: FailurePolicy,
    response_body: FailurePolicy,
}

/// The longest time that all calls for one body can be given.
const MAX_BODY_TIME: Duration = Duration::from_secs(3600);

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

fn name(written: Spanned<String>, source: &Source) -> Result<String, Mistake> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let good =
        (1..=64).contains(&written.get_ref().len()) && written.get_ref().chars().all(allowed);
    match good {
        true => Ok(written.into_inner()),
        false => Err(source
            .mistake(written.span(), "not a plugin's name")
            .help("letters, digits, `-` and `_` make one, 64 at most")),
    }
}

fn grants(written: WrittenGrants, folder: &Path, source: &Source) -> Result<Grants, Mistake> {
    let directory = |(guest, host): (Spanned<String>, Spanned<PathBuf>)| {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        match guest.get_ref().strip_prefix('/') {
            Some(rest) if rest.split('/').all(plain) => Ok(Directory {
                span: host.span(),
                host: folder.join(host.get_ref()),
                guest: guest.into_inner(),
            }),
            _ => {
                let mistake = source.mistake(guest.span(), "not a directory's path for a plugin");
                Err(mistake.help("it begins with a slash and ends without one: \"/lists\""))
            }
        }
    };
    let directories = written.directories.into_iter().map(directory);
    Ok(Grants {
        clock: written.clock,
        random: written.random,
        metrics: written.metrics,
        kv: written.kv,
        directories: directories.collect::<Result<_, _>>()?,
    })
}

fn digest(written: &Spanned<String>, source: &Source) -> Result<Spanned<Digest>, Mistake> {
    match written.get_ref().parse() {
        Ok(digest) => Ok(Spanned::new(written.span(), digest)),
        Err(malformed) => Err(source
            .mistake(written.span(), format!("{malformed}"))
            .help("`wproxy check` shows that of every component")),
    }
}

fn limits(written: &WrittenLimits, source: &Source) -> Result<Limits, Mistake> {
    let default = Limits::default();
    let time = |written: &Option<Spanned<Span>>, default, most, message: &str| {
        let span = written
            .as_ref()
            .map(|time| Spanned::new(time.span(), time.get_ref().0));
        within(
            span.as_ref(),
            default,
            Duration::from_millis(1)..=most,
            message,
            source,
        )
    };
    let octets = |written: &Option<Spanned<Size>>, default, least, most, message: &str| {
        let number = written
            .as_ref()
            .map(|size| Spanned::new(size.span(), size.get_ref().octets()));
        within(number.as_ref(), default, least..=most, message, source)
    };
    let count = |written: &Option<Spanned<usize>>, default, most, message: &str| {
        within(written.as_ref(), default, 1..=most, message, source)
    };
    #[rustfmt::skip]
    let bodies = BodyBounds {
        shown: octets(&written.body, default.bodies.shown, 1, usize::MAX, "a plugin is shown one octet of a body at least")?,
        shown_beyond: written.body_beyond.unwrap_or(default.bodies.shown_beyond),
        held: octets(&written.held, default.bodies.held, 0, 64 << 20, "0 to 64 MB of a body can be held back")?,
        held_beyond: written.held_beyond.unwrap_or(default.bodies.held_beyond),
        time: time(&written.body_time, default.bodies.time, MAX_BODY_TIME, "all calls for a body can be given 1 ms to 1 h")?,
        most: count(&written.bodies, default.bodies.most, engine::BODIES, "a plugin can watch 1 to 1000 bodies at a time")?,
    };
    #[rustfmt::skip]
    let limits = Limits {
        time: time(&written.time, default.time, engine::MAX_CALL_TIME, "a call can be given 1 ms to 10 s")?,
        memory: octets(&written.memory, default.memory, 1 << 16, engine::MAX_MEMORY, "an instance can have 64 KB to 1 GB")?,
        table_elements: count(&written.table_elements, default.table_elements, engine::MAX_TABLE, "an instance can have 1 to 100000 table elements")?,
        stack: stack(written.stack.as_ref(), default.stack, source)?,
        fields: octets(&written.fields, default.fields, 0, 1 << 20, "a call can write 0 to 1 MB into fields")?,
        log_line: octets(&written.log_line, default.log_line, 80, 64 << 10, "a log line can have 80 bytes to 64 KB")?,
        log_lines: count(&written.log_lines, default.log_lines, 10_000, "a call can log 1 to 10000 lines")?,
        log_rate: written.log_rate.unwrap_or(default.log_rate),
        handles: count(&written.handles, default.handles, 10_000, "an instance can hold 1 to 10000 handles")?,
        series: count(&written.series, default.series, 10_000, "a plugin can have 1 to 10000 series of its own")?,
        kv: Bounds {
            octets: octets(&written.kv_size, default.kv.octets, 1 << 10, 1 << 30, "a plugin can keep 1 KB to 1 GB")?,
            entries: count(&written.kv_entries, default.kv.entries, 10_000_000, "a plugin can keep 1 to 10000000 entries")?,
        },
        bodies,
        calls: within(written.calls.as_ref(), default.calls, 1..=u64::MAX, "an instance serves one call at least", source)?,
        batch: count(&written.batch, default.batch, 4096, "a batch has 1 to 4096 transactions")?,
        queue: count(&written.queue, default.queue, 1_000_000, "1 to 1000000 transactions can wait")?,
        failures: written.failures.unwrap_or(default.failures),
    };
    Ok(limits)
}

/// One of the sizes that there are.
fn stack(
    written: Option<&Spanned<Size>>,
    default: usize,
    source: &Source,
) -> Result<usize, Mistake> {
    let Some(size) = written else {
        return Ok(default);
    };
    let mut stacks = engine::STACKS.into_iter();
    let stack = stacks.find(|stack| *stack as u64 == size.get_ref().0);
    stack.ok_or_else(|| {
        source.mistake(
            size.span(),
            "a call can have 64, 128, 256 or 512 KB of stack, or 1 MB",
        )
    })
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
