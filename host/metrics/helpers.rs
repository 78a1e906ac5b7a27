//! What helpers have been asked, and what came of it.

use super::plugins::counters;
use crate::helper::{Counts, Helpers};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Writes what it was handed last on the page of metrics.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked(Arc<Mutex<Vec<(String, Counts)>>>);

// === impl Asked ===

impl Asked {
    /// As they stand now.
    pub(super) fn take(&self, helpers: &Helpers) {
        let counts =
            |helper: &crate::helper::Helper| (helper.settings().name.clone(), helper.counts());
        let counts = helpers.all().map(counts).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }
}

impl Collector for Asked {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, what, count) in [
            (
                "helper_questions",
                "Questions of plugins to a helper.",
                (|counts| counts.questions) as fn(&Counts) -> u64,
            ),
            (
                "helper_hits",
                "Questions answered from kept answers.",
                |counts| counts.hits,
            ),
            (
                "helper_failures",
                "Questions that a helper did not answer, or not in a way that can be understood.",
                |counts| counts.failures,
            ),
            (
                "helper_timeouts",
                "Requests that waited too long for an answer.",
                |counts| counts.timeouts,
            ),
        ] {
            let named = |(helper, counts): &(String, Counts)| {
                ([("helper".to_owned(), helper.clone())], count(counts))
            };
            counters(&mut encoder, name, what, counts.iter().map(named))?;
        }
        Ok(())
    }
}
