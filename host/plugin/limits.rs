//! What a plugin may use up.

use super::engine;
use super::kv::Bounds;
use super::meters::Limit;
use super::watch::Bounds as BodyBounds;
use std::fmt;
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// Limits of one plugin, from its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long one call may take; default 10 ms.
    pub time: Duration,
    /// Octets of all memories and tables of one instance together; default 64 MB.
    pub memory: usize,
    /// Elements of all tables of one instance together; default 100,000.
    pub table_elements: usize,
    /// Octets of stack of one call, of the few sizes that there are; default 512 KB.
    pub stack: usize,
    /// Octets of names and values that one call can write into fields, beside what the proxy's own
    /// limits say of the header section; default 64 KB.
    pub fields: usize,
    /// Octets of one log line; what is longer is cut. Default 4 KB.
    pub log_line: usize,
    /// Lines that one call can log. Default 100.
    pub log_lines: usize,
    /// Lines a second that all instances together can log. Default 200.
    pub log_rate: u32,
    /// Descriptors, streams and the like of WASI's that one instance can hold. Default 256.
    pub handles: usize,
    /// Counters and histograms of its own that it can have, those with other labels counted for
    /// themselves. Default 200.
    pub series: usize,
    /// What it can keep from one call to the next, where that is granted. Default 16 MB, 100,000
    /// entries.
    pub kv: Bounds,
    /// What it can see of bodies.
    pub bodies: BodyBounds,
    /// Calls after which an instance is made anew; default 1,000,000.
    pub calls: u64,
    /// Completed transactions that one call of `observer` is handed at most. Default 256.
    pub batch: usize,
    /// Completed transactions that wait for `observer`; what comes then is left out. Default 10,000.
    pub queue: usize,
    /// Failures of a hook in a row after which it is not called for a while: a second, then twice
    /// as long after each failure more, a minute in the end. Default 5; 0: it is always called.
    pub failures: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            time: Duration::from_millis(10),
            memory: 64 << 20,
            table_elements: 100_000,
            stack: engine::STACK,
            fields: 64 << 10,
            log_line: 4 << 10,
            log_lines: 100,
            log_rate: 200,
            handles: 256,
            series: 200,
            kv: Bounds {
                octets: 16 << 20,
                entries: 100_000,
            },
            bodies: BodyBounds::default(),
            calls: 1_000_000,
            batch: 256,
            queue: 10_000,
            failures: 5,
        }
    }
}

/// As the manifest has them, for people.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} a call, {} KB, {} KB of stack, {} table elements, {} handles\n          \
             {} calls, {} failures, {} KB into fields\n          \
             {} log lines of {} bytes a call, {} a second, {} series\n          \
             {} KB in kv, {} entries\n          {}",
            self.time,
            self.memory >> 10,
            self.stack >> 10,
            self.table_elements,
            self.handles,
            self.calls,
            self.failures,
            self.fields >> 10,
            self.log_lines,
            self.log_line,
            self.log_rate,
            self.series,
            self.kv.octets >> 10,
            self.kv.entries,
            self.bodies,
        )
    }
}

/// What a plugin wanted more of than it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exceeded {
    #[error("it ran longer than its limit of {0:?}")]
    Time(Duration),
    #[error("it ran longer than its limit of {0:?} for one body")]
    BodyTime(Duration),
    #[error("it wanted more memory than its limit of {} KB", .0 >> 10)]
    Memory(usize),
    #[error("it wanted more table elements than its limit of {0}")]
    Table(usize),
    #[error("it holds more descriptors, streams and the like than its limit of {0}")]
    Handles(usize),
    #[error("its challenge is longer than {} KB", .0 >> 10)]
    Challenge(usize),
    #[error("its key is longer than {} KB", .0 >> 10)]
    Key(usize),
    #[error("it asked a set of regular expressions for a text longer than {} KB", .0 >> 10)]
    Text(usize),
}

// === impl Exceeded ===

impl Exceeded {
    /// What it is counted as.
    pub(super) fn limit(self) -> Limit {
        match self {
            Exceeded::Time(_) | Exceeded::BodyTime(_) => Limit::Time,
            Exceeded::Memory(_) => Limit::Memory,
            Exceeded::Table(_) => Limit::Table,
            Exceeded::Handles(_) => Limit::Handles,
            Exceeded::Challenge(_) | Exceeded::Key(_) | Exceeded::Text(_) => Limit::Answer,
        }
    }
}

/// What an instance holds of the host's memory: its memories and tables, however many a component
/// has of them, counted together. wasmtime's own limits count each for itself.
#[derive(Debug)]
pub(super) struct Allowance {
    limit: usize,
    used: usize,
    table_limit: usize,
    table_elements: usize,
}

// === impl Allowance ===

impl Allowance {
    pub(super) fn new(limits: &Limits) -> Allowance {
        Allowance {
            limit: limits.memory,
            used: 0,
            table_limit: limits.table_elements,
            table_elements: 0,
        }
    }

    fn grow(&mut self, octets: usize) -> wasmtime::Result<bool> {
        self.used = self.used.saturating_add(octets);
        // An error traps. A plugin that is only told would do so itself, and less clearly.
        match self.used <= self.limit {
            true => Ok(true),
            false => Err(Exceeded::Memory(self.limit).into()),
        }
    }
}

impl ResourceLimiter for Allowance {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = desired.saturating_sub(current);
        self.table_elements = self.table_elements.saturating_add(elements);
        if self.table_elements > self.table_limit {
            return Err(Exceeded::Table(self.table_limit).into());
        }
        self.grow(elements.saturating_mul(size_of::<usize>()))
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_and_tables_of_an_instance_count_together() {
        let mut allowance = Allowance::new(&Limits {
            memory: 10 << 16,
            ..Limits::default()
        });
        let grow = |allowance: &mut Allowance, from: usize, to: usize| {
            let grown = allowance.memory_growing(from << 16, to << 16, None);
            grown.map_err(|error| *error.downcast_ref::<Exceeded>().expect("a limit"))
        };
        assert_eq!(grow(&mut allowance, 0, 4), Ok(true));
        assert_eq!(grow(&mut allowance, 0, 4), Ok(true));
        assert!(allowance.table_growing(0, 1 << 13, None).is_ok());
        assert_eq!(grow(&mut allowance, 4, 5), Ok(true));
        let exceeded = Exceeded::Memory(10 << 16);
        assert_eq!(grow(&mut allowance, 4, 5), Err(exceeded));
        assert_eq!(
            exceeded.to_string(),
            "it wanted more memory than its limit of 640 KB"
        );
    }

    #[test]
    fn all_tables_of_an_instance_count_together() {
        let mut allowance = Allowance::new(&Limits {
            table_elements: 10,
            ..Limits::default()
        });
        assert!(allowance.table_growing(0, 6, None).is_ok());
        assert!(allowance.table_growing(0, 4, None).is_ok());
        let grown = allowance.table_growing(4, 5, None).map_err(|error| {
            let exceeded = error.downcast_ref::<Exceeded>().expect("a limit");
            exceeded.to_string()
        });
        let what = "it wanted more table elements than its limit of 10";
        assert_eq!(grown, Err(what.to_owned()));
    }
}
