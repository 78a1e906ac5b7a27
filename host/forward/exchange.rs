//! One request to an origin and its response, streamed both ways at once.

use super::Errand;
use super::challenges::{remove_connection_challenges, vouches_for_connection};
use super::ended::Ended;
use super::fields::{add_cache_status, end_to_end, safe_trailers, upgrade};
use super::hit::Basis;
use super::relay::write_body;
use super::watched::{self, Delivery, Upload};
use crate::app::App;
use crate::cache::{Forward, Hit, Recording, Response, Trouble};
use crate::client::Client;
use crate::error::{Failure, reading_reply};
use crate::generation::Generation;
use crate::http::{
    BodyLength, Fields, Framing, Malformed, Reader, ResponseHead, Version, Writer, declared_length,
    keeps_connection, response_framing,
};
use crate::log::Code;
use crate::plugin::Of;
use crate::respond::{Head, Hooks, Responder, status_line};
use crate::transaction::{Request, Transaction};
use crate::upstream::Upstream;
use http::StatusCode;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::SystemTime;

/// One attempt at one origin.
pub(super) struct Exchange<'a> {
    pub(super) app: &'a Arc<App>,
    /// Whose hooks are asked.
    pub(super) generation: &'a Generation,
    /// As the client has sent it.
    pub(super) request: &'a Arc<Request>,
    /// End-to-end fields, as the request-headers hook left them.
    pub(super) fields: &'a Fields,
    pub(super) body: Framing,
    pub(super) errand: &'a Errand<'a>,
}

/// What has come of it.
pub(super) enum Outcome {
    /// The client has its response.
    Served,
    /// Client and origin have switched protocols.
    Switched(Box<Upstream>),
    /// The stored response still holds, or stands in: serve that.
    Stored(Box<Hit>, Basis),
    /// The origin says of another response than the stored one that it still holds: ask again
    /// without conditions.
    Mistaken,
}

/// More interim responses than any server sends.
const MAX_INTERIM: usize = 100;

// === impl Exchange ===

impl Exchange<'_> {
    /// Sends the request and its body, and, while that goes on, reads the response and writes it
    /// to the client.
    pub(super) async fn run(
        &self,
        transaction: &mut Transaction,
        client: &mut Client,
        mut upstream: Upstream,
        watched: Option<&mut Upload>,
    ) -> Result<Outcome, Failure> {
        let request = transaction.request.clone();
        let target = &request.target;
        let switch_to = upgrade(self.app, &request);
        self.queue_head(&request, switch_to.as_deref(), &mut upstream.writer);
        let length = self.length(watched.as_deref());
        upstream.writer.begin_body(length);
        // Of one that hooks look into, some may have been read.
        if watched.is_none() {
            client.reader.expect_body(self.body);
        }

        let request_time = SystemTime::now();
        let sent = AtomicBool::new(false);
        let ended = {
            let Client {
                reader, responder, ..
            } = client;
            let from_origin = &mut upstream.reader;
            let mut upload = pin!(self.upload(reader, &mut upstream.writer, watched, &sent));
            let head = self.read_head(from_origin, responder);
            let head = alongside(upload.as_mut(), head).await?;
            match head.status {
                StatusCode::SWITCHING_PROTOCOLS if switch_to.is_some() && sent.load(Relaxed) => {
                    Ended::Switching(head)
                }
                StatusCode::SWITCHING_PROTOCOLS => {
                    let error = Malformed::Framing("it switches protocols unasked or too early");
                    return Err(reading_reply(target, error.into()));
                }
                StatusCode::NOT_MODIFIED if self.errand.stored.is_some() => {
                    Ended::NotModified(head)
                }
                status => match self.instead(status) {
                    Some(hit) => Ended::Instead(hit),
                    None => {
                        // A client that waits to be asked for its body may never send it.
                        if !sent.load(Relaxed) && request.fields.has("expect") {
                            responder.persist = false;
                        }
                        let mut recording = None;
                        let relay = self.relay(
                            transaction,
                            from_origin,
                            responder,
                            head,
                            request_time,
                            &mut recording,
                        );
                        let relayed = alongside(upload, relay).await;
                        Ended::of(relayed, recording)?
                    }
                },
            }
        };
        let sent = sent.load(Relaxed);
        self.end(ended, transaction, client, upstream, request_time, sent)
            .await
    }

    /// How long the body is that is sent.
    fn length(&self, watched: Option<&Upload>) -> BodyLength {
        match (watched, self.body) {
            (Some(upload), _) => upload.length(),
            (None, Framing::None | Framing::UntilClose) => BodyLength::None,
            (None, Framing::Length(length)) => BodyLength::Known(length),
            (None, Framing::Chunked) => BodyLength::Chunked,
        }
    }

    fn queue_head(&self, request: &Request, switch_to: Option<&str>, to_origin: &mut Writer) {
        let target = &request.target.path;
        for part in [
            request.method.as_str().as_bytes(),
            b" ",
            target,
            b" HTTP/1.1\r\n",
        ] {
            to_origin.push(part);
        }
        to_origin.push_fields(self.fields);
        if let Some(protocol) = switch_to {
            to_origin.push(format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n").as_bytes());
        } else if request.fields.has_element("te", "trailers") {
            to_origin.push(b"Connection: TE\r\nTE: trailers\r\n");
        }
    }

    /// Sends what is queued and the request's body, then watches the client. Ends with a failure
    /// only: with the client's, because what the origin does shows in its response.
    async fn upload(
        &self,
        from_client: &mut Reader,
        to_origin: &mut Writer,
        watched: Option<&mut Upload>,
        sent: &AtomicBool,
    ) -> Failure {
        let all = match watched {
            None => self.send(from_client, to_origin).await,
            // In a box, as all that is rare: the task of every connection has room for the rest.
            Some(upload) => Box::pin(upload.send(self, from_client, to_origin)).await,
        };
        match all {
            Ok(true) => sent.store(true, Relaxed),
            Ok(false) => pending::<()>().await,
            Err(failure) => return failure,
        }
        if self.app.settings.half_closed_clients {
            pending::<()>().await;
        }
        from_client.gone().await;
        Failure::ClientGone
    }

    /// Whether all of it could be sent.
    async fn send(
        &self,
        from_client: &mut Reader,
        to_origin: &mut Writer,
    ) -> Result<bool, Failure> {
        let settings = &self.app.settings;
        let limit = settings.write_timeout;
        loop {
            if !from_client.is_ready() && to_origin.flush(limit).await.is_err() {
                return Ok(false);
            }
            let written = match from_client.chunk(settings.read_timeout).await? {
                Some(data) => to_origin.data(data, limit).await,
                None => {
                    to_origin.end(&self.trailers(Of::Request, from_client.take_trailers())?);
                    return Ok(to_origin.flush(limit).await.is_ok());
                }
            };
            if written.is_err() {
                return Ok(false);
            }
        }
    }

    /// What goes on of a message's trailers.
    ///
    /// # Errors
    /// A hook failed, and its failure policy is closed.
    pub(super) fn trailers(&self, of: Of, trailers: Fields) -> Result<Fields, Failure> {
        let settings = &self.app.settings;
        let limit = match of {
            Of::Request => settings.request_header_max_size,
            Of::Response(_) => settings.reply_header_max_size,
        };
        let trailers = safe_trailers(trailers);
        self.generation
            .on_trailers(of, self.request, trailers, limit)
    }

    /// The final response's header section; interim ones go to the client as they come.
    async fn read_head(
        &self,
        from_origin: &mut Reader,
        responder: &mut Responder,
    ) -> Result<ResponseHead, Failure> {
        let settings = &self.app.settings;
        let request = self.request;
        let failed = |error| reading_reply(&request.target, error);
        for _ in 0..MAX_INTERIM {
            let section =
                from_origin.section(settings.reply_header_max_size, settings.read_timeout);
            let section = section.await.map_err(failed)?;
            let head = ResponseHead::parse(&section).map_err(|error| failed(error.into()))?;
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(head);
            }
            // RFC 9110 §15.2: not to HTTP/1.0.
            if request.version == Version::Http11 {
                let mut fields = end_to_end(head.fields, false);
                let (status, limit) = (head.status.as_u16(), settings.reply_header_max_size);
                self.generation
                    .on_response(request, status, &mut fields, limit)?;
                let writer = &mut responder.writer;
                status_line(writer, head.status, &head.reason);
                writer.push_fields(&fields);
                writer.begin_body(BodyLength::None);
                let flushed = writer.flush(settings.write_timeout).await;
                flushed.map_err(|_| Failure::ClientGone)?;
            }
        }
        let error = Malformed::Framing("it has no end of interim responses");
        Err(failed(error.into()))
    }

    /// The response to the client, its end still to be flushed, and into the cache where it may be
    /// stored. Whether the origin's connection can serve another request.
    async fn relay(
        &self,
        transaction: &mut Transaction,
        from_origin: &mut Reader,
        responder: &mut Responder,
        head: ResponseHead,
        request_time: SystemTime,
        recording: &mut Option<Recording>,
    ) -> Result<bool, Failure> {
        let app = self.app;
        let request = transaction.request.clone();
        let framing = response_framing(&request.method, &head)
            .map_err(|error| reading_reply(&request.target, error.into()))?;
        from_origin.expect_body(framing);
        let length = match framing {
            Framing::Length(length) => Some(length),
            // What a GET would have: HEAD and 304 pass it on.
            Framing::None => declared_length(&head.fields).unwrap_or_default(),
            Framing::Chunked | Framing::UntilClose => None,
        };
        let reusable = framing != Framing::UntilClose && is_reusable(&request, &head);
        let mut fields = end_to_end(head.fields, framing == Framing::Chunked);
        remove_connection_challenges(&mut fields);
        let asked = self.errand.asked;
        app.cache.invalidate(asked, head.status, &fields).await;
        let response = Response {
            status: head.status,
            fields: &mut fields,
            length,
            sent: self.fields,
            request_time,
            response_time: SystemTime::now(),
        };
        app.cache.compare_with_head(asked, &response).await;
        *recording = app.cache.record(asked, response, self.errand.lead.clone());
        transaction.entry.outcome.code = self.code(head.status);
        self.mark(&mut fields, head.status, recording.is_some());
        let watched = watched::watch(transaction, responder, head.status, length, &mut fields)?;
        let of = Of::Response(head.status.as_u16());
        let head = Head {
            status: head.status,
            reason: head.reason,
            fields,
            length,
            version: head.version,
        };
        let target = &request.target;
        if let Some(watched) = watched {
            let delivery = Delivery::begin(app, transaction, responder, head, watched)?;
            Box::pin(self.deliver(from_origin, recording, delivery, of)).await?;
            return Ok(reusable);
        }
        responder.begin(app, transaction, head, Hooks::Asked)?;
        let writer = &mut responder.writer;
        match recording {
            // What the cache does not want either is left unread.
            _ if writer.is_nobody() => self.record_body(from_origin, recording, target).await?,
            None => self.relay_body(from_origin, writer, target).await?,
            Some(under_way) => {
                let octets = under_way.read();
                let record = self.record_body(from_origin, recording, target);
                tokio::try_join!(record, write_body(app, octets, writer))?;
            }
        }
        writer.end(&self.trailers(of, from_origin.take_trailers())?);
        Ok(reusable && from_origin.is_done())
    }

    fn code(&self, status: StatusCode) -> Code {
        match self.errand.stored {
            None => match self.errand.why {
                Forward::Request => Code::ClientRefreshMiss,
                Forward::Damaged => Code::SwapfailMiss,
                _ => Code::Miss,
            },
            Some(_) if status.is_server_error() => Code::RefreshFail,
            Some(_) => Code::RefreshModified,
        }
    }

    /// X-Cache and Cache-Status (RFC 9211).
    fn mark(&self, fields: &mut Fields, status: StatusCode, stored: bool) {
        let names = &self.app.names;
        fields.push("X-Cache", names.miss.clone());
        let why = names.forward(self.errand.why);
        let mut more = String::new();
        if self.errand.stored.is_some() {
            more.push_str("; fwd-status=");
            more.push_str(status.as_str());
        }
        if stored {
            more.push_str("; stored");
        }
        let member = match more.is_empty() {
            true => why.clone(),
            false => [why, more.as_bytes()].concat().into(),
        };
        add_cache_status(fields, member);
    }

    /// What stands in for an error of the origin's, where it or the client has said that it may.
    fn instead(&self, status: StatusCode) -> Option<Hit> {
        let Errand { asked, stored, .. } = self.errand;
        let stored = stored.as_ref().filter(|_| status.is_server_error())?;
        let trouble = Trouble::Status(status);
        let cache = &self.app.cache;
        cache.instead(asked, stored, trouble, SystemTime::now())
    }
}

/// What the main future gives; or the failure with which the one beside it ends before.
async fn alongside<T>(
    mut beside: Pin<&mut impl Future<Output = Failure>>,
    main: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        failure = beside.as_mut() => Err(failure),
        result = main => result,
    }
}

/// Whether the connection can serve another request after this response: it vouches for no one.
pub(super) fn is_reusable(request: &Request, head: &ResponseHead) -> bool {
    keeps_connection(head) && !vouches_for_connection(&request.fields)
}
