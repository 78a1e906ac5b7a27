//! Tests that measure the proxy's memory over time. Cargo runs one program of tests after the other,
//! so that these have the machine to themselves: under pressure, allocators keep more.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[expect(dead_code, unused_imports, reason = "the other tests use the rest")]
mod support;

mod swaps;
