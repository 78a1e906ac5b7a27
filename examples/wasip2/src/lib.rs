//! Puts a banner on responses: what the environment says, else a file, else the configuration.
//!
//! An ordinary Rust program for WASI 0.2, and the standard library with it: it looks at its
//! environment, opens files, prints, asks for the time, and seeds its hash maps. In wproxy it has
//! no environment and no files, so that the configuration decides; what it prints is in the log.

use exports::wproxy::plugin::lifecycle::{ConfigError, Guest as Lifecycle, Spared};
use exports::wproxy::plugin::request_headers::Guest as RequestHeaders;
use exports::wproxy::plugin::response_headers::{Fields, Guest as ResponseHeaders, Request};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};
use std::time::SystemTime;

wit_bindgen::generate!({ path: "wit", generate_all });

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    field: String,
    text: String,
    file: String,
}

struct Banner {
    field: String,
    text: String,
    /// How often each host was asked for.
    hosts: Mutex<HashMap<String, u64>>,
}

static BANNER: OnceLock<Banner> = OnceLock::new();

struct Plugin;

export!(Plugin);

impl Lifecycle for Plugin {
    fn configure(config: String) -> Result<Spared, ConfigError> {
        let config: Config = serde_json::from_str(&config).map_err(|error| ConfigError {
            at: String::new(),
            message: error.to_string(),
        })?;
        let text = std::env::var("BANNER")
            .inspect_err(|error| println!("BANNER: {error}"))
            .ok()
            .or_else(|| {
                std::fs::read_to_string(&config.file)
                    .inspect_err(|error| println!("{}: {error}", config.file))
                    .ok()
            })
            .unwrap_or(config.text);
        let banner = Banner {
            field: config.field,
            text,
            hosts: Mutex::default(),
        };
        let _ = BANNER.set(banner);
        Ok(Spared::REQUEST_HEADERS)
    }
}

impl RequestHeaders for Plugin {
    fn on_request(_: &Request, _: &Fields) {}
}

impl ResponseHeaders for Plugin {
    fn on_response(request: &Request, status: u16, fields: &Fields) {
        let banner = BANNER.get().expect("the host configures first");
        let mut hosts = banner.hosts.lock().expect("one call at a time");
        let count = hosts.entry(request.host()).or_default();
        *count += 1;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        eprintln!(
            "{status} of {}, response {count}, at {seconds}",
            request.host()
        );
        if let Err(error) = fields.set(&banner.field, banner.text.as_bytes()) {
            eprintln!("{} is not set: {error}", banner.field);
        }
    }
}
