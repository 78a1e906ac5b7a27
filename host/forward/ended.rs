//! How an exchange ends, once request and response no longer run at once.

use super::Errand;
use super::exchange::{Exchange, Outcome, is_reusable};
use super::fields::end_to_end;
use super::hit::Basis;
use super::relay::finish_without_client;
use crate::cache::{Hit, Lead, Recording, Response};
use crate::client::Client;
use crate::error::Failure;
use crate::http::{BodyLength, ResponseHead};
use crate::log::Code;
use crate::respond::{Responder, status_line};
use crate::transaction::Transaction;
use crate::upstream::Upstream;
use std::time::SystemTime;

/// The end of the part in which request and response may run at once.
pub(super) enum Ended {
    Relayed {
        reusable: bool,
    },
    /// The client does not get it; others may, and the cache.
    Broken(Failure, Recording),
    NotModified(ResponseHead),
    Instead(Hit),
    Switching(ResponseHead),
}

// === impl Ended ===

impl Ended {
    /// A response that went to the client, and maybe into the cache.
    pub(super) fn of(
        relayed: Result<bool, Failure>,
        recording: Option<Recording>,
    ) -> Result<Ended, Failure> {
        match (relayed, recording) {
            (Ok(reusable), _) => Ok(Ended::Relayed { reusable }),
            // What has failed is not what others wait for.
            (Err(failure), Some(recording)) if !failure.is_servers() => {
                Ok(Ended::Broken(failure, recording))
            }
            (Err(failure), _) => Err(failure),
        }
    }
}

// === impl Exchange ===

impl Exchange<'_> {
    /// What follows once nothing runs at once any more.
    pub(super) async fn end(
        &self,
        ended: Ended,
        transaction: &mut Transaction,
        client: &mut Client,
        upstream: Upstream,
        request_time: SystemTime,
        sent: bool,
    ) -> Result<Outcome, Failure> {
        let request = transaction.request.clone();
        match ended {
            Ended::Relayed { reusable } => {
                // Before the client has all of it: if it asks again at once, it is there.
                if reusable && sent {
                    self.app.upstreams.checkin(upstream);
                }
                let limit = self.app.settings.write_timeout;
                let flushed = client.responder.writer.flush(limit).await;
                flushed.map_err(|_| Failure::ClientGone)?;
                Ok(Outcome::Served)
            }
            Ended::Broken(failure, recording) => {
                let app = self.app.clone();
                let rest = Box::pin(finish_without_client(app, upstream, recording, request));
                match failure {
                    Failure::ClientGone => rest.await,
                    // The client waits to hear of it.
                    _ => drop(tokio::spawn(rest)),
                }
                Err(failure)
            }
            Ended::NotModified(head) => {
                let hit = self.still_fresh(&head, request_time).await;
                if sent && is_reusable(&request, &head) {
                    self.app.upstreams.checkin(upstream);
                }
                Ok(hit)
            }
            // What the origin says of its failure is left unread, and the connection with it.
            Ended::Instead(hit) => {
                // Others need not wait until this client has it.
                self.errand.lead.iter().for_each(Lead::alone);
                Ok(Outcome::Stored(Box::new(hit), Basis::OriginFailed))
            }
            Ended::Switching(head) => {
                self.switch(transaction, &mut client.responder, head)
                    .await?;
                Ok(Outcome::Switched(Box::new(upstream)))
            }
        }
    }

    async fn still_fresh(&self, head: &ResponseHead, request_time: SystemTime) -> Outcome {
        let Some(stored) = &self.errand.stored else {
            return Outcome::Served;
        };
        let response = Response {
            status: head.status,
            fields: &mut end_to_end(head.fields.clone(), false),
            length: None,
            sent: self.fields,
            request_time,
            response_time: SystemTime::now(),
        };
        let Errand { asked, lead, .. } = self.errand;
        let freshened = self
            .app
            .cache
            .freshen(asked, stored, &response, lead.as_ref());
        match freshened.await {
            Some(hit) => Outcome::Stored(Box::new(hit), Basis::Validated),
            None => Outcome::Mistaken,
        }
    }

    /// 101: the client learns of it, and from then on the connection is a tunnel.
    async fn switch(
        &self,
        transaction: &mut Transaction,
        responder: &mut Responder,
        head: ResponseHead,
    ) -> Result<(), Failure> {
        let mut fields = end_to_end(head.fields.clone(), false);
        if let Some(protocol) = head.fields.joined("upgrade") {
            fields.push("Upgrade", protocol);
        }
        let request = transaction.request.clone();
        let limit = self.app.settings.reply_header_max_size;
        transaction
            .generation
            .on_response(&request, 101, &mut fields, limit)?;
        transaction.entry.outcome.status = 101;
        transaction.entry.outcome.code = Code::Tunnel;
        let writer = &mut responder.writer;
        status_line(writer, head.status, &head.reason);
        writer.push_fields(&fields);
        writer.push(b"Connection: Upgrade\r\n");
        writer.begin_body(BodyLength::None);
        let flushed = writer.flush(self.app.settings.write_timeout).await;
        flushed.map_err(|_| Failure::ClientGone)
    }
}
