//! Recordings: a sample of what the hooks were asked about requests and what they said, in a file,
//! to try another policy on it.
//!
//! `wproxy record` asks the running proxy for one by the control socket; [`Recorder`] is the proxy's
//! side of it. `wproxy replay` reads it ([`Reader`]) and compares (`crate::replay`).
//!
//! # The file
//!
//! Lines of JSON. The first one says which recording it is, the last one how it ended; one that
//! lacks that, or of whose last line a part is missing, was broken off, and what is there can be used.
//!
//! ```text
//! {"recording":{"format":1,"wproxy":"0.1.0","generation":3,"began":"2026-11-24T21:50:03Z","redacted":true}}
//! {"transaction":{...}}
//! {"finished":{"transactions":1,"missed":0,"why":"interrupted"}}
//! ```
//!
//! A transaction, here on more lines than one, has what the client sent and, under the names of the
//! hooks that were asked, what they were given and what they said:
//!
//! ```text
//! {"request":{"id":1001,"received":"2026-11-24T21:50:04.25Z","offset":3600,"client":"10.1.2.3:40000",
//!    "method":"GET","uri":"http://example.com/?token=redacted-0123456789abcdef","version":"1.1",
//!    "fields":[["Host","example.com"],["X-Odd",{"base64":"/w=="}]],"addresses":["192.0.2.1"]},
//!  "generation":3,
//!  "access":{"verdict":"allow",
//!    "rule":{"plugin":"access-policy","text":"http_access allow localnet","file":"wproxy.toml","line":12}},
//!  "cache_key":"uri",
//!  "request_headers":{"before":[["Host","example.com"],["Via","1.1 none"]],"after":[["Host","example.com"]]},
//!  "cache_rules":{"status":200,"fields":[...],"refresh":{"rule":{...},"min":0,"percent":20,"max":259200}},
//!  "response_headers":{"status":200,"before":[...],"after":[...]},
//!  "redacted":["uri"]}
//! ```
//!
//! Octets, in URIs and fields, are a string where they are UTF-8, else `{"base64":"..."}`: what was
//! written is read again octet for octet. `addresses` are missing where nobody had asked for them, and
//! an empty list where there were none. What helpers answered stands in the request, too:
//! `"answers":[{"helper":"ldap","key":"ann","finding":"OK","pairs":[["user","ann"]]}]`, the finding in
//! squid's words. `after` and `refresh` are missing where the hook failed or
//! forbade storing. Instead of `allow`, a verdict is `deny` (`status`, `message`), `authenticate`
//! (`plugin`, `challenge`) or `failed` (`plugin`, `reason`); instead of `"uri"`, a key is `"never"` or
//! `{"named":"..."}`. Lines may have further keys in later versions. What cannot be read any more with
//! the knowledge of this one gets another `format`.
//!
//! Secrets are taken out, unless the command says `--with-secrets`: which, stands in [`crate::redact`].
//! `redacted` says where in the transaction some were. User information, `user:password@`, never is
//! in the URI.
//!
//! # Bounds
//!
//! One recording at a time. A number of transactions, of octets, and a time bound it. Between the
//! workers and the command is a queue, bounded too (`recorder`): what does not fit in is left out and
//! counted, and no request waits. While nobody records, nothing is taken down.

pub mod line;
mod notes;
mod octets;
mod read;
mod recorder;

pub use line::{Finished, Header, Line, Transaction};
pub use octets::Octets;
pub use read::{End, Reader, Unreadable};
pub use recorder::{Recorder, Recording};

/// The version of the file's format.
pub const FORMAT: u32 = 1;

#[cfg(test)]
mod tests;
