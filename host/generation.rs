//! A generation: one immutable set of plugins with their configuration. A transaction is pinned
//! to one from its first byte to its last; a swap puts another in the place of the whole set.

mod bodies;
mod changes;
mod description;
mod explanation;
mod folder;
mod hooks;
mod reloader;
mod serving;

pub use bodies::Watched;
pub use changes::Changes;
pub use explanation::{Account, Explanation, Told};
pub use folder::{BUILT_IN, BuiltIn};
pub use reloader::Reloader;
pub use serving::{Alive, Generations, Pinned};

use crate::config::{Configuration, HelperSettings, Mistake, Section};
use crate::helper::{Helpers, Question};
use crate::plugin::{
    Compiled, Engine, HelperNames, Hook, Manifest, Plugin, Refresh, Rule, Sets, Shelf,
};
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
    /// `--plugins DIR` or `plugin_dir`: each sub-folder with a `plugin.toml` is one.
    Folder(PathBuf),
}

impl From<Option<PathBuf>> for Plugins {
    fn from(folder: Option<PathBuf>) -> Plugins {
        folder.map_or(Plugins::BuiltIn, Plugins::Folder)
    }
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
    /// Where it comes from, where that is not what the proxy's settings name.
    promoted: Option<Arc<str>>,
    pins: Pins,
}

/// A plugin as it stands on disk or in the binary: not compiled yet.
struct Unbuilt {
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

/// What cache-rules makes of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storing {
    /// It may be stored, and is fresh for so long where it does not say that itself.
    Fresh(Refresh),
    /// It must not be stored, by that rule.
    Never(Rule),
}

/// What is said where nothing can pass.
pub const NOBODY_ADMITS: &str = "no plugin has the hook `access`, so that every request is denied; a folder of plugins stands in \
     place of the default ones: access-policy, say, has to be in it";

/// Manifest and component of the plugin in that folder.
///
/// # Errors
/// One of them cannot be read, or the manifest is none.
pub fn plugin_in(folder: &Path) -> Result<(Manifest, Cow<'static, [u8]>), Mistake> {
    let Unbuilt {
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
        settings: &Configuration,
        workers: usize,
        previous: Option<&Generation>,
    ) -> Result<Generation, Mistake> {
        let Configuration {
            plugins: overrides,
            sets,
            helpers,
            ..
        } = settings;
        let mut candidates = match plugins {
            Plugins::BuiltIn => folder::built_in()?,
            Plugins::Folder(folder) => folder::read(folder)?,
        };
        candidates.sort_by(|a, b| {
            let key =
                |candidate: &Unbuilt| (candidate.manifest.order, candidate.manifest.name.clone());
            key(a).cmp(&key(b))
        });
        unique_names(&candidates)?;
        no_stray_overrides(&candidates, overrides)?;
        let old = previous.map_or(&[][..], Generation::plugins);
        let before = previous.map(|previous| &previous.shelf);
        let mut shelf = Shelf::default();
        let everyones = shelf.read(sets, before)?;
        let names = HelperNames::of(helpers);
        let plugins = candidates.into_iter().map(|candidate| {
            let Unbuilt {
                manifest,
                component,
            } = candidate;
            let same_component =
                |plugin: &&Arc<Plugin>| plugin.compiled().is_of(&manifest, &component);
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
            let helpers = match compiled.looks_for_helpers() {
                true => names.clone(),
                false => HelperNames::any(),
            };
            let same = |plugin: &&Arc<Plugin>| {
                let same = plugin.is_same(&manifest, config, &sets, &helpers, &compiled);
                same && plugin.is_of(engine)
            };
            if let Some(plugin) = old.iter().find(same) {
                return Ok(plugin.clone());
            }
            let config = config.cloned();
            Plugin::load(engine, manifest, config, sets, helpers, compiled, workers).map(Arc::new)
        });
        let plugins = plugins.collect::<Result<_, _>>()?;
        Ok(Generation {
            shelf,
            helpers: Helpers::new(helpers, None),
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
            let (sets, helpers) = (plugin.sets(), plugin.helpers());
            let compiled = plugin.compiled();
            let same = |other: &&Arc<Plugin>| {
                let same = other.is_same(manifest, Some(config), sets, helpers, compiled);
                same && other.is_of(engine)
            };
            if let Some(plugin) = previous.plugins.iter().find(same) {
                return Ok(plugin.clone());
            }
            let (manifest, config) = (manifest.clone(), Some(config.clone()));
            let (sets, helpers) = (sets.clone(), helpers.clone());
            let compiled = compiled.clone();
            Plugin::load(engine, manifest, config, sets, helpers, compiled, workers).map(Arc::new)
        });
        let plugins = plugins.collect::<Result<_, _>>()?;
        Ok(Generation {
            shelf: self.shelf.clone(),
            helpers: Helpers::new(&self.helpers.settings(), Some(&previous.helpers)),
            ..Generation::of(id, plugins)
        })
    }

    /// The same with helpers of these settings that nobody has asked yet.
    #[must_use]
    pub fn with_helpers(self, helpers: &[HelperSettings]) -> Generation {
        Generation {
            helpers: Helpers::new(helpers, None),
            ..self
        }
    }

    /// The same, which comes from there since a candidate was promoted.
    #[must_use]
    pub fn promoted_from(self, origin: &str) -> Generation {
        Generation {
            promoted: Some(origin.into()),
            ..self
        }
    }

    /// Where it comes from since a candidate was promoted; none where that is what the settings name.
    pub fn promoted(&self) -> Option<&Arc<str>> {
        self.promoted.as_ref()
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
            promoted: None,
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

    /// Whether there is a plugin that could let a request pass.
    pub fn admits_anybody(&self) -> bool {
        !self.asked(Hook::Access).is_empty()
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

    fn asked(&self, hook: Hook) -> &[Arc<Plugin>] {
        &self.asked[hook as usize]
    }

    /// The plugins that are told what became of transactions.
    pub fn observers(&self) -> &[Arc<Plugin>] {
        self.asked(Hook::Observer)
    }
}

fn unique_names(candidates: &[Unbuilt]) -> Result<(), Mistake> {
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
    candidates: &[Unbuilt],
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
