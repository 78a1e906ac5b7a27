//! A list of domains, and what is in it. Pure: it is handed the text.

use std::collections::HashMap;

/// Domains, with the lines that they stand in.
#[derive(Debug, Default)]
pub struct Domains {
    hosts: HashMap<String, usize>,
    /// Without the leading dot.
    suffixes: HashMap<String, usize>,
}

/// A line of the list, as it is written there.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub domain: String,
    pub line: usize,
}

/// A line that is no domain.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    pub line: usize,
    pub what: String,
}

impl Domains {
    /// One domain a line. Empty lines, and what follows a `#`, mean nothing.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mut domains = Domains::default();
        for (line, text) in (1..).zip(text.lines()) {
            let name = text.split('#').next().unwrap_or_default().trim();
            let name = name.to_ascii_lowercase();
            let (into, domain) = match name.strip_prefix('.') {
                _ if name.is_empty() => continue,
                Some(domain) => (&mut domains.suffixes, domain),
                None => (&mut domains.hosts, name.as_str()),
            };
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if !domain.chars().all(allowed) || domain.split('.').any(str::is_empty) {
                let what = format!("`{name}` is not a domain: example.com, or .example.com");
                return Err(Mistake { line, what });
            }
            into.entry(domain.to_owned()).or_insert(line);
        }
        Ok(domains)
    }

    /// The line that lets this host pass.
    pub fn find(&self, host: &str) -> Option<Entry> {
        if let Some(&line) = self.hosts.get(host) {
            let domain = host.to_owned();
            return Some(Entry { domain, line });
        }
        let parents = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
        let mut domains = std::iter::once(host).chain(parents);
        domains.find_map(|domain| {
            let line = *self.suffixes.get(domain)?;
            let domain = format!(".{domain}");
            Some(Entry { domain, line })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_domains() {
        let list = "# ours\n.Example.com\n\npypi.org # packages\n.debian.org\n.example.com\n";
        let domains = Domains::parse(list).expect("a list");
        for (host, found) in [
            ("example.com", Some((".example.com", 2))),
            ("www.example.com", Some((".example.com", 2))),
            ("a.b.debian.org", Some((".debian.org", 5))),
            ("pypi.org", Some(("pypi.org", 4))),
            ("files.pypi.org", None),
            ("badexample.com", None),
            ("com", None),
            ("192.0.2.1", None),
        ] {
            let found = found.map(|(domain, line)| Entry {
                domain: domain.into(),
                line,
            });
            assert_eq!(domains.find(host), found, "{host}");
        }
    }

    #[test]
    fn mistakes_have_their_line() {
        for (list, line) in [("a\nhttp://b/\n", 2), ("a..b", 1), ("\n\n.", 3), ("*.a", 1)] {
            let mistake = Domains::parse(list).map_err(|mistake| mistake.line);
            assert_eq!(mistake.err(), Some(line), "{list}");
        }
    }
}
