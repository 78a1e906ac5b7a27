//! IP addresses, prefixes and ranges, as squid's `src` and `dst` have them.

// The SDK's, so that a list means the same in a set and in an acl.
#[path = "../../../plugins/sdk/src/ranges.rs"]
mod ranges;

use super::{Malformed, words};
use ranges::IPV4;
use std::net::IpAddr;

/// Sorted ranges that do not overlap, first and last address of each.
#[derive(Debug)]
pub(super) struct Addresses {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

// === impl Addresses ===

impl Addresses {
    pub(super) fn parse(text: &str) -> Result<Addresses, Malformed> {
        let mut ranges = Vec::new();
        for word in words(text) {
            ranges.extend(ranges::parse(word.text).map_err(|why| word.malformed(why))?);
        }
        ranges.sort_unstable();
        ranges.dedup_by(|next, range| {
            let joined = next.0 <= range.1;
            if joined {
                range.1 = range.1.max(next.1);
            }
            joined
        });
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (low, high) in ranges {
            if low < IPV4.0 {
                v6.push((low, high.min(IPV4.0 - 1)));
            }
            let (from, to) = (low.max(IPV4.0), high.min(IPV4.1));
            if from <= to {
                // The lower half is the address.
                v4.push((from as u32, to as u32));
            }
            if high > IPV4.1 {
                v6.push((low.max(IPV4.1 + 1), high));
            }
        }
        Ok(Addresses {
            v4: v4.into(),
            v6: v6.into(),
        })
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => is_in(&self.v4, address.to_bits()),
            IpAddr::V6(address) => is_in(&self.v6, address.to_bits()),
        }
    }

    /// How many ranges are left where those that overlap are one.
    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.v4) + size_of_val(&*self.v6)
    }
}

fn is_in<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|&(low, _)| low <= address);
    after > 0 && address <= ranges[after - 1].1
}
