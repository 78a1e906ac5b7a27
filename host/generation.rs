//! A generation: one immutable set of plugins with their configuration. A transaction is pinned
//! to one from its first byte to its last; a swap puts another in the place of the whole set.

mod explanation;
mod folder;
mod serving;
mod swap;

pub use explanation::{Account, Explanation, Told};
pub use serving::{Alive, Generations, Pinned};
pub use swap::{Changes, Kept, RESTART_NEEDED, Swap, reload_failed};

use crate::config::{HelperSettings, Mistake, Section, SetFile};
use crate::error::Failure;
use crate::helper::{Helpers, Question};
use crate::http::Fields;
use crate::notes::{Access, Edit, Judged};
use crate::plugin::{
    Compiled, Component, Engine, Failed, FailurePolicy, Freshness, Hook, Key, Manifest, Plugin,
    Refresh, Rule, Sets, Shelf, Verdict,
};
use crate::transaction::Request;
use serving::Pins;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where plugins come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plugins {
    /// The three that the binary carries.
    BuiltIn,
    /// `--plugins DIR`: each sub-folder with a `plugin.toml` is one.
    Folder(PathBuf),
}

/// A set of plugins, in the order in which they are asked.
#[derive(Debug)]
pub struct Generation {
    id: u64,
    plugins: Vec<Arc<Plugin>>,
    /// By hook: the plugins that serve it and have something to do there.
    asked: [Box<[Arc<Plugin>]>; Hook::ALL.len()],
    overrules_storage: bool,
    /// What its plugins ask.
    shelf: Shelf,
    /// Whom they ask what they cannot know.
    helpers: Helpers,
    pins: Pins,
}

/// A plugin as it stands on disk or in the binary: not compiled yet.
struct Candidate {
    manifest: Manifest,
    component: Cow<'static, [u8]>,
}

/// What the access hook says in the end.
#[derive(Debug)]
pub enum Admission {
    /// It may, by that rule.
    Allowed(Rule),
    /// Ask again when the destination's addresses are known.
    NeedsAddresses,
    /// Ask again when a helper has answered that.
    NeedsAnswer(Question),
}

/// What a response is cached under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheKey {
    /// The request's normalised URI.
    Uri,
    /// What a plugin says that it is: other URIs can have the same.
    Named(Arc<str>),
    /// Nothing: the cache neither answers the request nor stores the response.
    Never,
}

/// Manifest and component of the plugin in that folder.
///
/// # Errors
/// One of them cannot be read, or the manifest is none.
pub fn plugin_in(folder: &Path) -> Result<(Manifest, Cow<'static, [u8]>), Mistake> {
    let Candidate {
        manifest,
        component,
    } = folder::candidate(folder)?;
    Ok((manifest, component))
}

// === impl Generation ===

impl Generation {
    /// Reads, compiles, configures and warms a set. A plugin that is unchanged since `previous` is
    /// taken over as it is, warm instances and all; one that is only configured anew, or for
    /// another engine, is not compiled again.
    ///
    /// # Errors
    /// The first mistake. Nothing has been changed by then.
    pub fn build(
        id: u64,
        engine: &Engine,
        plugins: &Plugins,
        overrides: &BTreeMap<String, Section>,
        sets: &[SetFile],
        workers: usize,
        previous: Option<&Generation>,
    ) -> Result<Generation, Mistake> {
        let mut candidates = match plugins {
            Plugins::BuiltIn => folder::built_in()?,
            Plugins::Folder(folder) => folder::read(folder)?,
        };
        candidates.sort_by(|a, b| {
            let key =
                |candidate: &Candidate| (candidate.manifest.order, candidate.manifest.name.clone());
            key(a).cmp(&key(b))
        });
        unique_names(&candidates)?;
        no_stray_overrides(&candidates, overrides)?;
        let old = previous.map_or(&[][..], Generation::plugins);
        let before = previous.map(|previous| &previous.shelf);
        let mut shelf = Shelf::default();
        let everyones = shelf.read(sets, before)?;
        let plugins = candidates.into_iter().map(|candidate| {
            let Candidate {
                manifest,
                component,
            } = candidate;
            let same_component = |plugin: &&Arc<Plugin>| plugin.compiled().is_of(&component);
            let compiled = match old.iter().find(same_component) {
                Some(plugin) => plugin.compiled().clone(),
                None => Compiled::new(engine, &manifest, &component)?,
            };
            let config = overrides.get(&manifest.name);
            let own = manifest.sets.iter();
            let own = own.filter(|own| !everyones.contains_key(&own.name));
            let mut sets = shelf.read(own, before)?;
            sets.extend(everyones.clone());
            let sets = match compiled.asks_sets() {
                true => Sets::new(sets),
                false => Sets::default(),
            };
            let same = |plugin: &&Arc<Plugin>| {
                plugin.is_of(engine) && plugin.is_same(&manifest, config, &sets, &compiled)
            };
            match old.iter().find(same) {
                Some(plugin) => Ok(plugin.clone()),
                None => Plugin::load(engine, manifest, config.cloned(), sets, compiled, workers)
                    .map(Arc::new),
            }
        });
        let plugins = plugins.collect::<Result<_, _>>()?;
        Ok(Generation {
            shelf,
            ..Generation::of(id, plugins)
        })
    }

    /// The same plugins for that engine: with what they count and keep there. No file is read but in
    /// granted directories: it is what has been looked at that is taken, whatever stands there now. A
    /// plugin that `previous` has is taken over from that.
    ///
    /// # Errors
    /// The first mistake. Nothing has been changed by then.
    pub fn moved(
        &self,
        id: u64,
        engine: &Engine,
        workers: usize,
        previous: &Generation,
    ) -> Result<Generation, Mistake> {
        let plugins = self.plugins.iter().map(|plugin| {
            let (manifest, config) = (plugin.manifest(), plugin.config());
            let (sets, compiled) = (plugin.sets(), plugin.compiled());
            let same = |other: &&Arc<Plugin>| {
                other.is_of(engine) && other.is_same(manifest, Some(config), sets, compiled)
            };
            if let Some(plugin) = previous.plugins.iter().find(same) {
                return Ok(plugin.clone());
            }
            let (sets, compiled) = (sets.clone(), compiled.clone());
            let config = Some(config.clone());
            Plugin::load(engine, manifest.clone(), config, sets, compiled, workers).map(Arc::new)
        });
        let plugins = plugins.collect::<Result<_, _>>()?;
        Ok(Generation {
            shelf: self.shelf.clone(),
            helpers: Helpers::new(&self.helpers.settings(), Some(&previous.helpers)),
            ..Generation::of(id, plugins)
        })
    }

    /// The same with these helpers, for its plugins to ask; without them there are none.
    #[must_use]
    pub fn with_helpers(self, helpers: &[HelperSettings]) -> Generation {
        Generation {
            helpers: Helpers::new(helpers, None),
            ..self
        }
    }

    /// The same, with those of its helpers taken over that are as in `previous`, and what they know.
    #[must_use]
    pub fn keeping_helpers_of(self, previous: &Generation) -> Generation {
        Generation {
            helpers: Helpers::new(&self.helpers.settings(), Some(&previous.helpers)),
            ..self
        }
    }

    fn of(id: u64, plugins: Vec<Arc<Plugin>>) -> Generation {
        let asked = Hook::ALL.map(|hook| {
            let serves =
                |plugin: &&Arc<Plugin>| plugin.hooks().contains(&hook) && !plugin.spares(hook);
            plugins.iter().filter(serves).cloned().collect::<Box<[_]>>()
        });
        let cache_rules = &asked[Hook::CacheRules as usize];
        Generation {
            id,
            overrules_storage: !cache_rules.iter().all(|plugin| plugin.spares_unstorable()),
            asked,
            plugins,
            shelf: Shelf::default(),
            helpers: Helpers::default(),
            pins: Pins::default(),
        }
    }

    /// Counted from 1, the one that the proxy started with.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whom its plugins can ask.
    pub fn helpers(&self) -> &Helpers {
        &self.helpers
    }

    /// How many requests are pinned to it, those that the proxy makes for its cache included.
    pub fn pinned(&self) -> usize {
        self.pins.count()
    }

    /// What is different since that one.
    pub fn changes_since(&self, old: &Generation) -> Changes {
        Changes::between(&old.plugins, &self.plugins, |plugin| plugin.name())
    }

    /// Whether that one would say the same in that hook, whatever it is asked.
    pub fn says_the_same(&self, other: &Generation, hook: Hook) -> bool {
        let (own, others) = (self.asked(hook), other.asked(hook));
        let mut pairs = own.iter().zip(others);
        own.len() == others.len()
            && pairs.all(|(own, other)| own.says_the_same(other))
            && (hook != Hook::Access || self.asks_the_same(other))
    }

    /// Says in the log what its plugins import of WASI and find empty. Those that are taken over
    /// from `old` have been told about.
    pub fn tell_what_is_empty(&self, old: Option<&Generation>) {
        let is_new = |plugin: &&Arc<Plugin>| !old.is_some_and(|old| old.plugins.contains(plugin));
        for plugin in self.plugins.iter().filter(is_new) {
            for line in plugin.empty() {
                tracing::info!("plugin `{}` imports {line}", plugin.name());
            }
        }
    }

    /// Whether nothing is different since that one, neither plugins nor helpers.
    pub fn is_as(&self, old: &Generation) -> bool {
        self.changes_since(old).is_none() && self.asks_the_same(old)
    }

    fn asks_the_same(&self, other: &Generation) -> bool {
        self.helpers.settings() == other.helpers.settings()
    }

    /// All of it as new.
    pub fn as_changes(&self) -> Changes {
        Changes::between(&[], &self.plugins, |plugin| plugin.name())
    }

    /// Its plugins, in the order in which they are asked.
    pub fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// Another generation serves from now on. What is pinned to this one goes on, but holds no
    /// instances between its calls.
    fn give_way_to(&self, next: &Generation) {
        let over = |plugin: &&Arc<Plugin>| !next.plugins.contains(plugin);
        self.plugins
            .iter()
            .filter(over)
            .for_each(|plugin| plugin.retire());
    }

    /// The plugins for people: digests, hooks, rights, rules in order.
    pub fn describe(&self) -> String {
        format!("generation {}\n{}", self.id, self.describe_plugins())
    }

    /// The same without its number.
    pub fn describe_plugins(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for plugin in &self.plugins {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "\nplugin {}\n{}  digest  {}\n  WIT     {}\n  hooks   {}\n  rights  {}\n  grants  {}\n  limits  {}",
                plugin.name(),
                origin(plugin),
                plugin.compiled().digest(),
                plugin.compiled().version(),
                hooks(plugin),
                plugin.compiled().rights().join(", "),
                plugin.manifest().grants,
                plugin.manifest().limits,
            );
            for line in plugin.empty() {
                let _ = writeln!(text, "  empty   {line}");
            }
            if plugin.hooks().contains(&Hook::Observer) {
                let limits = &plugin.manifest().limits;
                let _ = writeln!(
                    text,
                    "  batches {} transactions, {} can wait",
                    limits.batch, limits.queue
                );
            }
            if !plugin.sets().is_empty() {
                let _ = writeln!(text, "  sets    {}", plugin.sets());
            }
            for hook in plugin.aside() {
                let _ = writeln!(text, "  aside   {hook}: it keeps failing");
            }
            for (rule, location) in plugin.config().lines() {
                let _ = writeln!(text, "  {rule}    # {location}");
            }
        }
        text
    }

    fn asked(&self, hook: Hook) -> &[Arc<Plugin>] {
        &self.asked[hook as usize]
    }

    /// The plugins that are told what became of transactions.
    pub fn observers(&self) -> &[Arc<Plugin>] {
        self.asked(Hook::Observer)
    }

    /// May this request pass? The first plugin that has an answer gives it; without any, and so
    /// without plugins, nothing passes.
    pub fn authorize(&self, request: &Arc<Request>) -> Result<Admission, Failure> {
        let admission = self.authorize_by(|plugin| plugin.authorize(request));
        if let Some(notebook) = request.notebook() {
            notebook.note(|notes| notes.access = Access::of(&admission));
        }
        admission
    }

    /// The same, whichever way a plugin is asked.
    fn authorize_by(
        &self,
        mut ask: impl FnMut(&Plugin) -> Result<Verdict, Failed>,
    ) -> Result<Admission, Failure> {
        for plugin in self.asked(Hook::Access) {
            let Some(verdict) = tolerate(plugin, Hook::Access, ask(plugin))? else {
                continue;
            };
            return match verdict {
                Verdict::Pass => continue,
                Verdict::Allow(rule) => Ok(Admission::Allowed(rule)),
                Verdict::Deny {
                    rule,
                    status,
                    message,
                } => Err(Failure::Denied {
                    rule,
                    status,
                    message,
                }),
                Verdict::Resolve => Ok(Admission::NeedsAddresses),
                Verdict::Lookup(question) => Ok(Admission::NeedsAnswer(question)),
                Verdict::Authenticate(challenge) => Err(Failure::Unauthenticated {
                    plugin: plugin.name().into(),
                    challenge,
                }),
            };
        }
        Err(Failure::Denied {
            rule: Rule {
                plugin: "wproxy".into(),
                text: "no plugin has a rule for this request".into(),
                location: None,
            },
            status: 403,
            message: None,
        })
    }

    /// Changes the fields that go to the origin; all plugins, in order.
    pub fn on_request(
        &self,
        request: &Arc<Request>,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failure> {
        let before = request
            .notebook()
            .map(|notebook| (notebook, fields.clone()));
        let edited = self
            .asked(Hook::RequestHeaders)
            .iter()
            .try_for_each(|plugin| {
                let done = plugin.on_request(request, fields, limit);
                tolerate(plugin, Hook::RequestHeaders, done).map(|_| ())
            });
        if let Some((notebook, before)) = before {
            let edit = Edit::new(None, before, edited.is_ok().then_some(fields));
            notebook.note(|notes| notes.request_headers = Some(edit));
        }
        edited
    }

    /// Changes the fields that go to the client; all plugins, in order.
    pub fn on_response(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failure> {
        let before = request
            .notebook()
            .map(|notebook| (notebook, fields.clone()));
        let edited = self
            .asked(Hook::ResponseHeaders)
            .iter()
            .try_for_each(|plugin| {
                let done = plugin.on_response(request, status, fields, limit);
                tolerate(plugin, Hook::ResponseHeaders, done).map(|_| ())
            });
        if let Some((notebook, before)) = before {
            let edit = Edit::new(Some(status), before, edited.is_ok().then_some(fields));
            notebook.note(|notes| notes.response_headers = Some(edit));
        }
        edited
    }

    /// Whether a plugin may want something stored that RFC 9111 forbids a shared cache to store.
    /// Where none does, [`rule_for`](Generation::rule_for) need not be asked about such a response.
    pub fn overrules_storage(&self) -> bool {
        self.overrules_storage
    }

    /// How long is this response fresh, where it does not say so itself? None: it must not be
    /// stored. A failing plugin costs the client nothing but the cache.
    pub fn rule_for(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
    ) -> Option<Refresh> {
        let refresh = self.refresh(request, status, fields).unwrap_or(None);
        if let Some(notebook) = request.notebook() {
            let judged = Judged {
                status,
                fields: fields.clone(),
                refresh: refresh.clone(),
            };
            notebook.note(|notes| notes.cache_rules = Some(judged));
        }
        refresh
    }

    /// The same, a failing plugin being told apart from what must not be stored.
    ///
    /// # Errors
    /// A plugin failed whose failure policy is closed.
    pub fn refresh(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
    ) -> Result<Option<Refresh>, Failure> {
        for plugin in self.asked(Hook::CacheRules) {
            let answer = plugin.rule_for(request, status, fields);
            match tolerate(plugin, Hook::CacheRules, answer)? {
                None | Some(Freshness::Pass) => {}
                Some(Freshness::Refresh(refresh)) => return Ok(Some(refresh)),
                Some(Freshness::NeverStore(_)) => return Ok(None),
            }
        }
        Ok(Some(Refresh::stale_at_once()))
    }

    /// Under which key is the response to that request cached? For requests that the cache could
    /// answer, and for those that end what is stored for their own URI. A failing plugin costs the client
    /// nothing but the cache.
    pub fn key_for(&self, request: &Arc<Request>) -> CacheKey {
        let key = self.key(request).unwrap_or(CacheKey::Never);
        if let Some(notebook) = request.notebook() {
            notebook.note(|notes| notes.key = Some(key.clone()));
        }
        key
    }

    /// The same, a failing plugin being told apart from one that keeps the cache out of it.
    ///
    /// # Errors
    /// A plugin failed whose failure policy is closed.
    pub fn key(&self, request: &Arc<Request>) -> Result<CacheKey, Failure> {
        self.key_by(|plugin| plugin.key_for(request))
    }

    /// The same, whichever way a plugin is asked.
    fn key_by(
        &self,
        mut ask: impl FnMut(&Plugin) -> Result<Key, Failed>,
    ) -> Result<CacheKey, Failure> {
        for plugin in self.asked(Hook::CacheKey) {
            match tolerate(plugin, Hook::CacheKey, ask(plugin))? {
                None | Some(Key::Pass) => {}
                Some(Key::Named(key)) => return Ok(CacheKey::Named(key)),
                Some(Key::Never) => return Ok(CacheKey::Never),
            }
        }
        Ok(CacheKey::Uri)
    }
}

/// For people: the registry that a plugin's component is from. Else it is beside the manifest.
fn origin(plugin: &Plugin) -> String {
    match &plugin.manifest().component {
        Component::File(_) => String::new(),
        Component::Registry(reference) => format!("  from    {reference}\n"),
    }
}

/// A plugin's hooks for people, with what its configuration leaves them nothing to do about.
fn hooks(plugin: &Plugin) -> String {
    let (spared, asked): (Vec<Hook>, Vec<Hook>) = plugin
        .hooks()
        .iter()
        .partition(|hook| plugin.spares(**hook));
    let names = |hooks: &[Hook]| hooks.iter().map(Hook::to_string).collect::<Vec<_>>();
    let mut pointless = names(&spared);
    if asked.contains(&Hook::CacheRules) && plugin.spares_unstorable() {
        pointless.push(format!("{} for what must not be stored", Hook::CacheRules));
    }
    let asked = match asked.is_empty() {
        true => "none".to_owned(),
        false => names(&asked).join(", "),
    };
    match pointless.is_empty() {
        true => asked,
        false => format!(
            "{asked} ({}: nothing to do with this configuration)",
            pointless.join(", ")
        ),
    }
}

/// A failure where the plugin's policy is closed; nothing said where it is open.
fn tolerate<T>(
    plugin: &Plugin,
    hook: Hook,
    answer: Result<T, Failed>,
) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failed) => match plugin.manifest().failure.of(hook) {
            FailurePolicy::Closed => Err(Failure::Plugin(failed)),
            FailurePolicy::Open => Ok(None),
        },
    }
}

fn unique_names(candidates: &[Candidate]) -> Result<(), Mistake> {
    let mut files: BTreeMap<&str, &str> = BTreeMap::new();
    for candidate in candidates {
        let (name, file) = (&candidate.manifest.name, candidate.manifest.file());
        if let Some(other) = files.insert(name, file) {
            return Err(Mistake::new(format!(
                "two plugins are called `{name}`: {other} and {file}"
            )));
        }
    }
    Ok(())
}

/// A table for a plugin that is not there is a typo, or a policy that somebody believes in force.
fn no_stray_overrides(
    candidates: &[Candidate],
    overrides: &BTreeMap<String, Section>,
) -> Result<(), Mistake> {
    for (name, section) in overrides {
        if !candidates
            .iter()
            .any(|candidate| candidate.manifest.name == *name)
        {
            let names: Vec<&str> = candidates
                .iter()
                .map(|c| c.manifest.name.as_str())
                .collect();
            return Err(section
                .mistake(
                    "",
                    format!("[plugins.{name}]: there is no plugin of that name"),
                )
                .help(format!("there are: {}", names.join(", "))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
