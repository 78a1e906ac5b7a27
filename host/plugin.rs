//! Plugins: WebAssembly components behind the hooks of `wit/`. Only here is wasmtime named.

mod answer;
mod backoff;
mod bindings;
mod budget;
mod compiled;
mod component;
mod digest;
mod engine;
mod exports;
mod failure;
mod hook;
mod inspect;
mod instance;
mod kv;
mod limits;
mod manifest;
mod meters;
mod observing;
pub mod rate;
pub mod registry;
mod rights;
mod series;
mod sets;
mod state;
pub mod toolchain;
mod trace;
mod version;
mod waiting;
mod wasi;

pub use answer::{Freshness, Key, Refresh, Rule, Verdict};
pub use compiled::Compiled;
pub use component::Component;
pub use engine::Engine;
pub use failure::Failed;
pub use hook::Hook;
pub use inspect::{Inspection, Kind};
pub use kv::Usage;
pub use manifest::{FailurePolicy, Manifest};
pub use meters::{Limit, Meter, Meters, Observing};
pub use rate::{Ruling, Window};
pub use rights::Right;
pub use series::{Measure, Registered};
pub use sets::{Set, Sets, Shelf};
pub use state::escaped;
pub use trace::{Condition, LookedAt, Outcome};
pub use version::Version;

use crate::config::{Mistake, Section};
use crate::helper::Question;
use crate::http::Fields;
use crate::transaction::Request;
use backoff::{Backoff, Change};
use bindings::lifecycle::Spared;
use bindings::{access, cache_key, cache_rules, lifecycle};
use failure::{backtrace, explain};
use instance::{Instance, Lent, Slots, Template};
use limits::{Exceeded, Keep};
use std::fmt;
use std::sync::Arc;

/// A plugin that is compiled, configured and ready. Immutable but for its instances and its failures.
pub struct Plugin {
    manifest: Manifest,
    compiled: Compiled,
    config: Section,
    sets: Sets,
    template: Template,
    slots: Slots,
    /// For `observer` alone: no request waits for it.
    observing: Slots,
    /// By hook: where one fails, the others may do their work.
    backoffs: [Backoff; Hook::ALL.len()],
}

/// What a plugin has against its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// JSON Pointer to the value at fault; empty for the whole table.
    pub at: String,
    /// What is wrong there.
    pub message: String,
}

/// Octets of a challenge: a Kerberos ticket is one of the long ones.
const MAX_CHALLENGE: usize = 8 << 10;
/// Octets of a key: of the cache, and of a question to a helper.
const MAX_KEY: usize = 8 << 10;

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
        sets: Sets,
        compiled: Compiled,
        workers: usize,
    ) -> Result<Plugin, Mistake> {
        let config = config.unwrap_or_else(|| manifest.config.clone());
        let configured = Plugin::configure(engine, manifest, &config, sets, compiled, workers)?;
        configured.map_err(|complaint| config.mistake(&complaint.at, complaint.message))
    }

    /// The same, where what the plugin has against its configuration is of interest by itself: the
    /// inner error.
    ///
    /// # Errors
    /// What is wrong with the component.
    pub fn configure(
        engine: &Engine,
        manifest: Manifest,
        config: &Section,
        sets: Sets,
        compiled: Compiled,
        workers: usize,
    ) -> Result<Result<Plugin, Complaint>, Mistake> {
        compiled.check_grants(&manifest)?;
        let wrong = |what: String| manifest.component_mistake(what);
        let json = config.json().to_owned();
        let template = Plugin::template(engine, &manifest, &compiled, sets.clone(), json)?;
        let (slots, observing) = (Slots::new(workers), Slots::new(1));
        match observing::warm(&template, compiled.hooks(), &slots, &observing) {
            Ok(Ok(())) => {}
            Ok(Err(lifecycle::ConfigError { at, message })) => {
                return Ok(Err(Complaint { at, message }));
            }
            Err(error) => {
                let reason = explain(&error);
                failure::count(template.meter(), &error);
                if let Some(trace) = backtrace(&error) {
                    tracing::warn!(
                        "plugin `{}` fails in `configure`: {reason}{trace}",
                        manifest.name
                    );
                }
                return Err(wrong(format!("the plugin fails when it starts: {reason}")));
            }
        }
        Ok(Ok(Plugin {
            compiled,
            config: config.clone(),
            sets,
            template,
            slots,
            observing,
            backoffs: Hook::ALL.map(|_| Backoff::new(manifest.limits.failures)),
            manifest,
        }))
    }

    /// What its instances are made from.
    fn template(
        engine: &Engine,
        manifest: &Manifest,
        compiled: &Compiled,
        sets: Sets,
        config: String,
    ) -> Result<Template, Mistake> {
        let directories = manifest.open_directories()?;
        Template::new(engine, manifest, compiled, directories, sets, config).map_err(|error| {
            manifest.component_mistake(format!(
                "the component does not fit this host's WIT: {error:#}"
            ))
        })
    }

    /// Whether a plugin made of these would be the same as this one. One that was granted
    /// directories never is: what it read there may have changed.
    pub fn is_same(
        &self,
        manifest: &Manifest,
        config: Option<&Section>,
        sets: &Sets,
        compiled: &Compiled,
    ) -> bool {
        let Manifest {
            name,
            component,
            digest: _,
            order,
            limits,
            grants,
            failure,
            config: own,
            ..
        } = manifest;
        self.manifest.name == *name
            && self.manifest.component == *component
            && self.manifest.order == *order
            && self.manifest.limits == *limits
            && self.manifest.grants == *grants
            && grants.directories.is_empty()
            && self.manifest.failure == *failure
            && self.config.is_same(config.unwrap_or(own))
            && self.sets == *sets
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

    /// Whether what it counts and keeps is that engine's.
    pub fn is_of(&self, engine: &Engine) -> bool {
        Arc::ptr_eq(self.template.meter(), &engine.meters().of(self.name()))
    }

    /// Whether another one would say the same to the same request: it is made of the same, and is
    /// granted nothing that could make a difference.
    pub fn says_the_same(&self, other: &Plugin) -> bool {
        let grants = &self.manifest.grants;
        let changes = grants.clock || grants.random || grants.kv;
        !changes
            && self.is_same(
                &other.manifest,
                Some(&other.config),
                &other.sets,
                &other.compiled,
            )
    }

    /// The configuration that it runs with.
    pub fn config(&self) -> &Section {
        &self.config
    }

    /// The sets that it can ask.
    pub fn sets(&self) -> &Sets {
        &self.sets
    }

    /// What it imports of WASI and finds empty, because it is not granted: lines for people.
    pub fn empty(&self) -> Vec<String> {
        self.compiled.empty(&self.manifest)
    }

    /// The hooks that it serves.
    pub fn hooks(&self) -> &[Hook] {
        self.compiled.hooks()
    }

    /// Whether its configuration leaves that hook nothing to do.
    pub fn spares(&self, hook: Hook) -> bool {
        let spared = self.template.spared();
        match hook {
            Hook::Access => false,
            Hook::RequestHeaders => spared.contains(Spared::REQUEST_HEADERS),
            Hook::ResponseHeaders => spared.contains(Spared::RESPONSE_HEADERS),
            Hook::CacheRules => spared.contains(Spared::CACHE_RULES),
            Hook::CacheKey => spared.contains(Spared::CACHE_KEY),
            Hook::Observer => spared.contains(Spared::OBSERVER),
        }
    }

    /// Whether its `cache-rules` never overrules what RFC 9111 forbids to store.
    pub fn spares_unstorable(&self) -> bool {
        self.template.spared().contains(Spared::UNSTORABLE)
    }

    /// The hooks that are put aside at this time, because they keep failing.
    pub fn aside(&self) -> impl Iterator<Item = Hook> {
        let hooks = Hook::ALL.into_iter().zip(&self.backoffs);
        hooks.filter_map(|(hook, backoff)| backoff.is_aside().then_some(hook))
    }

    /// None of its hooks is to be put aside, however often it fails: where no client waits, what it
    /// says is not to depend on how fast it is asked.
    pub fn never_put_aside(&self) {
        self.backoffs.iter().for_each(Backoff::never);
    }

    /// Its generation is over: what is still pinned to that gets an instance for each call, and
    /// none is kept.
    pub fn retire(&self) {
        // What is still to be told to an observer has an instance until it is: see `end_observing`.
        self.slots.close();
        let meter = self.template.meter();
        let left_out = meter.log().left_out();
        if left_out > 0 {
            state::tell_left_out(meter, self.manifest.limits.log_rate, left_out);
        }
    }

    /// Its component.
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// May this request pass?
    pub fn authorize(&self, request: &Arc<Request>) -> Result<Verdict, Failed> {
        let verdict = self.call(Hook::Access, request, |instance| {
            authorize(instance, request)
        })?;
        Ok(self.verdict(verdict))
    }

    fn verdict(&self, verdict: access::Verdict) -> Verdict {
        match verdict {
            access::Verdict::Pass => Verdict::Pass,
            access::Verdict::Allow(matched) => Verdict::Allow(self.rule(&matched.rule)),
            access::Verdict::Deny(denial) => Verdict::Deny {
                rule: self.rule(&denial.rule),
                status: match denial.status {
                    400..=599 => denial.status,
                    _ => 403,
                },
                message: denial.message.map(|message| printable(&message)),
            },
            access::Verdict::Resolve => Verdict::Resolve,
            access::Verdict::Lookup(access::Question { helper, key }) => {
                let helper = printable(&helper);
                Verdict::Lookup(Question { helper, key })
            }
            access::Verdict::Authenticate(challenge) => Verdict::Authenticate(challenge),
        }
    }

    /// Change the fields that go to the origin, up to that many octets.
    pub fn on_request(
        &self,
        request: &Arc<Request>,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failed> {
        let lent = self.lend(Hook::RequestHeaders, fields, limit);
        self.call(Hook::RequestHeaders, request, |instance| {
            instance.on_request(request, lent)
        })
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
        self.call(Hook::ResponseHeaders, request, |instance| {
            instance.on_response(request, status, lent)
        })
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

    /// How long is this response fresh? The fields are lent to be read.
    pub fn rule_for(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
    ) -> Result<Freshness, Failed> {
        let lent = Lent {
            fields,
            limit: 0,
            keep: Keep::ReadOnly,
        };
        let decision = self.call(Hook::CacheRules, request, |instance| {
            instance.rule_for(request, status, lent)
        });
        Ok(match decision? {
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

    /// Under which key is the response cached?
    pub fn key_for(&self, request: &Arc<Request>) -> Result<Key, Failed> {
        let key = self.call(Hook::CacheKey, request, |instance| {
            key_for(instance, request)
        })?;
        Ok(key.into())
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

    /// Calls a hook about a request, unless it is put aside.
    fn call<R>(
        &self,
        hook: Hook,
        request: &Request,
        call: impl FnOnce(&mut Instance) -> wasmtime::Result<R>,
    ) -> Result<R, Failed> {
        self.call_in(&self.slots, hook, Some(request.id), call)
    }

    /// The same in one of these instances, whatever it is about.
    fn call_in<R>(
        &self,
        slots: &Slots,
        hook: Hook,
        request: Option<u64>,
        call: impl FnOnce(&mut Instance) -> wasmtime::Result<R>,
    ) -> Result<R, Failed> {
        let backoff = &self.backoffs[hook as usize];
        let turn = backoff
            .turn()
            .map_err(|aside| self.failed(hook, aside.to_string()))?;
        self.template.meter().called(hook);
        let answer = self
            .template
            .call(slots, call)
            .map_err(|error| self.report(self.template.meter(), hook, request, &error));
        match backoff.end(turn, answer.is_ok()) {
            None => {}
            Some(Change::PutAside(aside)) => {
                self.template.meter().ran_into(Limit::Failures);
                tracing::error!("{}", self.failed(hook, aside.to_string()));
            }
            Some(Change::Back) => {
                tracing::warn!("plugin `{}` is back in its hook `{hook}`", self.name());
            }
        }
        answer
    }

    fn failed(&self, hook: Hook, reason: String) -> Failed {
        Failed {
            plugin: self.template.plugin(),
            hook,
            reason,
        }
    }

    /// Tells the operator of a call that failed, and where in the plugin it was.
    fn report(
        &self,
        meter: &Meter,
        hook: Hook,
        request: Option<u64>,
        error: &wasmtime::Error,
    ) -> Failed {
        meter.failed(hook);
        failure::count(meter, error);
        let failed = self.failed(hook, explain(error));
        let rate = self.manifest.limits.log_rate;
        // As the tags of other lines, but before the trace.
        let tag = request
            .map(|id| format!(" request={id}"))
            .unwrap_or_default();
        // One that fails with every request would fill the log.
        if state::may_log(meter, rate) {
            tracing::warn!("{failed}{tag}{}", backtrace(error).unwrap_or_default());
        }
        tracing::debug!(plugin = self.name(), "{error:?}");
        failed
    }
}

/// What an instance says, where that can be said.
fn authorize(instance: &mut Instance, request: &Arc<Request>) -> wasmtime::Result<access::Verdict> {
    let verdict = instance.authorize(request)?;
    match &verdict {
        access::Verdict::Authenticate(challenge) if challenge.len() > MAX_CHALLENGE => {
            Err(Exceeded::Challenge(MAX_CHALLENGE).into())
        }
        access::Verdict::Lookup(question) => {
            check_key(&question.key)?;
            Ok(verdict)
        }
        _ => Ok(verdict),
    }
}

/// The same of the key.
fn key_for(instance: &mut Instance, request: &Arc<Request>) -> wasmtime::Result<cache_key::Key> {
    let key = instance.key_for(request)?;
    if let cache_key::Key::Named(name) = &key {
        check_key(name)?;
    }
    Ok(key)
}

impl From<cache_key::Key> for Key {
    fn from(key: cache_key::Key) -> Key {
        match key {
            cache_key::Key::Pass => Key::Pass,
            cache_key::Key::Named(key) => Key::Named(key.into()),
            cache_key::Key::Never => Key::Never,
        }
    }
}

/// Whether that can be a key: keys are compared, logged and listed, and helpers read a line.
fn check_key(key: &str) -> wasmtime::Result<()> {
    let what = match key {
        "" => "its key is empty",
        _ if key.len() > MAX_KEY => return Err(Exceeded::Key(MAX_KEY).into()),
        _ if key.contains(char::is_control) => "its key has control characters",
        _ => return Ok(()),
    };
    Err(wasmtime::Error::msg(what))
}

/// A plugin's words on one line: they go into fields, logs and pages.
fn printable(text: &str) -> String {
    let end = text.floor_char_boundary(1000);
    text[..end].replace(char::is_control, " ")
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
