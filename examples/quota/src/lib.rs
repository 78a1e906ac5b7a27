//! Lets each client ask so often in a minute, and tells it when it may ask again. What is counted
//! is kept by the host, by the interface `kv` that the manifest grants.

mod rules;

use rules::{Quota, Ruling};
use serde::Deserialize;
use std::num::NonZeroU32;
use std::time::Duration;
use wproxy_sdk::{Access, ConfigError, Denial, Plugin, Request, Verdict};

struct PerClient {
    quota: Quota,
    help: Option<String>,
}

wproxy_sdk::export!(PerClient: access);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How many requests a client has.
    requests: u32,
    /// In how many seconds from the first of them.
    seconds: NonZeroU32,
    /// What somebody reads whose request is denied.
    help: Option<String>,
}

const TOO_MANY_REQUESTS: u16 = 429;
const SERVICE_UNAVAILABLE: u16 = 503;

impl Plugin for PerClient {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        let window = Duration::from_secs(config.seconds.get().into());
        Ok(PerClient {
            quota: Quota {
                requests: config.requests,
                window,
            },
            help: config.help,
        })
    }
}

impl Access for PerClient {
    fn authorize(&self, request: &dyn Request) -> Verdict {
        // Another plugin had to know more, and all are asked again: it has been counted.
        if request.asked_again() {
            return Verdict::Pass;
        }
        let (rule, status, message) = match self.quota.count(request.client()) {
            Ruling::Within => return Verdict::Pass,
            Ruling::Over { left } => (
                self.quota.to_string(),
                TOO_MANY_REQUESTS,
                self.quota.message(request.client(), left),
            ),
            Ruling::NotCounted => (
                "no room to count".to_owned(),
                SERVICE_UNAVAILABLE,
                "More clients have asked than can be counted. Try again later.".to_owned(),
            ),
        };
        let help = self.help.iter().map(String::as_str);
        let message: Vec<&str> = std::iter::once(message.as_str()).chain(help).collect();
        Verdict::Deny(Denial {
            status,
            message: Some(message.join(" ")),
            ..Denial::by(rule)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wproxy_sdk::Answer;
    use wproxy_sdk::testing::{Sample, configure};

    #[test]
    fn a_request_that_is_asked_about_again_counts_once() {
        let quota: PerClient = configure(r#"{"requests": 1, "seconds": 60}"#).expect("valid");
        let first = Sample::get("http://example.com/");
        assert!(matches!(quota.authorize(&first), Verdict::Pass));
        let looked_up = first
            .clone()
            .answered("directory", "192.0.2.1", Answer::found(&[]));
        assert!(matches!(quota.authorize(&looked_up), Verdict::Pass));
        let mut resolved = first.clone();
        resolved.addresses = Some(Vec::new());
        assert!(matches!(quota.authorize(&resolved), Verdict::Pass));
        assert!(matches!(quota.authorize(&first), Verdict::Deny(_)));
        // An address was known from the start.
        let address = Sample::get("http://192.0.2.9/");
        assert!(matches!(quota.authorize(&address), Verdict::Deny(_)));
    }
}
