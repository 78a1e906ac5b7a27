//! What plugins answer, in the host's own types.

use crate::config::Location;
use crate::helper::Question;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// What a plugin says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the next one decides.
    Pass,
    /// It may.
    Allow(Rule),
    /// It may not.
    Deny(Denial),
    /// Ask again when the destination's addresses are known.
    Resolve,
    /// Ask again when a helper has answered that.
    Lookup(Question),
    /// 407 with that challenge.
    Authenticate(String),
}

/// A request may not pass, or nothing of a body goes on any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// By that rule.
    pub rule: Rule,
    /// 400 to 599.
    pub status: u16,
    /// What the person at the other end should read, in the plugin's own words.
    pub message: Option<String>,
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
    /// What else it says of the response that does not count.
    pub overrules: BTreeSet<Overrule>,
}

/// An option of squid's refresh_pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overrule {
    /// `override-expire`: what it says of its expiry counts from `min` on.
    OverrideExpire,
    /// `override-lastmod`: so does what follows from Last-Modified.
    OverrideLastmod,
    /// `reload-into-ims`: a client's reload asks the origin whether the response has changed.
    ReloadIntoIms,
    /// `ignore-reload`: it asks nobody.
    IgnoreReload,
    /// `ignore-no-store`
    IgnoreNoStore,
    /// `ignore-private`
    IgnorePrivate,
}

/// What a plugin says of the key that a response is cached under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Nothing: the next one decides.
    Pass,
    /// That.
    Named(Arc<str>),
    /// The cache has nothing to do with it.
    Never,
}

/// What decided. One for all requests: each of them takes a reference along. For programs:
/// `{"rule":"http_access deny all","plugin":"access-policy","at":"wproxy.toml:13"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Shown", from = "Shown")]
pub struct Rule(Arc<Words>);

/// A rule in the configuration's own words.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Words {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// `http_access deny all`
    pub text: Arc<str>,
    /// Where that stands.
    pub location: Option<Location>,
}

/// A rule as JSON has it.
#[derive(Serialize, Deserialize)]
struct Shown {
    rule: String,
    plugin: String,
    at: Option<String>,
}

// === impl Denial ===

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => f.write_str(message),
            None => write!(f, "the rule `{}` does not allow it", self.rule),
        }
    }
}

// === impl Refresh ===

impl Refresh {
    /// What holds where no plugin says anything: only what a response says itself keeps it fresh.
    pub fn stale_at_once() -> Refresh {
        Refresh {
            rule: Rule::ours("no plugin has a rule for this response"),
            min: 0,
            percent: 0,
            max: 0,
            overrules: BTreeSet::new(),
        }
    }

    /// Whether it has that option.
    pub fn has(&self, option: Overrule) -> bool {
        self.overrules.contains(&option)
    }
}

impl fmt::Display for Refresh {
    /// As squid's refresh_pattern has it, but in seconds: `0 20% 259200 override-expire`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refresh {
            min, percent, max, ..
        } = self;
        write!(f, "{min} {percent}% {max}")?;
        let mut options = self.overrules.iter();
        options.try_for_each(|option| write!(f, " {option}"))
    }
}

// === impl Overrule ===

impl fmt::Display for Overrule {
    /// As squid.conf has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Overrule::OverrideExpire => "override-expire",
            Overrule::OverrideLastmod => "override-lastmod",
            Overrule::ReloadIntoIms => "reload-into-ims",
            Overrule::IgnoreReload => "ignore-reload",
            Overrule::IgnoreNoStore => "ignore-no-store",
            Overrule::IgnorePrivate => "ignore-private",
        })
    }
}

// === impl Rule ===

impl Rule {
    /// A rule of that plugin, in these words, from that line.
    pub fn new(
        plugin: impl Into<Arc<str>>,
        text: impl Into<Arc<str>>,
        location: Option<Location>,
    ) -> Rule {
        Rule(Arc::new(Words {
            plugin: plugin.into(),
            text: text.into(),
            location,
        }))
    }

    /// The host's own, where no plugin has one.
    pub fn ours(text: impl Into<Arc<str>>) -> Rule {
        Rule::new("wproxy", text, None)
    }

    /// `http_access deny all (wproxy.toml:13, plugin access-policy)`
    pub fn located(&self) -> String {
        format!("{self} ({})", self.place())
    }

    /// `wproxy.toml:13, plugin access-policy`
    pub fn place(&self) -> String {
        match &self.location {
            Some(location) => format!("{location}, plugin {}", self.plugin),
            None => format!("plugin {}", self.plugin),
        }
    }
}

impl Deref for Rule {
    type Target = Words;

    fn deref(&self) -> &Words {
        &self.0
    }
}

impl From<Rule> for Shown {
    fn from(rule: Rule) -> Shown {
        Shown {
            rule: rule.text.to_string(),
            plugin: rule.plugin.to_string(),
            at: rule.location.as_ref().map(Location::to_string),
        }
    }
}

impl From<Shown> for Rule {
    fn from(shown: Shown) -> Rule {
        let location = shown.at.and_then(|at| Location::read(&at));
        Rule::new(shown.plugin, shown.rule, location)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
