//! What is counted of plugins, and what they keep, by their names: a swap of generations resets
//! nothing.
//!
//! A plugin looks its meter up once, when it is loaded. A call counts itself by one addition, in a
//! place of its thread's own.

use super::Hook;
use super::kv::{Local, Store, Usage};
use super::series::{Kinds, Registered, Series};
use crate::log::Window;
use crate::thread::Counter;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// The meters of all plugins that there have been.
#[derive(Debug, Default)]
pub struct Meters {
    plugins: Mutex<BTreeMap<Arc<str>, Arc<Meter>>>,
    kinds: Arc<Kinds>,
}

/// What is counted of one plugin, over all hooks, instances and generations.
#[derive(Debug)]
pub struct Meter {
    plugin: Arc<str>,
    calls: [Counter; Hook::ALL.len()],
    failures: [AtomicU64; Hook::ALL.len()],
    limits: [AtomicU64; Limit::ALL.len()],
    instances: AtomicU64,
    log: Mutex<Window>,
    /// Of its own.
    pub(super) series: Series,
    /// Where it has ever been granted.
    kv: OnceLock<Arc<dyn Store>>,
    /// Where it has ever observed.
    observing: OnceLock<Observing>,
}

/// What has become of completed transactions that a plugin observes.
#[derive(Debug, Default)]
pub struct Observing {
    told: AtomicU64,
    dropped: AtomicU64,
}

/// A limit that a plugin ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A call that ran too long.
    Time,
    /// Memory that an instance wanted.
    Memory,
    /// Table elements that an instance wanted.
    Table,
    /// A call that went too deep.
    Stack,
    /// A field that was not written.
    Fields,
    /// A log line that was cut, or left out because its call had logged enough.
    Log,
    /// A log line that was left out because there were too many in its second.
    LogRate,
    /// Descriptors, streams and the like that an instance wanted.
    Handles,
    /// A measurement of its own that was left out.
    Series,
    /// What it wanted to keep and there was no room for, or that was too large.
    Kv,
    /// A challenge or a cache key that was too long.
    Answer,
    /// An instance that was renewed after its number of calls.
    Calls,
    /// A hook that was put aside because it kept failing.
    Failures,
    /// A body that was longer than what the plugin is shown of one.
    Body,
    /// A body of which too much was held back.
    Held,
    /// A body that was one too many at a time.
    Bodies,
}

// === impl Meters ===

impl Meters {
    /// The meter of the plugin with that name.
    pub(super) fn of(&self, plugin: &str) -> Arc<Meter> {
        let mut plugins = self.locked();
        if let Some(meter) = plugins.get(plugin) {
            return meter.clone();
        }
        let name: Arc<str> = plugin.into();
        let meter = Arc::new(Meter {
            plugin: name.clone(),
            calls: Default::default(),
            failures: Default::default(),
            limits: Default::default(),
            instances: AtomicU64::new(0),
            log: Mutex::default(),
            series: Series::new(self.kinds.clone()),
            kv: OnceLock::new(),
            observing: OnceLock::new(),
        });
        plugins.insert(name, meter.clone());
        meter
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Meter>> {
        self.locked().values().cloned().collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Meter>>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Meter ===

impl Meter {
    /// The plugin's name.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Calls of that hook.
    pub fn calls(&self, hook: Hook) -> u64 {
        self.calls[hook as usize].sum()
    }

    /// Those of them that failed.
    pub fn failures(&self, hook: Hook) -> u64 {
        self.failures[hook as usize].load(Ordering::Relaxed)
    }

    /// How often it ran into that limit.
    pub fn limit(&self, limit: Limit) -> u64 {
        self.limits[limit as usize].load(Ordering::Relaxed)
    }

    /// Instances that were made.
    pub fn instances(&self) -> u64 {
        self.instances.load(Ordering::Relaxed)
    }

    /// What it counts and measures itself.
    pub fn own(&self) -> Vec<Registered> {
        self.series.all()
    }

    /// How much it keeps; none where it was never granted that.
    pub fn kept(&self, now: Instant) -> Option<Usage> {
        self.kv.get().map(|store| store.usage(now))
    }

    /// What it keeps from one call to the next. A plugin that comes back finds what has not come
    /// to its end.
    pub(super) fn kv(&self) -> &Arc<dyn Store> {
        self.kv.get_or_init(|| Arc::new(Local::default()))
    }

    /// What has become of the transactions that it observes; none where it never did.
    pub fn observed(&self) -> Option<&Observing> {
        self.observing.get()
    }

    pub(super) fn observing(&self) -> &Observing {
        self.observing.get_or_init(Observing::default)
    }

    pub(super) fn called(&self, hook: Hook) {
        self.calls[hook as usize].count();
    }

    pub(super) fn failed(&self, hook: Hook) {
        self.failures[hook as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ran_into(&self, limit: Limit) {
        self.limits[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn instance_made(&self) {
        self.instances.fetch_add(1, Ordering::Relaxed);
    }

    /// How many lines it has logged in this second.
    pub(super) fn log(&self) -> MutexGuard<'_, Window> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Observing ===

impl Observing {
    /// Those that it was told of.
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// Those that it was not told of, or that cost a call that failed.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn tell(&self, number: u64) {
        self.told.fetch_add(number, Ordering::Relaxed);
    }

    pub(super) fn drop(&self, number: u64) {
        self.dropped.fetch_add(number, Ordering::Relaxed);
    }
}

// === impl Limit ===

impl Limit {
    /// All of them, in the order of their declaration.
    pub const ALL: [Limit; 16] = [
        Limit::Time,
        Limit::Memory,
        Limit::Table,
        Limit::Stack,
        Limit::Fields,
        Limit::Log,
        Limit::LogRate,
        Limit::Handles,
        Limit::Series,
        Limit::Kv,
        Limit::Answer,
        Limit::Calls,
        Limit::Failures,
        Limit::Body,
        Limit::Held,
        Limit::Bodies,
    ];

    /// As metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Limit::Time => "time",
            Limit::Memory => "memory",
            Limit::Table => "table",
            Limit::Stack => "stack",
            Limit::Fields => "fields",
            Limit::Log => "log",
            Limit::LogRate => "log_rate",
            Limit::Handles => "handles",
            Limit::Series => "series",
            Limit::Kv => "kv",
            Limit::Answer => "answer",
            Limit::Calls => "calls",
            Limit::Failures => "failures",
            Limit::Body => "body",
            Limit::Held => "held",
            Limit::Bodies => "bodies",
        }
    }
}
