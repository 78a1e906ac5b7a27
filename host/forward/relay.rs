//! Bodies on their way from the origin: to the client, and, where they may be stored, into the cache,
//! from where the client and those who wait for the same read them.

use super::exchange::Exchange;
use super::watched::Delivery;
use crate::app::App;
use crate::cache::{Octets, Recording};
use crate::error::{Failure, reading_reply};
use crate::http::{Reader, Target, Writer};
use crate::plugin::Of;
use crate::transaction::Request;
use crate::upstream::Upstream;
use std::sync::Arc;
use tokio::time::timeout;

impl Exchange<'_> {
    /// A body that is for the client alone, as fast as it takes it.
    pub(super) async fn relay_body(
        &self,
        from_origin: &mut Reader,
        to_client: &mut Writer,
        target: &Target,
    ) -> Result<(), Failure> {
        let settings = &self.app.settings;
        let limit = settings.write_timeout;
        loop {
            if !from_origin.is_ready() {
                to_client
                    .flush(limit)
                    .await
                    .map_err(|_| Failure::ClientGone)?;
            }
            let data = from_origin.chunk(settings.read_timeout).await;
            let Some(data) = data.map_err(|error| reading_reply(target, error))? else {
                return Ok(());
            };
            to_client
                .data(data, limit)
                .await
                .map_err(|_| Failure::ClientGone)?;
        }
    }

    /// A body to the client, through the hooks that look into it, and into the cache as it came. Its
    /// end is queued.
    pub(super) async fn deliver(
        &self,
        from_origin: &mut Reader,
        recording: &mut Option<Recording>,
        mut delivery: Delivery<'_>,
        of: Of,
    ) -> Result<(), Failure> {
        let target = &self.request.target;
        match recording {
            None => {
                self.relay_watched(from_origin, &mut delivery, target)
                    .await?;
            }
            Some(under_way) => {
                let octets = under_way.read();
                let record = self.record_body(from_origin, recording, target);
                tokio::try_join!(record, delivery.octets(octets))?;
            }
        }
        delivery.end(self.trailers(of, from_origin.take_trailers())?);
        Ok(())
    }

    async fn relay_watched(
        &self,
        from_origin: &mut Reader,
        delivery: &mut Delivery<'_>,
        target: &Target,
    ) -> Result<(), Failure> {
        loop {
            if !from_origin.is_ready() {
                delivery.flush().await?;
            }
            let data = from_origin.chunk(self.app.settings.read_timeout).await;
            let data = data.map_err(|error| reading_reply(target, error))?;
            let over = data.is_none();
            delivery.data(data).await?;
            if over {
                return Ok(());
            }
        }
    }

    /// The body into the cache, as fast as it comes; from there, clients are served. It is left where
    /// it goes neither to a client nor into the cache.
    pub(super) async fn record_body(
        &self,
        from_origin: &mut Reader,
        recording: &mut Option<Recording>,
        target: &Target,
    ) -> Result<(), Failure> {
        while let Some(under_way) = recording {
            if !under_way.is_of_use()
                || record_some(self.app, from_origin, under_way, target).await?
            {
                *recording = None;
            }
        }
        Ok(())
    }
}

/// The next octets of a body that is recorded, or its end: whether it was that. Who breaks this off
/// takes it up again without the client.
async fn record_some(
    app: &App,
    from_origin: &mut Reader,
    recording: &mut Recording,
    target: &Target,
) -> Result<bool, Failure> {
    let cache = &app.cache;
    recording.room(cache).await;
    match from_origin.chunk(app.settings.read_timeout).await {
        Ok(Some(data)) => {
            recording.push(data);
            Ok(false)
        }
        Ok(None) => {
            recording.finish(cache).await;
            Ok(true)
        }
        Err(error) => {
            recording.broke(cache);
            Err(reading_reply(target, error))
        }
    }
}

/// The client does not want it, or does not get it: the rest of the body is for others, or for the
/// cache, for as long as it is worth that; not for longer than a client may stay.
pub(super) async fn finish_without_client(
    app: Arc<App>,
    mut upstream: Upstream,
    mut recording: Recording,
    request: Arc<Request>,
) {
    let from_origin = &mut upstream.reader;
    let finish = async {
        while recording.is_worth_finishing(&app.settings) {
            match record_some(&app, from_origin, &mut recording, &request.target).await {
                Ok(false) => {}
                Ok(true) => return,
                Err(failure) => {
                    tracing::debug!("{failure}, for those who waited for it");
                    return;
                }
            }
        }
    };
    let _ = timeout(app.settings.client_lifetime, finish).await;
}

/// A body to the client, as it comes. Its end is still to be queued and flushed.
pub(super) async fn write_body(
    app: &App,
    mut octets: Octets,
    to_client: &mut Writer,
) -> Result<(), Failure> {
    let limit = app.settings.write_timeout;
    loop {
        if !octets.is_ready() {
            let flushed = to_client.flush(limit).await;
            flushed.map_err(|_| Failure::ClientGone)?;
        }
        let next = octets.next().await;
        let Some(data) = next.map_err(|_| Failure::BodyBroken)? else {
            return Ok(());
        };
        let written = match octets {
            // There is no more of it.
            Octets::Memory(_) => to_client.last(&data, limit).await,
            _ => to_client.data(&data, limit).await,
        };
        written.map_err(|_| Failure::ClientGone)?;
    }
}
