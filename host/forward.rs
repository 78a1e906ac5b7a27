//! The life of a plain request, once it has been admitted: cache, origin, cache, client.

mod challenges;
mod ended;
mod exchange;
mod fields;
mod hit;
mod relay;
mod watched;

use crate::app::App;
use crate::cache::{Asked, Forward, Lead, Lookup, Role, Stored, Trouble, Waited};
use crate::client::Client;
use crate::error::Failure;
use crate::http::{Fields, Framing, Scheme};
use crate::log::Code;
use crate::plugin::{Failed, Hook};
use crate::respond::{Hooks, Reply};
use crate::transaction::Transaction;
use crate::upstream::{Reuse, Upstream};
use exchange::{Exchange, Outcome};
use hit::Basis;
use http::{Method, StatusCode};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::time::timeout;
use watched::Upload;

/// How the client was served.
#[derive(Debug)]
pub enum Served {
    /// With a response.
    Response,
    /// With a switch of protocols: what follows is between client and origin.
    Switched(Box<Upstream>),
}

/// Why, and for whom, the origin is asked.
#[derive(Debug)]
struct Errand<'a> {
    asked: &'a Asked,
    why: Forward,
    /// What it is asked about, where that is stored.
    stored: Option<Arc<Stored>>,
    /// Where others wait for what comes of it.
    lead: Option<Lead>,
}

/// How often a request waits for others before it goes to the origin whatever they do.
const WAITS: usize = 4;

/// Serves an admitted request.
pub async fn serve(
    app: &Arc<App>,
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
    let asked = app.cache.ask(&request, &transaction.generation);
    let mut waits = 0;
    loop {
        let lookup = app.cache.lookup(&asked, SystemTime::now()).await;
        if let Lookup::WhileRevalidating(hit) = &lookup {
            revalidate_meanwhile(app, transaction, &asked, hit.stored.clone());
        }
        let (why, stored) = match lookup {
            Lookup::Fresh(hit) | Lookup::WhileRevalidating(hit) => {
                match hit::serve(app, transaction, client, hit, Basis::Fresh).await? {
                    hit::Done::Served => return Ok(Served::Response),
                    hit::Done::Damaged => (Forward::Damaged, None),
                }
            }
            Lookup::OnlyIfCached => return Err(Failure::OnlyIfCached),
            Lookup::Stale(stored) => (Forward::Stale, Some(stored)),
            Lookup::Miss(why) => (why, None),
        };
        let role = match waits {
            WAITS => None,
            _ => app.cache.join(&asked, stored.is_some()),
        };
        waits += 1;
        let lead = match role {
            None => None,
            // Between the look and the lead, another one may have landed.
            Some(Role::Leader(_))
                if matches!(why, Forward::UriMiss | Forward::Stale)
                    && app.cache.has_come(&asked, stored.as_ref()) =>
            {
                continue;
            }
            Some(Role::Leader(lead)) => Some(lead),
            Some(Role::Follower(follower)) => {
                let waited = tokio::select! {
                    waited = app.cache.wait(follower, &asked) => waited,
                    () = client.reader.gone(), if !app.settings.half_closed_clients => {
                        return Err(Failure::ClientGone);
                    }
                };
                match waited {
                    Waited::Serve(hit) => {
                        let basis = Basis::Collapsed(why);
                        match hit::serve(app, transaction, client, hit, basis).await? {
                            hit::Done::Served => return Ok(Served::Response),
                            hit::Done::Damaged => None,
                        }
                    }
                    Waited::Again => continue,
                    Waited::Alone => None,
                }
            }
        };
        let errand = Errand {
            asked: &asked,
            why,
            stored,
            lead,
        };
        return ask_origin(app, transaction, client, body, errand).await;
    }
}

/// Asks the origin; where it is asked whether a stored response still holds and cannot say, that
/// is served as it is, unless somebody has forbidden that.
async fn ask_origin(
    app: &Arc<App>,
    transaction: &mut Transaction,
    client: &mut Client,
    body: Framing,
    errand: Errand<'_>,
) -> Result<Served, Failure> {
    let fetched = fetch(app, transaction, client, body, &errand).await;
    let failure = match fetched {
        Ok(served) => return Ok(served),
        Err(failure) => failure,
    };
    // Where it is this client's alone, somebody else has to lead; no other would fare better.
    if let Some(lead) = &errand.lead
        && !is_one_clients(&failure)
    {
        lead.alone();
    }
    let Some(stored) = errand
        .stored
        .as_ref()
        .filter(|_| failure.is_servers() && transaction.entry.outcome.status == 0)
    else {
        return Err(failure);
    };
    let (trouble, now) = (Trouble::Disconnected, SystemTime::now());
    match app.cache.instead(errand.asked, stored, trouble, now) {
        Some(hit) => {
            tracing::debug!(
                "{}: {failure}: the stale response is served",
                transaction.request.uri()
            );
            match hit::serve(app, transaction, client, hit, Basis::OriginFailed).await? {
                hit::Done::Served => Ok(Served::Response),
                hit::Done::Damaged => Err(failure),
            }
        }
        None => Err(failure),
    }
}

/// Whether others who want the same may fare better: each has its own look at what comes.
fn is_one_clients(failure: &Failure) -> bool {
    let hook = Hook::ResponseBody;
    match failure {
        Failure::ClientGone | Failure::Denied(_) => true,
        Failure::Plugin(Failed { hook: failed, .. }) => *failed == hook,
        _ => false,
    }
}

/// Asks the origin whether a stored response still holds, while a client is served that
/// (stale-while-revalidate, RFC 5861 §3). Once, however many clients are.
fn revalidate_meanwhile(
    app: &Arc<App>,
    transaction: &Transaction,
    asked: &Asked,
    stored: Arc<Stored>,
) {
    let Some(Role::Leader(lead)) = app.cache.join(asked, true) else {
        return;
    };
    if app.cache.has_come(asked, Some(&stored)) {
        return;
    }
    let transaction = transaction.in_background();
    tokio::spawn(revalidate(
        app.clone(),
        transaction,
        asked.clone(),
        stored,
        lead,
    ));
}

/// Asks the origin whether a stored response still holds, for nobody but the cache. There is no client
/// who could give up: it has as long as one may stay.
async fn revalidate(
    app: Arc<App>,
    mut transaction: Transaction,
    asked: Asked,
    stored: Arc<Stored>,
    lead: Lead,
) {
    let errand = Errand {
        asked: &asked,
        why: Forward::Stale,
        stored: Some(stored),
        lead: Some(lead),
    };
    let mut nobody = Client::nobody(transaction.request.client);
    let body = Framing::None;
    let fetch = fetch(&app, &mut transaction, &mut nobody, body, &errand);
    let fetched = timeout(app.settings.client_lifetime, fetch).await;
    let outcome = &mut transaction.entry.outcome;
    outcome.code = Code::Async;
    if let Ok(Err(failure)) = fetched {
        outcome.error = Some(failure.face().proxy_status);
    }
}

/// Asks the origin. A request that may be sent twice is sent on a kept connection first, and again
/// on a new one where the server has closed that meanwhile (RFC 9110 §9.2.2).
async fn fetch(
    app: &Arc<App>,
    transaction: &mut Transaction,
    client: &mut Client,
    body: Framing,
    errand: &Errand<'_>,
) -> Result<Served, Failure> {
    let request = transaction.request.clone();
    let mut outgoing = fields::outgoing(app, &request);
    if let Some(stored) = &errand.stored {
        crate::cache::make_conditional(&mut outgoing, &stored.fields);
    }
    let limit = app.settings.request_header_max_size;
    transaction
        .generation
        .on_request(&request, &mut outgoing, limit)?;
    let mut upload = Upload::begin(transaction, body, &mut outgoing)?;
    if let Some(upload) = &mut upload {
        Box::pin(upload.hold(app, &request, client, &mut outgoing)).await?;
    }

    let generation = Arc::clone(&transaction.generation);
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
            generation: &generation,
            request: &request,
            fields: &outgoing,
            body,
            errand,
        };
        let upload = upload.as_mut();
        match exchange.run(transaction, client, upstream, upload).await {
            Ok(Outcome::Served) => return Ok(Served::Response),
            Ok(Outcome::Switched(upstream)) => return Ok(Served::Switched(upstream)),
            Ok(Outcome::Mistaken) => {
                return fetch_anew(app, transaction, client, body, errand, errand.why).await;
            }
            Ok(Outcome::Stored(hit, basis)) => {
                if client.is_nobody() {
                    return Ok(Served::Response);
                }
                return match hit::serve(app, transaction, client, *hit, basis).await? {
                    hit::Done::Served => Ok(Served::Response),
                    hit::Done::Damaged => {
                        let why = Forward::Damaged;
                        fetch_anew(app, transaction, client, body, errand, why).await
                    }
                };
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

/// Asks the origin without asking about what is stored.
async fn fetch_anew(
    app: &Arc<App>,
    transaction: &mut Transaction,
    client: &mut Client,
    body: Framing,
    errand: &Errand<'_>,
    why: Forward,
) -> Result<Served, Failure> {
    let errand = Errand {
        asked: errand.asked,
        why,
        stored: None,
        lead: errand.lead.clone(),
    };
    Box::pin(fetch(app, transaction, client, body, &errand)).await
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
