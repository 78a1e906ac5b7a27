//! A forward proxy whose policy is WebAssembly components that are swapped while it serves.
//!
//! # The life of a request
//!
//! ```text
//! serve      a connection is accepted, a request read (http) and understood
//!    |
//! admit      hook `access`; where it wants addresses: upstream resolves, and it is asked again;
//!    |       where it has a question: a helper answers, and it is asked again
//!    |
//!    +-- CONNECT --> tunnel    connect (upstream), 200, octets both ways: no wasm
//!    +-- manager --> manage    the proxy's own pages
//!    +-- PURGE ----> purge     out of the cache with it
//!    |
//! forward    the cache is asked (cache), under the key that the hook `cache-key` says
//!    |  fresh ----------------------------------------------+
//!    |  somebody else is fetching it: wait, and read it as it comes
//!    |  otherwise: Via and X-Forwarded-For on, hop-by-hop off, hook `request-headers`,
//!    |  hook `request-body` where a plugin looks into what is uploaded,
//!    |  a connection from the pool or a new one (upstream), the request goes out,
//!    |  the response comes back; if it may be stored: hook `cache-rules`, into the cache
//!    |                                                      |
//! respond    hook `response-headers`, to the client <-------+
//!    |       hook `response-body` where a plugin looks into what goes there
//!    |
//! log        a line, when the transaction is dropped; `recent` remembers it for a while; then, in
//!            batches and on threads of their own, hook `observer` (observers)
//! ```
//!
//! After it, where a candidate is tried, `shadow` asks that the same: nothing of it comes back.
//!
//! Beside it, `control` is the socket by which operators ask the running proxy and tell it what to do.
//! `recording` keeps what hooks were asked and said, and `replay` tries another policy on it.
//!
//! What a failure on the way is to the client says `error`; `respond` makes a page of it.
//!
//! # Invariants
//!
//! 1. Only `plugin` names wasmtime. Only `error` says which status a failure becomes. Options of a
//!    socket are set where it begins (`listen`, `client`, `upstream::connect`, `control::socket`) and
//!    where it is cut off (`http::writer`); descriptors as such are handled by `control::socket`,
//!    `helper::process` and `log::writer` alone.
//! 2. `forward` holds no policy: every may-I and how-long goes through a hook. A host without
//!    plugins denies everything.
//! 3. The pure parts of `cache` and every plugin's `rules.rs` do no I/O and take the time as an
//!    argument; they are tested natively.
//! 4. A transaction is pinned to one generation from its first octet to its last. A swap never
//!    touches listeners, connections or the cache.
//! 5. A plugin can make a request fail; it can never make the host fail, block another request, or
//!    see what it was not handed.
//! 6. Nothing is bound, created or overwritten before the whole configuration has been read and
//!    found good.

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
