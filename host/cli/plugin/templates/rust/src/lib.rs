//! Only the hosts that its configuration names can be asked for, with what is below them.

use serde::Deserialize;
use wproxy_sdk::{Access, ConfigError, Denial, Matched, Plugin, Request, Verdict};

/// The `[config]` of plugin.toml. Errors of serde's point at the key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    hosts: Vec<String>,
}

struct Hosts(Vec<String>);

wproxy_sdk::export!(Hosts: access);

impl Plugin for Hosts {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        if let Some(index) = config.hosts.iter().position(String::is_empty) {
            let at = format!("/hosts/{index}");
            let message = "a host is a name, such as \"example.com\"";
            return Err(ConfigError::new(at, message));
        }
        Ok(Hosts(config.hosts))
    }
}

impl Access for Hosts {
    fn authorize(&self, request: &dyn Request) -> Verdict {
        let host = request.host();
        match self.0.iter().position(|domain| is_in(host, domain)) {
            // A pointer into the configuration: the proxy shows the line.
            Some(index) => Verdict::Allow(Matched::by(format!("/hosts/{index}"))),
            None => Verdict::Deny(Denial {
                message: Some(format!("{host}: this proxy cannot be asked for that host")),
                ..Denial::by("no such host")
            }),
        }
    }
}

/// `www.example.com` is in `example.com`, `anexample.com` is not.
fn is_in(host: &str, domain: &str) -> bool {
    let below = host.strip_suffix(domain);
    below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wproxy_sdk::testing::Sample;

    /// The logic is plain Rust: `cargo test` needs no wasm.
    #[test]
    fn hosts_and_what_is_below_them() {
        let hosts = Hosts(vec!["example.com".into()]);
        let allows = |uri| matches!(hosts.authorize(&Sample::get(uri)), Verdict::Allow(_));
        assert!(allows("http://example.com/") && allows("http://www.example.com/"));
        assert!(!allows("http://anexample.com/") && !allows("http://com/"));
    }
}
