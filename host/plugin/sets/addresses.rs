//! IP addresses, prefixes and ranges, as squid's `src` and `dst` have them.

use super::{Malformed, words};
use std::net::IpAddr;

/// Sorted ranges that do not overlap, first and last address of each.
#[derive(Debug)]
pub(super) struct Addresses {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

/// IPv4 in IPv6's space: `::ffff:a.b.c.d`.
const V4: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

// === impl Addresses ===

impl Addresses {
    pub(super) fn parse(text: &str) -> Result<Addresses, Malformed> {
        let mut ranges = Vec::new();
        for word in words(text) {
            match word.text {
                "all" => ranges.push((0, u128::MAX)),
                "ipv4" => ranges.push(V4),
                "ipv6" => ranges.extend([(0, V4.0 - 1), (V4.1 + 1, u128::MAX)]),
                value => ranges.push(range(value).map_err(|why| word.malformed(why))?),
            }
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
            if low < V4.0 {
                v6.push((low, high.min(V4.0 - 1)));
            }
            let (from, to) = (low.max(V4.0), high.min(V4.1));
            if from <= to {
                // The lower half is the address.
                v4.push((from as u32, to as u32));
            }
            if high > V4.1 {
                v6.push((low.max(V4.1 + 1), high));
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

/// An address, `address/prefix`, `address/mask`, `first-last` or `first-last/mask`.
fn range(value: &str) -> Result<(u128, u128), String> {
    let (range, mask) = match value.split_once('/') {
        Some((range, mask)) => (range, Some(mask)),
        None => (value, None),
    };
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (address(first)?, address(last)?),
        None => (address(range)?, address(range)?),
    };
    if first.is_ipv4() != last.is_ipv4() {
        return Err(format!("`{value}` mixes IPv4 and IPv6"));
    }
    let free = match mask {
        Some(mask) => free_bits(mask, first).ok_or_else(|| {
            format!("`{value}`: `/{mask}` is neither a prefix length nor a netmask for {first}")
        })?,
        None => 0,
    };
    let (low, high) = (number(first) & !free, number(last) | free);
    match low <= high {
        true => Ok((low, high)),
        false => Err(format!("`{value}` ends before it begins")),
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "`{text}` is not an IP address; write 10.0.0.0/8, 10.0.0.1-10.0.0.9 or 2001:db8::/32"
        )
    })
}

/// The bits that a prefix length or a netmask leaves free.
fn free_bits(mask: &str, family: IpAddr) -> Option<u128> {
    let width = if family.is_ipv4() { 32 } else { 128 };
    if let Ok(prefix) = mask.parse::<u32>() {
        let free = u32::checked_sub(width, prefix)?;
        return Some(u128::MAX.checked_shr(128 - free).unwrap_or(0));
    }
    let free = match mask.parse::<IpAddr>().ok()? {
        IpAddr::V4(mask) if family.is_ipv4() => u128::from(!mask.to_bits()),
        IpAddr::V6(mask) if family.is_ipv6() => !mask.to_bits(),
        _ => return None,
    };
    // A netmask is ones, then zeros: what it leaves free has no gap.
    (free & free.wrapping_add(1) == 0).then_some(free)
}

fn number(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}
