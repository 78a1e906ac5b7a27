//! What plugins answer, in the host's own types.

use crate::config::Location;
use crate::helper::Question;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

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
    /// Ask again when a helper has answered that.
    Lookup(Question),
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

/// What decided, in the configuration's own words. For programs:
/// `{"rule":"http_access deny all","plugin":"access-policy","at":"wproxy.toml:13"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Shown", from = "Shown")]
pub struct Rule {
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

// === impl Refresh ===

impl Refresh {
    /// What holds where no plugin says anything: only what a response says itself keeps it fresh.
    pub fn stale_at_once() -> Refresh {
        Refresh {
            rule: Rule::ours("no plugin has a rule for this response"),
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

impl fmt::Display for Refresh {
    /// As squid's refresh_pattern has it, but in seconds: `0 20% 259200 override-expire`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refresh {
            min, percent, max, ..
        } = self;
        write!(f, "{min} {percent}% {max}")?;
        let options = [
            (self.override_expire, "override-expire"),
            (self.override_lastmod, "override-lastmod"),
            (self.reload_into_ims, "reload-into-ims"),
            (self.ignore_reload, "ignore-reload"),
            (self.ignore_no_store, "ignore-no-store"),
            (self.ignore_private, "ignore-private"),
        ];
        let mut given = options.iter().filter(|(given, _)| *given);
        given.try_for_each(|(_, name)| write!(f, " {name}"))
    }
}

// === impl Rule ===

impl Rule {
    /// The host's own, where no plugin has one.
    pub fn ours(text: impl Into<Arc<str>>) -> Rule {
        Rule {
            plugin: "wproxy".into(),
            text: text.into(),
            location: None,
        }
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

impl From<Rule> for Shown {
    fn from(rule: Rule) -> Shown {
        Shown {
            rule: rule.text.to_string(),
            plugin: rule.plugin.to_string(),
            at: rule.location.map(|location| location.to_string()),
        }
    }
}

impl From<Shown> for Rule {
    fn from(shown: Shown) -> Rule {
        Rule {
            plugin: shown.plugin.into(),
            text: shown.rule.into(),
            location: shown.at.and_then(|at| Location::read(&at)),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
