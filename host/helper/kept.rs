//! Answers that are kept, each for its time.

use super::{Answer, Finding};
use crate::config::HelperSettings;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A helper's answers, by their keys.
#[derive(Debug)]
pub(super) struct Kept {
    answers: Cache<Arc<str>, Entry>,
    ttl: Duration,
    negative_ttl: Duration,
    grace: Duration,
}

#[derive(Debug, Clone)]
struct Entry {
    answer: Arc<Answer>,
    since: Instant,
}

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// It is as good as a new one.
    Fresh(Arc<Answer>),
    /// It serves while a new one is asked for.
    Stale(Arc<Answer>),
}

/// Octets of key and answer that count as one of `cache_size`.
const UNIT: usize = 1024;

// === impl Kept ===

impl Kept {
    pub(super) fn new(settings: &HelperSettings) -> Kept {
        let HelperSettings {
            ttl,
            negative_ttl,
            grace,
            ..
        } = *settings;
        let weigh = |key: &Arc<str>, entry: &Entry| {
            let octets = key.len() + entry.answer.octets();
            u32::try_from(octets.div_ceil(UNIT)).unwrap_or(u32::MAX)
        };
        let answers = Cache::builder()
            .max_capacity(settings.cache_size)
            .weigher(weigh)
            .time_to_live(ttl.max(negative_ttl).saturating_add(grace));
        Kept {
            answers: answers.build(),
            ttl,
            negative_ttl,
            grace,
        }
    }

    /// The answer, where it still serves.
    pub(super) fn find(&self, key: &str, now: Instant) -> Option<Found> {
        let Entry { answer, since } = self.answers.get(key)?;
        let age = now.saturating_duration_since(since);
        let ttl = match answer.finding {
            Finding::Found => self.ttl,
            Finding::NotFound => self.negative_ttl,
            Finding::Failed => return None,
        };
        match age {
            age if age < ttl => Some(Found::Fresh(answer)),
            age if age < ttl.saturating_add(self.grace) => Some(Found::Stale(answer)),
            _ => None,
        }
    }

    /// How many there are, about: those whose time is over leave with the next that come.
    pub(super) fn count(&self) -> u64 {
        self.answers.run_pending_tasks();
        self.answers.entry_count()
    }

    /// Keeps it. A failure is not an answer: it leaves what was there.
    pub(super) fn keep(&self, key: Arc<str>, answer: Arc<Answer>, now: Instant) {
        if answer.finding != Finding::Failed {
            self.answers.insert(key, Entry { answer, since: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Configuration, Source};

    fn kept(settings: &str) -> Kept {
        let text = format!("[helpers.a]\nurl = \"http://a/\"\n{settings}");
        let source = Source::new("wproxy.toml", text);
        let read = Configuration::from_source(Some(&source), &[]).expect("valid");
        Kept::new(&read.helpers[0])
    }

    fn answer(finding: Finding) -> Arc<Answer> {
        let pairs = Vec::new();
        Arc::new(Answer { finding, pairs })
    }

    #[test]
    fn an_answer_is_fresh_then_stale_then_gone() {
        use Finding::{Failed, Found as Is, NotFound};
        let kept = kept("ttl = \"10 s\"\nnegative_ttl = \"2 s\"\ngrace = \"5 s\"");
        let start = Instant::now();
        for (name, finding) in [("yes", Is), ("no", NotFound), ("broken", Failed)] {
            kept.keep(name.into(), answer(finding), start);
        }
        for (name, milliseconds, expected) in [
            ("yes", 0, Some(Found::Fresh(answer(Is)))),
            ("yes", 9_999, Some(Found::Fresh(answer(Is)))),
            ("yes", 10_000, Some(Found::Stale(answer(Is)))),
            ("yes", 14_999, Some(Found::Stale(answer(Is)))),
            ("yes", 15_000, None),
            ("no", 1_999, Some(Found::Fresh(answer(NotFound)))),
            ("no", 2_000, Some(Found::Stale(answer(NotFound)))),
            ("no", 7_000, None),
            ("broken", 0, None),
            ("other", 0, None),
        ] {
            let now = start + Duration::from_millis(milliseconds);
            assert_eq!(kept.find(name, now), expected, "{name} {milliseconds}");
        }
        // A failure leaves what is there; a new answer does not.
        let later = start + Duration::from_secs(12);
        kept.keep("yes".into(), answer(Failed), later);
        assert_eq!(kept.find("yes", later), Some(Found::Stale(answer(Is))));
        kept.keep("yes".into(), answer(NotFound), later);
        assert_eq!(
            kept.find("yes", later),
            Some(Found::Fresh(answer(NotFound)))
        );
    }

    #[test]
    fn there_is_an_end_of_them() {
        let kept = kept("cache_size = 100");
        let now = Instant::now();
        for number in 0..1000 {
            kept.keep(format!("key {number}").into(), answer(Finding::Found), now);
        }
        kept.answers.run_pending_tasks();
        assert!(kept.answers.entry_count() <= 100);
        // A long one counts as many.
        kept.keep("k".repeat(200 * UNIT).into(), answer(Finding::Found), now);
        kept.answers.run_pending_tasks();
        assert!(kept.answers.weighted_size() <= 100);
    }
}
