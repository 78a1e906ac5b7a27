//! Tests of the real binary, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

mod authors;
mod cache;
mod cli;
mod clients;
mod connect;
mod connections;
mod control;
mod errors;
mod explain;
mod forwarding;
mod helpers;
mod invariants;
mod logging;
mod parity;
mod plugin_dir;
mod plugins;
mod purge;
mod registry;
mod replay;
mod shadow;
mod shutdown;
mod status;
mod swap;
mod unpack;
mod upstream;
mod watch;
