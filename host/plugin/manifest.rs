//! `plugin.toml`: what a plugin is, may and costs.

use super::limits::Limits;
use super::rights::Grant;
use super::{Hook, engine};
use crate::config::{Mistake, Section, Size, Source, Span};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// A plugin's manifest, understood.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// What logs, error pages and `[plugins.NAME]` call it.
    pub name: String,
    /// The component's file, beside the manifest if relative.
    pub component: PathBuf,
    /// Plugins are asked in ascending order, equal ones by name; default 50.
    pub order: i64,
    /// What it may use up.
    pub limits: Limits,
    /// What it may do beyond seeing requests and writing log lines.
    pub grants: Grants,
    /// What happens where it fails.
    pub failure: FailurePolicies,
    /// Its own `[config]`.
    pub config: Section,
    source: Source,
    component_span: std::ops::Range<usize>,
}

/// Rights beyond those of every plugin. None by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// The time of day and a clock that runs; without it both stand still.
    pub clock: bool,
    /// Numbers that nobody can guess; without it they are the same for every instance.
    pub random: bool,
}

/// What happens to a request where the plugin fails in one of its hooks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailurePolicies {
    access: FailurePolicy,
    request_headers: FailurePolicy,
    response_headers: FailurePolicy,
    cache_rules: FailurePolicy,
    cache_key: FailurePolicy,
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
    component: Spanned<PathBuf>,
    #[serde(default)]
    order: Option<i64>,
    #[serde(default)]
    limits: WrittenLimits,
    #[serde(default)]
    grants: Grants,
    #[serde(default)]
    failure: WrittenFailure,
    #[serde(default, rename = "config")]
    _config: toml::Table,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenLimits {
    time: Option<Spanned<Span>>,
    memory: Option<Spanned<Size>>,
    calls: Option<Spanned<u64>>,
    failures: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct WrittenFailure {
    access: FailurePolicy,
    request_headers: FailurePolicy,
    response_headers: FailurePolicy,
    cache_rules: FailurePolicy,
    cache_key: FailurePolicy,
}

// === impl Manifest ===

impl Manifest {
    /// Reads `plugin.toml` in that folder.
    pub fn read(folder: &Path) -> Result<Manifest, Mistake> {
        Manifest::from_source(&Source::read(&folder.join("plugin.toml"))?)
    }

    /// The same from a text.
    pub fn from_source(source: &Source) -> Result<Manifest, Mistake> {
        let written: Written = source.parse()?;
        let name = name(written.name, source)?;
        let config = match source.section(&["config"])? {
            Some(section) => section,
            None => source.empty_section(),
        };
        Ok(Manifest {
            name,
            component_span: written.component.span(),
            component: written.component.into_inner(),
            order: written.order.unwrap_or(50),
            limits: limits(&written.limits, source)?,
            grants: written.grants,
            failure: FailurePolicies {
                access: written.failure.access,
                request_headers: written.failure.request_headers,
                response_headers: written.failure.response_headers,
                cache_rules: written.failure.cache_rules,
                cache_key: written.failure.cache_key,
            },
            config,
            source: source.clone(),
        })
    }

    /// Of a component that has none: the default limits, nothing granted.
    pub(super) fn of_nothing() -> Manifest {
        let source = Source::new("(no manifest)", "");
        Manifest {
            name: "inspected".into(),
            component: PathBuf::new(),
            order: 50,
            limits: Limits::default(),
            grants: Grants::default(),
            failure: FailurePolicies::default(),
            config: source.empty_section(),
            component_span: 0..0,
            source,
        }
    }

    /// A mistake about the component that the manifest names.
    pub fn component_mistake(&self, message: impl Into<String>) -> Mistake {
        self.source.mistake(self.component_span.clone(), message)
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

fn limits(written: &WrittenLimits, source: &Source) -> Result<Limits, Mistake> {
    let default = Limits::default();
    let time = match &written.time {
        None => default.time,
        Some(time) => {
            let span = time.get_ref().0;
            if span.is_zero() || span > engine::MAX_CALL_TIME {
                return Err(source.mistake(time.span(), "a call can be given 1 ms to 10 s"));
            }
            span
        }
    };
    let memory = match &written.memory {
        None => default.memory,
        Some(memory) => {
            let octets = usize::try_from(memory.get_ref().0).unwrap_or(usize::MAX);
            if !(1 << 16..=engine::MAX_MEMORY).contains(&octets) {
                return Err(source.mistake(memory.span(), "an instance can have 64 KB to 1 GB"));
            }
            octets
        }
    };
    let calls = match &written.calls {
        None => default.calls,
        Some(calls) if *calls.get_ref() == 0 => {
            return Err(source.mistake(calls.span(), "an instance serves one call at least"));
        }
        Some(calls) => *calls.get_ref(),
    };
    Ok(Limits {
        time,
        memory,
        calls,
        failures: written.failures.unwrap_or(default.failures),
    })
}

// === impl Grants ===

impl Grants {
    pub(super) fn has(&self, grant: Grant) -> bool {
        match grant {
            Grant::Clock => self.clock,
            Grant::Random => self.random,
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Result<Manifest, String> {
        let source = Source::new("p/plugin.toml", text);
        Manifest::from_source(&source).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn the_least_and_the_most() {
        let least = manifest("name = 'a'\ncomponent = 'a.wasm'\n").expect("valid");
        assert_eq!((least.order, least.limits), (50, Limits::default()));
        assert_eq!(least.failure.of(Hook::Access), FailurePolicy::Closed);
        assert_eq!(least.config.json(), "{}");
        let most = manifest(
            "name = 'a'\ncomponent = 'a.wasm'\norder = 1\n[limits]\ntime = '2 s'\nmemory = '1 MB'\n\
             calls = 5\nfailures = 0\n[grants]\nclock = true\n[failure]\ncache-rules = 'open'\n\
             cache-key = 'open'\n[config]\nx = 1\n",
        )
        .expect("valid");
        assert_eq!((most.limits.memory, most.limits.failures), (1 << 20, 0));
        assert!(most.grants.clock && !most.grants.random);
        for (hook, policy) in [
            (Hook::CacheRules, FailurePolicy::Open),
            (Hook::CacheKey, FailurePolicy::Open),
            (Hook::Access, FailurePolicy::Closed),
        ] {
            assert_eq!(most.failure.of(hook), policy, "{hook}");
        }
        assert_eq!(most.config.json(), r#"{"x":1}"#);
    }

    #[test]
    fn mistakes_show_the_place() {
        #[rustfmt::skip]
        let cases = [
            ("component = 'a.wasm'", "missing field `name`", "1:1"),
            ("name = 'a b'\ncomponent = 'a'", "not a plugin's name", "1:8"),
            ("name = 'a'\ncomponent = 'a'\n[limits]\ntime = '0 s'", "1 ms to 10 s", "4:8"),
            ("name = 'a'\ncomponent = 'a'\n[limits]\nmemory = '2 GB'", "64 KB to 1 GB", "4:10"),
            ("name = 'a'\ncomponent = 'a'\n[limits]\ncalls = 0", "one call at least", "4:9"),
            ("name = 'a'\ncomponent = 'a'\n[grants]\nnetwork = true", "there is no key `network`", "4:1"),
            ("name = 'a'\ncomponent = 'a'\n[failure]\naccess = 'ajar'", "unknown variant `ajar`", "4:10"),
        ];
        for (text, message, place) in cases {
            let shown = manifest(text).expect_err(text);
            assert!(shown.contains(message), "{text}: {shown}");
            assert!(
                shown.contains(&format!("--> p/plugin.toml:{place}")),
                "{text}: {shown}"
            );
        }
    }
}
