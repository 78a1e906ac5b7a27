//! The life of a plain request, once it has been admitted: cache, origin, cache, client.

mod exchange;
mod fields;
mod hit;

use crate::app::App;
use crate::cache::{Forward, Lookup, Stored};
use crate::client::Client;
use crate::error::Failure;
use crate::http::{Fields, Framing, Scheme};
use crate::respond::{Hooks, Reply};
use crate::transaction::Transaction;
use crate::upstream::{Reuse, Upstream};
use exchange::{Exchange, Outcome};
use hit::Basis;
use http::{Method, StatusCode};
use std::sync::Arc;
use std::time::SystemTime;

/// How the client was served.
#[derive(Debug)]
pub enum Served {
    /// With a response.
    Response,
    /// With a switch of protocols: what follows is between client and origin.
    Switched(Box<Upstream>),
}

/// Serves an admitted request.
pub async fn serve(
    app: &App,
    transaction: &mut Transaction,
    client: &mut Client,
    body: Framing,
) -> Result<Served, Failure> {
    let request = transaction.request.clone();
    match &request.target.scheme {
        Scheme::Http | Scheme::Https => {}
        other => return Err(Failure::Scheme(other.to_string())),
    }
    if fields::has_looped(app, &request) {
        return Err(Failure::Loop);
    }
    if fields::max_forwards(&request) == Some(0) {
        end_of_the_line(app, transaction, client).await?;
        return Ok(Served::Response);
    }
    match app
        .cache
        .lookup(&request, &transaction.generation, SystemTime::now())
    {
        Lookup::Fresh(hit) => {
            hit::serve(app, transaction, client, hit, Basis::Fresh).await?;
            Ok(Served::Response)
        }
        Lookup::OnlyIfCached => Err(Failure::OnlyIfCached),
        Lookup::Stale(stored) => revalidate(app, transaction, client, body, stored).await,
        Lookup::Miss(why) => fetch(app, transaction, client, body, why, None).await,
    }
}

/// Asks the origin whether a stored response still holds. Where the origin cannot say, it is
/// served as it is, unless somebody has forbidden that.
async fn revalidate(
    app: &App,
    transaction: &mut Transaction,
    client: &mut Client,
    body: Framing,
    stored: Arc<Stored>,
) -> Result<Served, Failure> {
    let asked = Some(stored.clone());
    let fetched = fetch(app, transaction, client, body, Forward::Stale, asked).await;
    let failure = match fetched {
        Err(failure) if failure.is_servers() && transaction.entry.outcome.status == 0 => failure,
        other => return other,
    };
    let (request, generation) = (&transaction.request, &transaction.generation);
    match app
        .cache
        .instead(request, generation, &stored, SystemTime::now())
    {
        Some(hit) => {
            tracing::debug!("{}: {failure}: the stale response is served", request.uri());
            hit::serve(app, transaction, client, hit, Basis::OriginFailed).await?;
            Ok(Served::Response)
        }
        None => Err(failure),
    }
}

/// Asks the origin. A request that may be sent twice is sent on a kept connection first, and again
/// on a new one where the server has closed that meanwhile (RFC 9110 §9.2.2).
async fn fetch(
    app: &App,
    transaction: &mut Transaction,
    client: &mut Client,
    body: Framing,
    why: Forward,
    stored: Option<Arc<Stored>>,
) -> Result<Served, Failure> {
    let request = transaction.request.clone();
    let mut outgoing = fields::outgoing(app, &request);
    if let Some(stored) = &stored {
        crate::cache::make_conditional(&mut outgoing, &stored.fields);
    }
    let limit = app.settings.request_header_max_size;
    transaction
        .generation
        .on_request(&request, &mut outgoing, limit)?;

    let repeatable = body == Framing::None && request.method.is_idempotent();
    let mut reuse = if repeatable {
        Reuse::Welcome
    } else {
        Reuse::Never
    };
    loop {
        let upstream = app
            .upstreams
            .checkout(&request.target, request.resolved(), reuse)
            .await?;
        transaction.entry.outcome.server = Some(upstream.peer.ip());
        let reused = upstream.reused;
        let exchange = Exchange {
            app,
            fields: &outgoing,
            body,
            why,
            stored: stored.as_ref(),
        };
        match exchange.run(transaction, client, upstream).await {
            Ok(Outcome::Served) => return Ok(Served::Response),
            Ok(Outcome::Switched(upstream)) => return Ok(Served::Switched(upstream)),
            Ok(Outcome::Mistaken) => {
                let again = fetch(app, transaction, client, body, why, None);
                return Box::pin(again).await;
            }
            Ok(Outcome::Stored(hit, basis)) => {
                hit::serve(app, transaction, client, *hit, basis).await?;
                return Ok(Served::Response);
            }
            Err(Failure::NoReply { .. } | Failure::ReplyBroken { .. })
                if reused && transaction.entry.outcome.status == 0 =>
            {
                reuse = Reuse::Never;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Max-Forwards is used up: the proxy answers as the origin would (RFC 9110 §9.3.8, §9.3.7).
async fn end_of_the_line(
    app: &App,
    transaction: &mut Transaction,
    client: &mut Client,
) -> Result<(), Failure> {
    let request = transaction.request.clone();
    let mut fields = Fields::default();
    let body = if request.method == Method::TRACE {
        fields.push("Content-Type", "message/http");
        // §9.3.8: without what might be secret.
        let mut echoed = request.fields.clone();
        echoed.retain(|line| {
            let secret = ["authorization", "proxy-authorization", "cookie"];
            !secret.iter().any(|name| line.is(name))
        });
        let mut echo = format!("TRACE {} HTTP/{}\r\n", request.uri(), request.version).into_bytes();
        echoed.write(&mut echo);
        echo.extend_from_slice(b"\r\n");
        echo
    } else {
        fields.push(
            "Allow",
            "GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, CONNECT",
        );
        Vec::new()
    };
    let reply = Reply {
        status: StatusCode::OK,
        fields,
        body: body.into(),
    };
    client
        .responder
        .reply(app, transaction, reply, Hooks::Asked)
        .await
}
