//! Sets of ports: squid's `port`.

use std::ops::RangeInclusive;

#[derive(Debug, Default)]
pub(super) struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    pub(super) fn extend(&mut self, values: &[&str]) -> Result<(), String> {
        for value in values {
            let (first, last) = value.split_once('-').unwrap_or((value, value));
            let range = match (first.parse(), last.parse()) {
                (Ok(first), Ok(last)) if first <= last => first..=last,
                _ => return Err(format!("`{value}` is not a port; write 443 or 1025-65535")),
            };
            self.0.push(range);
        }
        Ok(())
    }

    pub(super) fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }
}
