//! Sets of domain names: squid's `dstdomain`.

use super::set_name;
use crate::sets::{Kind, Set};
use std::collections::HashSet;

/// `example.com` is that host alone, `.example.com` the domain and everything below it.
#[derive(Debug, Default)]
pub(super) struct Domains {
    hosts: HashSet<String>,
    /// Without the leading dot.
    suffixes: HashSet<String>,
    sets: Vec<Set>,
}

impl Domains {
    pub(super) fn extend(&mut self, values: &[&str]) -> Result<(), String> {
        for value in values {
            // squid's -n (no reverse look-up for addresses) is how it always is here.
            if *value == "-n" {
                continue;
            }
            if let Some(name) = set_name(value) {
                self.sets.push(Set::find(name, Kind::Domains)?);
                continue;
            }
            let name = value.trim_end_matches('.').to_ascii_lowercase();
            let (set, name) = match name.strip_prefix('.') {
                Some(domain) => (&mut self.suffixes, domain.to_owned()),
                None => (&mut self.hosts, name),
            };
            if name.is_empty() || name.contains(['/', ':', '*']) {
                return Err(format!(
                    "`{value}` is not a domain; write example.com for the host alone, \
                     .example.com for all below it too"
                ));
            }
            set.insert(name);
        }
        Ok(())
    }

    pub(super) fn contains(&self, host: &str) -> bool {
        if self.hosts.contains(host) {
            return true;
        }
        let parents = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
        let mut domains = std::iter::once(host).chain(parents);
        (!self.suffixes.is_empty() && domains.any(|domain| self.suffixes.contains(domain)))
            || self.sets.iter().any(|set| set.contains(host))
    }
}
