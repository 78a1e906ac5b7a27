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
        match validate::verdict(&stored.fields, status, response.fields, times) {
            Verdict::Renewed => {}
            Verdict::Holds => return self.as_it_is(asked, stored, response.response_time),
            Verdict::Another => {
                self.discard(key).await;
                return None;
            }
        }
        let (request, generation) = (&asked.request, &asked.generation);
        let mut fields =
            validate::freshened(&stored.fields, response.fields, response.response_time);
        let control = self.control(&fields);
        let times = Times::of(
            &fields,
            &control,
            response.request_time,
            response.response_time,
        );
        let refresh = generation.rule_for(request, stored.status.as_u16(), &mut fields);
        let keep = refresh.as_ref().is_some_and(|refresh| {
            policy::shared_cache_may_store(request, &control, Some(refresh))
        });
        let refresh = refresh.unwrap_or_else(Refresh::stale_at_once);
        let age = times.age(response.response_time);
        let ttl = signed(times.lifetime(&refresh)) - signed(age);
        let vary = key::vary_names(&fields);
        let stored = Arc::new(Stored {
            uri: stored.uri.clone(),
            status: stored.status,
            body: stored.body.clone(),
            fields: control.kept(&fields),
            times,
            control,
            judged: Judged::by(generation, refresh),
        });
        if !keep {
            // For this client alone, as the origin says now.
            self.discard(key).await;
        } else if !lead.is_some_and(Lead::is_void) {
            let slot = match (self.slot(key).await, vary) {
                (Ok(Some((Slot::Variants(vary), _))), _) => {
                    Some(key.variant(&vary, &request.fields))
                }
                (_, Some(names)) if names.is_empty() => Some(key.clone()),
                _ => None,
            };
            if let Some(key) = slot {
                self.replace(&key, &stored).await;
            }
        }
        if let Some(lead) = lead {
            lead.stored();
        }
        let source = stored.body.source();
        Some(Hit {
            stored,
            source,
            age,
            ttl,
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
            ttl: signed(stored.times.lifetime(&judged.refresh)) - signed(age),
        })
    }

    /// Puts a response that has been freshened where the one before is.
    async fn replace(&self, key: &Key, stored: &Arc<Stored>) {
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
                let (disk, object) = (self.disk.clone(), object.clone());
                let update = tokio::task::spawn_blocking(move || {
                    // What it says of its failure, the store has said already.
                    disk.map(|disk| disk.update(&object, &metadata))
                });
                let _ = update.await;
            }
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
        let ttl = signed(stored.times.lifetime(&judged.refresh)) - signed(age);
        let max_stale = self.settings.max_stale.as_secs();
        let control = &asked.control;
        policy::may_stand_in(&stored.control, control, age, ttl, trouble, max_stale).then(|| Hit {
            stored: stored.clone(),
            source: stored.body.source(),
            age,
            ttl,
        })
    }

    /// HEAD says what GET would: a stored response that is another is not the one any more, and one
    /// that is the same is freshened (RFC 9111 §4.3.5).
    pub async fn compare_with_head(&self, asked: &Asked, response: &Response<'_>) {
        let request = &asked.request;
        if request.method != Method::HEAD || response.status != StatusCode::OK {
            return;
        }
        let Some(key) = &asked.key else {
            return;
        };
        let Ok((stored, _)) = self.find(key, request).await else {
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
        if let Some(key) = &asked.key {
            self.remove(key).await;
        }
        let uri = request.uri();
        for name in ["location", "content-location"] {
            let target = response
                .get(name)
                .and_then(|value| std::str::from_utf8(value).ok());
            if let Some(uri) = target.and_then(|target| key::same_origin(uri, target)) {
                self.remove(&Key::of(&uri.into())).await;
            }
        }
    }

    /// Removes what is stored under a key, its variants included, and keeps what is on its way from
    /// being stored. Whether there was something.
    pub(super) async fn remove(&self, key: &Key) -> bool {
        self.flights.invalidate(key);
        self.discard(key).await
    }

    /// Removes what is stored under a key; what is on its way is newer. Whether there was something.
    async fn discard(&self, key: &Key) -> bool {
        self.removals.fetch_add(1, Ordering::SeqCst);
        let in_memory = self.memory.remove(key);
        let Some(disk) = self.disk.clone() else {
            return in_memory;
        };
        let octets = key.to_octets();
        // Also where nothing is there: something may be about to be.
        let removal = tokio::task::spawn_blocking(move || disk.remove(&octets));
        removal.await.unwrap_or(false) || in_memory
    }
}
