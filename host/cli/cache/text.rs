//! The cache's lists, for people.

use crate::cli::text::{percent, size, span, tiers};
use crate::control::{CacheStats, Entry};
use std::fmt::Write as _;

/// What stands over entries.
pub(super) const ENTRIES: &str = "TIER    STATUS     SIZE     AGE     TTL  URI";

/// What is said under a list.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) responses: u64,
    octets: u64,
}

// === impl Sums ===

impl Sums {
    pub(super) fn add(&mut self, entry: &Entry<'_>) {
        self.responses += 1;
        self.octets += entry.size;
    }

    /// `3 responses, 36 KB`
    pub(super) fn line(&self, limit: Option<u64>) -> String {
        let more = match limit == Some(self.responses) {
            true => "; there may be more",
            false => "",
        };
        let (responses, octets) = (responses(self.responses), size(self.octets));
        format!("{responses}, {octets}{more}")
    }
}

/// A line under [`ENTRIES`].
pub(super) fn entry(entry: &Entry<'_>) -> String {
    let ttl = match u64::try_from(entry.ttl) {
        Ok(ttl @ 1..) => span(ttl),
        _ => "stale".into(),
    };
    format!(
        "{:6}  {:6}  {:>7}  {:>6}  {:>6}  {}",
        entry.tier,
        entry.status,
        size(entry.size),
        span(entry.age),
        ttl,
        entry.uri
    )
}

/// `purged 3 responses`
pub(super) fn purged(purged: u64) -> String {
    match purged {
        0 => "nothing was stored for that".into(),
        _ => format!("purged {}", responses(purged)),
    }
}

/// How full the cache is, and how useful.
pub(super) fn stats(stats: &CacheStats) -> String {
    let mut text = tiers(&stats.tiers);
    let (hits, misses) = (stats.hits, stats.misses);
    let asked = hits.saturating_add(misses);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\nhits    {hits:9}  {}", percent(hits, asked));
    let _ = writeln!(text, "misses  {misses:9}  {}", percent(misses, asked));
    let _ = writeln!(text, "purged  {:9}\n", stats.purged);
    for (code, requests) in &stats.requests {
        if *requests > 0 {
            let _ = writeln!(text, "{requests:17}  {code}");
        }
    }
    text
}

fn responses(count: u64) -> String {
    match count {
        1 => "1 response".into(),
        count => format!("{count} responses"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::CacheTier;

    #[test]
    fn entries_stand_under_their_heads() {
        let line = |ttl, size, uri: &'static str| {
            entry(&Entry {
                tier: "memory".into(),
                status: 200,
                size,
                age: 90,
                ttl,
                uri: uri.into(),
            })
        };
        assert_eq!(
            [
                ENTRIES.to_owned(),
                line(600, 12_800, "http://a/"),
                line(0, 7, "http://b/")
            ]
            .join("\n"),
            "TIER    STATUS     SIZE     AGE     TTL  URI\n\
             memory     200    12 KB    90 s  10 min  http://a/\n\
             memory     200      7 B    90 s   stale  http://b/"
        );
    }

    #[test]
    fn counts() {
        assert_eq!(purged(0), "nothing was stored for that");
        assert_eq!(purged(1), "purged 1 response");
        assert_eq!(purged(3), "purged 3 responses");
        let sums = Sums {
            responses: 2,
            octets: 2048,
        };
        assert_eq!(sums.line(None), "2 responses, 2 KB");
        assert_eq!(sums.line(Some(2)), "2 responses, 2 KB; there may be more");
        assert_eq!(Sums::default().line(Some(2)), "0 responses, 0 B");
    }

    #[test]
    fn statistics() {
        let memory = CacheTier {
            tier: "memory".into(),
            responses: 12,
            octets: 64 << 20,
            budget: 128 << 20,
        };
        let shown = stats(&CacheStats {
            tiers: vec![memory],
            hits: 2,
            misses: 1,
            purged: 0,
            requests: [
                ("TCP_MISS".into(), 1),
                ("TCP_MEM_HIT".into(), 2),
                ("NONE_NONE".into(), 0),
            ]
            .into(),
        });
        assert_eq!(
            shown,
            "TIER    RESPONSES     SIZE   BUDGET  USED\n\
             memory         12    64 MB   128 MB   50%\n\n\
             hits            2  66%\n\
             misses          1  33%\n\
             purged          0\n\n\
             \x20               2  TCP_MEM_HIT\n\
             \x20               1  TCP_MISS\n"
        );
    }
}
