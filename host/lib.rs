//! A forward proxy whose policy is WebAssembly components that are swapped while it serves.
//!
//! # The life of a request
//!
//! ```text
//! serve      a connection (client) is accepted, a request read and understood (http); from here on
//!    |       it is a `transaction`, and its hooks are those of one `generation` of plugins
//!    |
//! admit      hook `access`; if it wants addresses, upstream resolves and the hook is asked again;
//!    |       if it has a question, a helper answers and the hook is asked again
//!    |
//!    +-- CONNECT --> tunnel    connect (upstream), 200, octets both ways: no wasm
//!    +-- manager --> manage    the proxy's own pages
//!    +-- PURGE ----> purge     what is stored for the URI is removed from the cache
//!    |
//! forward    the cache is asked (cache), under the key that the hook `cache-key` gives
//!    |  fresh: serve it ---------------------------------------+
//!    |  another request is fetching it: wait, and read the response as it arrives
//!    |  otherwise: Via and X-Forwarded-For are added, hop-by-hop fields removed, hook
//!    |  `request-headers`, hook `request-body` if a plugin inspects uploads,
//!    |  a connection from the pool or a new one (upstream), the request is sent, the response
//!    |  is received; if it may be stored: hook `cache-rules`, then into the cache
//!    |                                                         |
//! respond    hook `response-headers`, to the client <----------+
//!    |       hook `response-body` if a plugin inspects downloads
//!    |
//! log        a line, when the transaction is dropped; `recent` remembers the request for a while;
//!            hook `observer` gets it later, in batches, on threads of its own (observers)
//! ```
//!
//! While a candidate is tried, `shadow` then asks it the same questions; the client sees nothing of
//! its answers.
//!
//! Operators ask and command the running proxy through the socket of `control`. `recording` keeps
//! what hooks were asked and what they answered, without secrets (`redact`); `replay` tries another
//! policy on a recording.
//!
//! `error` says what each failure is to the client; `respond` makes a page of it.
//!
//! # Invariants
//!
//! 1. Only `plugin` names wasmtime. Only `error` says which status a failure becomes; a denial brings
//!    the status of the plugin that denies. Options of a socket are set where it is made or accepted
//!    (`listen`, `client`, `upstream::connect`, `control::socket`) and where it is aborted
//!    (`http::writer`). Only `control::socket`, `helper::process` and `log::writer` handle raw
//!    descriptors.
//! 2. `forward` holds no policy: whether something is allowed, and how long a response is fresh, is
//!    asked of hooks. A host without plugins denies everything.
//! 3. The pure parts of `cache` (its documentation lists them) and every plugin's `rules.rs` do no
//!    I/O and take the time as an argument; they are tested natively.
//! 4. A transaction is pinned to one generation from its first octet to its last. A swap never
//!    touches listeners, connections or the cache.
//! 5. A plugin can make a request fail. It can never make the host fail, block another request, or
//!    see what it was not handed.
//! 6. Nothing is bound, created or overwritten before the whole configuration has been read and
//!    found valid.

mod admit;
mod app;
#[doc(hidden)]
pub mod bench;
mod cache;
pub mod cli;
mod client;
mod comparison;
mod config;
mod control;
mod decimal;
mod error;
mod forward;
mod generation;
mod helper;
mod http;
mod listen;
mod log;
mod manage;
mod metrics;
mod names;
mod notes;
mod observers;
mod plugin;
mod purge;
mod recent;
mod recording;
mod redact;
mod replay;
mod respond;
mod serve;
mod shadow;
mod share;
mod signals;
mod thread;
mod transaction;
mod tunnel;
mod upstream;
mod watch;
