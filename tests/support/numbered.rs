//! Policies that can be told from each other, one swapped for the other.

use super::{Origin, Proxy, Then};
use rustix::process::Signal;
use std::fs;

/// A policy that says what number it is: in its rule, and in a field on the way to the origin and
/// back. Requests that are decided by a mixture would show two numbers. None is remembered when it is
/// over: what that takes in the allocator's pages is not what swaps take.
pub(crate) fn policy(number: usize) -> String {
    format!(
        "logformat = \"json\"\nexplain_requests = 0\n\
         [plugins.access-policy]\nacl = [\"policy-{number} src 127.0.0.0/8\"]\nhttp_access = [\"allow policy-{number}\"]\n\
         [plugins.header-scrub]\nrequest_header_access = [\"X-Policy deny all\"]\nrequest_header_replace = [\"X-Policy {number}\"]\n\
         reply_header_access = [\"X-Policy deny all\"]\nreply_header_replace = [\"X-Policy {number}\"]\n"
    )
}

/// Swaps it in, and waits until the log says so.
pub(crate) fn swap(proxy: &Proxy, settings: &str, says: &str) {
    let settings = format!("http_port = [\"127.0.0.1:0\"]\n{settings}");
    fs::write(proxy.settings(), settings).unwrap();
    proxy.signal(Signal::HUP);
    proxy.says(says);
}

/// Says what policy its request has come by.
pub(crate) fn origin() -> Origin {
    Origin::start(|seen, stream| {
        let policy = seen.field("x-policy").unwrap_or_default();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nX-Policy: x\r\nX-Asked: {policy}\r\nContent-Length: 2\r\n\r\nok"
        )?;
        Ok(Then::Keep)
    })
}
