//! Says of each transaction that it is told of what it was told, in the words of the access log's
//! JSON, and counts. Misbehaves where a transaction's path asks for it.

use serde::Deserialize;
use serde_json::json;
use std::hint::black_box;
use std::time::Duration;
use wproxy_sdk::{
    Access, Completed, ConfigError, Denial, Level, Matched, Observer, Plugin, Request, Spared,
    Verdict, kv, log, metrics,
};

struct Watcher {
    config: Config,
}

wproxy_sdk::export!(Watcher: access, observer);

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Whether it only counts.
    silent: bool,
    /// Whether it wants to be told nothing.
    blind: bool,
    /// Told nowhere: another one makes another plugin of it.
    edition: u32,
}

const LONG: Duration = Duration::from_secs(100 * 3600);

impl Plugin for Watcher {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        Ok(Watcher { config })
    }

    fn spared(&self) -> Spared {
        match self.config.blind {
            true => Spared::OBSERVER,
            false => Spared::empty(),
        }
    }
}

impl Access for Watcher {
    fn authorize(&self, request: &dyn Request) -> Verdict {
        match request.path() {
            "/denied" => Verdict::Deny(Denial::by("/edition")),
            _ => Verdict::Allow(Matched::by("watcher allows")),
        }
    }
}

impl Observer for Watcher {
    fn on_completed(&self, batch: &[Completed]) {
        for completed in batch {
            if completed.uri.ends_with("/loop") {
                loop {
                    black_box(());
                }
            }
            assert!(!completed.uri.ends_with("/trap"), "as asked");
            // More than once is once too often.
            if let Some(request) = completed.request
                && kv::increment(&request.to_string(), 1, LONG).is_ok_and(|told| told.value > 1)
            {
                metrics::count("again", &[], 1);
            }
            if !self.config.silent {
                log(Level::Info, &format!("saw {}", told(completed)));
            }
        }
        metrics::count("seen", &[], batch.len() as u64);
        metrics::observe("batch", &[], batch.len() as f64);
    }
}

fn told(completed: &Completed) -> serde_json::Value {
    let aborted = match completed.aborted {
        true => "_ABORTED",
        false => "",
    };
    let rule = completed.rule.as_ref();
    json!({
        "request": completed.request,
        "time": completed.received.as_millis() as f64 / 1000.0,
        "elapsed_us": completed.elapsed.as_micros() as u64,
        "client": completed.client.to_string(),
        "method": completed.method.as_deref().unwrap_or("-"),
        "uri": completed.uri,
        "code": format!("{}{aborted}", completed.code),
        "status": completed.status,
        "bytes_sent": completed.octets_sent,
        "bytes_received": completed.octets_received,
        "server": completed.server.map(|server| server.to_string()),
        "content_type": completed.content_type,
        "generation": completed.generation,
        "plugin": rule.map(|rule| &rule.plugin),
        "rule": rule.map(|rule| &rule.text),
        "user": completed.user,
        "rule_at": rule.and_then(|rule| rule.at.as_ref()),
        "error": completed.error,
    })
}
