//! What is stored of what comes from origins (RFC 9111 §3), and how.

use super::range::{ContentRange, Pieces};
use super::*;
use bytes::Bytes;

impl Cache {
    /// Whether a response may be stored (RFC 9111 §3), and is worth it: then what records it.
    /// `fields` are end-to-end, without Content-Length. Those who wait for it learn what becomes of
    /// it.
    pub fn record(
        &self,
        asked: &Asked,
        response: Response<'_>,
        lead: Option<Lead>,
    ) -> Option<Recording> {
        let recording = self.try_record(asked, response, lead.clone());
        match (&recording, lead) {
            (Some(recording), Some(lead)) => lead.arriving(Arriving {
                stored: recording.head.clone(),
                selected: recording.variants.as_ref().map(|(key, vary)| {
                    let selected = key.variant(vary, &asked.request.fields);
                    (vary.clone(), selected)
                }),
            }),
            (None, Some(lead)) => lead.alone(),
            (_, None) => {}
        }
        recording
    }

    fn try_record(
        &self,
        asked: &Asked,
        response: Response<'_>,
        lead: Option<Lead>,
    ) -> Option<Recording> {
        let Response {
            status,
            fields,
            length,
            sent,
            request_time,
            response_time,
        } = response;
        let (request, generation) = (&asked.request, &asked.generation);
        let key = asked.key.as_ref().filter(|_| asked.refused.is_none())?;
        let control = self.control(fields);
        let part = status == StatusCode::PARTIAL_CONTENT;
        if request.method != Method::GET
            || asked.control.no_store
            || !(part || policy::is_storable_status(status, &control))
            || (part && !self.may_collect(fields))
            || length.is_some_and(|length| length > self.largest())
        {
            return None;
        }
        let permitted = |refresh| policy::shared_cache_may_store(request, &control, refresh);
        if !generation.overrules_storage() && !permitted(None) {
            return None;
        }
        let vary = key::vary_names(fields).filter(|vary| !part || vary.is_empty())?;
        if !asked.selects_as_sent(&vary, sent) {
            return None;
        }
        let refresh = generation.rule_for(request, status.as_u16(), fields)?;
        if !permitted(Some(&refresh)) {
            return None;
        }
        let times = Times::of(fields, &control, request_time, response_time);
        let fresh = !control.no_cache && times.lifetime(&refresh) > times.initial_age;
        let needs_expiry = !part && policy::needs_expiry(status, &control);
        if (!fresh && !validate::has_validator(fields))
            || (needs_expiry && times.explicit.is_none())
        {
            return None;
        }
        let growing = Growing::new(length);
        let variants = (!vary.is_empty()).then(|| (key.clone(), self.variants(asked, key, vary)));
        let mut kept = control.kept(fields);
        freshness::add_date(&mut kept, response_time);
        let head = Stored {
            uri: request.uri().clone(),
            status,
            fields: kept.compacted(),
            body: Body::Growing(growing.clone()),
            times,
            control,
            judged: Judged::by(generation, refresh),
        };
        Some(Recording {
            epoch: asked.epoch?,
            key: match &variants {
                Some((key, vary)) => key.variant(vary, &request.fields),
                None => key.clone(),
            },
            variants,
            head: Arc::new(head),
            growing,
            lead,
            place: Place::Memory,
        })
    }

    /// Whether a 206 is one that others could be added to (RFC 9111 §3.4), and the whole would fit
    /// into memory: parts are collected there.
    fn may_collect(&self, fields: &Fields) -> bool {
        let total = ContentRange::of(fields).and_then(|range| range.total);
        total.is_some_and(|total| total <= self.largest_in_memory())
    }

    /// The set of variants under a key that varies by those fields.
    fn variants(&self, asked: &Asked, key: &Key, names: Vec<String>) -> Vary {
        let in_memory = match self.memory.get(key) {
            Some(Slot::Variants(known)) => Some(known),
            _ => None,
        };
        let known = in_memory.or_else(|| asked.varies.get().cloned());
        match known.filter(|known| *known.names == *names) {
            Some(known) => known,
            None => Vary {
                names: names.into(),
                set: self.sets_of_variants.fetch_add(1, Ordering::Relaxed),
            },
        }
    }

    /// A response has come, and is in memory: there it stays, and goes to the disk as well.
    pub(super) fn store(&self, recording: &Recording, body: Bytes) {
        let head = &recording.head;
        let stored = match head.status {
            StatusCode::PARTIAL_CONTENT => self.collected(recording, body),
            _ => Some(head.with_body(Body::Memory(body))),
        };
        let Some(stored) = stored.map(Arc::new) else {
            return;
        };
        if !self.is_wanted(recording) {
            return;
        }
        let slot = Slot::Response(stored.clone());
        self.memory.put(recording.key.clone(), slot);
        if let Body::Memory(body) = &stored.body {
            let metadata = dossier::of_response(&stored, &recording.key);
            self.write(&recording.key, body.clone(), metadata);
        }
        self.filed(recording);
    }

    /// Whether nothing has been removed since it was asked for.
    pub(super) fn is_wanted(&self, recording: &Recording) -> bool {
        self.epochs.of(&recording.key) == recording.epoch
    }

    /// The beginning of a response that broke off, of which `total` octets should have come.
    pub(super) fn store_beginning(&self, recording: &Recording, content: Bytes, total: u64) {
        let head = &recording.head;
        let known = self.memory.get(&recording.key).is_some() || self.is_on_disk(&recording.key);
        if head.status != StatusCode::OK
            || known
            || recording.variants.is_some()
            || total > self.largest_in_memory()
            || !self.is_wanted(recording)
        {
            return;
        }
        if let Some(pieces) = Pieces::of_beginning(&head.fields, &head.times, total, content) {
            let stored = head.with_body(Body::Pieces(Arc::new(pieces)));
            let slot = Slot::Response(Arc::new(stored));
            self.memory.put(recording.key.clone(), slot);
        }
    }

    /// A part together with what is held of the same response: all of it, as soon as that is.
    fn collected(&self, recording: &Recording, content: Bytes) -> Option<Stored> {
        let head = &recording.head;
        let part = Pieces::of_part(&head.fields, &head.times, content)?;
        let held = match self.memory.get(&recording.key) {
            Some(Slot::Response(stored)) => match &stored.body {
                Body::Pieces(pieces) => Some(pieces.clone()),
                // All of it is there.
                _ => return None,
            },
            _ if self.is_on_disk(&recording.key) => return None,
            _ => None,
        };
        let received = head.times.response_time;
        let mut pieces = held.map_or_else(|| part.clone(), |held| (*held).clone());
        let combined = pieces.combine(part.clone(), received);
        if combined.is_err() || self.is_bloated(pieces.fields()) {
            // What the origin has now is another.
            pieces = part;
        }
        let body = match pieces.complete() {
            Some(whole) => Body::Memory(whole),
            None => Body::Pieces(Arc::new(pieces.clone())),
        };
        Some(Stored {
            status: StatusCode::OK,
            fields: pieces.fields().clone(),
            ..head.with_body(body)
        })
    }

    /// A response stands on the disk: what memory has is older.
    pub(super) fn placed(&self, recording: &Recording) {
        let (key, head) = (&recording.key, &recording.head);
        self.placed.end(key);
        self.memory.remove(key);
        let dossier = dossier::of_response(head, key);
        self.judgements.keep(key, &dossier, head.judged.clone());
        self.filed(recording);
    }

    /// A response is stored: where its URI's responses vary, that is what stands under the URI.
    /// Where something has been removed meanwhile, that is older and goes.
    pub(super) fn filed(&self, recording: &Recording) {
        let is_known = |key, vary: &Vary| match self.memory.get(key) {
            Some(Slot::Variants(known)) => known == *vary,
            _ => false,
        };
        let base = recording.variants.as_ref();
        if let Some((key, vary)) = base.filter(|(key, vary)| !is_known(key, vary)) {
            let metadata = dossier::of_variants(&recording.head.uri, vary);
            self.memory.put(key.clone(), Slot::Variants(vary.clone()));
            self.write(key, Bytes::new(), metadata);
        }
        if !self.is_wanted(recording) {
            for key in base.map(|(key, _)| key).into_iter().chain([&recording.key]) {
                self.memory.remove(key);
                self.unlink(key);
            }
        }
    }

    fn is_on_disk(&self, key: &Key) -> bool {
        let disk = self.disk.as_ref();
        disk.is_some_and(|disk| disk.may_have(&key.to_octets()))
    }

    /// Removes it from the disk, in its own time.
    fn unlink(&self, key: &Key) {
        if let Some(disk) = self.disk.clone() {
            let octets = key.to_octets();
            tokio::task::spawn_blocking(move || disk.remove(&octets));
        }
    }

    /// Writes an object to the disk, in its own time. Where too much waits already, or the disk takes
    /// nothing, it is left out, and with it what is there from before.
    pub(super) fn write(&self, key: &Key, body: Bytes, metadata: Vec<u8>) {
        let kilobytes = u32::try_from((body.len() + metadata.len()) >> 10).unwrap_or(u32::MAX);
        let kilobytes = kilobytes.saturating_add(1).min(WRITES);
        let permit = self.writes.clone().try_acquire_many_owned(kilobytes);
        let (Some(disk), Ok(permit)) = (self.disk(), permit) else {
            if self.is_on_disk(key) {
                self.unlink(key);
            }
            return;
        };
        // Before anything else happens to that key.
        let mut incoming = disk.create(key.to_octets());
        tokio::task::spawn_blocking(move || {
            // The store says itself when it takes no more.
            if incoming.write(&body).is_ok() {
                let _ = incoming.finish(&metadata);
            }
            drop(permit);
        });
    }
}
