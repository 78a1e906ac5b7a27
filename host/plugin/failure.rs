//! A call that failed: what is said of it, and to whom.

use super::Hook;
use super::limits::Exceeded;
use super::meters::{Limit, Meter};
use crate::log::escaped;
use std::sync::Arc;

/// A plugin failed in a hook: trapped, took too long, wanted too much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin `{plugin}` failed in its hook `{hook}`: {reason}")]
pub struct Failed {
    /// Its name.
    pub plugin: Arc<str>,
    /// Where.
    pub hook: Hook,
    /// What a person can understand of it.
    pub reason: String,
}

/// Lines of a backtrace, and the octets of one: names of generic functions are long.
const MAX_TRACE: usize = 20;
const MAX_FRAME: usize = 300;

/// What a person can understand of a failure: a line.
pub(super) fn explain(error: &wasmtime::Error) -> String {
    if let Some(full) = error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>() {
        return format!(
            "this host has no place for another instance ({full}): it takes fewer plugins, or \
             fewer workers"
        );
    }
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => format!("it trapped ({trap})"),
        None => error.root_cause().to_string(),
    }
}

/// Where in the plugin it was: its own functions, the one that failed first. Each is on a line of
/// its own, which none of them can end, because their names are the plugin's.
pub(super) fn backtrace(error: &wasmtime::Error) -> Option<String> {
    let trace = error.downcast_ref::<wasmtime::WasmBacktrace>()?.to_string();
    // The first line only says what comes.
    let frames = trace.lines().skip(1).take(MAX_TRACE);
    let shown = frames.map(|frame| {
        let end = frame.floor_char_boundary(MAX_FRAME);
        format!("\n    {}", escaped(frame[..end].trim()))
    });
    Some(shown.collect())
}

/// Counts the limit that the call ran into, if it did.
pub(super) fn count(meter: &Meter, error: &wasmtime::Error) {
    let stack = error.downcast_ref::<wasmtime::Trap>() == Some(&wasmtime::Trap::StackOverflow);
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        meter.ran_into(exceeded.limit());
    } else if stack {
        meter.ran_into(Limit::Stack);
    }
}
