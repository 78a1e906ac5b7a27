//! The cache's lists, for people.

use crate::control::{CacheStats, CacheTier, Entry};
use std::fmt::Write as _;

/// What stands over entries.
pub(super) const ENTRIES: &str = "TIER    STATUS     SIZE     AGE     TTL  URI";
/// What stands over tiers.
const TIERS: &str = "TIER    RESPONSES     SIZE   BUDGET  USED";

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
    let mut text = format!("{TIERS}\n");
    for CacheTier {
        tier,
        responses,
        octets,
        budget,
    } in &stats.tiers
    {
        let used = percent(*octets, *budget);
        let (octets, budget) = (size(*octets), size(*budget));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{tier:6}  {responses:9}  {octets:>7}  {budget:>7}  {used:>4}"
        );
    }
    let (hits, misses) = (stats.hits, stats.misses);
    let asked = hits.saturating_add(misses);
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

/// Octets as squid has them: a KB is 1024. At least two digits are true.
pub(in crate::cli) fn size(octets: u64) -> String {
    let mut unit = 1;
    for name in ["B", "KB", "MB", "GB"] {
        if octets < unit << 10 {
            return rounded(octets, unit, name);
        }
        unit <<= 10;
    }
    rounded(octets, unit, "TB")
}

fn rounded(octets: u64, unit: u64, name: &str) -> String {
    let (whole, tenths) = (octets / unit, octets % unit * 10 / unit);
    match whole < 10 && tenths > 0 {
        true => format!("{whole}.{tenths} {name}"),
        false => format!("{whole} {name}"),
    }
}

/// Seconds, in the largest unit of which there are two.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `67%`; `-` of nothing.
fn percent(part: u64, whole: u64) -> String {
    match part.saturating_mul(100).checked_div(whole) {
        Some(percent) => format!("{percent}%"),
        None => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans() {
        for (octets, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KB"),
            (1536, "1.5 KB"),
            (10_239, "9.9 KB"),
            (10_240, "10 KB"),
            (12_800, "12 KB"),
            (1 << 20, "1 MB"),
            (600 << 20, "600 MB"),
            (5 << 29, "2.5 GB"),
            (3 << 40, "3 TB"),
            (5000 << 40, "5000 TB"),
        ] {
            assert_eq!(size(octets), text);
        }
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7199, "119 min"),
            (86_400, "24 h"),
            (172_800, "2 d"),
            (31_536_000, "365 d"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

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
        assert_eq!(percent(0, 0), "-");
    }
}
