//! What is different in a generation.

use serde::{Deserialize, Serialize};
use std::fmt;

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
