//! squid's `acl` and `http_access`, as data and a decision.

use serde::Deserialize;
use wproxy_sdk::acl::{AccessList, Acls, NeedsAddresses};
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
    /// JSON Pointers to its lines.
    pointers: Vec<String>,
    purge_is_named: bool,
}

/// squid's method that takes something out of the cache.
const PURGE: &str = "PURGE";
/// A configuration that does not speak of PURGE does not mean it when it allows everything: as in
/// squid, an acl of type `method` has to name it.
const PURGE_NOT_NAMED: &str = "no acl names the method PURGE";
const OPPOSITE_OF_LAST: &str = "no http_access line applies: the opposite of the last one";

impl Rules {
    /// # Errors
    /// The line that is wrong.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let acls = Acls::parse("/acl", &config.acl)?;
        let http_access = AccessList::parse("/http_access", &config.http_access, &acls)?;
        let lines = 0..config.http_access.len();
        Ok(Rules {
            pointers: lines.map(|line| format!("/http_access/{line}")).collect(),
            purge_is_named: acls.name_method(PURGE),
            acls,
            http_access,
        })
    }

    /// May this request pass, and by which rule?
    ///
    /// # Errors
    /// The destination's addresses would decide and are not known yet.
    pub(crate) fn decide(&self, request: &dyn Request) -> Result<(bool, &str), NeedsAddresses> {
        let decided = self.http_access.decide(&self.acls, request)?;
        if decided.allow && !self.purge_is_named && request.method() == PURGE {
            return Ok((false, PURGE_NOT_NAMED));
        }
        let rule = match decided.line {
            Some(line) => &self.pointers[line],
            None => OPPOSITE_OF_LAST,
        };
        Ok((decided.allow, rule))
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
            let rules = documented();
            let pointer = format!("/http_access/{line}");
            assert_eq!(
                rules.decide(&request),
                Ok((allow, &*pointer)),
                "{request:?}"
            );
        }
    }

    #[test]
    fn purge_is_for_configurations_that_name_it() {
        let rules = |acls: &[&str], access: &[&str]| {
            let strings = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
            let config = Config {
                acl: strings(acls),
                http_access: strings(access),
            };
            Rules::new(&config).expect("valid")
        };
        let purge = |by: &str| Sample::new("PURGE", "http://example.com/").from(by);
        let denied = Ok((false, PURGE_NOT_NAMED));
        assert_eq!(documented().decide(&purge("127.0.0.1")), denied);
        assert_eq!(
            rules(&[], &["allow all"]).decide(&purge("10.0.0.1")),
            denied
        );
        assert_eq!(
            rules(&["GET method GET"], &["deny GET"]).decide(&purge("10.0.0.1")),
            denied
        );
        // What a line denies, that line denies.
        assert_eq!(
            documented().decide(&purge("192.168.50.10")),
            Ok((false, "/http_access/6"))
        );
        let named = rules(
            &["localhost src 127.0.0.1", "purge method GET purge"],
            &["allow purge localhost", "deny purge", "allow all"],
        );
        assert_eq!(
            named.decide(&purge("127.0.0.1")),
            Ok((true, "/http_access/0"))
        );
        assert_eq!(
            named.decide(&purge("10.0.0.1")),
            Ok((false, "/http_access/1"))
        );
        // Methods are told apart by their case (RFC 9110 §9.1): this one is somebody else's.
        let other = Sample::new("purge", "http://example.com/").from("10.0.0.1");
        assert_eq!(
            rules(&[], &["allow all"]).decide(&other),
            Ok((true, "/http_access/0"))
        );
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
