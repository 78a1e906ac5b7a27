//! The cache (RFC 9111): what is stored, what is served, what is asked about.
//!
//! Pure parts judge (`control`, `freshness`, `key`, `policy`, `range`, `validate`). Two stores keep:
//! `memory`, and `disk`, where each object is a file. What is being received is a `recording`, and
//! others who want the same wait for it (`flight`) and read it while it grows (`growing`).

mod admin;
mod control;
mod date;
mod disk;
mod dossier;
mod epochs;
mod flight;
mod freshness;
mod growing;
mod judgements;
mod key;
mod loading;
mod lookup;
mod memory;
mod policy;
mod range;
mod recording;
mod stored;
mod storing;
mod updating;
mod validate;

pub use admin::{Listed, Stats, Tier};
pub use disk::Disk;
pub use flight::{Follower, Lead, Role};
pub use lookup::{Asked, Forward, Hit, Lookup, Response, Source, Waited};
pub use policy::Trouble;
pub use range::{ContentRange, Multipart, unsatisfied};
pub use recording::Recording;
pub use stored::{Answer, Body, Octets, Stored};
pub use validate::make_conditional;

use crate::config::{CacheDir, Settings, cache_directory};
use crate::generation::{CacheKey, Generation};
use crate::http::Fields;
use crate::plugin::{Overrule, Refresh};
use crate::transaction::Request;
use control::{RequestControl, ResponseControl};
use epochs::Epochs;
use flight::{Arriving, Flights, Landed};
use freshness::Times;
use growing::Growing;
use http::{Method, StatusCode};
use judgements::Judgements;
use key::{Key, Vary};
use memory::{Memory, Slot};
use policy::signed;
use recording::Place;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};
use stored::Judged;
use tokio::sync::Semaphore;

/// The cache.
#[derive(Debug)]
pub struct Cache {
    memory: Memory,
    disk: Option<Arc<Disk>>,
    flights: Arc<Flights>,
    settings: Arc<Settings>,
    sets_of_variants: AtomicU64,
    epochs: Arc<Epochs>,
    /// What goes to the disk alone begins one: who has read the disk meanwhile has what is older.
    placed: Epochs,
    judgements: Judgements,
    /// One permit for each KB that waits to be written to the disk.
    writes: Arc<Semaphore>,
}

/// KB that may wait to be written to the disk: what comes beyond is in memory alone.
const WRITES: u32 = 32 << 10;

// === impl Cache ===

impl Cache {
    /// The cache that the settings describe. In the usual place there may be another proxy's, or no
    /// right to write: then it is in memory alone.
    ///
    /// # Errors
    /// There is none where the settings say that it is.
    pub fn open(settings: &Arc<Settings>) -> anyhow::Result<Cache> {
        let size = settings.cache_dir_size;
        let disk = match &settings.cache_dir {
            CacheDir::None => None,
            CacheDir::At(path) => Some(Disk::open(path, size)?),
            CacheDir::Usual => match cache_directory("objects") {
                None => None,
                Some(path) => Disk::open(&path, size)
                    .inspect_err(|error| tracing::warn!("the cache is in memory alone: {error}"))
                    .ok(),
            },
        };
        Ok(Cache::new(settings, disk))
    }

    /// A cache of the sizes that the settings say, with or without a disk.
    fn new(settings: &Arc<Settings>, disk: Option<Arc<Disk>>) -> Cache {
        let started = SystemTime::now().duration_since(UNIX_EPOCH);
        let started = started.unwrap_or_default().as_nanos();
        Cache {
            memory: Memory::new(settings.cache_mem),
            disk,
            flights: Flights::new(),
            settings: settings.clone(),
            // Not again what it was in an earlier process, whose variants are on the disk.
            sets_of_variants: AtomicU64::new(u64::try_from(started).unwrap_or(u64::MAX)),
            epochs: Arc::new(Epochs::new()),
            placed: Epochs::new(),
            judgements: Judgements::new(),
            writes: Arc::new(Semaphore::new(WRITES as usize)),
        }
    }

    /// What the cache is asked with a request: its key is found out, once.
    pub fn ask(&self, request: &Arc<Request>, generation: &Arc<Generation>) -> Asked {
        let key = match generation.key_for(request) {
            CacheKey::Uri => Some(Key::of(request.uri())),
            CacheKey::Named(name) => Some(Key::named(&name)),
            CacheKey::Never => None,
        };
        let refused = match () {
            () if !policy::is_cacheable(request) => Some(Forward::Method),
            () if key.is_none() => Some(Forward::Bypass),
            () => None,
        };
        Asked {
            control: RequestControl::of(&request.fields),
            request: request.clone(),
            generation: generation.clone(),
            epoch: key.as_ref().map(|key| self.epochs.of(key)),
            key,
            landed: self.flights.landed(),
            varies: OnceLock::new(),
            refused,
        }
    }

    /// What can be done for that request (RFC 9111 §4).
    pub async fn lookup(&self, asked: &Asked, now: SystemTime) -> Lookup {
        let found = match asked.key.as_ref().filter(|_| asked.refused.is_none()) {
            Some(key) => self.find(key, asked).await,
            None => Err(asked.refused.unwrap_or(Forward::Method)),
        };
        match found {
            Ok((stored, source)) if stored.can_answer(&asked.request) => {
                self.judge(asked, stored, source, now)
            }
            Ok(_) => match asked.control.only_if_cached {
                true => Lookup::OnlyIfCached,
                false => Lookup::Miss(Forward::Partial),
            },
            Err(_) if asked.control.only_if_cached => Lookup::OnlyIfCached,
            Err(why) => Lookup::Miss(why),
        }
    }

    /// What can be done with that response.
    fn judge(&self, asked: &Asked, stored: Arc<Stored>, source: Source, now: SystemTime) -> Lookup {
        let control = &asked.control;
        let miss = |why| match control.only_if_cached {
            true => Lookup::OnlyIfCached,
            false => Lookup::Miss(why),
        };
        let Some(judged) = stored.judged(&asked.request, &asked.generation) else {
            return miss(Forward::Bypass);
        };
        let refresh = &judged.refresh;
        // §5.2.1.4; by way of an exception, squid's options.
        if control.no_cache && !refresh.has(Overrule::IgnoreReload) && !self.settings.offline_mode {
            return match refresh.has(Overrule::ReloadIntoIms)
                && validate::has_validator(&stored.fields)
            {
                true => Lookup::Stale(stored),
                false => miss(Forward::Request),
            };
        }
        let age = stored.times.age(now);
        let ttl = stored.ttl(refresh, age);
        let hit = |stored, source| Hit {
            stored,
            source,
            age,
            ttl,
            held: None,
        };
        if policy::acceptable(&stored.control, control, age, ttl) {
            return Lookup::Fresh(hit(stored, source));
        }
        if self.settings.offline_mode {
            return Lookup::Fresh(hit(stored, Source::Offline));
        }
        if policy::may_revalidate_behind(&stored.control, control, age, ttl) {
            return Lookup::WhileRevalidating(hit(stored, source));
        }
        if control.only_if_cached {
            return Lookup::OnlyIfCached;
        }
        Lookup::Stale(stored)
    }

    /// What a request that the cache cannot answer does about others for the same thing. None: it
    /// goes to the origin, whoever else does. `revalidates`: it asks about what is stored, not about
    /// what the client has.
    pub fn join(&self, asked: &Asked, revalidates: bool) -> Option<Role> {
        let request = &asked.request;
        let alone = !self.settings.collapsed_forwarding
            || asked.refused.is_some()
            || request.method != Method::GET
            || request.fields.has("range")
            || asked.control.no_store
            || request.fields.has("upgrade")
            // It wants what is sent in answer to itself.
            || asked.control.no_cache
            || asked.control.max_age == Some(0);
        // What comes of its conditions may be of use to itself alone.
        let follows_only =
            request.fields.has("if-none-match") || request.fields.has("if-modified-since");
        match &asked.key {
            Some(key) if !alone && (revalidates || !follows_only) => self.flights.join(key),
            Some(key) if !alone => self.flights.follow(key),
            _ => None,
        }
    }

    /// Whether something else may be stored now than what was found when it was looked for.
    pub fn has_come(&self, asked: &Asked, found: Option<&Arc<Stored>>) -> bool {
        if self.flights.landed() == asked.landed {
            return false;
        }
        let present = asked.key.as_ref().and_then(|key| self.memory.get(key));
        match (present, found) {
            (Some(Slot::Response(present)), Some(found)) => !Arc::ptr_eq(&present, found),
            (present, found) => present.is_some() && found.is_none(),
        }
    }

    /// Waits until it is known what somebody else's request brings.
    pub async fn wait(&self, mut follower: Follower, asked: &Asked) -> Waited {
        let arriving = match follower.landed().await {
            Landed::Again => return Waited::Again,
            Landed::Alone => return Waited::Alone,
            Landed::Arriving(arriving) => arriving,
        };
        let suits = asked
            .key
            .as_ref()
            .is_some_and(|key| arriving.suits(key, &asked.request.fields));
        // From now on somebody reads it, and nothing that is still to be read is dropped.
        let reader = arriving.stored.body.read();
        if !suits || !arriving.stored.body.is_all_there() {
            return Waited::Alone;
        }
        let stored = arriving.stored.clone();
        match self.judge(asked, stored, Source::Flight, SystemTime::now()) {
            Lookup::Fresh(hit) => Waited::Serve(Hit {
                held: Some(reader),
                ..hit
            }),
            _ => Waited::Alone,
        }
    }

    /// What a response says, as the settings would have it read.
    fn control(&self, fields: &Fields) -> ResponseControl {
        ResponseControl::of_targeted(fields, &self.settings.targeted_cache_control)
    }

    /// Waits until all that is stored is on the disk as well.
    pub async fn settled(&self) {
        // Nobody closes it.
        let _ = self.writes.acquire_many(WRITES).await;
    }

    /// The disk, where there is one.
    fn disk(&self) -> Option<&Arc<Disk>> {
        self.disk.as_ref().filter(|disk| !disk.usage().degraded)
    }

    /// Octets of the largest response that is stored (squid's `maximum_object_size`).
    fn largest(&self) -> u64 {
        match self.disk {
            Some(_) => self.settings.maximum_object_size,
            None => self.largest_in_memory(),
        }
    }

    /// Whether a stored header section, to which every answer can add lines, has become larger than
    /// one that comes may be.
    fn is_bloated(&self, fields: &Fields) -> bool {
        fields.wire_len() > self.settings.reply_header_max_size
    }

    /// Octets of the largest response that memory holds.
    fn largest_in_memory(&self) -> u64 {
        largest_in_memory(&self.settings)
    }
}

/// Octets of the largest response that memory holds.
fn largest_in_memory(settings: &Settings) -> u64 {
    let largest = settings.maximum_object_size_in_memory;
    largest
        .min(settings.cache_mem)
        .min(settings.maximum_object_size)
}
