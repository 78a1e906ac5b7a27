//! What becomes of what is stored: freshened (RFC 9111 §4.3.4), served although it is stale (§4.2.4),
//! invalidated (§4.4).

use super::validate::Verdict;
use super::*;

impl Cache {
    /// The origin says that a stored response still holds (§4.3.4). What is served then; none where
    /// it says so of another response, and this one is no more.
    pub async fn freshen(
        &self,
        asked: &Asked,
        stored: &Arc<Stored>,
        response: &Response<'_>,
        lead: Option<&Lead>,
    ) -> Option<Hit> {
        let key = asked.key.as_ref()?;
        let (status, times) = (response.status, &stored.times);
        // §5.2.1.5: nothing of an answer to no-store is stored. And what has been chosen by other
        // fields than the client's says nothing about what is filed by those.
        let may_renew =
            !asked.control.no_store && asked.selects_as_sent(asked.filed_by(), response.sent);
        match validate::verdict(&stored.fields, status, response.fields, times) {
            Verdict::Renewed if may_renew => {}
            Verdict::Renewed | Verdict::Holds => {
                // Nobody else's is renewed by this.
                lead.inspect(|lead| lead.alone());
                return self.as_it_is(asked, stored, response.response_time);
            }
            Verdict::Another => {
                self.discard(key).await;
                return None;
            }
        }
        let (request, generation) = (&asked.request, &asked.generation);
        let mut fields =
            validate::freshened(&stored.fields, response.fields, response.response_time);
        if self.is_bloated(&fields) {
            self.discard(key).await;
            return None;
        }
        // Who has only what it is filed by in common with this request may not get it any more.
        let is_filed = key::vary_names(&fields)
            .is_some_and(|names| names.iter().all(|name| asked.filed_by().contains(name)));
        let control = self.control(&fields);
        let times = Times::of(
            &fields,
            &control,
            response.request_time,
            response.response_time,
        );
        let refresh = generation.rule_for(request, stored.status.as_u16(), &mut fields);
        let permitted = refresh.as_ref().is_some_and(|refresh| {
            policy::shared_cache_may_store(request, &control, Some(refresh))
        });
        let keep = permitted && is_filed;
        let refresh = refresh.unwrap_or_else(Refresh::stale_at_once);
        let age = times.age(response.response_time);
        let before = stored;
        let stored = Arc::new(Stored {
            uri: stored.uri.clone(),
            status: stored.status,
            body: stored.body.clone(),
            fields: control.kept(&fields).compacted(),
            times,
            control,
            judged: Judged::by(generation, refresh.clone()),
        });
        let ttl = stored.ttl(&refresh, age);
        if keep {
            let variant = |vary| key.variant(vary, &request.fields);
            let key = asked.varies.get().map_or_else(|| key.clone(), variant);
            self.replace(asked, &key, before, &stored).await;
        } else if !is_filed || !policy::has_credentials(request) {
            // For this client alone, as the origin says now.
            self.discard(key).await;
        }
        match lead {
            Some(lead) if keep && ttl > 0 => lead.stored(),
            Some(lead) => lead.alone(),
            None => {}
        }
        let source = stored.body.source();
        Some(Hit {
            stored,
            source,
            age,
            ttl,
            held: None,
        })
    }

    /// A stored response that still holds, but is not renewed.
    fn as_it_is(&self, asked: &Asked, stored: &Arc<Stored>, now: SystemTime) -> Option<Hit> {
        let age = stored.times.age(now);
        let judged = stored.judged(&asked.request, &asked.generation)?;
        Some(Hit {
            stored: stored.clone(),
            source: stored.body.source(),
            age,
            ttl: stored.ttl(&judged.refresh, age),
            held: None,
        })
    }

    /// Puts a response that has been freshened where the one before is, if that is still there.
    async fn replace(&self, asked: &Asked, key: &Key, before: &Arc<Stored>, stored: &Arc<Stored>) {
        let is_current = || asked.epoch == Some(self.epochs.of(key));
        let replaced = match self.memory.get(key) {
            Some(Slot::Response(present)) => !Arc::ptr_eq(&present, before),
            Some(Slot::Variants(_)) => true,
            None => false,
        };
        if replaced || !is_current() {
            return;
        }
        let metadata = dossier::of_response(stored, key);
        match &stored.body {
            Body::Growing(_) => {}
            Body::Pieces(_) => self.memory.put(key.clone(), Slot::Response(stored.clone())),
            Body::Memory(body) => {
                self.memory.put(key.clone(), Slot::Response(stored.clone()));
                // All of it: what is on the disk may be another one, or still on its way there.
                self.write(key, body.clone(), metadata);
            }
            Body::Disk(object) => {
                self.judgements.keep(key, &metadata, stored.judged.clone());
                let (disk, object) = (self.disk.clone(), object.clone());
                let update = tokio::task::spawn_blocking(move || {
                    // What it says of its failure, the store has said already.
                    disk.map(|disk| disk.update(&object, &metadata))
                });
                let _ = update.await;
            }
        }
        if !is_current() {
            self.discard(key).await;
        }
    }

    /// A stale response where the origin fails, unless one of the three forbids it: the origin, the
    /// client, or good sense (squid's `max_stale`).
    pub fn instead(
        &self,
        asked: &Asked,
        stored: &Arc<Stored>,
        trouble: Trouble,
        now: SystemTime,
    ) -> Option<Hit> {
        let age = stored.times.age(now);
        let judged = stored.judged(&asked.request, &asked.generation)?;
        let ttl = stored.ttl(&judged.refresh, age);
        let max_stale = self.settings.max_stale.as_secs();
        let control = &asked.control;
        policy::may_stand_in(&stored.control, control, age, ttl, trouble, max_stale).then(|| Hit {
            stored: stored.clone(),
            source: stored.body.source(),
            age,
            ttl,
            held: None,
        })
    }

    /// HEAD says what GET would: a stored response that is another is not the one any more, and one
    /// that is the same is freshened (RFC 9111 §4.3.5).
    pub async fn compare_with_head(&self, asked: &Asked, response: &Response<'_>) {
        let request = &asked.request;
        if request.method != Method::HEAD || response.status != StatusCode::OK {
            return;
        }
        // What the request could not be answered with, its response says nothing about.
        let Some(key) = asked.key.as_ref().filter(|_| asked.refused.is_none()) else {
            return;
        };
        let Ok((stored, _)) = self.find(key, asked).await else {
            return;
        };
        let length = response.length;
        let same_length = length.is_none() || length == stored.body.len();
        if same_length && stored.status == StatusCode::OK {
            self.freshen(asked, &stored, response, None).await;
        } else {
            self.discard(key).await;
        }
    }

    /// An unsafe method has succeeded: what is stored for its URI, and for those of its origin that
    /// the response names, may no longer hold (§4.4).
    pub async fn invalidate(&self, asked: &Asked, status: StatusCode, response: &Fields) {
        let request = &asked.request;
        let safe = matches!(
            request.method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
        );
        if safe || !(status.is_success() || status.is_redirection()) {
            return;
        }
        let uri = request.uri();
        let named = ["location", "content-location"]
            .into_iter()
            .filter_map(|name| {
                let target = std::str::from_utf8(response.get(name)?).ok()?;
                Some(Key::of(&key::same_origin(uri, target)?.into()))
            });
        let own = [asked.key_of_resource()].into_iter();
        self.remove(own.chain(named).collect()).await;
    }

    /// Removes what is stored under these keys, their variants included, and keeps what is on its way
    /// from being stored. Whether there was something. It is done, whether it is waited for or not.
    pub(super) async fn remove(&self, keys: Vec<Key>) -> bool {
        let mut found = false;
        for key in &keys {
            self.flights.forget(key);
            self.epochs.end(key);
            found |= self.memory.remove(key);
        }
        let Some(disk) = self.disk.clone() else {
            return found;
        };
        let (memory, epochs) = (self.memory.clone(), self.epochs.clone());
        let removal = tokio::task::spawn_blocking(move || {
            let mut found = false;
            for key in &keys {
                // Also where nothing is there: something may be about to be.
                found |= disk.remove(&key.to_octets());
                // Who has read it before it was removed belongs to an epoch that is over.
                epochs.end(key);
                found |= memory.remove(key);
            }
            found
        });
        removal.await.unwrap_or(false) || found
    }

    /// Removes what is stored under a key; what is on its way is newer.
    async fn discard(&self, key: &Key) {
        self.memory.remove(key);
        if let Some(disk) = self.disk.clone() {
            let octets = key.to_octets();
            let removal = tokio::task::spawn_blocking(move || disk.remove(&octets));
            let _ = removal.await;
        }
    }
}
