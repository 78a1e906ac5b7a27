//! How a plugin comes to what it says: asked of an instance of its own, away from what is served.

use super::bindings::explain as wit;
use super::calls::{authorize, key_for};
use super::failure;
use super::instance::Template;
use super::{Failed, Hook, Key, Plugin, Rule, Verdict, printable};
use crate::transaction::Request;
use std::sync::Arc;
use std::time::Duration;

/// A rule that a plugin looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedAt {
    /// The hook that it is about, as the plugin calls it.
    pub hook: String,
    /// In the configuration's words where it stands there.
    pub rule: Rule,
    /// What comes of it.
    pub outcome: Outcome,
    /// Its conditions, as far as they are looked at.
    pub conditions: Vec<Condition>,
}

/// What comes of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A condition does not hold.
    DoesNotApply,
    /// It applies, and others are looked at all the same.
    Applies,
    /// It applies, and that is it.
    Decides,
    /// Addresses would have to be known.
    Undecided,
}

/// A condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// As the rule has it: `!Safe_ports`.
    pub text: String,
    /// Whether it holds; none where something would have to be known for that.
    pub holds: Option<bool>,
    /// What was compared with what.
    pub why: String,
}

/// A plugin that answers questions about what it would do, while its other instances serve. What it
/// keeps and counts meanwhile is for nobody.
pub struct Witness<'a> {
    plugin: &'a Plugin,
    template: Template,
}

/// How long a trace may take: it puts much into words, and nobody's request waits for it.
const TIME: Duration = Duration::from_secs(1);

// === impl Plugin ===

impl Plugin {
    /// Whether it can say how it comes to its answers.
    pub fn explains(&self) -> bool {
        self.compiled.explains()
    }

    /// The same plugin, to be asked what it would do.
    pub fn witness(&self) -> Witness<'_> {
        Witness {
            plugin: self,
            template: self.template.apart(),
        }
    }
}

// === impl Witness ===

impl Witness<'_> {
    /// What its hook `access` says.
    ///
    /// # Errors
    /// It fails.
    pub fn authorize(&self, request: &Arc<Request>) -> Result<Verdict, Failed> {
        let time = self.plugin.manifest.limits.time;
        let verdict = self
            .template
            .call_once(time, |instance| authorize(instance, request))
            .map_err(|error| self.report(Hook::Access, request, &error))?;
        Ok(self.plugin.verdict(verdict))
    }

    /// What its hook `cache-key` says.
    ///
    /// # Errors
    /// It fails.
    pub fn key_for(&self, request: &Arc<Request>) -> Result<Key, Failed> {
        let time = self.plugin.manifest.limits.time;
        let key = self
            .template
            .call_once(time, |instance| key_for(instance, request))
            .map_err(|error| self.report(Hook::CacheKey, request, &error))?;
        Ok(key.into())
    }

    /// The rules that its hooks look at; none where it does not say.
    ///
    /// # Errors
    /// It fails: why.
    pub fn trace(&self, request: &Arc<Request>) -> Result<Option<Vec<LookedAt>>, String> {
        if !self.plugin.explains() {
            return Ok(None);
        }
        let trace = self
            .template
            .call_once(TIME, |instance| instance.trace(request))
            .map_err(|error| {
                let (name, reason) = (self.plugin.name(), failure::explain(&error));
                let trace = failure::backtrace(&error).unwrap_or_default();
                tracing::warn!("plugin `{name}` fails in `explain`: {reason}{trace}");
                reason
            })?;
        let looked_at = trace.into_iter().map(|looked_at| self.looked_at(looked_at));
        Ok(Some(looked_at.collect()))
    }

    fn looked_at(&self, told: wit::LookedAt) -> LookedAt {
        let condition = |condition: wit::Condition| Condition {
            text: printable(&condition.text),
            holds: condition.holds,
            why: printable(&condition.why),
        };
        LookedAt {
            hook: printable(&told.hook),
            rule: self.plugin.rule(&told.rule),
            outcome: match told.outcome {
                wit::Outcome::DoesNotApply => Outcome::DoesNotApply,
                wit::Outcome::Applies => Outcome::Applies,
                wit::Outcome::Decides => Outcome::Decides,
                wit::Outcome::Undecided => Outcome::Undecided,
            },
            conditions: told.conditions.into_iter().map(condition).collect(),
        }
    }

    /// Tells the operator, as of any call that fails; it is not counted where others are.
    fn report(&self, hook: Hook, request: &Request, error: &wasmtime::Error) -> Failed {
        let meter = self.template.meter();
        self.plugin.report(meter, hook, Some(request.id), error)
    }
}
