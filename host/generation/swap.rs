//! What has become of a reload: a swap, or a mistake that prevented it.

use crate::config::Mistake;
use crate::shadow::Renewed;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Another generation serves.
#[derive(Debug, Clone)]
pub struct Swap {
    /// Its number.
    pub generation: u64,
    /// What is different in it.
    pub changes: Changes,
    /// Where its plugins come from, where that is not what the settings name.
    pub promoted: Option<Arc<str>>,
    /// Whether settings have changed that hold only when the proxy is started anew.
    pub restart_needed: bool,
    /// What has become of the shadow; none where there is none.
    pub shadow: Option<Renewed>,
}

/// There was a mistake: the old generation goes on serving.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}\n{mistake}", reload_failed(*generation))]
pub struct Kept {
    /// The number of the old one.
    pub generation: u64,
    /// What is wrong, and where.
    pub mistake: Arc<Mistake>,
}

/// The names of plugins, by what a swap means for them. In the order in which they are asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// There was none of that name.
    pub new: Vec<String>,
    /// Its component, its configuration or its manifest is another one.
    pub changed: Vec<String>,
    /// Taken over as it was, warm instances and all.
    pub unchanged: Vec<String>,
    /// There is none of that name any more.
    pub gone: Vec<String>,
}

/// What is said of settings that a reload does not touch.
pub const RESTART_NEEDED: &str = "settings outside [plugins], [sets], [helpers] and [shadow] have changed: they hold when the proxy is \
     started anew";

/// What is said of plugins that come from elsewhere than the settings say.
pub fn as_promoted(origin: &str) -> String {
    format!(
        "{origin}, as promoted, and not what the settings name, until the proxy is started anew"
    )
}

/// What is said before the mistake.
pub fn reload_failed(generation: u64) -> String {
    format!("reload failed, generation {generation} goes on serving:")
}

// === impl Changes ===

impl Changes {
    /// Whether nothing is different.
    pub fn is_none(&self) -> bool {
        self.new.is_empty() && self.changed.is_empty() && self.gone.is_empty()
    }

    /// From one set of plugins to the next. Those that are equal were taken over.
    pub(super) fn between<P: PartialEq>(old: &[P], new: &[P], name: fn(&P) -> &str) -> Changes {
        let mut changes = Changes::default();
        let is_in = |plugins: &[P], wanted: &P| plugins.iter().any(|p| name(p) == name(wanted));
        for plugin in new {
            let list = match () {
                () if old.contains(plugin) => &mut changes.unchanged,
                () if is_in(old, plugin) => &mut changes.changed,
                () => &mut changes.new,
            };
            list.push(name(plugin).to_owned());
        }
        let gone = old.iter().filter(|plugin| !is_in(new, plugin));
        changes.gone = gone.map(|plugin| name(plugin).to_owned()).collect();
        changes
    }
}

/// `3 plugins, 2 of them unchanged`
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unchanged = self.unchanged.len();
        let plugins = self.new.len() + self.changed.len() + unchanged;
        let s = if plugins == 1 { "" } else { "s" };
        write!(f, "{plugins} plugin{s}, {unchanged} of them unchanged")
    }
}

// === impl Swap ===

impl fmt::Display for Swap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {} serves: {}", self.generation, self.changes)?;
        match &self.promoted {
            Some(origin) => write!(f, "; {}", as_promoted(origin)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_come_change_stay_and_go() {
        type Plugins = &'static [(&'static str, u8)];
        type Names = &'static [&'static str];
        #[rustfmt::skip]
        let cases: [(Plugins, Plugins, [Names; 4], &str); 4] = [
            // old, new, what is new, changed, unchanged and gone
            (&[], &[], [&[], &[], &[], &[]], "0 plugins, 0 of them unchanged"),
            (&[], &[("a", 1)], [&["a"], &[], &[], &[]], "1 plugin, 0 of them unchanged"),
            (&[("b", 1), ("a", 1), ("d", 1)], &[("c", 1), ("b", 2), ("a", 1)], [&["c"], &["b"], &["a"], &["d"]], "3 plugins, 1 of them unchanged"),
            (&[("a", 1), ("b", 1)], &[("b", 1)], [&[], &[], &["b"], &["a"]], "1 plugin, 1 of them unchanged"),
        ];
        for (old, new, expected, said) in cases {
            let changes = Changes::between(old, new, |(name, _)| name);
            let Changes {
                new: come,
                changed,
                unchanged,
                gone,
            } = &changes;
            assert_eq!(
                [come, changed, unchanged, gone],
                expected,
                "{old:?} {new:?}"
            );
            assert_eq!(changes.to_string(), said);
        }
    }
}
