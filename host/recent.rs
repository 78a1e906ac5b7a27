//! The last requests, for `wproxy explain --id`: what was asked, and what became of it.
//!
//! A request is kept as it is, by its reference: nothing is copied when it ends. Its header section
//! is a piece of memory of its own, so that no buffer is held with it.

use crate::config::{Location, Settings};
use crate::log::Code;
use crate::plugin::Rule;
use crate::transaction::Request;
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The last requests. Which have room is bounded, and so is what they take.
#[derive(Debug)]
pub struct Recent {
    /// By the request's number: those of one thread come to one after the other, so that threads
    /// seldom meet, and each holds as much of the past as the others.
    shards: Box<[Mutex<Shard>]>,
    count: NonZeroU64,
    /// Of one shard.
    most: usize,
    /// Of one shard.
    most_octets: usize,
}

/// A request that is over.
#[derive(Debug, Clone)]
pub struct Past {
    /// What was asked for.
    pub request: Arc<Request>,
    /// The generation that decided.
    pub generation: u64,
    /// squid's code.
    pub code: Code,
    /// The status that the client got; 0 while none.
    pub status: u16,
    /// Whether the client left before the end.
    pub aborted: bool,
    /// What allowed or denied it.
    pub rule: Option<PastRule>,
    /// What went wrong, in RFC 9209's words.
    pub error: Option<&'static str>,
    /// From its first octet to its end.
    pub elapsed: Duration,
}

/// A rule of a generation that may be over: a copy, so that nothing of that is held.
#[derive(Debug, Clone)]
pub struct PastRule {
    /// The plugin's name, the rule's text and the name of the file, one after the other.
    words: Box<str>,
    plugin: usize,
    text: usize,
    /// Where it stands in a file.
    line: Option<usize>,
}

/// How far back the memory goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// How many are there.
    pub requests: usize,
    /// When the oldest of them was received; none where there is none.
    pub since: Option<SystemTime>,
}

#[derive(Debug, Default)]
struct Shard {
    /// The oldest first.
    kept: VecDeque<Kept>,
    octets: usize,
}

#[derive(Debug)]
struct Kept {
    past: Past,
    octets: usize,
}

/// Fewer than this in a shard would not make it worth one.
const SHARD: usize = 64;
/// More shards than this do not help more threads.
const MAX_SHARDS: usize = 16;

// === impl Recent ===

impl Recent {
    /// As the settings have it; none where they have that.
    pub fn new(settings: &Settings) -> Option<Recent> {
        Recent::with(settings.explain_requests, settings.explain_mem)
    }

    fn with(requests: usize, octets: u64) -> Option<Recent> {
        if requests == 0 {
            return None;
        }
        let count = (requests / SHARD).clamp(1, MAX_SHARDS);
        let octets = usize::try_from(octets).unwrap_or(usize::MAX);
        Some(Recent {
            shards: (0..count).map(|_| Mutex::default()).collect(),
            count: NonZeroU64::new(count as u64)?,
            most: requests.div_ceil(count),
            most_octets: octets / count,
        })
    }

    /// Keeps one more, in place of the oldest if need be. What is larger than all that may be kept
    /// is not.
    pub fn keep(&self, past: Past) {
        let octets = past.octets();
        // What is dropped is dropped when nobody waits for the lock any more, but for what is rare:
        // many small ones that give way to a large one.
        let mut gone = None;
        let mut shard = self.shard(past.request.id);
        shard.octets += octets;
        shard.kept.push_back(Kept { past, octets });
        while shard.kept.len() > self.most || shard.octets > self.most_octets {
            gone = shard.kept.pop_front();
            shard.octets -= gone.as_ref().map_or(0, |gone| gone.octets);
        }
        drop(shard);
        drop(gone);
    }

    /// The request of that number.
    pub fn find(&self, id: u64) -> Option<Past> {
        let shard = self.shard(id);
        let mut kept = shard.kept.iter().rev();
        let kept = kept.find(|kept| kept.past.request.id == id)?;
        Some(kept.past.clone())
    }

    /// How far back it goes.
    pub fn reach(&self) -> Reach {
        let mut reach = Reach {
            requests: 0,
            since: None,
        };
        for shard in &self.shards {
            let shard = locked(shard);
            reach.requests += shard.kept.len();
            let received = shard.kept.iter().map(|kept| kept.past.request.received);
            reach.since = reach.since.into_iter().chain(received).min();
        }
        reach
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, Shard> {
        // Less than their number.
        let index = usize::try_from(id % self.count).unwrap_or_default();
        locked(&self.shards[index])
    }
}

// === impl Past ===

impl Past {
    /// About what it takes to keep that.
    fn octets(&self) -> usize {
        let rule = self.rule.as_ref().map_or(0, |rule| rule.words.len());
        size_of::<Kept>() + self.request.octets() + rule
    }
}

// === impl PastRule ===

impl From<&Rule> for PastRule {
    fn from(rule: &Rule) -> PastRule {
        let Rule {
            plugin,
            text,
            location,
        } = rule;
        let file = location.as_ref().map_or("", |location| &location.file);
        PastRule {
            words: [plugin, text, file].concat().into(),
            plugin: plugin.len(),
            text: text.len(),
            line: location.as_ref().map(|location| location.line),
        }
    }
}

impl From<&PastRule> for Rule {
    fn from(past: &PastRule) -> Rule {
        let (plugin, rest) = past.words.split_at(past.plugin);
        let (text, file) = rest.split_at(past.text);
        Rule {
            plugin: plugin.into(),
            text: text.into(),
            location: past.line.map(|line| Location {
                file: file.into(),
                line,
            }),
        }
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper::{Answer, Finding, Question};
    use crate::http::{Fields, Form, RequestHead, Target, Version};
    use bytes::Bytes;
    use http::Method;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    fn past(id: u64, field: usize) -> Past {
        let target = Bytes::from_static(b"http://a/");
        let Ok(Form::Proxy(parsed)) = Target::parse(&Method::GET, &target) else {
            panic!("a target");
        };
        let mut fields = Fields::default();
        fields.push("X", vec![b'x'; field]);
        let head = RequestHead {
            method: Method::GET,
            target,
            version: Version::Http11,
            fields,
        };
        let received = UNIX_EPOCH + Duration::from_secs(id);
        let mut request = Request::new(head, parsed, ([127, 0, 0, 1], 1).into(), received);
        request.id = id;
        Past {
            request: Arc::new(request),
            generation: 1,
            code: Code::Miss,
            status: 200,
            aborted: false,
            rule: None,
            error: None,
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_to_be() {
        assert!(Recent::with(0, 1 << 20).is_none());
        let recent = Recent::with(10, 0).expect("some");
        recent.keep(past(1, 0));
        assert!(recent.find(1).is_none());
        let none = Reach {
            requests: 0,
            since: None,
        };
        assert_eq!(recent.reach(), none);
    }

    #[test]
    fn the_oldest_give_way_by_number_and_by_size() {
        let recent = Recent::with(3, 1 << 20).expect("some");
        (1..=5).for_each(|id| recent.keep(past(id, 0)));
        let found: Vec<u64> = (1..=5).filter(|id| recent.find(*id).is_some()).collect();
        assert_eq!(found, [3, 4, 5]);
        let since = Some(UNIX_EPOCH + Duration::from_secs(3));
        assert_eq!(recent.reach(), Reach { requests: 3, since });

        let room = 3 * past(1, 100).octets();
        let recent = Recent::with(1000, MAX_SHARDS as u64 * room as u64).expect("some");
        let count = recent.count.get();
        (0..5).for_each(|turn| recent.keep(past(1 + turn * count, 100)));
        let kept = |turn: &u64| recent.find(1 + turn * count).is_some();
        assert_eq!((0..5).filter(kept).collect::<Vec<_>>(), [2, 3, 4]);
        // One that is larger than all of it takes the others with it.
        recent.keep(past(1 + 5 * count, MAX_SHARDS * room));
        assert_eq!(recent.reach().requests, 0);
    }

    #[test]
    fn what_helpers_answered_counts() {
        let answered = |id| {
            let past = past(id, 100);
            let question = Question {
                helper: "ldap".into(),
                key: id.to_string(),
            };
            let answer = Answer {
                finding: Finding::Found,
                pairs: vec![("message".into(), "x".repeat(60_000))],
            };
            past.request.add_answer(question, Arc::new(answer));
            past
        };
        let (with, without) = (answered(1), past(1, 100));
        assert!(with.request.octets() > without.request.octets() + 60_000);
        // There is room for three of them, and for hundreds without.
        let recent = Recent::with(SHARD, 200_000).expect("some");
        assert_eq!(recent.count.get(), 1);
        (1..=10).for_each(|id| recent.keep(past(id, 100)));
        assert_eq!(recent.reach().requests, 10);
        (11..=20).for_each(|id| recent.keep(answered(id)));
        let found: Vec<u64> = (1..=20).filter(|id| recent.find(*id).is_some()).collect();
        assert_eq!(found, [18, 19, 20]);
    }

    #[test]
    fn a_rule_is_what_it_was() {
        let located = |location| Rule {
            plugin: "access-policy".into(),
            text: "http_access deny all".into(),
            location,
        };
        let location = Location {
            file: "/etc/wproxy/wproxy.toml".into(),
            line: 13,
        };
        for rule in [located(Some(location)), located(None)] {
            assert_eq!(Rule::from(&PastRule::from(&rule)), rule);
        }
    }

    proptest! {
        /// However large they are: as many as may be, the last ones, in as much as there may be.
        #[test]
        fn the_bounds_hold(
            requests in 1usize..300,
            room in 1usize..200_000,
            sizes in prop::collection::vec(0usize..5_000, 0..200),
        ) {
            let recent = Recent::with(requests, room as u64).expect("some");
            for (id, size) in (1..).zip(&sizes) {
                recent.keep(past(id, *size));
                let shards = recent.shards.iter().map(locked);
                let (kept, octets) = shards.fold((0, 0), |(kept, octets), shard| {
                    let real: usize = shard.kept.iter().map(|kept| kept.octets).sum();
                    assert_eq!(real, shard.octets);
                    (kept + shard.kept.len(), octets + shard.octets)
                });
                prop_assert!(octets <= room);
                prop_assert!(kept <= requests + recent.shards.len());
                prop_assert_eq!(recent.reach().requests, kept);
            }
        }
    }
}
