//! Domains, as squid's `dstdomain` has them.

use super::table::{Builder, Table};
use super::{Malformed, Word, words};
use std::borrow::Cow;

/// `example.com` is that host alone, `.example.com` the domain and everything below it.
#[derive(Debug)]
pub(super) struct Domains {
    hosts: Table,
    /// Without the leading dot.
    suffixes: Table,
}

/// Octets of a name (RFC 1035 §2.3.4, as text).
const LONGEST: usize = 253;

// === impl Domains ===

impl Domains {
    pub(super) fn parse(text: &str) -> Result<Domains, Malformed> {
        let (mut hosts, mut suffixes) = (Builder::default(), Builder::default());
        for word in words(text) {
            let name = lower(without_final_dot(word.text));
            match name.strip_prefix('.') {
                Some(domain) => suffixes.push(checked(domain, &word)?),
                None => hosts.push(checked(&name, &word)?),
            }
        }
        Ok(Domains {
            hosts: hosts.finish(),
            suffixes: suffixes.finish(),
        })
    }

    pub(super) fn contains(&self, host: &str) -> bool {
        let host = lower(without_final_dot(host));
        let host = host.as_bytes();
        if host.len() <= LONGEST && (self.hosts.contains(host) || self.suffixes.contains(host)) {
            return true;
        }
        if self.suffixes.len() == 0 {
            return false;
        }
        // From the top, and no further than names go: what is asked is a client's.
        memchr::memrchr_iter(b'.', host)
            .map(|dot| &host[dot + 1..])
            .take_while(|domain| domain.len() <= LONGEST)
            .any(|domain| self.suffixes.contains(domain))
    }

    pub(super) fn len(&self) -> usize {
        self.hosts.len() + self.suffixes.len()
    }

    pub(super) fn size(&self) -> usize {
        self.hosts.size() + self.suffixes.size()
    }
}

fn without_final_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn lower(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|octet| octet.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

fn checked<'a>(name: &'a str, word: &Word<'_>) -> Result<&'a [u8], Malformed> {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    let label = |label: &str| !label.is_empty() && label.bytes().all(allowed);
    if name.len() <= LONGEST && name.split('.').all(label) {
        return Ok(name.as_bytes());
    }
    let help = match name.is_ascii() {
        true => "write example.com for the host alone, .example.com for all below it too",
        false => "write it as it is on the wire, in ASCII: xn--...",
    };
    let malformed = word.malformed(format!("`{}` is not a domain", word.text));
    Err(malformed.help(help))
}
