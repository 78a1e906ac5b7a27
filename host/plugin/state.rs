//! What an instance's calls find on the host's side.

use super::budget::Budget;
use super::limits::Draft;
use super::wasi::Wasi;
use crate::transaction::Request;
use std::sync::Arc;
use wasmtime::StoreLimits;

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
    pub(super) limits: StoreLimits,
    /// Of the call that is running.
    pub(super) budget: Budget,
    pub(super) wasi: Wasi,
}

/// Octets of one log line.
const MAX_LOG_LINE: usize = 4096;

impl State {
    /// A line in the proxy's log, tagged with the plugin's name: one line whatever it holds.
    pub(super) fn log(&self, level: tracing::Level, message: &str) {
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
