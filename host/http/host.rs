//! Hosts and authorities (RFC 3986 §3.2), judged so that no two parties can read them differently.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Where a request goes: normalised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Lower case, without final dot: letters, digits, `-`, `_` and `.`; never one that some
    /// resolver would take for an address.
    Name(Arc<str>),
    /// An IPv4-mapped IPv6 address is IPv4 here.
    Address(IpAddr),
}

/// `host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// 1 to 65535; none where there was none or an empty one.
    pub port: Option<u16>,
}

impl Host {
    /// Reads a host as it stands in a URI: a name, an IPv4 address, an IPv6 address in brackets.
    pub fn parse(text: &[u8]) -> Result<Host, &'static str> {
        if let Some(inside) = text.strip_prefix(b"[") {
            let inside = inside
                .strip_suffix(b"]")
                .ok_or("its host lacks a bracket")?;
            let address = std::str::from_utf8(inside).ok();
            let address: Ipv6Addr = address
                .and_then(|address| address.parse().ok())
                .ok_or("its host is in brackets and no IPv6 address")?;
            return Ok(Host::Address(IpAddr::V6(address).to_canonical()));
        }
        let text = text.strip_suffix(b".").unwrap_or(text);
        if text.is_empty() {
            return Err("it has no host");
        }
        let allowed = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.".contains(octet);
        let text = std::str::from_utf8(text)
            .ok()
            .filter(|text| text.len() <= 253 && text.as_bytes().iter().all(allowed))
            .ok_or("its host is not a domain name: letters, digits, - _ and . make one")?;
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Host::Address(address.into()));
        }
        let mut name: Arc<str> = text.into();
        Arc::make_mut(&mut name).make_ascii_lowercase();
        if name
            .split('.')
            .any(|label| label.is_empty() || label.len() > 63)
        {
            return Err("its host is not a domain name: a label is empty or too long");
        }
        // 127.1, 0x7f.1, 2130706433: addresses to some resolvers and names to others.
        let last = name.rsplit('.').next().unwrap_or_default();
        let hex = last.strip_prefix("0x");
        if last.bytes().all(|octet| octet.is_ascii_digit())
            || hex.is_some_and(|digits| digits.bytes().all(|octet| octet.is_ascii_hexdigit()))
        {
            return Err("its host is a number but not an IPv4 address of four decimal parts");
        }
        Ok(Host::Name(name))
    }

    /// The address, where the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Host::Address(address) => Some(*address),
            Host::Name(_) => None,
        }
    }
}

impl Authority {
    /// Reads `host`, `host:port` or `[address]:port`. User information has been cut off before.
    pub fn parse(text: &[u8]) -> Result<Authority, &'static str> {
        // The last colon outside brackets separates the port.
        let end_of_host = match text.iter().rposition(|&octet| octet == b']') {
            Some(bracket) => bracket + 1,
            None if text.starts_with(b"[") => return Err("its host lacks a bracket"),
            None => text
                .iter()
                .position(|&octet| octet == b':')
                .unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at(end_of_host);
        let port = match rest.split_first() {
            None => None,
            Some((b':', digits)) => port(digits)?,
            Some(_) => return Err("something follows its host that is not a port"),
        };
        let host = Host::parse(host)?;
        Ok(Authority { host, port })
    }

    /// Whether a text, if it can be read, is certainly in normal form: as what is read is written,
    /// without the port that the scheme implies. Nearly all are.
    pub fn is_normal(text: &[u8], default_port: u16) -> bool {
        let plain = |octet: &u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        let stays = |digits: &[u8]| {
            !digits.starts_with(b"0")
                && matches!(port(digits), Ok(Some(port)) if port != default_port)
        };
        let mut parts = text.splitn(2, |&octet| octet == b':');
        let host = parts.next().unwrap_or_default();
        host.iter().all(plain) && !host.ends_with(b".") && parts.next().is_none_or(stays)
    }
}

fn port(digits: &[u8]) -> Result<Option<u16>, &'static str> {
    const WRONG: &str = "its port is not a number from 1 to 65535";
    if digits.is_empty() {
        return Ok(None);
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(WRONG);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| WRONG)?;
    match digits.parse() {
        Ok(0) | Err(_) => Err(WRONG),
        Ok(port) => Ok(Some(port)),
    }
}

/// Without brackets, as resolvers and access rules want it.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(address) => address.fmt(f),
        }
    }
}

/// As it stands in a URI.
impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            host => host.fmt(f)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn authorities_are_normalised_or_refused() {
        #[rustfmt::skip]
        let cases = [
            ("example.com", Ok("example.com")),
            ("EXAMPLE.com.", Ok("example.com")),
            ("example.com:81", Ok("example.com:81")),
            ("example.com:", Ok("example.com")),
            ("a_b-c.d", Ok("a_b-c.d")),
            ("192.0.2.1:80", Ok("192.0.2.1:80")),
            ("127.0.0.1.", Ok("127.0.0.1")),
            ("[2001:DB8::1]:443", Ok("[2001:db8::1]:443")),
            ("[::ffff:127.0.0.1]", Ok("127.0.0.1")),
            ("[::ffff:7f00:1]:8", Ok("127.0.0.1:8")),
            ("example.com:0", Err("its port")),
            ("example.com:65536", Err("its port")),
            ("example.com:+80", Err("its port")),
            ("example.com:80x", Err("its port")),
            ("example.com:80:80", Err("its port")),
            ("", Err("it has no host")),
            (".", Err("it has no host")),
            (":80", Err("it has no host")),
            ("a..b", Err("a label is empty")),
            (".a", Err("a label is empty")),
            ("127.1", Err("its host is a number")),
            ("2130706433", Err("its host is a number")),
            ("0177.0.0.1", Err("its host is a number")),
            ("0x7f000001", Err("its host is a number")),
            ("a.0x7f", Err("its host is a number")),
            ("1.2.3.4.5", Err("its host is a number")),
            ("%31%32%37.0.0.1", Err("its host is not a domain name")),
            ("\u{ff11}27.0.0.1", Err("its host is not a domain name")),
            ("u@example.com", Err("its host is not a domain name")),
            ("[::1", Err("its host lacks a bracket")),
            ("[::1]x", Err("something follows its host")),
            ("[127.0.0.1]", Err("its host is in brackets")),
            ("[fe80::1%eth0]", Err("its host is in brackets")),
        ];
        for (text, expected) in cases {
            let parsed = Authority::parse(text.as_bytes()).map(|authority| authority.to_string());
            match (parsed, expected) {
                (Ok(parsed), Ok(expected)) => assert_eq!(parsed, expected, "{text}"),
                (Err(error), Err(expected)) => assert!(
                    error.starts_with(expected) || error.contains(expected),
                    "{text}: {error}"
                ),
                (parsed, expected) => panic!("{text}: {parsed:?} instead of {expected:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_normal_is_written_as_it_stands(text in "[a-cA-C0-2.\\[\\]:]{1,6}(:[0-9]{0,5})?", default: u16) {
            if let Ok(mut authority) = Authority::parse(text.as_bytes()) {
                authority.port = authority.port.filter(|port| *port != default);
                let written = authority.to_string();
                let normal = Authority::is_normal(text.as_bytes(), default);
                prop_assert!(!normal || written == text, "{} is {}", text, written);
                // Written, it is; but an IPv6 address is not looked into.
                let normal = Authority::is_normal(written.as_bytes(), default);
                prop_assert!(normal || written.starts_with('['), "{}", written);
            }
        }

        /// What was read once is read again as the same.
        #[test]
        fn normal_forms_are_stable(text in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(authority) = Authority::parse(&text) {
                let again = Authority::parse(authority.to_string().as_bytes());
                prop_assert_eq!(again, Ok(authority));
            }
        }

        #[test]
        fn names_are_stable(text in "[a-zA-Z0-9.-]{1,30}(:[0-9]{0,5})?") {
            if let Ok(authority) = Authority::parse(text.as_bytes()) {
                let again = Authority::parse(authority.to_string().as_bytes());
                prop_assert_eq!(again, Ok(authority));
            }
        }
    }
}
