//! Large sets, which the host keeps: names and addresses by the million, shared by all instances.
//!
//! Their files are named under `[sets]` in the manifest, or in the proxy's settings; no other grant
//! is needed. A set is found in [`configure`](crate::Plugin::configure), once, and asked in hooks.
//!
//! ```
//! use wproxy_sdk::sets::{Kind, Set};
//! use wproxy_sdk::testing::{Sample, configure};
//! use wproxy_sdk::{Access, ConfigError, Denial, NoConfig, Plugin, Request, Verdict};
//!
//! struct Blocklist {
//!     blocked: Set,
//! }
//!
//! impl Plugin for Blocklist {
//!     type Config = NoConfig;
//!
//!     fn configure(_: NoConfig) -> Result<Self, ConfigError> {
//!         let blocked = Set::find("blocked", Kind::Domains);
//!         // The host's words: there is no such set, and what to write to have one.
//!         let blocked = blocked.map_err(|why| ConfigError::new("", why))?;
//!         Ok(Blocklist { blocked })
//!     }
//! }
//!
//! impl Access for Blocklist {
//!     fn authorize(&self, request: &dyn Request) -> Verdict {
//!         match self.blocked.contains(request.host()) {
//!             true => Verdict::Deny(Denial::by("it is on the list")),
//!             false => Verdict::Pass,
//!         }
//!     }
//! }
//!
//! // In a test, these entries stand in for the file.
//! wproxy_sdk::testing::set("blocked", Kind::Domains, &[".ads.example"]);
//! let list: Blocklist = configure("{}")?;
//! let ask = |uri| list.authorize(&Sample::get(uri));
//! assert!(matches!(ask("http://a.ads.example/"), Verdict::Deny(_)));
//! assert!(matches!(ask("http://example.com/"), Verdict::Pass));
//! # Ok::<(), ConfigError>(())
//! ```

#[cfg(target_family = "wasm")]
mod bindings;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod native;

#[cfg(target_family = "wasm")]
use bindings as host;
#[cfg(not(target_family = "wasm"))]
use native as host;
use std::net::IpAddr;

/// What a set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As squid's `dstdomain`: `example.com` is that host, `.example.com` all below it, too.
    Domains,
    /// As squid's `src` and `dst`: addresses, prefixes, ranges.
    Addresses,
    /// Of which one is found anywhere in the text.
    Regexes,
    /// The text itself, octet for octet.
    Strings,
}

/// A set that the host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set(host::Handle);

// === impl Set ===

impl Set {
    /// Finds it by its name.
    ///
    /// # Errors
    /// There is none of that name and kind: a sentence for [`ConfigError`](crate::ConfigError).
    pub fn find(name: &str, kind: Kind) -> Result<Set, String> {
        host::find(name, kind).map(Set)
    }

    /// Whether a set of domains has that host or a domain above it, whether an expression of a set
    /// of regular ones is found there, whether a set of strings has it. To ask a set of addresses
    /// is a failure, and so is a text of more than 8 KiB for one of regular expressions: URLs can be
    /// longer.
    pub fn contains(&self, text: &str) -> bool {
        host::contains(&self.0, text)
    }

    /// Whether a set of addresses has that one. To ask another set is a failure.
    pub fn contains_address(&self, address: IpAddr) -> bool {
        host::contains_address(&self.0, address)
    }
}
