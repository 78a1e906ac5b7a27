//! A request, read and understood; or what to say where it cannot be.

use crate::app::App;
use crate::client::Client;
use crate::error::Failure;
use crate::http::{
    Authority, Form, Framing, Host, Malformed, ReadError, RequestHead, Scheme, Target, Version,
    request_framing,
};
use crate::log::Record;
use crate::manage;
use crate::respond::{self, About};
use crate::transaction::{Outcome, Request};
use bytes::Bytes;
use http::Method;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

/// A request that cannot be understood: no plugin is asked about it, and the connection ends.
pub(super) struct Unread {
    failure: Failure,
    /// As far as they are known.
    method: String,
    target: String,
}

/// Reads a request, up to its body.
pub(super) async fn request(app: &App, client: &mut Client) -> Result<(Request, Framing), Unread> {
    let settings = &app.settings;
    let limit = settings.request_timeout;
    let section = client
        .reader
        .section(settings.request_header_max_size, limit);
    // The limit is for all of it: a piece now and then keeps no connection open.
    let section = tokio::time::timeout(limit, section).await;
    let section = section
        .unwrap_or(Err(ReadError::Timeout))
        .map_err(|error| Unread::nothing(error.into()))?;
    let received = SystemTime::now();
    let head =
        RequestHead::parse(&section).map_err(|error| Unread::section(&section, error.into()))?;
    let understood = understand(app, client, &head);
    let (target, body) = understood.map_err(|failure| Unread::section(&section, failure))?;
    client.reader.expect_body(body);
    Ok((Request::new(head, target, client.peer, received), body))
}

fn understand(
    app: &App,
    client: &Client,
    head: &RequestHead,
) -> Result<(Target, Framing), Failure> {
    let body = request_framing(head)?;
    // Before Host, which says the same: what is wrong with a target is said of the target.
    let form = Target::parse(&head.method, &head.target).map_err(|error| Failure::Target {
        target: printable(&head.target),
        error,
    })?;
    host_field(head)?;
    if let Some(expectation) = head.fields.joined("expect")
        && head.version == Version::Http11
        && !expectation.eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Failure::Expectation(printable(&expectation)));
    }
    let target = match form {
        Form::Proxy(target) => manage::target(&app.settings, client.local, target),
        Form::Own(path) => own_target(client.local, &path)?,
    };
    // What follows CONNECT is for the server (RFC 9110 §9.3.6). One that declares a body could be
    // read in two ways.
    if head.method == Method::CONNECT && !matches!(body, Framing::None | Framing::Length(0)) {
        return Err(Malformed::Framing("CONNECT has no body").into());
    }
    Ok((target, body))
}

/// RFC 9112 §3.2: one Host, and a good one, although the target says where the request goes. Old
/// clients leave it out of CONNECT, and squid's of what they ask its manager.
fn host_field(head: &RequestHead) -> Result<(), Malformed> {
    let optional = head.version == Version::Http10
        || head.method == Method::CONNECT
        || head.target.starts_with(b"cache_object:");
    let mut lines = head.fields.all("host");
    match (lines.next(), lines.next()) {
        (None, _) if optional => Ok(()),
        (Some(host), None) if host.is_empty() || Authority::parse(host).is_ok() => Ok(()),
        _ => Err(Malformed::Host),
    }
}

/// Origin-form: of the proxy itself, which has the manager's pages and no others.
fn own_target(local: SocketAddr, path: &Bytes) -> Result<Target, Failure> {
    let Some(path) = manage::page(path) else {
        return Err(Failure::NoSuchPage(printable(path)));
    };
    Ok(Target {
        scheme: Scheme::CacheObject,
        host: Host::Address(local.ip()),
        port: local.port(),
        path,
        user_information: None,
    })
}

/// Whether the client wants to send another request on its connection.
pub(super) fn wants_persistence(request: &Request) -> bool {
    // RFC 9112 §9.3: a proxy does not keep HTTP/1.0 connections.
    let fields = &request.fields;
    request.version == Version::Http11
        && !fields.has_element("connection", "close")
        && !fields.has_element("proxy-connection", "close")
}

/// What clients sent, for pages and logs.
fn printable(text: &[u8]) -> String {
    let text = &text[..text.len().min(200)];
    text.escape_ascii().to_string()
}

// === impl Unread ===

impl Unread {
    fn nothing(failure: Failure) -> Unread {
        Unread {
            failure,
            method: "-".into(),
            target: "error:invalid-request".into(),
        }
    }

    fn section(section: &[u8], failure: Failure) -> Unread {
        let line = section
            .split(|&octet| octet == b'\r' || octet == b'\n')
            .next();
        let mut words = line.unwrap_or_default().split(|&octet| octet == b' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next());
        match target {
            Some(target) if crate::http::is_token(method) => Unread {
                failure,
                method: String::from_utf8_lossy(method).into_owned(),
                target: String::from_utf8_lossy(target).into_owned(),
            },
            _ => Unread::nothing(failure),
        }
    }

    /// Says so to the client, and to the log.
    pub(super) async fn refuse(self, app: &App, client: &mut Client, started: Instant) {
        let face = self.failure.face();
        let mut outcome = Outcome {
            code: face.code,
            error: Some(face.proxy_status),
            ..Outcome::default()
        };
        let before = client.responder.writer.sent();
        let received = SystemTime::now();
        let mut uri = self.target.as_str();
        if matches!(self.failure, Failure::ClientGone) {
            uri = "error:transaction-end-before-headers";
        } else {
            let about = About {
                line: &format!("{} {}", self.method, self.target),
                ..About::default()
            };
            let reply = respond::page(&self.failure, &app.settings, about, received);
            outcome.status = reply.status.as_u16();
            outcome.content_type = reply.fields.get("content-type").cloned();
            outcome.aborted = client.responder.refuse(app, reply).await.is_err();
        }
        outcome.sent = client.responder.writer.sent() - before;
        app.record(&Record {
            request: None,
            received,
            elapsed: started.elapsed(),
            client: client.peer.ip(),
            method: &self.method,
            uri,
            version: None,
            fields: None,
            generation: 0,
            outcome: &outcome,
        });
    }
}
