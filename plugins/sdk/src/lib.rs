//! Write [wproxy](https://crates.io/crates/wproxy) plugins in Rust.
//!
//! A plugin is a type that implements [`Plugin`] and the hooks it wants, exported by one macro:
//!
//! ```
//! use wproxy_sdk::{Access, ConfigError, Denial, Plugin, Request, Verdict};
//!
//! /// Nobody posts anything.
//! struct ReadOnly;
//!
//! impl Plugin for ReadOnly {
//!     type Config = wproxy_sdk::NoConfig;
//!
//!     fn configure(_: Self::Config) -> Result<Self, ConfigError> {
//!         Ok(ReadOnly)
//!     }
//! }
//!
//! impl Access for ReadOnly {
//!     fn authorize(&self, request: &dyn Request) -> Verdict {
//!         match request.method() {
//!             "GET" | "HEAD" => Verdict::Pass,
//!             _ => Verdict::Deny(Denial::by("read only")),
//!         }
//!     }
//! }
//!
//! wproxy_sdk::export!(ReadOnly: access);
//!
//! // The logic is plain Rust: test it without wasm.
//! use wproxy_sdk::testing::Sample;
//! let plugin = ReadOnly;
//! assert!(matches!(plugin.authorize(&Sample::get("http://example.com/")), Verdict::Pass));
//! assert!(matches!(plugin.authorize(&Sample::new("PUT", "http://example.com/")), Verdict::Deny(_)));
//! ```
//!
//! The hooks and what they mean are described in the WIT files, which are the interface itself;
//! the names here are theirs.

#[cfg(feature = "acl")]
pub mod acl;
mod config;
mod glue;
mod http;
pub mod metrics;
#[cfg(feature = "pattern")]
mod pattern;
pub mod testing;

pub use config::{ConfigError, NoConfig};
pub use glue::{
    Access, CacheKey, CacheRules, Decision, Denial, Headers, Key, Level, Matched, Overrides,
    Plugin, Refresh, Spared, Verdict, log,
};
#[doc(hidden)]
pub use glue::{bindings, instance};
pub use http::{FieldError, Fields, Moment, Request};
#[cfg(feature = "pattern")]
pub use pattern::Pattern;
