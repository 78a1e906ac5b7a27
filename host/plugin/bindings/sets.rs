//! The interface `sets`, as it is served.

use super::generated::wproxy::plugin::http::IpAddress;
use super::generated::wproxy::plugin::sets::{Host, Kind};
use crate::config::SetKind;
use crate::plugin::limits::Exceeded;
use crate::plugin::sets::Set;
use crate::plugin::state::State;
use std::net::IpAddr;

/// Octets of a text in which regular expressions are looked for: the epoch cannot interrupt that, and
/// for a large set it takes long.
const MAX_TEXT: usize = 8 << 10;

impl Host for State {
    fn find(&mut self, name: String, kind: Kind) -> wasmtime::Result<Result<u32, String>> {
        let kind = match kind {
            Kind::Domains => SetKind::Domains,
            Kind::Addresses => SetKind::Addresses,
            Kind::Regexes => SetKind::Regexes,
            Kind::Strings => SetKind::Strings,
        };
        Ok(self.sets.find(&name, kind))
    }

    fn contains(&mut self, set: u32, text: String) -> wasmtime::Result<bool> {
        let set = self.set(set)?;
        if set.kind() == SetKind::Regexes && text.len() > MAX_TEXT {
            return Err(Exceeded::Text(MAX_TEXT).into());
        }
        let answer = set.contains(&text);
        answer.ok_or_else(|| wasmtime::Error::msg("it asked a set of addresses for a text"))
    }

    fn contains_address(&mut self, set: u32, address: IpAddress) -> wasmtime::Result<bool> {
        let address = match address {
            IpAddress::V4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
            IpAddress::V6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
        };
        let answer = self.set(set)?.contains_address(address);
        answer.ok_or_else(|| wasmtime::Error::msg("it asked a set of texts for an address"))
    }
}

impl State {
    fn set(&self, number: u32) -> wasmtime::Result<&Set> {
        let set = self.sets.get(number);
        set.ok_or_else(|| wasmtime::Error::msg("it asked a set that it had not found"))
    }
}
