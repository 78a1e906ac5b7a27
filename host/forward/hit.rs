//! A response from the cache.

use crate::app::App;
use crate::cache::{Answer, Hit, Stored};
use crate::client::Client;
use crate::error::Failure;
use crate::http::Fields;
use crate::log::Code;
use crate::respond::{Head, Hooks, Reply};
use crate::transaction::Transaction;
use bytes::Bytes;
use http::StatusCode;

/// Why a stored response is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// It is fresh, or fresh enough for this client.
    Fresh,
    /// The origin has said that it still holds.
    Validated,
    /// The origin could not be asked.
    OriginFailed,
}

/// Serves a stored response: whole, in part, or with the news that the client has it already.
pub(super) async fn serve(
    app: &App,
    transaction: &mut Transaction,
    client: &mut Client,
    hit: Hit,
    basis: Basis,
) -> Result<(), Failure> {
    let Hit { stored, age, ttl } = hit;
    let code = |code| match basis {
        Basis::Fresh => code,
        Basis::Validated => Code::RefreshUnmodified,
        Basis::OriginFailed => Code::RefreshFailOld,
    };
    let mut fields = stored.fields.clone();
    // It was set for the client that the response was fetched for.
    fields.remove("set-cookie");
    fields.set("Age", age.to_string());
    marks(app, &mut fields, ttl, basis);
    let (status, body) = match stored.answer(&transaction.request) {
        Answer::Whole => (stored.status, stored.body.clone()),
        Answer::NotModified { by_etag } => {
            transaction.entry.outcome.code =
                code(if by_etag { Code::InmHit } else { Code::ImsHit });
            return not_modified(app, transaction, client, &stored, fields).await;
        }
        Answer::Part(part) => {
            let total = stored.body.len();
            let (start, end) = (part.start, part.end);
            fields.set(
                "Content-Range",
                format!("bytes {start}-{}/{total}", end - 1),
            );
            // Both lie within a body that is in memory.
            let octets =
                usize::try_from(start).unwrap_or(total)..usize::try_from(end).unwrap_or(total);
            (StatusCode::PARTIAL_CONTENT, stored.body.slice(octets))
        }
        Answer::NoSuchPart => {
            fields.set("Content-Range", format!("bytes */{}", stored.body.len()));
            (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new())
        }
    };
    transaction.entry.outcome.code = code(Code::MemHit);
    let reply = Reply {
        status,
        fields,
        body,
    };
    client
        .responder
        .reply(app, transaction, reply, Hooks::Asked)
        .await
}

/// 304: the fields that RFC 9110 §15.4.5 asks for are among those stored.
async fn not_modified(
    app: &App,
    transaction: &mut Transaction,
    client: &mut Client,
    stored: &Stored,
    fields: Fields,
) -> Result<(), Failure> {
    let head = Head {
        status: StatusCode::NOT_MODIFIED,
        reason: Bytes::new(),
        fields,
        length: Some(stored.body.len() as u64),
        version: crate::http::Version::Http11,
    };
    client
        .responder
        .begin(app, transaction, head, Hooks::Asked)?;
    let flushed = client
        .responder
        .writer
        .flush(app.settings.write_timeout)
        .await;
    flushed.map_err(|_| Failure::ClientGone)
}

/// X-Cache and Cache-Status. What the origin was asked about is not called a hit (RFC 9211 §2.1).
fn marks(app: &App, fields: &mut Fields, ttl: i64, basis: Basis) {
    fields.push("X-Cache", app.names.hit.clone());
    let name = &app.names.cache;
    let status = match basis {
        Basis::Fresh | Basis::OriginFailed => format!("{name}; hit; ttl={ttl}"),
        Basis::Validated => format!("{name}; fwd=stale; fwd-status=304; ttl={ttl}"),
    };
    super::exchange::add_cache_status(fields, status);
}
