//! The host's sets.

use super::Kind;
use crate::bindings::base::wproxy::plugin::http::IpAddress;
use std::net::IpAddr;
use wproxy::plugin::sets;

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package wproxy:sdk;
        world sets { import wproxy:plugin/sets@0.2.0; }
    ",
    with: {
        "wproxy:plugin/http@0.2.0": crate::bindings::base::wproxy::plugin::http,
        "wproxy:plugin/sets@0.2.0": generate,
    },
});

pub(super) type Handle = u32;

pub(super) fn find(name: &str, kind: Kind) -> Result<Handle, String> {
    let kind = match kind {
        Kind::Domains => sets::Kind::Domains,
        Kind::Addresses => sets::Kind::Addresses,
        Kind::Regexes => sets::Kind::Regexes,
        Kind::Strings => sets::Kind::Strings,
    };
    sets::find(name, kind)
}

pub(super) fn contains(set: &Handle, text: &str) -> bool {
    sets::contains(*set, text)
}

pub(super) fn contains_address(set: &Handle, address: IpAddr) -> bool {
    let address = match address {
        IpAddr::V4(address) => IpAddress::V4(address.octets().into()),
        IpAddr::V6(address) => IpAddress::V6(address.segments().into()),
    };
    sets::contains_address(*set, address)
}
