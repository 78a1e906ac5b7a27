//! Connections of clients: accepted, read request by request, each request to where it belongs.

mod read;

use crate::admit::admit;
use crate::app::{App, OpenConnection};
use crate::client::Client;
use crate::error::Failure;
use crate::forward::{self, Served};
use crate::http::{Framing, Scheme};
use crate::manage;
use crate::purge;
use crate::respond::{self, About, Hooks};
use crate::transaction::{Entry, Transaction};
use crate::tunnel::{self, Tunnel};
use http::Method;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Where a connection stands after a request.
enum Next {
    /// The next request may come.
    Request,
    /// Nothing more is said.
    Close,
    /// The response broke off.
    Abort,
    /// It has become a tunnel.
    Tunnel(Box<Entry>, Box<tunnel::Server>),
}

/// How long accepting rests when it fails: most likely the process has no more files.
const REST: Duration = Duration::from_millis(100);

/// Accepts connections until the proxy stops.
pub async fn accept(app: Arc<App>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = app.draining() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Counted at once: a proxy that stops waits for it.
                let open = app.open_connection();
                tokio::spawn(connection(app.clone(), stream, open));
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                app.upstreams.close_idle();
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn connection(app: Arc<App>, stream: TcpStream, open: OpenConnection) {
    // One that is gone already has no address.
    let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else {
        return;
    };
    let lifetime = app.settings.client_lifetime;
    // Who has been here for so long goes, in the middle of whatever it is.
    let served = serve(&app, Client::new(stream, peer, local));
    if let Ok(Some(tunnel)) = timeout(lifetime, served).await {
        // A task of its own is a third of the size of this one.
        tokio::spawn(async move {
            let _ = timeout(lifetime, tunnel.run(&app)).await;
            drop(open);
        });
    }
}

/// Serves one request after another. What the connection has become, where that is a tunnel.
async fn serve(app: &Arc<App>, mut client: Client) -> Option<Tunnel> {
    let mut draining = pin!(app.draining());
    let mut wait = app.settings.request_start_timeout;
    loop {
        let begun = tokio::select! {
            biased;
            begun = client.reader.begins(wait) => begun,
            () = draining.as_mut() => break,
        };
        if !matches!(begun, Ok(true)) {
            break;
        }
        match request(app, &mut client).await {
            Next::Request if client.next().await => {}
            Next::Request | Next::Close => break,
            Next::Abort => {
                client.abort();
                return None;
            }
            Next::Tunnel(entry, server) => return Some(Tunnel::new(*entry, client, *server)),
        }
        wait = app.settings.client_idle_pconn_timeout;
    }
    client.close().await;
    None
}

/// One request, from its first octet to the last of its response.
async fn request(app: &Arc<App>, client: &mut Client) -> Next {
    let started = Instant::now();
    let before = client.responder.writer.sent();
    client.responder.next(false);
    let (request, body) = match read::request(app, client).await {
        Ok(read) => read,
        Err(unread) => {
            unread.refuse(app, client, started).await;
            // Nobody knows where it would end. What comes is read for a while, so that the client
            // gets to see the answer.
            client.reader.expect_body(Framing::UntilClose);
            return Next::Close;
        }
    };
    client.responder.next(read::wants_persistence(&request));
    let mut transaction = Transaction::new(app, request, started);
    let served = match dispatch(app, &mut transaction, client, body).await {
        Err(failure) => answer(app, &mut transaction, client, failure).await,
        served => served,
    };
    transaction.entry.outcome.sent = client.responder.writer.sent() - before;
    match served {
        Ok(None) => Next::Request,
        Ok(Some(server)) => {
            transaction.entry.judged();
            Next::Tunnel(Box::new(transaction.entry), Box::new(server))
        }
        Err(failure) => {
            transaction.entry.outcome.aborted = matches!(failure, Failure::ClientGone);
            Next::Abort
        }
    }
}

/// Policy first, then what the request is for. What it opens, if it is a tunnel.
async fn dispatch(
    app: &Arc<App>,
    transaction: &mut Transaction,
    client: &mut Client,
    body: Framing,
) -> Result<Option<tunnel::Server>, Failure> {
    admit(app, transaction).await?;
    let request = transaction.request.clone();
    if purge::is_purge(&request) {
        purge::serve(app, transaction, client).await?;
        return Ok(None);
    }
    if request.method == Method::CONNECT {
        let server = tunnel::open(app, transaction).await?;
        tunnel::accept(app, transaction, client).await?;
        return Ok(Some(server));
    }
    if request.target.scheme == Scheme::CacheObject {
        manage::serve(app, transaction, client).await?;
        return Ok(None);
    }
    if manage::is_ourselves(&app.settings, client.local, &request.target) {
        return Err(Failure::NoSuchPage(request.target.path_text()));
    }
    match forward::serve(app, transaction, client, body).await? {
        Served::Response => Ok(None),
        Served::Switched(upstream) => Ok(Some((*upstream).into())),
    }
}

/// A failure's page, unless the client is gone or has a part of another response.
async fn answer(
    app: &App,
    transaction: &mut Transaction,
    client: &mut Client,
    failure: Failure,
) -> Result<Option<tunnel::Server>, Failure> {
    let face = failure.face();
    transaction.entry.outcome.error = Some(face.proxy_status);
    if let Some(rule) = failure.rule() {
        transaction.entry.outcome.rule = Some(rule.clone());
    }
    if transaction.entry.outcome.code != crate::log::Code::RefreshFail {
        transaction.entry.outcome.code = face.code;
    }
    if let Failure::Connect {
        address: Some(address),
        ..
    } = &failure
    {
        transaction.entry.outcome.server = Some(*address);
    }
    if matches!(failure, Failure::ClientGone) || !client.responder.take_back() {
        return Err(failure);
    }
    // What has not been read of the request's body may never come: the client waits to be asked.
    if transaction.request.fields.has("expect") && !client.reader.is_done() {
        client.responder.persist = false;
    }
    if matches!(failure, Failure::Malformed(_) | Failure::RequestTimeout) {
        client.responder.persist = false;
    }
    // What a client sends before its tunnel stands is no request. One that is asked who it is will
    // wait for the answer.
    if transaction.request.method == Method::CONNECT
        && !matches!(failure, Failure::Unauthenticated { .. })
    {
        client.responder.persist = false;
    }
    let page = |failure: &Failure, request: &crate::transaction::Request| {
        let accept = request.fields.joined("accept");
        let about = About {
            line: &format!("{} {}", request.method, request.uri()),
            id: Some(request.id),
            accept: accept.as_deref(),
        };
        respond::page(failure, &app.settings, about, SystemTime::now())
    };
    let request = transaction.request.clone();
    let reply = page(&failure, &request);
    let responder = &mut client.responder;
    match responder.reply(app, transaction, reply, Hooks::Asked).await {
        Ok(()) => Ok(None),
        // A plugin fails on the page too: then it goes out as it is.
        Err(Failure::Plugin(failed)) => {
            let reply = page(&Failure::Plugin(failed), &request);
            responder
                .reply(app, transaction, reply, Hooks::Left)
                .await?;
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}
