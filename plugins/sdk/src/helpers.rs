//! Helpers, which `[helpers]` of the proxy's settings names: [`Verdict::Lookup`](crate::Verdict)
//! asks one.
//!
//! ```
//! use serde::Deserialize;
//! use wproxy_sdk::testing::{self, configure};
//! use wproxy_sdk::{ConfigError, Plugin, helpers};
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     directory: String,
//! }
//!
//! # #[derive(Debug)]
//! struct Members;
//!
//! impl Plugin for Members {
//!     type Config = Config;
//!
//!     fn configure(config: Config) -> Result<Self, ConfigError> {
//!         // The host's words: there is no such helper, and which there are.
//!         let found = helpers::find(&config.directory);
//!         found.map_err(|why| ConfigError::new("/directory", why))?;
//!         Ok(Members)
//!     }
//! }
//!
//! testing::helpers(&["staff"]);
//! let error = configure::<Members>(r#"{ "directory": "stuff" }"#).unwrap_err();
//! assert_eq!(error.message, "there is no helper `stuff`; there are: staff");
//! # configure::<Members>(r#"{ "directory": "staff" }"#).unwrap();
//! ```

#[cfg(target_family = "wasm")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world helpers { import wproxy:plugin/helpers@0.2.0; }
        ",
        with: {
            "wproxy:plugin/helpers@0.2.0": generate,
        },
    });
}
#[cfg(not(target_family = "wasm"))]
pub(crate) mod native;

#[cfg(target_family = "wasm")]
use bindings::wproxy::plugin::helpers as host;
#[cfg(not(target_family = "wasm"))]
use native as host;

/// Whether the settings have a helper of that name; to be called in
/// [`configure`](crate::Plugin::configure).
///
/// # Errors
/// There is none: a sentence for [`ConfigError`](crate::ConfigError).
pub fn find(name: &str) -> Result<(), String> {
    host::find(name)
}
