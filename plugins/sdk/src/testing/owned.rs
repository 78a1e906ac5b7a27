//! The fields that no plugin changes. Pure; the host goes by this file, too.

/// Framing, routing and hop-by-hop fields (RFC 9110 §7.6.1): to read only.
const HOST_OWNED: [&str; 9] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "host",
];

/// Whether a field of that name is the host's.
pub fn is_host_owned(name: &str) -> bool {
    HOST_OWNED
        .iter()
        .any(|owned| owned.eq_ignore_ascii_case(name))
}
