//! What an instance's calls find on the host's side.

use super::budget::Budget;
use super::limits::{Allowance, Draft};
use super::wasi::Wasi;
use crate::transaction::Request;
use std::sync::Arc;

/// Type of the lent request. The transaction of the running call is in the store's data, so that
/// a handle needs no table: every one is the same.
pub enum RequestHandle {}

/// Type of the lent fields; as [`RequestHandle`].
pub enum FieldsHandle {}

/// The data of an instance's store.
pub(super) struct State {
    pub(super) plugin: Arc<str>,
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
}

/// Octets of one log line.
const MAX_LOG_LINE: usize = 4096;
/// Lines that one call can log: whoever reads them has more to do.
const MAX_LOG_LINES: usize = 100;

impl State {
    /// A line in the proxy's log, tagged with the plugin's name: one line whatever it holds.
    pub(super) fn log(&mut self, level: tracing::Level, message: &str) {
        self.lines += 1;
        let message = match self.lines {
            ..=MAX_LOG_LINES => message,
            // One line more says why there are no others.
            _ if self.lines == MAX_LOG_LINES + 1 => "more lines of this call are left out",
            _ => return,
        };
        let end = message.floor_char_boundary(MAX_LOG_LINE);
        let message: String = message[..end]
            .chars()
            .flat_map(|c| {
                let escaped = c.is_control().then(|| c.escape_default());
                let plain = (!c.is_control()).then_some(c);
                escaped.into_iter().flatten().chain(plain)
            })
            .collect();
        let plugin = &*self.plugin;
        match level {
            tracing::Level::TRACE => tracing::trace!(plugin, "{message}"),
            tracing::Level::DEBUG => tracing::debug!(plugin, "{message}"),
            tracing::Level::INFO => tracing::info!(plugin, "{message}"),
            tracing::Level::WARN => tracing::warn!(plugin, "{message}"),
            tracing::Level::ERROR => tracing::error!(plugin, "{message}"),
        }
    }
}
