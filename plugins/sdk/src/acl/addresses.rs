//! Sets of IP addresses: squid's `src` and `dst`.

use super::set_name;
use crate::sets::{Kind, Set};
use std::net::IpAddr;

#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// Sorted, and none touches another; in IPv6's space (IPv4 as `::ffff:a.b.c.d`).
    ranges: Vec<(u128, u128)>,
    sets: Vec<Set>,
}

impl Addresses {
    pub(super) fn extend(&mut self, values: &[&str]) -> Result<(), String> {
        for value in values {
            match set_name(value) {
                Some(name) => self.sets.push(Set::find(name, Kind::Addresses)?),
                None => self.ranges.extend(parse(value)?),
            }
        }
        self.ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(self.ranges.len());
        for &(low, high) in &self.ranges {
            match merged.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        self.ranges = merged;
        Ok(())
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let number = number(address);
        let after = self.ranges.partition_point(|&(low, _)| low <= number);
        (after > 0 && number <= self.ranges[after - 1].1)
            || self.sets.iter().any(|set| set.contains_address(address))
    }
}

/// One value: an address, `address/prefix`, `address/mask`, `first-last`, or `first-last/mask`,
/// and squid's words for whole families.
fn parse(value: &str) -> Result<Vec<(u128, u128)>, String> {
    const IPV4: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);
    match value {
        "all" => return Ok(vec![(0, u128::MAX)]),
        "ipv4" => return Ok(vec![IPV4]),
        "ipv6" => return Ok(vec![(0, IPV4.0 - 1), (IPV4.1 + 1, u128::MAX)]),
        _ => {}
    }
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
    let host_bits = match mask {
        Some(mask) => host_bits(mask, first).ok_or_else(|| {
            format!("`{value}`: `/{mask}` is neither a prefix length nor a netmask for {first}")
        })?,
        None => 0,
    };
    let (low, high) = (number(first) & !host_bits, number(last) | host_bits);
    if low > high {
        return Err(format!("`{value}` ends before it begins"));
    }
    Ok(vec![(low, high)])
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "`{text}` is not an IP address; write 10.0.0.0/8, 10.0.0.1-10.0.0.9 or 2001:db8::/32"
        )
    })
}

/// The bits that a prefix length or a netmask leaves free.
fn host_bits(mask: &str, family: IpAddr) -> Option<u128> {
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
