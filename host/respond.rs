//! Responses to the client: the fields that every one gets, and how it knows where each ends.

mod page;

pub use page::{About, page};

use crate::app::App;
use crate::error::Failure;
use crate::http::{BodyLength, Fields, Version, WriteError, Writer, date, is_bodiless};
use crate::transaction::Transaction;
use bytes::Bytes;
use http::{Method, StatusCode};
use std::time::SystemTime;

/// A response's first part, on its way to the client.
#[derive(Debug)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// The origin's words for it; the usual ones if empty.
    pub reason: Bytes,
    /// End-to-end fields, without Content-Length.
    pub fields: Fields,
    /// Octets of the body, where they are known.
    pub length: Option<u64>,
    /// The version that it was received in, for Via.
    pub version: Version,
}

/// A response that the proxy itself has made, or has in one piece.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// End-to-end fields, without Content-Length.
    pub fields: Fields,
    /// All of its body.
    pub body: Bytes,
}

/// Whether the response hooks see a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hooks {
    /// As every response.
    Asked,
    /// They have failed already.
    Left,
}

/// The way to the client.
#[derive(Debug)]
pub struct Responder {
    /// Its connection.
    pub writer: Writer,
    /// Whether another request may follow the one in hand.
    pub persist: bool,
    /// What had been sent when the response in hand was begun.
    begun: Option<u64>,
}

// === impl Reply ===

impl Reply {
    /// 200 with a text of the proxy's own, which says how things are now.
    pub fn text(text: String) -> Reply {
        let mut fields = Fields::default();
        fields.push("Content-Type", "text/plain; charset=utf-8");
        fields.push("Cache-Control", "no-store");
        Reply {
            status: StatusCode::OK,
            fields,
            body: text.into(),
        }
    }
}

// === impl Responder ===

impl Responder {
    /// Writes there.
    pub fn new(writer: Writer) -> Self {
        Responder {
            writer,
            persist: false,
            begun: None,
        }
    }

    /// Another request is in hand; whether one may follow it.
    pub fn next(&mut self, persist: bool) {
        self.persist = persist;
        self.begun = None;
    }

    /// Takes a response back that was begun. `false` where the client has some of it already.
    pub fn take_back(&mut self) -> bool {
        let unsent = self.begun.is_none_or(|begun| begun == self.writer.sent());
        if unsent {
            self.writer.discard();
            self.begun = None;
        }
        unsent
    }

    /// Queues a response's header section: after this, the body is written and the writer flushed.
    ///
    /// # Errors
    /// A plugin failed; nothing has been queued.
    pub fn begin(
        &mut self,
        app: &App,
        transaction: &mut Transaction,
        mut head: Head,
        hooks: Hooks,
    ) -> Result<(), Failure> {
        common_fields(app, &mut head);
        let Head {
            status,
            reason,
            mut fields,
            length,
            ..
        } = head;
        let request = transaction.request.clone();
        if hooks == Hooks::Asked {
            let limit = app.settings.reply_header_max_size;
            let generation = &transaction.generation;
            generation.on_response(&request, status.as_u16(), &mut fields, limit)?;
        }
        transaction.entry.outcome.status = status.as_u16();
        transaction.entry.outcome.content_type = fields.get("content-type").cloned();

        let bodiless = request.method == Method::HEAD || is_bodiless(status);
        let body = match length {
            // What the body would have: HEAD and 304 say so, 1xx and 204 must not (RFC 9110 §8.6).
            Some(length) if bodiless => {
                if request.method == Method::HEAD || status == StatusCode::NOT_MODIFIED {
                    fields.push("Content-Length", length.to_string());
                }
                BodyLength::None
            }
            None if bodiless => BodyLength::None,
            Some(length) => BodyLength::Known(length),
            None if request.version == Version::Http11 => BodyLength::Chunked,
            None => BodyLength::UntilClose,
        };
        self.queue(app, status, &reason, &fields, body);
        Ok(())
    }

    /// Sends a response that is all there.
    pub async fn reply(
        &mut self,
        app: &App,
        transaction: &mut Transaction,
        reply: Reply,
        hooks: Hooks,
    ) -> Result<(), Failure> {
        let body = reply.body.clone();
        self.begin(app, transaction, reply.into(), hooks)?;
        let body = match transaction.request.method {
            Method::HEAD => Bytes::new(),
            _ => body,
        };
        self.finish(app, &body)
            .await
            .map_err(|_| Failure::ClientGone)
    }

    /// Sends a response to what could not be understood as a request: no plugin sees it.
    pub async fn refuse(&mut self, app: &App, reply: Reply) -> Result<(), WriteError> {
        let body = reply.body.clone();
        let mut head = Head::from(reply);
        common_fields(app, &mut head);
        let length = BodyLength::Known(body.len() as u64);
        self.queue(app, head.status, &head.reason, &head.fields, length);
        self.finish(app, &body).await
    }

    fn queue(
        &mut self,
        app: &App,
        status: StatusCode,
        reason: &[u8],
        fields: &Fields,
        body: BodyLength,
    ) {
        if body == BodyLength::UntilClose || app.is_draining() {
            self.persist = false;
        }
        self.begun = Some(self.writer.sent());
        status_line(&mut self.writer, status, reason);
        self.writer.push_fields(fields);
        if !self.persist {
            self.writer.push(b"Connection: close\r\n");
        }
        self.writer.begin_body(body);
    }

    async fn finish(&mut self, app: &App, body: &[u8]) -> Result<(), WriteError> {
        let limit = app.settings.write_timeout;
        self.writer.data(body, limit).await?;
        self.writer.end(&Fields::default());
        self.writer.flush(limit).await
    }
}

/// What every response has: a date, and the proxy in its Via.
fn common_fields(app: &App, head: &mut Head) {
    if !head.fields.has("date") {
        head.fields.push("Date", date(SystemTime::now()));
    }
    if app.settings.via {
        let via = app.names.via(&head.fields, head.version);
        head.fields.set("Via", via);
    }
}

impl From<Reply> for Head {
    fn from(reply: Reply) -> Head {
        Head {
            status: reply.status,
            reason: Bytes::new(),
            length: Some(reply.body.len() as u64),
            fields: reply.fields,
            version: Version::Http11,
        }
    }
}

/// `HTTP/1.1 200 OK`
pub fn status_line(writer: &mut Writer, status: StatusCode, reason: &[u8]) {
    let usual = || status.canonical_reason().unwrap_or_default().as_bytes();
    let reason = if reason.is_empty() { usual() } else { reason };
    for part in [
        b"HTTP/1.1 ",
        status.as_str().as_bytes(),
        b" ",
        reason,
        b"\r\n",
    ] {
        writer.push(part);
    }
}
