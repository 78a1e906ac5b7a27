//! Ranges of IP addresses as squid's `src` and `dst` have them: first and last address, in IPv6's
//! space (IPv4 as `::ffff:a.b.c.d`). Pure; the host reads its sets of addresses by this file, too.

use std::iter;
use std::net::IpAddr;

/// All of IPv4.
pub const IPV4: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

/// One value: an address, `address/prefix`, `address/mask`, `first-last`, or `first-last/mask`,
/// and squid's words for whole families.
///
/// # Errors
/// What is wrong with it.
pub fn parse(value: &str) -> Result<impl Iterator<Item = (u128, u128)>, String> {
    let (one, other) = match value {
        "all" => ((0, u128::MAX), None),
        "ipv4" => (IPV4, None),
        "ipv6" => ((0, IPV4.0 - 1), Some((IPV4.1 + 1, u128::MAX))),
        value => (range(value)?, None),
    };
    Ok(iter::once(one).chain(other))
}

/// The address in IPv6's space.
pub fn number(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

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
