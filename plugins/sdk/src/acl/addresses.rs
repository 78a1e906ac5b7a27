//! Sets of IP addresses: squid's `src` and `dst`.

use super::set_name;
use crate::ranges::{number, parse};
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
