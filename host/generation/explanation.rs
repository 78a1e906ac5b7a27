//! How a generation comes to what it says of a request: every rule that its plugins look at.

use super::{Admission, Generation};
use crate::error::Failure;
use crate::http::Scheme;
use crate::plugin::{Denial, Failed, Hook, Key, LookedAt, Plugin, Rule, Verdict};
use crate::purge;
use crate::transaction::Request;
use http::Method;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is looked at for a request, and what is said in the end.
#[derive(Debug)]
pub struct Explanation {
    /// In the order in which a request comes to the hooks, and a hook asks the plugins.
    pub accounts: Vec<Account>,
    /// What becomes of the request.
    pub verdict: Result<Admission, Failure>,
}

/// What a plugin does in a hook.
#[derive(Debug)]
pub struct Account {
    /// Its name.
    pub plugin: Arc<str>,
    /// The hook.
    pub hook: Hook,
    /// How it comes to that.
    pub told: Told,
    /// What it says, where that can be known without a response.
    pub said: Option<Said>,
}

/// How a plugin comes to what it says.
#[derive(Debug, Clone)]
pub enum Told {
    /// By these rules.
    Rules(Vec<LookedAt>),
    /// It does not say.
    Nothing,
    /// It failed when it was asked: why.
    Failed(String),
}

/// A plugin's answer.
#[derive(Debug)]
pub struct Said {
    /// `allow`, `deny 403`, `pass`, ...
    pub text: String,
    /// By which rule, where it names one.
    pub rule: Option<Rule>,
}

/// What the plugins tell of all their hooks, each asked once.
struct Testimony(BTreeMap<Arc<str>, Told>);

// === impl Generation ===

impl Generation {
    /// Asks the plugins what they would do, and how they come to it. Instances of their own are
    /// asked: what is served does not notice, and nothing is counted.
    pub fn explain(&self, request: &Arc<Request>) -> Explanation {
        let testimony = Testimony::of(&self.plugins, request);
        let mut accounts = Vec::new();
        let verdict = self.authorize_by(|plugin| {
            let verdict = plugin.witness().authorize(request);
            let said = Some(Said::from(&verdict));
            accounts.push(testimony.about(plugin, Hook::Access, said));
            verdict
        });
        if let Ok(Admission::NeedsAddresses | Admission::NeedsAnswer(_)) = verdict {
            return Explanation { accounts, verdict };
        }
        let is_admitted = verdict.is_ok();
        let is_cached = matches!(request.target.scheme, Scheme::Http | Scheme::Https);
        if is_admitted && is_cached {
            // What it comes to is in the accounts.
            let _ = self.key_by(|plugin| {
                let key = plugin.witness().key_for(request);
                let said = Some(Said::from(&key));
                accounts.push(testimony.about(plugin, Hook::CacheKey, said));
                key
            });
        }
        // PURGE is for the cache alone.
        if is_admitted && is_cached && !purge::is_purge(request) {
            for hook in [Hook::RequestHeaders, Hook::CacheRules] {
                accounts.extend(testimony.of_all(self.asked(hook), hook));
            }
        }
        // Error pages come there, too; what says that a tunnel stands does not.
        if !(is_admitted && request.method == Method::CONNECT) {
            let hook = Hook::ResponseHeaders;
            accounts.extend(testimony.of_all(self.asked(hook), hook));
        }
        Explanation { accounts, verdict }
    }
}

// === impl Testimony ===

impl Testimony {
    fn of(plugins: &[Arc<Plugin>], request: &Arc<Request>) -> Testimony {
        let told = plugins.iter().map(|plugin| {
            let told = match plugin.witness().trace(request) {
                Ok(Some(rules)) => Told::Rules(rules),
                Ok(None) => Told::Nothing,
                Err(reason) => Told::Failed(reason),
            };
            (plugin.name().into(), told)
        });
        Testimony(told.collect())
    }

    fn about(&self, plugin: &Plugin, hook: Hook, said: Option<Said>) -> Account {
        let name = hook.to_string();
        let told = match self.0.get(plugin.name()) {
            Some(Told::Rules(rules)) => {
                let rules = rules.iter().filter(|rule| rule.hook == name);
                Told::Rules(rules.cloned().collect())
            }
            Some(told) => told.clone(),
            None => Told::Nothing,
        };
        Account {
            plugin: plugin.name().into(),
            hook,
            told,
            said,
        }
    }

    /// Of a hook in which all plugins are asked.
    fn of_all(&self, plugins: &[Arc<Plugin>], hook: Hook) -> impl Iterator<Item = Account> {
        plugins
            .iter()
            .map(move |plugin| self.about(plugin, hook, None))
    }
}

// === impl Said ===

impl From<&Result<Verdict, Failed>> for Said {
    fn from(verdict: &Result<Verdict, Failed>) -> Said {
        let (text, rule) = match verdict {
            Ok(Verdict::Pass) => ("pass".to_owned(), None),
            Ok(Verdict::Allow(rule)) => ("allow".to_owned(), Some(rule)),
            Ok(Verdict::Deny(Denial { rule, status, .. })) => {
                (format!("deny {status}"), Some(rule))
            }
            Ok(Verdict::Resolve) => ("resolve".to_owned(), None),
            Ok(Verdict::Lookup(question)) => (format!("lookup {}", question.helper), None),
            Ok(Verdict::Authenticate(_)) => ("authenticate".to_owned(), None),
            Err(failed) => (format!("nothing: {}", failed.reason), None),
        };
        Said {
            text,
            rule: rule.cloned(),
        }
    }
}

impl From<&Result<Key, Failed>> for Said {
    fn from(key: &Result<Key, Failed>) -> Said {
        let text = match key {
            Ok(Key::Pass) => "pass".to_owned(),
            Ok(Key::Named(key)) => format!("named {key}"),
            Ok(Key::Never) => "never".to_owned(),
            Err(failed) => format!("nothing: {}", failed.reason),
        };
        Said { text, rule: None }
    }
}
