//! Counters and histograms of a plugin's own. Their number is bounded, and so is what they are
//! called: whatever a plugin makes of its input, the table stays small.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A plugin's series.
#[derive(Debug)]
pub(super) struct Series {
    kinds: Arc<Kinds>,
    all: Mutex<BTreeMap<Key, Measure>>,
}

/// What names stand for: one thing, whichever plugin uses them.
#[derive(Debug, Default)]
pub(super) struct Kinds(Mutex<BTreeMap<String, Kind>>);

/// Name and labels, these in alphabetic order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `denied`
    pub name: String,
    /// `[("list", "malware")]`
    pub labels: Vec<(String, String)>,
}

/// A series as it stands.
#[derive(Debug)]
pub struct Registered {
    /// What it is called.
    pub key: Key,
    /// What has been counted or measured.
    pub measure: Measure,
}

/// What is counted or measured.
#[derive(Debug, Clone)]
pub enum Measure {
    /// Only grows.
    Counter(Arc<AtomicU64>),
    /// How values are distributed.
    Histogram(Arc<Histogram>),
}

/// Values by their size. The bounds are the same for all: [`BOUNDS`].
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    /// The bits of an f64.
    sum: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Histogram,
}

/// Why something is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error(
        "a name is lower-case letters, digits and `_`, begins with a letter, and has 64 at most"
    )]
    Name,
    #[error("a name does not end in `{0}`: the host puts that on")]
    Suffix(&'static str),
    #[error(
        "a series has {MAX_LABELS} labels at most, each another one, and none is `plugin` or `le`"
    )]
    Labels,
    #[error("a label's value has {MAX_VALUE} octets at most")]
    Value,
    #[error("it is a counter here and a histogram there")]
    Kind,
    #[error("there are {0} series already")]
    Full(usize),
    #[error("it is not a finite number")]
    Number,
}

/// Upper bounds of a histogram's buckets: from a millisecond to hours in seconds, and from an octet
/// to gigabytes.
pub const BOUNDS: [f64; 22] = [
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    1_000.0,
    10_000.0,
    100_000.0,
    1_000_000.0,
    100_000_000.0,
    10_000_000_000.0,
];

const MAX_NAME: usize = 64;
const MAX_LABELS: usize = 4;
const MAX_VALUE: usize = 128;
/// What the text format puts behind names.
const SUFFIXES: [&str; 5] = ["_total", "_created", "_bucket", "_sum", "_count"];

// === impl Series ===

impl Series {
    pub(super) fn new(kinds: Arc<Kinds>) -> Series {
        Series {
            kinds,
            all: Mutex::default(),
        }
    }

    /// Finds a series or makes it, where there are fewer than `most`.
    pub(super) fn get(&self, key: &Key, kind: Kind, most: usize) -> Result<Measure, Refused> {
        key.check()?;
        let mut all = self.locked();
        let full = all.len() >= most;
        match all.entry(key.clone()) {
            Entry::Occupied(entry) if entry.get().kind() == kind => Ok(entry.get().clone()),
            Entry::Occupied(_) => Err(Refused::Kind),
            Entry::Vacant(_) if full => Err(Refused::Full(most)),
            Entry::Vacant(entry) => {
                self.kinds.agree(&key.name, kind)?;
                Ok(entry.insert(Measure::new(kind)).clone())
            }
        }
    }

    pub(super) fn all(&self) -> Vec<Registered> {
        let all = self.locked();
        let registered = all.iter().map(|(key, measure)| Registered {
            key: key.clone(),
            measure: measure.clone(),
        });
        registered.collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Key, Measure>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Kinds ===

impl Kinds {
    /// A metric has one type, or nobody can read the page. The first plugin says which.
    fn agree(&self, name: &str, kind: Kind) -> Result<(), Refused> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *kinds.entry(name.to_owned()).or_insert(kind) == kind {
            true => Ok(()),
            false => Err(Refused::Kind),
        }
    }
}

// === impl Key ===

impl Key {
    /// Labels in their order. So many that none of them will be accepted are left out: they are
    /// not worth being sorted.
    pub(super) fn new(name: String, mut labels: Vec<(String, String)>) -> Key {
        labels.truncate(MAX_LABELS + 1);
        labels.sort();
        Key { name, labels }
    }

    fn check(&self) -> Result<(), Refused> {
        let mut names = std::iter::once(&self.name).chain(self.labels.iter().map(|(name, _)| name));
        if !names.all(|name| is_name(name)) {
            return Err(Refused::Name);
        }
        if let Some(suffix) = SUFFIXES.iter().find(|suffix| self.name.ends_with(*suffix)) {
            return Err(Refused::Suffix(suffix));
        }
        let reserved = |(name, _): &(String, String)| name == "plugin" || name == "le";
        let twice = self.labels.windows(2).any(|pair| pair[0].0 == pair[1].0);
        if twice || self.labels.len() > MAX_LABELS || self.labels.iter().any(reserved) {
            return Err(Refused::Labels);
        }
        match self
            .labels
            .iter()
            .all(|(_, value)| value.len() <= MAX_VALUE)
        {
            true => Ok(()),
            false => Err(Refused::Value),
        }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_');
    name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(allowed)
}

// === impl Measure ===

impl Measure {
    fn new(kind: Kind) -> Measure {
        match kind {
            Kind::Counter => Measure::Counter(Arc::default()),
            Kind::Histogram => Measure::Histogram(Arc::default()),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Measure::Counter(_) => Kind::Counter,
            Measure::Histogram(_) => Kind::Histogram,
        }
    }
}

// === impl Histogram ===

impl Histogram {
    pub(super) fn observe(&self, value: f64) {
        let bucket = BOUNDS.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let add = |sum| Some((f64::from_bits(sum) + value).to_bits());
        // It always has a new value.
        let _ = self
            .sum
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// The sum of all values.
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.sum.load(Ordering::Relaxed))
    }

    /// How many values were in each bucket, by its upper bound.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|n| n.load(Ordering::Relaxed));
        bounds.zip(counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(name: &str, labels: &[(&str, &str)]) -> Key {
        let labels = labels.iter().map(|&(n, v)| (n.to_owned(), v.to_owned()));
        Key::new(name.to_owned(), labels.collect())
    }

    #[test]
    fn names_and_labels_that_are_none() {
        let long = "x".repeat(129);
        let five = [("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", "")];
        let series = Series::new(Arc::default());
        #[rustfmt::skip]
        let cases = [
            (key("", &[]), Refused::Name),
            (key("Denied", &[]), Refused::Name),
            (key("1st", &[]), Refused::Name),
            (key("a b", &[]), Refused::Name),
            (key(&long, &[]), Refused::Name),
            (key("a", &[("a\n", "b")]), Refused::Name),
            (key("denied_total", &[]), Refused::Suffix("_total")),
            (key("a", &[("plugin", "other")]), Refused::Labels),
            (key("a", &[("le", "1")]), Refused::Labels),
            (key("a", &[("b", "1"), ("b", "2")]), Refused::Labels),
            (key("a", &five), Refused::Labels),
            (key("a", &[("b", &long)]), Refused::Value),
        ];
        for (key, refused) in cases {
            let got = series.get(&key, Kind::Counter, 10).map(|m| m.kind());
            assert_eq!(got, Err(refused), "{key:?}");
        }
        assert!(series.all().is_empty());
    }

    #[test]
    fn there_are_no_more_than_the_limit_says() {
        let series = Series::new(Arc::default());
        let get = |value: &str, most| {
            let measure = series.get(&key("a", &[("b", value)]), Kind::Counter, most);
            measure.map(|measure| measure.kind())
        };
        assert_eq!(get("1", 2), Ok(Kind::Counter));
        assert_eq!(get("2", 2), Ok(Kind::Counter));
        assert_eq!(get("3", 2), Err(Refused::Full(2)));
        assert_eq!(get("1", 1), Ok(Kind::Counter));
        assert_eq!(series.all().len(), 2);
    }

    #[test]
    fn a_name_means_one_thing_to_all_plugins() {
        let kinds = Arc::<Kinds>::default();
        let (one, other) = (Series::new(kinds.clone()), Series::new(kinds));
        let get = |series: &Series, kind, label| {
            let measure = series.get(&key("a", &[("b", label)]), kind, 9);
            measure.map(|measure| measure.kind())
        };
        assert_eq!(get(&one, Kind::Histogram, "1"), Ok(Kind::Histogram));
        assert_eq!(get(&one, Kind::Counter, "1"), Err(Refused::Kind));
        assert_eq!(get(&other, Kind::Counter, "1"), Err(Refused::Kind));
        assert_eq!(get(&other, Kind::Histogram, "1"), Ok(Kind::Histogram));
    }

    #[test]
    fn the_order_of_labels_means_nothing() {
        let forth = key("a", &[("b", "1"), ("c", "2")]);
        assert_eq!(forth, key("a", &[("c", "2"), ("b", "1")]));
    }

    proptest! {
        #[test]
        fn a_value_is_in_the_first_bucket_that_holds_it(value in -1.0e3..1.0e12_f64) {
            let histogram = Histogram::default();
            histogram.observe(value);
            let buckets = histogram.buckets();
            let at = buckets.iter().position(|&(_, count)| count == 1).expect("one");
            prop_assert!(value <= buckets[at].0);
            prop_assert!(at == 0 || value > buckets[at - 1].0);
            prop_assert_eq!(histogram.sum(), value);
        }
    }
}
