//! A generation in words, for people.

use super::Generation;
use crate::plugin::{Component, Hook, Plugin};
use std::sync::Arc;

impl Generation {
    /// Says in the log what its plugins import of WASI and find empty. Those that are taken over
    /// from `old` have been told about.
    pub fn log_missing_grants(&self, old: Option<&Generation>) {
        let is_new = |plugin: &&Arc<Plugin>| !old.is_some_and(|old| old.plugins.contains(plugin));
        for plugin in self.plugins.iter().filter(is_new) {
            for line in plugin.empty() {
                tracing::info!("plugin `{}` imports {line}", plugin.name());
            }
        }
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
