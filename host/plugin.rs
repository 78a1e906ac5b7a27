//! Plugins: WebAssembly components behind the hooks of `wit/`. Only here is wasmtime named.

mod bindings;
mod budget;
mod compiled;
mod engine;
mod instance;
mod limits;
mod manifest;
mod state;
pub mod toolchain;
mod wasi;

pub use compiled::Compiled;
pub use engine::Engine;
pub use limits::Limits;
pub use manifest::{FailurePolicy, Manifest};

use crate::config::{Location, Mistake, Section};
use crate::http::Fields;
use crate::transaction::Request;
use bindings::{access, cache_rules, lifecycle};
use instance::{Lent, Slots, Template};
use limits::Keep;
use std::fmt;
use std::sync::Arc;

/// A hook that a plugin can serve: an interface of `wit/hooks.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// `access`
    Access,
    /// `request-headers`
    RequestHeaders,
    /// `response-headers`
    ResponseHeaders,
    /// `cache-rules`
    CacheRules,
}

/// A plugin that is compiled, configured and ready. Immutable but for its instances.
pub struct Plugin {
    manifest: Manifest,
    compiled: Compiled,
    config: Section,
    hooks: Vec<Hook>,
    template: Template,
    slots: Slots,
}

/// What a plugin says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the next one decides.
    Pass,
    /// It may.
    Allow(Rule),
    /// It may not.
    Deny {
        /// By that rule.
        rule: Rule,
        /// 400 to 599.
        status: u16,
        /// What the person at the other end should read.
        message: Option<String>,
    },
    /// Ask again when the destination's addresses are known.
    Resolve,
    /// 407 with that challenge.
    Authenticate(String),
}

/// What a plugin says of a response's freshness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// Nothing: the next one decides.
    Pass,
    /// It must not be stored.
    NeverStore(Rule),
    /// squid's refresh_pattern.
    Refresh(Refresh),
}

/// squid's refresh_pattern: how long a response without explicit expiry is fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// Who says so.
    pub rule: Rule,
    /// Seconds for which it is fresh in any case.
    pub min: u64,
    /// Share, in percent, of the time between Last-Modified and Date.
    pub percent: u32,
    /// Seconds after which it is stale in any case.
    pub max: u64,
    /// `override-expire`
    pub override_expire: bool,
    /// `override-lastmod`
    pub override_lastmod: bool,
    /// `reload-into-ims`
    pub reload_into_ims: bool,
    /// `ignore-reload`
    pub ignore_reload: bool,
    /// `ignore-no-store`
    pub ignore_no_store: bool,
    /// `ignore-private`
    pub ignore_private: bool,
}

/// What decided, in the configuration's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// `http_access deny all`
    pub text: Arc<str>,
    /// Where that stands.
    pub location: Option<Location>,
}

/// A plugin failed in a hook: trapped, took too long, wanted too much.
#[derive(Debug, Clone, thiserror::Error)]
#[error("plugin `{plugin}` failed in its hook `{hook}`: {reason}")]
pub struct Failed {
    /// Its name.
    pub plugin: Arc<str>,
    /// Where.
    pub hook: Hook,
    /// What a person can understand of it.
    pub reason: String,
}

/// The plugin's answer to `configure`.
type Configured<T> = Result<T, lifecycle::ConfigError>;

// === impl Plugin ===

impl Plugin {
    /// Configures and warms a plugin. `config` stands in place of the manifest's own where the
    /// operator's file has one.
    ///
    /// # Errors
    /// What is wrong with the component or its configuration, and where.
    pub fn load(
        engine: &Engine,
        manifest: Manifest,
        config: Option<Section>,
        compiled: Compiled,
        workers: usize,
    ) -> Result<Plugin, Mistake> {
        let wrong = |what: String| manifest.component_mistake(what);
        let config = config.unwrap_or_else(|| manifest.config.clone());
        let template = Template::new(engine, &manifest, &compiled, config.json().to_owned())
            .map_err(|error| {
                wrong(format!(
                    "the component does not fit this host's WIT: {error:#}"
                ))
            })?;
        let hooks = template.hooks();
        if hooks.is_empty() {
            return Err(wrong("the component serves no hook of this host's".into()));
        }
        let slots = Slots::new(workers);
        match slots.warm(&template) {
            Ok(Ok(())) => {}
            Ok(Err(complaint)) => return Err(config.mistake(&complaint.at, complaint.message)),
            Err(error) => {
                let reason = explain(&error, &manifest.limits);
                return Err(wrong(format!("the plugin fails when it starts: {reason}")));
            }
        }
        Ok(Plugin {
            compiled,
            hooks,
            config,
            template,
            slots,
            manifest,
        })
    }

    /// Whether a plugin made of these would be the same as this one.
    pub fn is_same(
        &self,
        manifest: &Manifest,
        config: Option<&Section>,
        compiled: &Compiled,
    ) -> bool {
        let Manifest {
            name,
            component: _,
            order,
            limits,
            grants,
            failure,
            config: own,
            ..
        } = manifest;
        self.manifest.name == *name
            && self.manifest.order == *order
            && self.manifest.limits == *limits
            && self.manifest.grants == *grants
            && self.manifest.failure == *failure
            && self.config.is_same(config.unwrap_or(own))
            && self.compiled == *compiled
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// The configuration that it runs with.
    pub fn config(&self) -> &Section {
        &self.config
    }

    /// The hooks that it serves.
    pub fn hooks(&self) -> &[Hook] {
        &self.hooks
    }

    /// Its component.
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// May this request pass?
    pub fn authorize(&self, request: &Arc<Request>) -> Result<Verdict, Failed> {
        let verdict = self
            .template
            .call(&self.slots, |instance| instance.authorize(request));
        let verdict = verdict.map_err(|error| self.failed(Hook::Access, &error))?;
        Ok(match verdict {
            access::Verdict::Pass => Verdict::Pass,
            access::Verdict::Allow(matched) => Verdict::Allow(self.rule(&matched.rule)),
            access::Verdict::Deny(denial) => Verdict::Deny {
                rule: self.rule(&denial.rule),
                status: match denial.status {
                    400..=599 => denial.status,
                    _ => 403,
                },
                message: denial.message,
            },
            access::Verdict::Resolve => Verdict::Resolve,
            access::Verdict::Authenticate(challenge) => Verdict::Authenticate(challenge),
        })
    }

    /// Change the fields that go to the origin, up to that many octets.
    pub fn on_request(
        &self,
        request: &Arc<Request>,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failed> {
        let lent = self.lend(Hook::RequestHeaders, fields, limit);
        self.template
            .call(&self.slots, |instance| instance.on_request(request, lent))
            .map_err(|error| self.failed(Hook::RequestHeaders, &error))
    }

    /// Change the fields that go to the client, up to that many octets.
    pub fn on_response(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failed> {
        let lent = self.lend(Hook::ResponseHeaders, fields, limit);
        self.template
            .call(&self.slots, |instance| {
                instance.on_response(request, status, lent)
            })
            .map_err(|error| self.failed(Hook::ResponseHeaders, &error))
    }

    fn lend<'a>(&self, hook: Hook, fields: &'a mut Fields, limit: usize) -> Lent<'a> {
        let keep = match self.manifest.failure.of(hook) {
            FailurePolicy::Closed => Keep::Never,
            FailurePolicy::Open => Keep::OnFailure,
        };
        Lent {
            fields,
            limit,
            keep,
        }
    }

    /// How long is this response fresh? The fields are lent to be read, and come back as they were.
    pub fn rule_for(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
    ) -> Result<Freshness, Failed> {
        let lent = Lent {
            fields,
            limit: usize::MAX,
            keep: Keep::Always,
        };
        let decision = self.template.call(&self.slots, |instance| {
            instance.rule_for(request, status, lent)
        });
        let decision = decision.map_err(|error| self.failed(Hook::CacheRules, &error))?;
        Ok(match decision {
            cache_rules::Decision::Pass => Freshness::Pass,
            cache_rules::Decision::NeverStore(rule) => Freshness::NeverStore(self.rule(&rule)),
            cache_rules::Decision::Refresh(refresh) => {
                let has = |option| refresh.overrides.contains(option);
                Freshness::Refresh(Refresh {
                    rule: self.rule(&refresh.rule),
                    min: refresh.min,
                    percent: refresh.percent,
                    max: refresh.max,
                    override_expire: has(cache_rules::Overrides::EXPIRE),
                    override_lastmod: has(cache_rules::Overrides::LAST_MODIFIED),
                    reload_into_ims: has(cache_rules::Overrides::RELOAD_INTO_IMS),
                    ignore_reload: has(cache_rules::Overrides::IGNORE_RELOAD),
                    ignore_no_store: has(cache_rules::Overrides::IGNORE_NO_STORE),
                    ignore_private: has(cache_rules::Overrides::IGNORE_PRIVATE),
                })
            }
        })
    }

    /// A rule as the plugin names it, in the configuration's words where it points there.
    fn rule(&self, named: &str) -> Rule {
        let plugin = self.template.plugin();
        match self.config.line(named) {
            Some((text, location)) => Rule {
                plugin,
                text,
                location: Some(location),
            },
            None => Rule {
                plugin,
                text: printable(named).into(),
                location: None,
            },
        }
    }

    fn failed(&self, hook: Hook, error: &wasmtime::Error) -> Failed {
        let failed = Failed {
            plugin: self.template.plugin(),
            hook,
            reason: explain(error, self.template.limits()),
        };
        tracing::warn!("{failed}");
        tracing::debug!(plugin = self.name(), "{error:?}");
        failed
    }
}

/// A plugin's words on one line: they go into fields, logs and pages.
fn printable(text: &str) -> String {
    let end = text.floor_char_boundary(1000);
    text[..end].replace(char::is_control, " ")
}

/// What a person can understand of a trap.
fn explain(error: &wasmtime::Error, limits: &Limits) -> String {
    if let Some(wasmtime::Trap::Interrupt) = error.downcast_ref() {
        return format!("it ran longer than its limit of {:?}", limits.time);
    }
    let root = error.root_cause().to_string();
    if root.contains("forcing trap when growing memory") {
        return format!(
            "it wanted more memory than its limit of {} KB",
            limits.memory >> 10
        );
    }
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => format!("it trapped ({trap})"),
        None => root,
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name())
            .field("digest", &self.compiled.digest())
            .finish_non_exhaustive()
    }
}

/// Taken over from one generation to the next, a plugin is the same one.
impl PartialEq for Plugin {
    fn eq(&self, other: &Plugin) -> bool {
        std::ptr::eq(self, other)
    }
}

// === impl Hook ===

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hook::Access => "access",
            Hook::RequestHeaders => "request-headers",
            Hook::ResponseHeaders => "response-headers",
            Hook::CacheRules => "cache-rules",
        })
    }
}

// === impl Refresh ===

impl Refresh {
    /// What holds where no plugin says anything: only what a response says itself keeps it fresh.
    pub fn stale_at_once() -> Refresh {
        Refresh {
            rule: Rule {
                plugin: "wproxy".into(),
                text: "no plugin has a rule for this response".into(),
                location: None,
            },
            min: 0,
            percent: 0,
            max: 0,
            override_expire: false,
            override_lastmod: false,
            reload_into_ims: false,
            ignore_reload: false,
            ignore_no_store: false,
            ignore_private: false,
        }
    }
}

// === impl Rule ===

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
