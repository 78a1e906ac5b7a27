//! Bodies that hooks look into: uploads before they go to the origin, and what goes to the client.

use super::exchange::Exchange;
use super::fields::expects_continue;
use crate::app::App;
use crate::cache::Octets;
use crate::client::Client;
use crate::error::Failure;
use crate::generation::Watched;
use crate::http::{BodyLength, Fields, Framing, Reader, Writer, is_bodiless};
use crate::plugin::Of;
use crate::respond::{Head, Hooks, Responder, status_line};
use crate::transaction::{Request, Transaction};
use bytes::Bytes;
use http::{Method, StatusCode};
use std::borrow::Cow;

/// A request's body.
#[derive(Debug)]
pub(super) struct Upload {
    body: Shown,
    /// As the client sends it.
    framing: Framing,
    /// What was held back and goes first.
    first: Vec<u8>,
}

/// A response on its way to the client.
pub(super) struct Delivery<'a> {
    app: &'a App,
    transaction: &'a mut Transaction,
    responder: &'a mut Responder,
    body: Shown,
    /// Until it is begun.
    head: Option<Head>,
}

/// A body, and how much of it has been shown.
#[derive(Debug)]
struct Shown {
    watched: Watched,
    /// Octets that are still to come, where that is known.
    left: Option<u64>,
    /// Whether the last have been shown.
    ended: bool,
}

// === impl Upload ===

impl Upload {
    /// Asks the hooks about a request's body. None where there is none, or no hook wants anything of
    /// it.
    ///
    /// # Errors
    /// One failed, and its failure policy is closed.
    pub(super) fn begin(
        transaction: &Transaction,
        framing: Framing,
        outgoing: &mut Fields,
    ) -> Result<Option<Upload>, Failure> {
        let left = match framing {
            Framing::None | Framing::Length(0) => return Ok(None),
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::UntilClose => None,
        };
        let request = &transaction.request;
        let watched = transaction
            .generation
            .watch(Of::Request, request, outgoing)?;
        let Some(watched) = watched else {
            return Ok(None);
        };
        if watched.changes() {
            without_digests(outgoing);
        }
        Ok(Some(Upload {
            body: Shown::new(watched, left),
            framing,
            first: Vec::new(),
        }))
    }

    /// Waits until the request may go to the origin.
    ///
    /// # Errors
    /// It may not, or the client is gone.
    pub(super) async fn hold(
        &mut self,
        app: &App,
        request: &Request,
        client: &mut Client,
        outgoing: &mut Fields,
    ) -> Result<(), Failure> {
        if !self.body.watched.holds() {
            return Ok(());
        }
        // Who waits for 100 waits for the origin, which is not asked before it is decided.
        if expects_continue(request) {
            outgoing.remove("expect");
            ask_for_body(app, client).await?;
        }
        loop {
            let data = client.reader.chunk(app.settings.read_timeout).await?;
            if let Some(octets) = self.body.show(data)? {
                self.first = octets.into_owned();
                return Ok(());
            }
        }
    }

    /// How the origin knows where the body ends.
    pub(super) fn length(&self) -> BodyLength {
        match self.framing {
            Framing::Length(length) if !self.body.watched.changes() => BodyLength::Known(length),
            Framing::Length(_) if self.body.ended => BodyLength::Known(self.first.len() as u64),
            _ => BodyLength::Chunked,
        }
    }

    /// Sends it. Whether all of it could be sent.
    ///
    /// # Errors
    /// It is not to go on, or the client does not send it.
    pub(super) async fn send(
        &mut self,
        exchange: &Exchange<'_>,
        from_client: &mut Reader,
        to_origin: &mut Writer,
    ) -> Result<bool, Failure> {
        let settings = &exchange.app.settings;
        let limit = settings.write_timeout;
        let first = std::mem::take(&mut self.first);
        if to_origin.data(&first, limit).await.is_err() {
            return Ok(false);
        }
        drop(first);
        while !self.body.ended {
            if !from_client.is_ready() && to_origin.flush(limit).await.is_err() {
                return Ok(false);
            }
            let data = from_client.chunk(settings.read_timeout).await?;
            let octets = self.body.show(data)?.unwrap_or_default();
            if to_origin.data(&octets, limit).await.is_err() {
                return Ok(false);
            }
        }
        // What was shown last has been used: nothing more comes.
        from_client.chunk(settings.read_timeout).await?;
        let mut trailers = exchange.trailers(Of::Request, from_client.take_trailers())?;
        if self.body.watched.changes() {
            without_digests(&mut trailers);
        }
        to_origin.end(&trailers);
        Ok(to_origin.flush(limit).await.is_ok())
    }
}

/// 100: the client may send its body.
async fn ask_for_body(app: &App, client: &mut Client) -> Result<(), Failure> {
    let writer = &mut client.responder.writer;
    status_line(writer, StatusCode::CONTINUE, b"");
    writer.begin_body(BodyLength::None);
    let flushed = writer.flush(app.settings.write_timeout).await;
    flushed.map_err(|_| Failure::ClientGone)
}

/// Asks the hooks about a response's body. None where there is none, nobody gets it, or no hook
/// wants anything of it.
///
/// # Errors
/// One failed, and its failure policy is closed.
pub(super) fn watch(
    transaction: &Transaction,
    responder: &Responder,
    status: StatusCode,
    length: Option<u64>,
    fields: &mut Fields,
) -> Result<Option<Watched>, Failure> {
    let request = &transaction.request;
    let bodiless = request.method == Method::HEAD || is_bodiless(status);
    if length == Some(0) || bodiless || responder.writer.is_nobody() {
        return Ok(None);
    }
    let of = Of::Response(status.as_u16());
    transaction.generation.watch(of, request, fields)
}

// === impl Delivery ===

impl<'a> Delivery<'a> {
    /// Begins the response, unless its header section is to wait.
    ///
    /// # Errors
    /// A plugin failed.
    pub(super) fn begin(
        app: &'a App,
        transaction: &'a mut Transaction,
        responder: &'a mut Responder,
        mut head: Head,
        watched: Watched,
    ) -> Result<Self, Failure> {
        let holds = watched.holds();
        let body = Shown::new(watched, head.length);
        if body.watched.changes() {
            head.length = None;
            is_changed(&mut head.fields);
        }
        let mut delivery = Delivery {
            app,
            transaction,
            responder,
            body,
            head: Some(head),
        };
        if !holds {
            delivery.begin_now()?;
        }
        Ok(delivery)
    }

    fn begin_now(&mut self) -> Result<(), Failure> {
        match self.head.take() {
            None => Ok(()),
            Some(head) => self
                .responder
                .begin(self.app, self.transaction, head, Hooks::Asked),
        }
    }

    /// The next octets of the body, or its end; written as far as they go on.
    pub(super) async fn data(&mut self, data: Option<&[u8]>) -> Result<(), Failure> {
        if self.body.ended {
            return Ok(());
        }
        let Some(octets) = self.body.show(data)? else {
            return Ok(());
        };
        // Trailers have no place behind a known length.
        if let Some(head) = &mut self.head
            && self.body.ended
            && !head.fields.has("trailer")
        {
            head.length = Some(octets.len() as u64);
        }
        self.begin_now()?;
        let limit = self.app.settings.write_timeout;
        let written = self.responder.writer.data(&octets, limit).await;
        written.map_err(|_| Failure::ClientGone)
    }

    /// Writes what is queued: nothing more comes at once.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        let limit = self.app.settings.write_timeout;
        let flushed = self.responder.writer.flush(limit).await;
        flushed.map_err(|_| Failure::ClientGone)
    }

    /// All of a body that is there, or is coming from elsewhere.
    pub(super) async fn octets(&mut self, mut octets: Octets) -> Result<(), Failure> {
        loop {
            if !octets.is_ready() {
                self.flush().await?;
            }
            let next: Option<Bytes> = octets.next().await.map_err(|_| Failure::BodyBroken)?;
            self.data(next.as_deref()).await?;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Queues the end.
    pub(super) fn end(self, mut trailers: Fields) {
        if self.body.watched.changes() {
            without_digests(&mut trailers);
        }
        self.responder.writer.end(&trailers);
    }
}

// === impl Shown ===

impl Shown {
    fn new(watched: Watched, left: Option<u64>) -> Shown {
        Shown {
            watched,
            left,
            ended: false,
        }
    }

    /// The next octets, or the end. What goes on; none while the header section waits.
    ///
    /// The last octets are known by the length where there is one: before the hooks have seen the
    /// end, nobody gets so many that his message is whole.
    fn show<'d>(&mut self, data: Option<&'d [u8]>) -> Result<Option<Cow<'d, [u8]>>, Failure> {
        let octets = data.unwrap_or_default();
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(octets.len() as u64);
        }
        self.ended = data.is_none() || self.left == Some(0);
        self.watched.show(octets, self.ended)
    }
}

/// A response whose octets may become others (RFC 9110 §7.7, §8.8.1, §14.3): what vouches for these
/// is off, and nobody is to put parts of it together.
fn is_changed(fields: &mut Fields) {
    without_digests(fields);
    if let Some(etag) = fields.get("etag")
        && !etag.starts_with(b"W/")
    {
        let weak = [b"W/", &etag[..]].concat();
        fields.set("ETag", weak);
    }
    if fields.has("accept-ranges") {
        fields.set("Accept-Ranges", "none");
    }
}

/// What is about the octets themselves (RFC 9530; RFC 3230; RFC 1864).
fn without_digests(fields: &mut Fields) {
    for name in ["content-md5", "digest", "content-digest", "repr-digest"] {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_vouches_for_octets_that_may_become_others() {
        let mut fields = Fields::default();
        for (name, value) in [
            ("ETag", "\"a\""),
            ("Content-MD5", "x"),
            ("Digest", "x"),
            ("CONTENT-DIGEST", "x"),
            ("Repr-Digest", "x"),
            ("accept-ranges", "bytes"),
            ("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            fields.push(name, value);
        }
        // Once more changes nothing more.
        for _ in 0..2 {
            is_changed(&mut fields);
            assert_eq!(
                fields.get("etag").map(|etag| &etag[..]),
                Some(&b"W/\"a\""[..])
            );
            let ranges = fields.get("accept-ranges").map(|ranges| &ranges[..]);
            assert_eq!(ranges, Some(&b"none"[..]));
            assert_eq!(fields.len(), 3);
        }
    }
}
