//! Counters and histograms of the plugin's own, in the proxy's metrics.
//!
//! The manifest has to grant them, by `metrics = true` under `[grants]`; a plugin that does not
//! call anything here does not ask for them.
//!
//! ```
//! use wproxy_sdk::metrics;
//!
//! // wproxy_custom_denied_total{plugin="allow-list",list="suppliers"}
//! metrics::count("denied", &[("list", "suppliers")], 1);
//! // wproxy_custom_lookup_seconds_bucket{plugin="allow-list",le="0.001"} and so on
//! metrics::observe("lookup_seconds", &[], 0.000_4);
//! ```
//!
//! Names are lower-case letters, digits and `_`. Each combination of labels is a series of its own,
//! and the host keeps 200 of them unless the manifest says otherwise: label by what is few, the rule
//! that decided, and not by what clients send. What is beyond is not counted; the log says so.

#[cfg(target_family = "wasm")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world metrics { import wproxy:plugin/metrics@0.2.0; }
        ",
        // Lists of &str: nothing is copied to be counted.
        ownership: Borrowing { duplicate_if_necessary: false },
        generate_all,
    });

    pub(super) use wproxy::plugin::metrics::{count, observe};
}

/// Adds to a counter. Outside wasm, where the logic is tested, it does nothing.
pub fn count(name: &str, labels: &[(&str, &str)], by: u64) {
    #[cfg(target_family = "wasm")]
    bindings::count(name, labels, by);
    #[cfg(not(target_family = "wasm"))]
    let _ = (name, labels, by);
}

/// Puts a value into a histogram. Its name says in what unit: `lookup_seconds`. Outside wasm, where
/// the logic is tested, it does nothing.
pub fn observe(name: &str, labels: &[(&str, &str)], value: f64) {
    #[cfg(target_family = "wasm")]
    bindings::observe(name, labels, value);
    #[cfg(not(target_family = "wasm"))]
    let _ = (name, labels, value);
}
