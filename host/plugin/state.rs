//! What an instance's calls find on the host's side.

use super::budget::Budget;
use super::draft::Draft;
use super::helpers::HelperNames;
use super::kv::{Store, Terms};
use super::limits::{Allowance, Limits};
use super::meters::{Limit, Meter};
use super::series::{Key, Kind, Measure, Refused};
use super::sets::Sets;
use super::wasi::Wasi;
use crate::log::{Ruling, escaped};
use crate::transaction::Request;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tracing::level_filters::LevelFilter;

/// Type of the lent request. The transaction of the running call is in the store's data, so that
/// a handle needs no table: every one is the same.
pub enum RequestHandle {}

/// Type of the lent fields; as [`RequestHandle`].
pub enum FieldsHandle {}

/// The data of an instance's store.
pub(super) struct State {
    pub(super) limits: Arc<Limits>,
    pub(super) meter: Arc<Meter>,
    /// Lent to the call that is running.
    pub(super) request: Option<Arc<Request>>,
    /// Lent to the call that is running.
    pub(super) fields: Option<Draft>,
    pub(super) allowance: Allowance,
    /// Of the call that is running.
    pub(super) budget: Budget,
    /// That the call that is running has logged.
    pub(super) lines: usize,
    pub(super) wasi: Wasi,
    pub(super) own: Own,
    /// Where it was granted.
    pub(super) kv: Option<Arc<dyn Store>>,
    pub(super) sets: Sets,
    pub(super) helpers: HelperNames,
}

/// The plugin's own metrics that this instance has used: what was found once takes no lock.
#[derive(Debug, Default)]
pub(super) struct Own {
    found: HashMap<Key, Measure>,
    /// Whether it has been said that one was refused: once will do.
    complained: bool,
}

// === impl State ===

impl State {
    /// A line in the proxy's log, tagged with the plugin's name and the request's number: one line
    /// whatever it holds.
    pub(super) fn log(&mut self, level: tracing::Level, message: &str) {
        if level > LevelFilter::current() {
            return;
        }
        self.lines += 1;
        let most = self.limits.log_lines;
        if self.lines > most {
            self.meter.ran_into(Limit::Log);
        }
        let message = match self.lines {
            lines if lines <= most => message,
            // One line more says why there are no others.
            lines if lines == most + 1 => "more lines of this call are left out",
            _ => return,
        };
        if self.may_log() {
            let end = message.floor_char_boundary(self.limits.log_line);
            if end < message.len() {
                self.meter.ran_into(Limit::Log);
            }
            let request = self.request.as_ref().map(|request| request.id);
            write(
                level,
                self.meter.plugin(),
                request,
                &escaped(&message[..end]),
            );
        }
    }

    /// Whether the plugin may log another line in this second.
    fn may_log(&self) -> bool {
        may_log(&self.meter, self.limits.log_rate)
    }

    /// Adds to a counter of the plugin's own.
    pub(super) fn count(&mut self, key: Key, by: u64) {
        match self.own(key, Kind::Counter) {
            Some(Measure::Counter(counter)) => {
                let add = |count: u64| Some(count.saturating_add(by));
                // It always has a next value.
                let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
            }
            Some(Measure::Histogram(_)) | None => {}
        }
    }

    /// Puts a value into a histogram of the plugin's own.
    pub(super) fn observe(&mut self, key: Key, value: f64) {
        if !value.is_finite() {
            return self.refuse(&key, Refused::Number);
        }
        match self.own(key, Kind::Histogram) {
            Some(Measure::Histogram(histogram)) => histogram.observe(value),
            Some(Measure::Counter(_)) | None => {}
        }
    }

    /// What the plugin keeps. Who imports it was granted it, but for what is only looked at.
    pub(super) fn kv(&self) -> wasmtime::Result<&dyn Store> {
        let kv = self.kv.as_deref();
        kv.ok_or_else(|| wasmtime::Error::msg("it was not granted `kv`"))
    }

    /// For so many milliseconds from now.
    pub(super) fn kv_terms(&self, ttl: u64) -> Terms {
        Terms {
            ttl: Duration::from_millis(ttl),
            bounds: self.limits.kv,
            now: Instant::now(),
        }
    }

    fn own(&mut self, key: Key, kind: Kind) -> Option<Measure> {
        let refused = match self.own.found.entry(key) {
            Entry::Occupied(found) if found.get().kind() == kind => {
                return Some(found.get().clone());
            }
            Entry::Occupied(found) => (found.key().clone(), Refused::Kind),
            Entry::Vacant(vacant) => {
                let most = self.limits.series;
                match self.meter.series.get(vacant.key(), kind, most) {
                    Ok(measure) => return Some(vacant.insert(measure).clone()),
                    Err(refused) => (vacant.into_key(), refused),
                }
            }
        };
        self.refuse(&refused.0, refused.1);
        None
    }

    /// It is not counted. Whoever wrote the plugin finds the reason in the log.
    fn refuse(&mut self, key: &Key, refused: Refused) {
        self.meter.ran_into(Limit::Series);
        if !std::mem::replace(&mut self.own.complained, true) {
            let what = format!("the metric `{}` is left out: {refused}", key.name);
            self.log(tracing::Level::WARN, &what);
        }
    }
}

/// Whether that plugin may log another line in this second, of so many.
pub(super) fn may_log(meter: &Meter, rate: u32) -> bool {
    let ruling = meter.log().line(Instant::now(), rate);
    match ruling {
        Ruling::LeaveOut => meter.ran_into(Limit::LogRate),
        Ruling::Write { left_out: 0 } => {}
        Ruling::Write { left_out } => tell_left_out(meter, rate, left_out),
    }
    ruling != Ruling::LeaveOut
}

/// One line in place of those that were too many.
pub(super) fn tell_left_out(meter: &Meter, rate: u32, left_out: u64) {
    let what = format!("{left_out} lines were left out: it logs {rate} a second at most");
    write(tracing::Level::WARN, meter.plugin(), None, &what);
}

fn write(level: tracing::Level, plugin: &str, request: Option<u64>, message: &str) {
    match level {
        tracing::Level::TRACE => tracing::trace!(plugin, request, "{message}"),
        tracing::Level::DEBUG => tracing::debug!(plugin, request, "{message}"),
        tracing::Level::INFO => tracing::info!(plugin, request, "{message}"),
        tracing::Level::WARN => tracing::warn!(plugin, request, "{message}"),
        tracing::Level::ERROR => tracing::error!(plugin, request, "{message}"),
    }
}
