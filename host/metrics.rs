//! Counters, as Prometheus reads them.

use crate::log::Code;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What the proxy counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<ByCode, Counter>,
    /// `wproxy_client_connections`
    pub connections: Gauge,
    /// `wproxy_sent_bytes_total`
    pub sent: Counter,
    /// `wproxy_generation`
    pub generation: Gauge,
    /// `wproxy_reloads_total`
    pub reloads: Counter,
    /// `wproxy_reload_failures_total`
    pub reload_failures: Counter,
    /// `wproxy_access_log_dropped_total`
    pub access_log_dropped: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCode {
    code: Code,
}

// === impl Metrics ===

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("wproxy"),
            requests: Family::default(),
            connections: Gauge::default(),
            sent: Counter::default(),
            generation: Gauge::default(),
            reloads: Counter::default(),
            reload_failures: Counter::default(),
            access_log_dropped: Counter::default(),
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
        registry.register("sent_bytes", "Octets sent to clients", metrics.sent.clone());
        registry.register(
            "generation",
            "The plugin generation that serves",
            metrics.generation.clone(),
        );
        registry.register(
            "reloads",
            "Generations that were swapped in",
            metrics.reloads.clone(),
        );
        registry.register(
            "reload_failures",
            "Reloads that failed and left the old generation serving",
            metrics.reload_failures.clone(),
        );
        registry.register(
            "access_log_dropped",
            "Access log lines that were dropped because the disk did not keep up",
            metrics.access_log_dropped.clone(),
        );
        metrics
    }
}

impl Metrics {
    /// Counts a request.
    pub fn count(&self, code: Code, sent: u64) {
        self.requests.get_or_create(&ByCode { code }).inc();
        self.sent.inc_by(sent);
    }

    /// Requests of that code.
    pub fn requests(&self, code: Code) -> u64 {
        self.requests.get_or_create(&ByCode { code }).get()
    }

    /// All of it in Prometheus's text format (OpenMetrics).
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl EncodeLabelValue for Code {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}
