//! The control socket: how an operator's commands reach the running proxy.
//!
//! # The protocol
//!
//! A stream socket in the file system, `control_socket`, which the proxy's own user and root may
//! open and nobody else. A connection is one request and its answer. Both are lines: a JSON object
//! and a line feed.
//!
//! ```text
//! -> {"command":"cache ls","prefix":"http://example.com/"}
//! <- {"tier":"memory","status":200,"size":10240,"age":12,"ttl":588,"uri":"http://example.com/a"}
//! <- {"end":true}
//! ```
//!
//! The request names its command; what else may stand in it says [`Request`]. What the lines of the
//! answer are is up to the command, but for the last one: `{"end":true}`, or
//!
//! ```text
//! <- {"error":"what is wrong","help":"how to mend it"}
//! ```
//!
//! Then the proxy closes the connection. An answer without such a last line has been broken off. A
//! request has 1 MB at most and is there within 5 s; its line feed may be left out where the sending
//! side is shut down. Who takes nothing of an answer for a minute gets no more of it. There are 16
//! connections at most; the next is refused. These limits stand in `serve`.
//!
//! # Another command
//!
//! is a variant of [`Request`] with what may stand in it, and a function that [`answer_to`] calls.
//! That may take its time: it has a thread of its own, none of the workers'. If it panics, who asked
//! is told so, and nothing else happens.

mod answer;
mod cache;
mod client;
mod serve;
mod socket;

pub use answer::Refusal;
pub use cache::{CacheLs, CachePurge, CacheStats, CacheTier, Entry, Purged};
pub use client::ask;
pub use serve::serve;
pub use socket::{Socket, SocketFile, bind, path};

use crate::app::App;
use answer::Answer;
use serde::{Deserialize, Serialize};

/// What the proxy can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", deny_unknown_fields)]
#[expect(
    clippy::enum_variant_names,
    reason = "there will be commands about other things than the cache"
)]
pub enum Request {
    /// What is stored: an [`Entry`] a line.
    #[serde(rename = "cache ls")]
    CacheLs(CacheLs),
    /// Takes responses out of the cache: [`Purged`].
    #[serde(rename = "cache purge")]
    CachePurge(CachePurge),
    /// How full the cache is, and how useful: [`CacheStats`].
    #[serde(rename = "cache stats")]
    CacheStats {},
}

/// Does what is asked.
///
/// # Errors
/// Why it cannot.
fn answer_to(request: Request, app: &App, answer: &mut Answer) -> Result<(), Refusal> {
    match request {
        Request::CacheLs(what) => cache::ls(app, &what, answer),
        Request::CachePurge(what) => cache::purge(app, &what, answer),
        Request::CacheStats {} => {
            cache::stats(app, answer);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_they_were_when_they_have_been_sent() {
        let ls = CacheLs {
            prefix: Some("http://a/".into()),
            ..CacheLs::default()
        };
        let purge = CachePurge {
            urls: vec!["http://a/".into()],
            ..CachePurge::default()
        };
        let cases = [
            (
                Request::CacheLs(ls),
                r#"{"command":"cache ls","prefix":"http://a/"}"#,
            ),
            (
                Request::CachePurge(purge),
                r#"{"command":"cache purge","urls":["http://a/"]}"#,
            ),
            (Request::CacheStats {}, r#"{"command":"cache stats"}"#),
        ];
        for (request, line) in cases {
            assert_eq!(serde_json::to_string(&request).expect("JSON"), line);
            assert_eq!(
                serde_json::from_str::<Request>(line).expect("a request"),
                request
            );
        }
    }

    #[test]
    fn what_is_no_request_is_said_so() {
        for (line, message) in [
            ("", "EOF"),
            ("garbage", "expected value"),
            ("[]", "missing field `command`"),
            ("{}", "missing field `command`"),
            (r#"{"command":"cache rm"}"#, "expected one of `cache ls`"),
            (
                r#"{"command":"cache ls","prefx":"a"}"#,
                "unknown field `prefx`, expected one of `prefix`",
            ),
            (
                r#"{"command":"cache stats","of":"a"}"#,
                "unknown field `of`",
            ),
            (
                r#"{"command":"cache ls","limit":-1}"#,
                "invalid value: integer `-1`",
            ),
        ] {
            let error = serde_json::from_str::<Request>(line).expect_err(line);
            assert!(error.to_string().contains(message), "{line}: {error}");
        }
    }
}
