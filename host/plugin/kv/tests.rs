use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Barrier;

const ROOM: Bounds = Bounds {
    octets: 1 << 20,
    entries: 1000,
};

/// The beginning of a test, and moments after it.
struct Clock(Instant);

impl Clock {
    fn start() -> Clock {
        Clock(Instant::now())
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.0 + Duration::from_millis(milliseconds)
    }

    fn terms(&self, milliseconds: u64, ttl: u64, bounds: Bounds) -> Terms {
        Terms {
            ttl: Duration::from_millis(ttl),
            bounds,
            now: self.at(milliseconds),
        }
    }
}

fn counted(value: i64, left: u64) -> Result<Counted, Refused> {
    let left = Duration::from_millis(left);
    Ok(Counted { value, left })
}

#[test]
fn a_window_begins_with_the_first_of_it_and_ends_on_time() {
    let (store, clock) = (Local::default(), Clock::start());
    for (now, ttl, expected) in [
        (0, 1000, counted(1, 1000)),
        // Nobody makes it longer by asking.
        (400, 5000, counted(2, 600)),
        (999, 1000, counted(3, 1)),
        (1000, 500, counted(1, 500)),
        (1500, 500, counted(1, 500)),
    ] {
        let got = store.increment("a", 1, &clock.terms(now, ttl, ROOM));
        assert_eq!(got, expected, "{now}");
    }
    assert_eq!(store.get("a", clock.at(1999)), Some(b"1".to_vec()));
    assert_eq!(store.get("a", clock.at(2000)), None);
    assert!(!store.remove("a", clock.at(2000)));
}

#[test]
fn values_and_counters_are_one_thing() {
    let (store, clock) = (Local::default(), Clock::start());
    let terms = clock.terms(0, 1000, ROOM);
    for (value, by, expected) in [
        ("41", 1, counted(42, 1000)),
        ("-3", 1, counted(-2, 1000)),
        ("0000000000000000000000000000000007", 0, counted(7, 1000)),
        ("9223372036854775807", 1, counted(i64::MAX, 1000)),
        ("-9223372036854775808", -1, counted(i64::MIN, 1000)),
        ("9223372036854775808", 1, Err(Refused::NotANumber)),
        ("", 1, Err(Refused::NotANumber)),
        ("a", 1, Err(Refused::NotANumber)),
    ] {
        assert_eq!(store.set("k", value.into(), &terms), Ok(()), "{value}");
        assert_eq!(store.increment("k", by, &terms), expected, "{value}");
        let kept = match expected {
            Ok(counted) => counted.value.to_string(),
            Err(_) => value.to_owned(),
        };
        assert_eq!(store.get("k", clock.at(0)), Some(kept.into_bytes()));
    }
}

#[test]
fn what_is_too_large_is_not_kept() {
    let (store, clock) = (Local::default(), Clock::start());
    let terms = clock.terms(0, 1000, ROOM);
    let (key, value) = ("k".repeat(MAX_KEY), vec![0; MAX_VALUE]);
    assert_eq!(store.set(&key, value.clone(), &terms), Ok(()));
    let longer = "k".repeat(MAX_KEY + 1);
    let too_large = Err(Refused::TooLarge);
    assert_eq!(store.set(&longer, Vec::new(), &terms), too_large);
    assert_eq!(store.set("k", vec![0; MAX_VALUE + 1], &terms), too_large);
    let counted = store.increment(&longer, 1, &terms);
    assert_eq!(counted, Err(Refused::TooLarge));
    let octets = MAX_KEY + MAX_VALUE + ENTRY;
    let kept = Usage { octets, entries: 1 };
    assert_eq!(store.usage(clock.at(0)), kept);
}

#[test]
fn a_full_store_counts_on_and_takes_new_ones_when_old_ones_end() {
    let (store, clock) = (Local::default(), Clock::start());
    let bounds = Bounds {
        entries: 500,
        ..ROOM
    };
    for n in 0..500 {
        let terms = clock.terms(0, 1000 + n, bounds);
        let first = store.increment(&n.to_string(), 1, &terms);
        assert_eq!(first, counted(1, 1000 + n));
    }
    let terms = clock.terms(999, 1000, bounds);
    assert_eq!(store.increment("new", 1, &terms), Err(Refused::Full));
    assert_eq!(store.set("new", Vec::new(), &terms), Err(Refused::Full));
    // Who is counted stays so, and can be given another value.
    assert_eq!(store.increment("7", 1, &terms), counted(2, 8));
    assert_eq!(store.set("7", b"x".to_vec(), &terms), Ok(()));
    // One has come to its end, whichever shard that is in.
    let terms = clock.terms(1000, 1000, bounds);
    assert_eq!(store.increment("new", 1, &terms), counted(1, 1000));
    assert_eq!(store.increment("newer", 1, &terms), Err(Refused::Full));
    assert_eq!(store.usage(clock.at(1000)).entries, 500);
    let nothing = Usage::default();
    assert_eq!(store.usage(clock.at(100_000)), nothing);
}

/// Another generation can have less room: what is there stays, nothing comes to it.
#[test]
fn less_room_than_there_was() {
    let (store, clock) = (Local::default(), Clock::start());
    for key in ["a", "b", "c"] {
        let terms = clock.terms(0, 1000, ROOM);
        assert_eq!(store.increment(key, 1, &terms), counted(1, 1000));
    }
    let bounds = Bounds { entries: 2, ..ROOM };
    let terms = clock.terms(10, 1000, bounds);
    assert_eq!(store.increment("a", 1, &terms), counted(2, 990));
    assert_eq!(store.increment("d", 1, &terms), Err(Refused::Full));
    assert!(store.remove("b", clock.at(10)) && store.remove("c", clock.at(10)));
    assert_eq!(store.increment("d", 1, &terms), counted(1, 1000));
}

#[test]
fn the_longest_time_is_no_longer_than_a_clock_can_tell() {
    let (store, clock) = (Local::default(), Clock::start());
    let terms = clock.terms(0, u64::MAX, ROOM);
    let left = MAX_TTL;
    assert_eq!(
        store.increment("a", 1, &terms),
        Ok(Counted { value: 1, left })
    );
    assert_eq!(store.set("b", Vec::new(), &terms), Ok(()));
    // And one that is over at once never was.
    let terms = clock.terms(0, 0, ROOM);
    assert_eq!(store.set("b", Vec::new(), &terms), Ok(()));
    assert_eq!(store.get("b", clock.at(0)), None);
}

/// Every increment counts, once: the values that threads get are all different. And of what all of
/// them fill at once, no more is kept than there is room for.
#[test]
fn threads_count_together() {
    const THREADS: usize = 8;
    const EACH: usize = 5000;
    let (store, clock) = (Local::default(), Clock::start());
    let (barrier, terms) = (Barrier::new(THREADS), clock.terms(0, 60_000, ROOM));
    let mut values = Vec::new();
    let mut new = 0;
    std::thread::scope(|scope| {
        let count = |thread: usize| {
            let (store, barrier, terms) = (&store, &barrier, &terms);
            move || {
                barrier.wait();
                let mut values = Vec::with_capacity(EACH);
                let mut new = 0;
                for n in 0..EACH {
                    let counted = store.increment("all", 1, terms).expect("it is there");
                    values.push(counted.value);
                    let own = format!("{thread}/{n}");
                    new += usize::from(store.increment(&own, 1, terms).is_ok());
                }
                (values, new)
            }
        };
        // Before them, so that there is room for it.
        assert_eq!(store.increment("all", 0, &terms), counted(0, 60_000));
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(count(thread)))
            .collect();
        for thread in threads {
            let (own, made) = thread.join().expect("no panic");
            values.extend(own);
            new += made;
        }
    });
    values.sort_unstable();
    let all: Vec<i64> = (1..).take(THREADS * EACH).collect();
    assert!(values == all, "increments were lost");
    assert_eq!(new + 1, ROOM.entries);
    assert_eq!(store.usage(clock.at(0)).entries, ROOM.entries);
}

/// What a store should do, the long way: everything is in one list.
#[derive(Default)]
struct Naive(HashMap<String, (Vec<u8>, bool, Instant)>);

impl Naive {
    fn begin(&mut self, now: Instant) {
        self.0.retain(|_, (.., end)| now < *end);
    }

    fn size((key, (value, is_counter, _)): (&String, &(Vec<u8>, bool, Instant))) -> usize {
        let value = if *is_counter { 0 } else { value.len() };
        key.len() + value + ENTRY
    }

    fn usage(&self) -> Usage {
        Usage {
            octets: self.0.iter().map(Naive::size).sum(),
            entries: self.0.len(),
        }
    }

    fn put(
        &mut self,
        key: &str,
        value: (Vec<u8>, bool, Instant),
        bounds: Bounds,
    ) -> Result<(), Refused> {
        let old = self.0.insert(key.to_owned(), value);
        let Usage { octets, entries } = self.usage();
        if octets <= bounds.octets && entries <= bounds.entries {
            return Ok(());
        }
        match old {
            Some(old) => drop(self.0.insert(key.to_owned(), old)),
            None => drop(self.0.remove(key)),
        }
        Err(Refused::Full)
    }

    fn increment(&mut self, key: &str, by: i64, terms: &Terms) -> Result<Counted, Refused> {
        let Some((value, is_counter, end)) = self.0.get_mut(key) else {
            let end = terms.now + terms.ttl;
            self.put(key, (by.to_string().into(), true, end), terms.bounds)?;
            let left = terms.ttl;
            return Ok(Counted { value: by, left });
        };
        let number = String::from_utf8_lossy(value).parse::<i64>();
        let number = number.map_err(|_| Refused::NotANumber)?;
        let sum = number.saturating_add(by);
        (*value, *is_counter) = (sum.to_string().into(), true);
        let left = *end - terms.now;
        Ok(Counted { value: sum, left })
    }
}

#[derive(Debug, Clone)]
enum Step {
    Get,
    Set(Vec<u8>),
    Increment(i64),
    Remove,
}

fn steps() -> impl Strategy<Value = Vec<(u64, usize, Step, u64)>> {
    let value = prop_oneof![
        "[0-9]{1,3}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    let step = prop_oneof![
        Just(Step::Get),
        value.prop_map(Step::Set),
        prop_oneof![-2i64..5, any::<i64>()].prop_map(Step::Increment),
        Just(Step::Remove),
    ];
    prop::collection::vec((0u64..40, 0usize..12, step, 0u64..100), 0..150)
}

proptest! {
    #[test]
    fn it_does_what_a_naive_one_does(steps in steps(), octets in 300usize..1500, entries in 1usize..9) {
        let (store, clock, bounds) = (Local::default(), Clock::start(), Bounds { octets, entries });
        let (mut naive, mut now) = (Naive::default(), 0);
        for (later, key, step, ttl) in steps {
            now += later;
            let (key, terms) = ("k".repeat(key), clock.terms(now, ttl, bounds));
            naive.begin(terms.now);
            match step {
                Step::Get => {
                    let expected = naive.0.get(&key).map(|(value, ..)| value.clone());
                    prop_assert_eq!(store.get(&key, terms.now), expected);
                }
                Step::Set(value) => {
                    let entry = (value.clone(), false, terms.now + terms.ttl);
                    let expected = naive.put(&key, entry, bounds);
                    prop_assert_eq!(store.set(&key, value, &terms), expected);
                }
                Step::Increment(by) => {
                    let expected = naive.increment(&key, by, &terms);
                    prop_assert_eq!(store.increment(&key, by, &terms), expected);
                }
                Step::Remove => {
                    let expected = naive.0.remove(&key).is_some();
                    prop_assert_eq!(store.remove(&key, terms.now), expected);
                }
            }
        }
        naive.begin(clock.at(now));
        prop_assert_eq!(store.usage(clock.at(now)), naive.usage());
    }
}
