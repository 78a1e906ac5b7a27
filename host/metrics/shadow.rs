//! What is counted of the shadow.

use crate::comparison;
use crate::plugin::Hook;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counters that go on from one candidate to the next. A clone counts the same.
#[derive(Debug, Clone, Default)]
pub struct Shadow {
    /// `wproxy_shadow_requests_total`
    pub requests: Counter,
    /// `wproxy_shadow_different_total`
    pub different: Counter,
    /// `wproxy_shadow_dropped_total`
    pub dropped: Counter,
    /// `wproxy_shadow_reload_failures_total`
    pub reload_failures: Counter,
    differences: Family<ByHook, Counter>,
    failures: Family<ByHook, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByHook {
    hook: String,
}

// === impl Shadow ===

impl Shadow {
    pub(super) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("shadow");
        for (name, what, counter) in [
            (
                "requests",
                "Requests that the candidate was asked about",
                &self.requests,
            ),
            (
                "different",
                "Requests that the candidate answered differently",
                &self.different,
            ),
            (
                "dropped",
                "Requests skipped because the candidate did not keep up",
                &self.dropped,
            ),
            (
                "reload_failures",
                "Reloads that kept the old candidate because the new one has a mistake",
                &self.reload_failures,
            ),
        ] {
            registry.register(name, what, counter.clone());
        }
        // From the beginning, so that nobody who looks waits for one that comes.
        for hook in comparison::HOOKS {
            drop(self.differences.get_or_create(&ByHook::of(hook)));
            drop(self.failures.get_or_create(&ByHook::of(hook)));
        }
        registry.register(
            "differences",
            "Differences between the candidate's answer and the live one",
            self.differences.clone(),
        );
        registry.register(
            "failures",
            "Failures of the candidate",
            self.failures.clone(),
        );
    }

    /// That hook gives another answer.
    pub fn differs(&self, hook: Hook) {
        self.differences.get_or_create(&ByHook::of(hook)).inc();
    }

    /// That hook of the candidate's has failed.
    pub fn fails(&self, hook: Hook) {
        self.failures.get_or_create(&ByHook::of(hook)).inc();
    }
}

impl ByHook {
    fn of(hook: Hook) -> ByHook {
        ByHook {
            hook: hook.to_string(),
        }
    }
}
