//! Which requests are recorded, or tried in the shadow.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A part of all requests, in millionths: 1,000,000 are all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(u32);

const ALL: u32 = 1_000_000;

// === impl Share ===

impl Share {
    /// Every request.
    #[cfg(test)]
    pub const ALL: Share = Share(ALL);

    /// So many percent; what is out of 0 to 100, the next of these.
    pub fn percent(percent: f64) -> Share {
        Share::part(percent / 100.0)
    }

    /// What is less than a millionth is rounded up: somebody wants something.
    fn part(part: f64) -> Share {
        Share((part * f64::from(ALL)).ceil().min(f64::from(ALL)) as u32)
    }

    /// Whether the request of that number is in it. All who want the same share see the same requests.
    pub fn has(self, request: u64) -> bool {
        mixed(request) <= self.threshold()
    }

    /// Up to which mixed number a request is in it; 0: none is.
    fn threshold(self) -> u64 {
        match self.0 {
            ALL.. => u64::MAX,
            millionths => u64::from(millionths) * (u64::MAX / u64::from(ALL)),
        }
    }
}

/// Spreads the numbers of requests: what is asked for in turns is not to be heard in turns. The last
/// step of splitmix64.
fn mixed(id: u64) -> u64 {
    let id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    id ^ (id >> 31)
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let usage = || format!("a share is more than 0 and at most 1, as 0.1, not {text:?}");
        let share: f64 = text.parse().map_err(|_| usage())?;
        match share > 0.0 && share <= 1.0 {
            true => Ok(Share::part(share)),
            false => Err(usage()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_about_that_part_of_all_requests() {
        for (text, expected) in [
            ("1", 100_000),
            ("0.5", 50_000),
            ("0.1", 10_000),
            ("0.001", 100),
        ] {
            let share = text.parse::<Share>().expect("a share");
            let heard = (1..=100_000).filter(|&id| share.has(id)).count();
            assert!(heard.abs_diff(expected) <= expected / 5, "{text}: {heard}");
        }
        assert!((1..1000).all(|id| Share::ALL.has(id)));
        // Nor does it follow a pattern of theirs.
        let share = "0.5".parse::<Share>().expect("a share");
        let even = (1..=10_000).filter(|&id| share.has(2 * id)).count();
        assert!(even.abs_diff(5000) < 500, "{even}");
    }

    #[test]
    fn percents_are_shares() {
        for (percent, share) in [
            (100.0, "1"),
            (50.0, "0.5"),
            (0.25, "0.0025"),
            (1e-9, "1e-9"),
        ] {
            assert_eq!(Ok(Share::percent(percent)), share.parse(), "{percent}");
        }
    }

    #[test]
    fn what_is_no_share_is_said_so() {
        for text in ["", "0", "-0.1", "1.1", "NaN", "inf", "10%", "x"] {
            let error = text.parse::<Share>().expect_err(text);
            assert!(error.contains("at most 1"), "{error}");
        }
        assert_eq!("0.0000001".parse(), Ok(Share(1)));
    }
}
