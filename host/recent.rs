//! The last requests, for `wproxy explain --id`: what was asked, and what became of it.
//!
//! A request is kept as it is, by its reference: nothing is copied when it ends. Its header section
//! is a piece of memory of its own, so that no buffer is held with it.

use crate::config::Settings;
use crate::log::Code;
use crate::plugin::Rule;
use crate::thread::{self, Apart};
use crate::transaction::Request;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The last requests. How many are kept is bounded, and so is what they take.
#[derive(Debug)]
pub struct Recent {
    /// One for each worker, with an even part of the room: what a thread lets go, it has made
    /// itself. Where some have more to do than others, these look less far back.
    shards: Box<[Apart<Mutex<Shard>>]>,
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
    pub rule: Option<Rule>,
    /// What went wrong, in RFC 9209's words.
    pub error: Option<&'static str>,
    /// From its first octet to its end.
    pub elapsed: Duration,
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

// === impl Recent ===

impl Recent {
    /// As the settings have it; none where they have that.
    pub fn new(settings: &Settings) -> Option<Recent> {
        let Settings {
            workers,
            explain_requests,
            explain_mem,
            ..
        } = *settings;
        Recent::with(workers, explain_requests, explain_mem)
    }

    fn with(workers: usize, requests: usize, octets: u64) -> Option<Recent> {
        if requests == 0 {
            return None;
        }
        let count = workers.min(requests / SHARD).max(1);
        let octets = usize::try_from(octets).unwrap_or(usize::MAX);
        Some(Recent {
            shards: (0..count).map(|_| Apart::default()).collect(),
            most: requests.div_ceil(count),
            most_octets: octets / count,
        })
    }

    /// Keeps one more, in place of the oldest if need be. What is larger than all that may be kept
    /// is not.
    pub fn keep(&self, past: Past) {
        self.keep_in(thread::number() % self.shards.len(), past);
    }

    fn keep_in(&self, shard: usize, past: Past) {
        let octets = past.octets();
        // What is dropped is dropped when nobody waits for the lock any more, but for what is rare:
        // many small ones that give way to a large one.
        let mut gone = None;
        let mut shard = locked(&self.shards[shard]);
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
        self.shards.iter().find_map(|shard| {
            let shard = locked(shard);
            let mut kept = shard.kept.iter().rev();
            let kept = kept.find(|kept| kept.past.request.id == id)?;
            Some(kept.past.clone())
        })
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
}

// === impl Past ===

impl Past {
    /// About what it takes to keep that.
    fn octets(&self) -> usize {
        // The rules of a configuration are kept by that; others are of this request alone.
        let own = |rule: &&Rule| rule.location.is_none();
        let rule = self.rule.as_ref().filter(own);
        size_of::<Kept>() + self.request.octets() + rule.map_or(0, |rule| rule.text.len())
    }
}

fn locked(shard: &Apart<Mutex<Shard>>) -> MutexGuard<'_, Shard> {
    shard.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(Recent::with(2, 0, 1 << 20).is_none());
        let recent = Recent::with(2, 10, 0).expect("some");
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
        let recent = Recent::with(2, 3, 1 << 20).expect("some");
        (1..=5).for_each(|id| recent.keep(past(id, 0)));
        let found: Vec<u64> = (1..=5).filter(|id| recent.find(*id).is_some()).collect();
        assert_eq!(found, [3, 4, 5]);
        let since = Some(UNIX_EPOCH + Duration::from_secs(3));
        assert_eq!(recent.reach(), Reach { requests: 3, since });

        let room = 3 * past(1, 100).octets();
        let recent = Recent::with(1, 1000, room as u64).expect("some");
        (1..=5).for_each(|id| recent.keep(past(id, 100)));
        let found: Vec<u64> = (1..=5).filter(|id| recent.find(*id).is_some()).collect();
        assert_eq!(found, [3, 4, 5]);
        // One that is larger than all of it takes the others with it.
        recent.keep(past(6, room));
        assert_eq!(recent.reach().requests, 0);
    }

    #[test]
    fn each_worker_keeps_a_part() {
        let recent = Recent::with(2, 1000, 8 << 20).expect("some");
        (1..=1000).for_each(|id| recent.keep_in(0, past(id, 0)));
        (1001..=2000).for_each(|id| recent.keep_in(1, past(id, 0)));
        let kept = |first| (first..first + 1000).filter(|id| recent.find(*id).is_some());
        assert!(kept(1).eq(501..=1000));
        assert!(kept(1001).eq(1501..=2000));
        assert_eq!(recent.reach().requests, 1000);
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
        let recent = Recent::with(1, SHARD, 200_000).expect("some");
        (1..=10).for_each(|id| recent.keep(past(id, 100)));
        assert_eq!(recent.reach().requests, 10);
        (11..=20).for_each(|id| recent.keep(answered(id)));
        let found: Vec<u64> = (1..=20).filter(|id| recent.find(*id).is_some()).collect();
        assert_eq!(found, [18, 19, 20]);
    }

    proptest! {
        /// However large they are: as many as may be, the last ones, in as much as there may be.
        #[test]
        fn the_bounds_hold(
            workers in 1usize..8,
            requests in 1usize..300,
            room in 1usize..200_000,
            sizes in prop::collection::vec(0usize..5_000, 0..200),
        ) {
            let recent = Recent::with(workers, requests, room as u64).expect("some");
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
