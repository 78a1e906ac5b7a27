//! Plugins: WebAssembly components behind the hooks of `wit/`. Only here is wasmtime named.

mod answer;
mod backoff;
mod bindings;
mod budget;
mod calls;
mod compiled;
mod component;
mod digest;
mod draft;
mod engine;
mod exports;
mod failure;
mod helpers;
mod hook;
mod inspect;
mod instance;
mod kv;
mod limits;
mod manifest;
mod meters;
mod observing;
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
mod watch;

pub use answer::{Denial, Freshness, Key, Overrule, Refresh, Rule, Verdict};
pub use compiled::Compiled;
pub use component::Component;
pub use engine::{Engine, THREAD_STACK};
pub use failure::Failed;
pub use helpers::HelperNames;
pub use hook::Hook;
pub use inspect::{Inspection, Kind};
pub use kv::Usage;
pub use manifest::{FailurePolicy, Manifest};
pub use meters::{Limit, Meter, Meters, Observing};
pub use rights::Right;
pub use series::{Measure, Registered};
pub use sets::{Set, Sets, Shelf};
pub use trace::{Condition, LookedAt, Outcome};
pub use version::Version;
pub use watch::{Halt, Of, Watch};

use crate::config::{Mistake, Section};
use backoff::Backoff;
use bindings::lifecycle::{self, Spared};
use failure::{backtrace, explain};
use instance::{Slots, Template};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use watch::Places;

/// A plugin that is compiled, configured and ready. Immutable but for its instances and its failures.
pub struct Plugin {
    manifest: Manifest,
    compiled: Compiled,
    config: Section,
    /// Every line of the configuration, by its JSON Pointer.
    rules: HashMap<String, Rule>,
    sets: Sets,
    helpers: HelperNames,
    template: Template,
    slots: Slots,
    /// For `observer` alone: no request waits for it.
    observing: Slots,
    places: Places,
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
        helpers: HelperNames,
        compiled: Compiled,
        workers: usize,
    ) -> Result<Plugin, Mistake> {
        let config = config.unwrap_or_else(|| manifest.config.clone());
        let configured =
            Plugin::configure(engine, manifest, &config, sets, helpers, compiled, workers)?;
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
        helpers: HelperNames,
        compiled: Compiled,
        workers: usize,
    ) -> Result<Result<Plugin, Complaint>, Mistake> {
        compiled.check_grants(&manifest)?;
        let wrong = |what: String| manifest.component_mistake(what);
        let json = config.json().to_owned();
        let (own_sets, own_helpers) = (sets.clone(), helpers.clone());
        let template = Plugin::template(engine, &manifest, &compiled, own_sets, own_helpers, json)?;
        let (slots, observing) = (Slots::new(workers), Slots::new(1));
        let places = Places::new(engine, manifest.limits.bodies.most);
        match observing::warm(&template, compiled.hooks(), &slots, &observing, &places) {
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
                let mistake = wrong(format!("the plugin fails when it starts: {reason}"));
                // wasmtime's words for types that do not match.
                return Err(match reason.starts_with("expected ") {
                    true => mistake.help(
                        "it is built for another state of the interface: rebuild it with \
                         `wproxy plugin build`",
                    ),
                    false => mistake,
                });
            }
        }
        let rule = |(pointer, text, location)| {
            let rule = Rule::new(template.plugin(), text, Some(location));
            (pointer, rule)
        };
        Ok(Ok(Plugin {
            compiled,
            rules: config.named_lines().map(rule).collect(),
            config: config.clone(),
            sets,
            helpers,
            template,
            slots,
            observing,
            places,
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
        helpers: HelperNames,
        config: String,
    ) -> Result<Template, Mistake> {
        let directories = manifest.open_directories()?;
        let template = Template::new(
            engine,
            manifest,
            compiled,
            directories,
            sets,
            helpers,
            config,
        );
        template.map_err(|error| {
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
        helpers: &HelperNames,
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
            && self.helpers == *helpers
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
                &other.helpers,
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

    /// The helpers that it finds.
    pub fn helpers(&self) -> &HelperNames {
        &self.helpers
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
        self.template.spares(hook)
    }

    /// Whether its `cache-rules` never overrules what RFC 9111 forbids to store.
    pub fn spares_unstorable(&self) -> bool {
        self.template.spared().contains(Spared::UNSTORABLE)
    }

    /// The hooks that are put aside at this time, because they keep failing: `access`, or, where it
    /// is for one client alone, `access for 10.0.0.5`.
    pub fn aside(&self) -> impl Iterator<Item = String> {
        let hooks = Hook::ALL.into_iter().zip(&self.backoffs);
        hooks.filter_map(|(hook, backoff)| {
            Some(match backoff.aside()?.0 {
                Some(client) => format!("{hook} for {client}"),
                None => hook.to_string(),
            })
        })
    }

    /// No client waits for it: a hook is put aside for running late again and again, and then for good.
    /// What it says is not to depend on how fast it is asked.
    pub fn no_client_waits(&self) {
        self.backoffs.iter().for_each(Backoff::only_late);
    }

    /// Its generation is over: what is still pinned to that gets an instance for each call, and
    /// none is kept.
    pub fn retire(&self) {
        // What is still to be told to an observer has an instance until it is: see `end_observing`.
        self.slots.close();
        self.places.close();
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
