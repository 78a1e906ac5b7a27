//! A response from the cache.

use super::fields::add_cache_status;
use super::relay::write_body;
use super::watched::{self, Delivery};
use crate::app::App;
use crate::cache::{
    Answer, Body, ContentRange, Forward, Hit, Multipart, Octets, Source, unsatisfied,
};
use crate::client::Client;
use crate::decimal::Decimal;
use crate::error::Failure;
use crate::http::{Fields, Version};
use crate::log::Code;
use crate::respond::{Head, Hooks};
use crate::transaction::Transaction;
use bytes::Bytes;
use http::{Method, StatusCode};

/// Why a stored response is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// It is fresh, or fresh enough for this client.
    Fresh,
    /// Somebody else is receiving it; why the client's request would have gone to the origin.
    Collapsed(Forward),
    /// The origin has said that it still holds.
    Validated,
    /// The origin could not be asked.
    OriginFailed,
}

/// What has come of serving it.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// The client has its response.
    Served,
    /// The file that it is in is damaged, and gone now; the client has nothing yet.
    Damaged,
}

/// What of a response the client gets.
struct Reply {
    status: StatusCode,
    octets: Octets,
    length: Option<u64>,
}

/// Serves a stored response: whole, in part, or with the news that the client has it already.
pub(super) async fn serve(
    app: &App,
    transaction: &mut Transaction,
    client: &mut Client,
    hit: Hit,
    basis: Basis,
) -> Result<Done, Failure> {
    let stored = &hit.stored;
    // Age, X-Cache, Cache-Status and Via are added.
    let mut fields = stored.fields.with_room(4);
    fields.set("Age", Bytes::copy_from_slice(&Decimal::of(hit.age)));
    marks(app, &mut fields, hit.ttl, basis);
    let answer = stored.answer(&transaction.request);
    let code = code(&answer, hit.source, basis);
    let Reply {
        status,
        mut octets,
        length,
    } = reply(answer, stored.status, &stored.body, &mut fields);
    // From here on, these octets read it.
    drop(hit.held);
    if transaction.request.method == Method::HEAD {
        octets = Octets::none();
    }
    if octets.check().await.is_err() {
        return Ok(Done::Damaged);
    }
    let responder = &mut client.responder;
    let watched = watched::watch(transaction, responder, status, length, &mut fields)?;
    transaction.entry.outcome.code = code;
    let head = Head {
        status,
        reason: Bytes::new(),
        fields,
        length,
        version: Version::Http11,
    };
    match watched {
        None => {
            responder.begin(app, transaction, head, Hooks::Asked)?;
            write_body(app, octets, &mut responder.writer).await?;
            responder.writer.end(&Fields::default());
        }
        Some(watched) => {
            let mut delivery = Delivery::begin(app, transaction, responder, head, watched)?;
            Box::pin(delivery.octets(octets)).await?;
            delivery.end(Fields::default());
        }
    }
    let flushed = responder.writer.flush(app.settings.write_timeout).await;
    flushed.map_err(|_| Failure::ClientGone)?;
    Ok(Done::Served)
}

fn reply(answer: Answer, status: StatusCode, body: &Body, fields: &mut Fields) -> Reply {
    let length = body.len();
    match answer {
        Answer::Whole => Reply {
            status,
            octets: body.read(),
            length,
        },
        // The fields that RFC 9110 §15.4.5 asks for are among those stored.
        Answer::NotModified { .. } => Reply {
            status: StatusCode::NOT_MODIFIED,
            octets: Octets::none(),
            length,
        },
        Answer::Part(part) => {
            let total = length.unwrap_or_default();
            fields.set("Content-Range", ContentRange::write(&part, total));
            Reply {
                status: StatusCode::PARTIAL_CONTENT,
                length: Some(part.end - part.start),
                octets: body.read_part(part),
            }
        }
        Answer::Parts(parts) => {
            let total = length.unwrap_or_default();
            let parts = Multipart::new(&parts, total, fields.get("content-type"), nonce());
            fields.set("Content-Type", parts.content_type());
            Reply {
                status: StatusCode::PARTIAL_CONTENT,
                length: Some(parts.len()),
                octets: body.read_parts(&parts),
            }
        }
        Answer::NoSuchPart => {
            let total = length.unwrap_or_default();
            fields.set("Content-Range", unsatisfied(total));
            Reply {
                status: StatusCode::RANGE_NOT_SATISFIABLE,
                octets: Octets::none(),
                length: Some(0),
            }
        }
    }
}

/// Nobody can guess it.
fn nonce() -> u128 {
    let mut octets = [0; 16];
    // Without the system's random numbers there would be no TLS, no hash tables: a fixed one then
    // is the least of the troubles.
    let _ = getrandom::fill(&mut octets);
    u128::from_ne_bytes(octets)
}

/// squid's code.
fn code(answer: &Answer, source: Source, basis: Basis) -> Code {
    match (basis, answer, source) {
        (Basis::Validated, ..) => Code::RefreshUnmodified,
        (Basis::OriginFailed, ..) => Code::RefreshFailOld,
        (Basis::Collapsed(_), ..) | (.., Source::Flight) => Code::CollapsedHit,
        (Basis::Fresh, Answer::NotModified { by_etag: true }, _) => Code::InmHit,
        (Basis::Fresh, Answer::NotModified { by_etag: false }, _) => Code::ImsHit,
        (Basis::Fresh, _, Source::Memory) => Code::MemHit,
        (Basis::Fresh, _, Source::Disk) => Code::Hit,
        (Basis::Fresh, _, Source::Offline) => Code::OfflineHit,
    }
}

/// X-Cache and Cache-Status. What the origin was asked about is not called a hit (RFC 9211 §2.1).
fn marks(app: &App, fields: &mut Fields, ttl: i64, basis: Basis) {
    fields.push("X-Cache", app.names.hit.clone());
    let name = app.names.cache.as_bytes();
    let ttl = Decimal::signed(ttl);
    let parts: &[&[u8]] = match basis {
        Basis::Fresh | Basis::OriginFailed => &[name, b"; hit; ttl=", &ttl],
        Basis::Validated => &[name, b"; fwd=stale; fwd-status=304; ttl=", &ttl],
        Basis::Collapsed(why) => {
            let why = why.as_str().as_bytes();
            &[name, b"; fwd=", why, b"; ttl=", &ttl, b"; collapsed"]
        }
    };
    add_cache_status(fields, parts.concat());
}
