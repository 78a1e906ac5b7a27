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
//! connections at most; the next is refused. These limits stand in `serve`. There is none for how long
//! a command may work: `reload` compiles. What is asked is done even if nobody waits for the answer.
//!
//! Lines may have further keys in later versions; those that there are keep their names and meanings.
//! A request that the proxy does not know, because it is older, is refused with its version.
//!
//! # Another command
//!
//! is a variant of [`Request`] with what may stand in it, and a function that [`answer_to`] calls.
//! That may take its time: it has a thread of its own, none of the workers'. If it panics, who asked
//! is told so, and nothing else happens.

mod answer;
mod cache;
mod client;
mod explain;
mod generations;
mod record;
mod reload;
mod serve;
mod shadow;
mod socket;
mod status;

pub use answer::Refusal;
pub use cache::{CacheLs, CachePurge, CacheStats, CacheTier, Entry, Purged};
pub use client::ask;
pub use explain::{
    Asked, Condition, Decision, Explain, Explained, HelperSaid, Outcome, PluginAsked, Rule,
    RuleOutcome, Verdict,
};
pub use generations::{GenerationEntry, PluginEntry};
pub use record::{Record, Recorded};
pub use reload::Reload;
pub use serve::serve;
pub use shadow::{
    Answered, DifferenceGroup, Differences, ExampleEntry, Promotion, ShadowReload, ShadowReport,
    ShadowStatus,
};
pub use socket::{Socket, SocketFile, bind, path};
pub use status::{HelperStatus, PluginStatus, Status};

use crate::app::App;
use answer::Answer;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// What the proxy can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", deny_unknown_fields)]
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
    /// What the proxy is and how it fares: [`Status`].
    #[serde(rename = "status")]
    Status {},
    /// Swaps the plugins, as SIGHUP does, and says what has come of it: [`Reload`]. It comes to its
    /// end whether or not that is awaited. Of several, one is done after the other.
    #[serde(rename = "reload")]
    Reload {},
    /// The generation that serves and those that requests are still pinned to: a
    /// [`GenerationEntry`] a line.
    #[serde(rename = "generations")]
    Generations {},
    /// Every rule that is looked at for a request that is over: [`Explained`].
    #[serde(rename = "explain")]
    Explain(Explain),
    /// Records what the hooks are asked from now on, and what they say: a [`Recorded`] a line. One
    /// at a time; it ends when nobody takes it any more.
    #[serde(rename = "record")]
    Record(Record),
    /// What the candidate in the shadow says otherwise: [`Differences`].
    #[serde(rename = "shadow report")]
    ShadowReport(ShadowReport),
    /// Lets it serve: [`Promotion`]. It comes to its end whether or not that is awaited.
    #[serde(rename = "shadow promote")]
    ShadowPromote {},
}

/// Does what is asked.
///
/// # Errors
/// Why it cannot.
fn answer_to(request: Request, app: &App, answer: &mut Answer) -> Result<(), Refusal> {
    match request {
        Request::CacheLs(what) => cache::ls(app, &what, answer)?,
        Request::CachePurge(what) => cache::purge(app, &what, answer)?,
        Request::CacheStats {} => cache::stats(app, answer),
        Request::Status {} => status::status(app, answer),
        Request::Reload {} => reload::reload(app, answer),
        Request::Generations {} => generations::generations(app, answer),
        Request::Explain(what) => explain::explain(app, &what, answer)?,
        Request::Record(what) => record::record(app, &what, answer)?,
        Request::ShadowReport(what) => shadow::report(app, &what, answer)?,
        Request::ShadowPromote {} => shadow::promote(app, answer)?,
    }
    Ok(())
}

/// As answers have it: `2026-11-24T21:50:03Z`.
fn moment(time: SystemTime) -> String {
    let moment = Timestamp::try_from(time).unwrap_or_default();
    moment.strftime("%FT%TZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::Share;

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
        let record = Record {
            requests: 10,
            octets: 1000,
            milliseconds: 60_000,
            share: Share::ALL,
            secrets: false,
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
            (Request::Status {}, r#"{"command":"status"}"#),
            (Request::Reload {}, r#"{"command":"reload"}"#),
            (Request::Generations {}, r#"{"command":"generations"}"#),
            (
                Request::Explain(Explain { id: 1001 }),
                r#"{"command":"explain","id":1001}"#,
            ),
            (
                Request::Record(record),
                r#"{"command":"record","requests":10,"octets":1000,"milliseconds":60000,"share":1000000,"secrets":false}"#,
            ),
            (
                Request::ShadowReport(ShadowReport { reset: true }),
                r#"{"command":"shadow report","reset":true}"#,
            ),
            (Request::ShadowPromote {}, r#"{"command":"shadow promote"}"#),
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
    fn moments_are_utc_to_the_second() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_795_557_003_999, "2026-11-24T21:50:03Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(milliseconds);
            assert_eq!(moment(time), text);
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
