//! squid's `acl` and `http_access`, as data and a decision.

use serde::Deserialize;
use wproxy_sdk::acl::{AccessList, Acls, Decided, NeedsAddresses};
use wproxy_sdk::{ConfigError, Request};

/// The `[config]` table: lines of squid.conf, each directive's name left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// `localnet src 10.0.0.0/8`
    #[serde(default)]
    pub(crate) acl: Vec<String>,
    /// `deny CONNECT !SSL_ports`; the first line that applies decides.
    #[serde(default)]
    pub(crate) http_access: Vec<String>,
}

/// The lines, understood.
#[derive(Debug)]
pub(crate) struct Rules {
    acls: Acls,
    http_access: AccessList,
}

impl Rules {
    /// # Errors
    /// The line that is wrong.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let acls = Acls::parse("/acl", &config.acl)?;
        let http_access = AccessList::parse("/http_access", &config.http_access, &acls)?;
        Ok(Rules { acls, http_access })
    }

    /// May this request pass, and by which line?
    ///
    /// # Errors
    /// The destination's addresses would decide and are not known yet.
    pub(crate) fn decide(&self, request: &dyn Request) -> Result<Decided, NeedsAddresses> {
        self.http_access.decide(&self.acls, request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wproxy_sdk::testing::Sample;

    /// The documented configuration, as plugin.toml has it.
    fn documented() -> Rules {
        let strings = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
        let config = Config {
            acl: strings(&[
                "manager proto cache_object",
                "localhost src 127.0.0.1/32 ::1",
                "to_localhost dst 127.0.0.0/8 0.0.0.0/32 ::1",
                "localnet src 10.0.0.0/8",
                "SSL_ports port 443",
                "Safe_ports port 80",
                "Safe_ports port 443",
                "CONNECT method CONNECT",
            ]),
            http_access: strings(&[
                "allow manager localhost",
                "deny manager",
                "deny !Safe_ports",
                "deny CONNECT !SSL_ports",
                "allow localnet",
                "allow localhost",
                "deny all",
            ]),
        };
        Rules::new(&config).expect("the documented configuration is valid")
    }

    #[test]
    fn the_documented_lines_decide_as_documented() {
        let manager = || Sample {
            scheme: "cache_object".into(),
            ..Sample::get("cache_object://127.0.0.1:8080/info")
        };
        let get = |uri| Sample::get(uri);
        let connect = |to| Sample::connect(to);
        #[rustfmt::skip]
        let cases = [
            (get("http://example.com/").from("10.0.2.10"), true, 4),
            (get("http://example.com/").from("127.0.0.1"), true, 5),
            (get("http://example.com/").from("::1"), true, 5),
            (get("http://example.com/").from("127.0.0.2"), false, 6),
            (get("http://example.com/").from("192.168.50.10"), false, 6),
            (get("http://example.com:81/").from("10.0.2.10"), false, 2),
            (get("https://example.com/").from("10.0.2.10"), true, 4),
            (connect("example.com:443").from("10.0.2.10"), true, 4),
            (connect("example.com:80").from("10.0.2.10"), false, 3),
            (connect("example.com:22").from("10.0.2.10"), false, 2),
            (manager().from("127.0.0.1"), true, 0),
            (manager().from("10.0.2.10"), false, 1),
        ];
        for (request, allow, line) in cases {
            let decided = documented().decide(&request).expect("no dst in use");
            assert_eq!(
                (decided.allow, decided.line),
                (allow, Some(line)),
                "{request:?}"
            );
        }
    }

    #[test]
    fn errors_point_at_the_line() {
        let config = Config {
            acl: vec!["localnet src 10.0.0.0/8".into()],
            http_access: vec!["allow localnet".into(), "deny al".into()],
        };
        let error = Rules::new(&config).expect_err("al is not defined");
        assert_eq!(error.at, "/http_access/1");
    }
}
