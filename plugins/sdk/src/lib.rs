//! Write [wproxy](https://crates.io/crates/wproxy) plugins in Rust.
//!
//! A plugin is a type that implements [`Plugin`] and a trait for each hook that it serves, exported
//! by one macro. This one, all of its crate, closes the proxy by the hour:
//!
//! ```
//! use serde::Deserialize;
//! use wproxy_sdk::{Access, ConfigError, Denial, Plugin, Request, Verdict};
//!
//! /// Lets nobody out while the office is closed.
//! struct Office {
//!     closed: Vec<(u8, u8)>,
//! }
//!
//! wproxy_sdk::export!(Office: access);
//!
//! /// The `[config]` table of the manifest.
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     /// `22-24`: from the first hour to the second.
//!     closed: Vec<String>,
//! }
//!
//! impl Plugin for Office {
//!     type Config = Config;
//!
//!     fn configure(config: Config) -> Result<Self, ConfigError> {
//!         let hours = config.closed.iter().enumerate().map(|(line, text)| {
//!             // The host shows the file, and a caret below that line of it.
//!             let wrong = || ConfigError::new(format!("/closed/{line}"), "write `22-24`");
//!             hours(text).ok_or_else(wrong)
//!         });
//!         let closed = hours.collect::<Result<_, _>>()?;
//!         Ok(Office { closed })
//!     }
//! }
//!
//! impl Access for Office {
//!     fn authorize(&self, request: &dyn Request) -> Verdict {
//!         let received = request.received();
//!         let local = received.unix + i64::from(received.utc_offset);
//!         let hour = local.rem_euclid(86_400) / 3600;
//!         let is_closed = |(from, to): &(u8, u8)| (i64::from(*from)..i64::from(*to)).contains(&hour);
//!         match self.closed.iter().position(is_closed) {
//!             // The log, the error page and `wproxy explain` show that line of the configuration.
//!             Some(line) => Verdict::Deny(Denial {
//!                 message: Some("The office is closed.".into()),
//!                 ..Denial::by(format!("/closed/{line}"))
//!             }),
//!             // The next plugin decides.
//!             None => Verdict::Pass,
//!         }
//!     }
//! }
//!
//! fn hours(text: &str) -> Option<(u8, u8)> {
//!     let (from, to) = text.split_once('-')?;
//!     Some((from.parse().ok()?, to.parse().ok()?))
//! }
//!
//! // The logic is plain Rust: it is tested without wasm.
//! use wproxy_sdk::testing::{Sample, configure};
//!
//! let office: Office = configure(r#"{ "closed": ["22-24", "0-6"] }"#)?;
//! let at = |hour, minute| office.authorize(&Sample::get("http://example.com/").at(hour, minute));
//! assert!(matches!(at(12, 0), Verdict::Pass));
//! let Verdict::Deny(denial) = at(23, 30) else {
//!     panic!("it is open by night");
//! };
//! assert_eq!(denial.rule, "/closed/0");
//!
//! let error = configure::<Office>(r#"{ "closed": ["22-24", "at night"] }"#).err().unwrap();
//! assert_eq!(error.at, "/closed/1");
//! # Ok::<(), ConfigError>(())
//! ```
//!
//! # From there to a plugin
//!
//! The crate is a `cdylib`, with `wproxy-sdk` and `serde` as its dependencies. Beside its
//! `Cargo.toml` is a manifest, `plugin.toml`:
//!
//! ```toml
//! name = "office"             # in logs, error pages and [plugins.office]
//! component = "office.wasm"   # what `wproxy plugin build` leaves
//!
//! [config]
//! closed = ["22-24", "0-6"]
//! ```
//!
//! and what it has to do is in `cases/`, which `wproxy plugin test` tries in the engine that the
//! proxy has, with the limits and grants of the manifest:
//!
//! ```toml
//! [request]
//! url = "http://example.com/"
//! received = "2026-01-01T23:30:00+01:00"
//!
//! [expect]
//! access = { verdict = "deny", rule = "closed 22-24", message = "The office is closed." }
//! ```
//!
//! ```console
//! $ wproxy plugin build
//! $ wproxy plugin test
//! $ wproxy plugin inspect office.wasm
//! ```
//!
//! # What there is
//!
//! | Hook | Trait | Answer |
//! |---|---|---|
//! | `access` | [`Access`] | [`Verdict`] |
//! | `request-headers`, `response-headers` | [`Headers`] | changes to [`Fields`] |
//! | `cache-rules` | [`CacheRules`] | [`Decision`] |
//! | `cache-key` | [`CacheKey`] | [`Key`] |
//! | `request-body` | [`RequestBody`] | [`bodies::Watch`] |
//! | `response-body` | [`ResponseBody`] | [`bodies::Watch`] |
//! | `observer` | [`Observer`] | nothing: it is told what became of transactions |
//!
//! [`Explain`] is no hook: by it, `wproxy explain` shows the rules that a plugin has looked at.
//!
//! What they mean is described in the WIT files, which are the interface itself; the names here are
//! theirs. [`Request`] and [`Fields`] are what a hook sees of the transaction, [`testing`] has
//! stand-ins for them. [`sets`] asks large lists that the host keeps, [`metrics`] counts.
//!
//! A plugin that panics costs its own request an error page, and no other; what a hook has changed
//! until then is dropped.
//!
//! # Features
//!
//! `pattern` has regular expressions as squid has them, in [`Pattern`]; `acl` has squid's access
//! control lists, in [`acl`].

#[cfg(feature = "acl")]
pub mod acl;
pub mod bodies;
mod config;
mod explain;
mod glue;
mod hooks;
mod http;
pub mod kv;
pub mod metrics;
mod observer;
#[cfg(feature = "pattern")]
mod pattern;
#[cfg(any(feature = "acl", not(target_family = "wasm")))]
mod ranges;
pub mod sets;
pub mod testing;

pub use bodies::{RequestBody, ResponseBody};
pub use config::{ConfigError, NoConfig};
pub use explain::{Condition, Explain, LookedAt, Outcome};
#[doc(hidden)]
pub use glue::{bindings, instance};
pub use hooks::{
    Access, CacheKey, CacheRules, Decision, Denial, Headers, Key, Level, Matched, Observer,
    Overrides, Plugin, Question, Refresh, Spared, Verdict, log,
};
pub use http::{Answer, FieldError, Fields, Finding, Moment, Request};
pub use observer::{Completed, Rule};
#[cfg(feature = "pattern")]
pub use pattern::Pattern;
