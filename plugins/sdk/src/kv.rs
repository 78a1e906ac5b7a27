//! What a plugin keeps from one call to the next, for all its instances together: values and
//! counters, each for a time.
//!
//! The manifest has to grant it, by `kv = true` under `[grants]`; a plugin that does not call
//! anything here does not ask for it. It outlasts swaps, but not the proxy.
//!
//! ```
//! use std::time::Duration;
//! use wproxy_sdk::kv;
//! use wproxy_sdk::testing::Kv;
//!
//! const MINUTE: Duration = Duration::from_secs(60);
//!
//! // In a test, time passes when the test says so.
//! let store = Kv::new();
//! assert_eq!(kv::increment("192.0.2.1", 1, MINUTE)?.value, 1);
//! store.pass(Duration::from_secs(20));
//! let counted = kv::increment("192.0.2.1", 1, MINUTE)?;
//! // The minute began with the first.
//! assert_eq!((counted.value, counted.left), (2, Duration::from_secs(40)));
//! store.pass(Duration::from_secs(40));
//! assert_eq!(kv::increment("192.0.2.1", 1, MINUTE)?.value, 1);
//! # Ok::<(), kv::Refusal>(())
//! ```
//!
//! There is room for 16 MB and 100,000 entries unless the manifest says otherwise, a key counting for
//! some 128 octets more than it has. What has come to its end makes place; what still counts is never
//! dropped for what is new: that gets [`Refusal::Full`], and the plugin has to have an answer to it.

use std::fmt;
use std::time::Duration;

#[cfg(target_family = "wasm")]
use bindings as host;

#[cfg(not(target_family = "wasm"))]
use crate::testing::kv as host;

/// Why something was not kept. What was there is there still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A key longer than 256 octets, or a value longer than 64 KiB.
    TooLarge,
    /// There is no room for it.
    Full,
    /// [`increment`] of a value that is no number.
    NotANumber,
}

/// A counter, as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// What it has come to.
    pub value: i64,
    /// Until it comes to its end, in whole milliseconds.
    pub left: Duration,
}

/// The value under that key, while it lasts. A counter's is its decimal digits.
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::get(key)
}

/// Keeps a value for that time, in place of what was there.
///
/// # Errors
/// It is too large, or there is no room.
pub fn set(key: &str, value: &[u8], ttl: Duration) -> Result<(), Refusal> {
    host::set(key, value, milliseconds(ttl))
}

/// Adds to a counter, and says what it has come to: one step, whoever else counts at the same time.
/// Where there is none, it begins at 0 and lasts for that time; one that is there keeps its end.
///
/// # Errors
/// There is no room for a new one, its key is too large, or the value is no number.
pub fn increment(key: &str, by: i64, ttl: Duration) -> Result<Counted, Refusal> {
    host::increment(key, by, milliseconds(ttl))
}

/// Ends it now. Whether there was something.
pub fn remove(key: &str) -> bool {
    host::remove(key)
}

fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::TooLarge => "the key or the value is too large to be kept",
            Refusal::Full => "there is no room for it",
            Refusal::NotANumber => "the value is not a number",
        })
    }
}

impl std::error::Error for Refusal {}

#[cfg(target_family = "wasm")]
mod bindings {
    use super::{Counted, Refusal};
    use std::time::Duration;
    use wproxy::plugin::kv;

    pub(super) use kv::{get, remove};

    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world kv { import wproxy:plugin/kv@0.2.0; }
        ",
        // Lists of octets: nothing is copied to be kept.
        ownership: Borrowing { duplicate_if_necessary: false },
        generate_all,
    });

    pub(super) fn set(key: &str, value: &[u8], ttl: u64) -> Result<(), Refusal> {
        kv::set(key, value, ttl).map_err(Refusal::from)
    }

    pub(super) fn increment(key: &str, by: i64, ttl: u64) -> Result<Counted, Refusal> {
        let counted = kv::increment(key, by, ttl)?;
        Ok(Counted {
            value: counted.value,
            left: Duration::from_millis(counted.left),
        })
    }

    impl From<kv::Refusal> for Refusal {
        fn from(refusal: kv::Refusal) -> Refusal {
            match refusal {
                kv::Refusal::TooLarge => Refusal::TooLarge,
                kv::Refusal::Full => Refusal::Full,
                kv::Refusal::NotANumber => Refusal::NotANumber,
            }
        }
    }
}
