//! Escaping of what helpers are asked. Pure; the host redacts questions by this file, too.

/// What RFC 1738 calls unsafe, and control characters and what is not ASCII, as `%20`: squid's
/// `rfc1738_escape`.
pub fn escaped(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for &octet in value {
        match octet {
            0x21..=0x7e if !b"<>\"#%{}|\\^~[]`'".contains(&octet) => text.push(char::from(octet)),
            _ => text.push_str(&format!("%{octet:02X}")),
        }
    }
    text
}
