//! Counters, as Prometheus reads them.

mod helpers;
mod plugins;
mod shadow;

pub use shadow::Shadow;

use crate::cache::{Stats, Tier};
use crate::helper::Helpers;
use crate::log::Code;
use crate::plugin::Meters;
use helpers::Asked;
use plugins::Plugins;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::{Arc, OnceLock};

/// What the proxy counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<ByCode, Counter>,
    /// Those of `requests`, as they come up: every request counts, and takes no lock for it.
    requests_by: [OnceLock<Counter>; Code::ALL.len()],
    /// `wproxy_client_connections`
    pub connections: Gauge,
    /// `wproxy_sent_bytes_total`
    pub sent: Counter,
    /// `wproxy_generation`
    pub generation: Gauge,
    generations_alive: Gauge,
    /// `wproxy_reloads_total`
    pub reloads: Counter,
    /// `wproxy_reload_failures_total`
    pub reload_failures: Counter,
    /// `wproxy_access_log_dropped_total`
    pub access_log_dropped: Counter,
    /// `wproxy_cache_purged_total`
    pub cache_purged: Counter,
    /// `wproxy_shadow_...`
    pub shadow: Shadow,
    cache_responses: Family<ByTier, Gauge>,
    cache_octets: Family<ByTier, Gauge>,
    cache_budget: Family<ByTier, Gauge>,
    helpers: Asked,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCode {
    code: Code,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTier {
    tier: Tier,
}

// === impl Metrics ===

impl Metrics {
    /// All at 0, beside what is counted of plugins.
    pub fn new(plugins: Arc<Meters>) -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("wproxy"),
            requests: Family::default(),
            requests_by: Default::default(),
            connections: Gauge::default(),
            sent: Counter::default(),
            generation: Gauge::default(),
            generations_alive: Gauge::default(),
            reloads: Counter::default(),
            reload_failures: Counter::default(),
            access_log_dropped: Counter::default(),
            cache_purged: Counter::default(),
            shadow: Shadow::default(),
            cache_responses: Family::default(),
            cache_octets: Family::default(),
            cache_budget: Family::default(),
            helpers: Asked::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "requests",
            "Requests by squid's code",
            metrics.requests.clone(),
        );
        registry.register(
            "client_connections",
            "Open client connections",
            metrics.connections.clone(),
        );
        registry.register("sent_bytes", "Bytes sent to clients", metrics.sent.clone());
        registry.register(
            "generation",
            "The number of the plugin generation that serves",
            metrics.generation.clone(),
        );
        registry.register(
            "generations_alive",
            "Plugin generations alive: the one that serves, and those that requests still use",
            metrics.generations_alive.clone(),
        );
        registry.register("reloads", "Reloads that succeeded", metrics.reloads.clone());
        registry.register(
            "reload_failures",
            "Reloads that failed and left the old generation serving",
            metrics.reload_failures.clone(),
        );
        registry.register(
            "access_log_dropped",
            "Access log lines lost because the disk did not keep up",
            metrics.access_log_dropped.clone(),
        );
        registry.register(
            "cache_purged",
            "Responses that were purged",
            metrics.cache_purged.clone(),
        );
        registry.register(
            "cache_responses",
            "Stored responses",
            metrics.cache_responses.clone(),
        );
        registry.register(
            "cache_bytes",
            "Bytes that stored responses take",
            metrics.cache_octets.clone(),
        );
        registry.register(
            "cache_budget_bytes",
            "Bytes that stored responses may take",
            metrics.cache_budget.clone(),
        );
        metrics.shadow.register(registry);
        registry.register_collector(Box::new(Plugins(plugins)));
        registry.register_collector(Box::new(metrics.helpers.clone()));
        metrics
    }

    /// Counts a request.
    pub fn count(&self, code: Code, sent: u64) {
        self.requests_by(code).inc();
        self.sent.inc_by(sent);
    }

    /// Requests of that code.
    pub fn requests(&self, code: Code) -> u64 {
        self.requests_by(code).get()
    }

    fn requests_by(&self, code: Code) -> &Counter {
        let counter = || self.requests.get_or_create_owned(&ByCode { code });
        self.requests_by[code as usize].get_or_init(counter)
    }

    /// All of it in Prometheus's text format (OpenMetrics). What is not counted as it goes comes
    /// with the question: of the cache, of helpers, and how many generations there are.
    pub fn text(&self, cache: &Stats, helpers: &Helpers, generations: usize) -> String {
        self.helpers.take(helpers);
        let generations = i64::try_from(generations).unwrap_or(i64::MAX);
        self.generations_alive.set(generations);
        for stats in &cache.tiers {
            let labels = ByTier { tier: stats.tier };
            for (gauges, value) in [
                (&self.cache_responses, stats.responses),
                (&self.cache_octets, stats.octets),
                (&self.cache_budget, stats.budget),
            ] {
                let value = i64::try_from(value).unwrap_or(i64::MAX);
                gauges.get_or_create(&labels).set(value);
            }
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl EncodeLabelValue for Code {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

impl EncodeLabelValue for Tier {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_counter_of_its_own() {
        let metrics = Metrics::new(Arc::default());
        for (others, code) in Code::ALL.into_iter().enumerate() {
            for _ in 0..=others {
                metrics.count(code, 1);
            }
        }
        let stats = Stats { tiers: Vec::new() };
        let text = metrics.text(&stats, &Helpers::default(), 1);
        for (others, code) in Code::ALL.into_iter().enumerate() {
            let count = others + 1;
            assert_eq!(metrics.requests(code), count as u64);
            let line = format!(
                "wproxy_requests_total{{code=\"{}\"}} {count}\n",
                code.as_str()
            );
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}
