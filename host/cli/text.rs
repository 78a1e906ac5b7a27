//! What more than one command shows to people.

use crate::control::CacheTier;
use std::fmt::Write as _;

/// How full each tier of the cache is.
pub(super) fn tiers(tiers: &[CacheTier]) -> String {
    let mut text = "TIER    RESPONSES     SIZE   BUDGET  USED\n".to_owned();
    for CacheTier {
        tier,
        responses,
        octets,
        budget,
    } in tiers
    {
        let used = percent(*octets, *budget);
        let (octets, budget) = (size(*octets), size(*budget));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{tier:6}  {responses:9}  {octets:>7}  {budget:>7}  {used:>4}"
        );
    }
    text
}

/// Enough of `sha256:...` to tell it from others.
pub(super) fn short_digest(digest: &str) -> &str {
    let digits = digest.split(':').next_back().unwrap_or(digest);
    digits.get(..12).unwrap_or(digits)
}

/// `1 transaction`, `2 transactions`
pub(super) fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// Octets as squid has them: a KB is 1024. At least two digits are true.
pub(super) fn size(octets: u64) -> String {
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
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `67%`; `-` of nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match part.saturating_mul(100).checked_div(whole) {
        Some(percent) => format!("{percent}%"),
        None => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_spans_and_parts() {
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
        for (number, text) in [(0, "0 hits"), (1, "1 hit"), (2, "2 hits")] {
            assert_eq!(count(number, "hit"), text);
        }
        for (part, whole, text) in [(0, 0, "-"), (0, 3, "0%"), (2, 3, "66%"), (3, 3, "100%")] {
            assert_eq!(percent(part, whole), text);
        }
    }
}
