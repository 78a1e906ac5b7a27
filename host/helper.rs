//! Helpers: what plugins ask that they cannot know. A helper is a service (HTTP), or a program that
//! speaks squid's helper protocol; the settings name it, and hooks ask it by the answer `lookup`.
//!
//! Answers are kept for their time. What many ask at a time is asked once.

mod answer;
mod kept;
mod process;
mod program;
mod protocol;
mod service;

pub use answer::{Answer, Finding, Question};
pub use protocol::answer as parse_answer;

use crate::config::{HelperSettings, HelperSource};
use crate::log::{self, Ruling, Window};
use crate::upstream::Upstreams;
use kept::{Found, Kept};
use program::Program;
use service::Service;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::timeout;

/// All that the settings name. A generation has them: those whose settings are the same as before
/// are taken over as they are, with what they have kept and the programs that run.
#[derive(Debug, Default)]
pub struct Helpers(BTreeMap<String, Arc<Helper>>);

/// One of them.
#[derive(Debug)]
pub struct Helper {
    settings: HelperSettings,
    kept: Kept,
    /// What is being asked, and who waits for it.
    flights: Mutex<HashMap<Arc<str>, Flight>>,
    source: Source,
    meter: Arc<Meter>,
    warned: Mutex<Window>,
}

#[derive(Debug)]
enum Source {
    Service(Service),
    Program(Program),
}

/// A question on its way: what comes of it, once it has.
type Flight = watch::Receiver<Option<Arc<Answer>>>;

/// What is counted of a helper, under its name, whatever becomes of its settings.
#[derive(Debug, Default)]
struct Meter {
    questions: AtomicU64,
    hits: AtomicU64,
    failures: AtomicU64,
    timeouts: AtomicU64,
}

/// How often, since there is a helper of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Plugins have asked.
    pub questions: u64,
    /// An answer was kept.
    pub hits: u64,
    /// It has answered that it cannot, or nothing that could be understood, or not at all.
    pub failures: u64,
    /// A request could not wait any longer.
    pub timeouts: u64,
}

/// Lines a second that say that there was no answer.
const WARNINGS: u32 = 20;
/// Requests that wait are told that it is too long before the question itself is given up.
const SLACK: Duration = Duration::from_millis(100);

// === impl Helpers ===

impl Helpers {
    /// Nothing is started before it is asked.
    pub fn new(settings: &[HelperSettings], before: Option<&Helpers>) -> Helpers {
        let helper = |settings: &HelperSettings| {
            let old = before.and_then(|before| before.get(&settings.name));
            let helper = match old {
                Some(old) if old.settings == *settings => old.clone(),
                old => {
                    let meter = old.map(|old| old.meter.clone()).unwrap_or_default();
                    Arc::new(Helper::new(settings.clone(), meter))
                }
            };
            (settings.name.clone(), helper)
        };
        Helpers(settings.iter().map(helper).collect())
    }

    /// The one of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Helper>> {
        self.0.get(name)
    }

    /// What they are made of.
    pub fn settings(&self) -> Vec<HelperSettings> {
        self.all().map(|helper| helper.settings.clone()).collect()
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Helper> {
        self.0.values().map(AsRef::as_ref)
    }

    /// Ends their programs, and waits until they are gone.
    pub async fn close(&self) {
        for helper in self.all() {
            if let Source::Program(program) = &helper.source {
                program.close().await;
            }
        }
    }
}

// === impl Helper ===

impl Helper {
    fn new(settings: HelperSettings, meter: Arc<Meter>) -> Helper {
        Helper {
            kept: Kept::new(&settings),
            flights: Mutex::default(),
            source: match &settings.source {
                HelperSource::Service(url) => Source::Service(Service::new(url, &settings)),
                HelperSource::Program(command) => {
                    Source::Program(Program::new(command.clone(), &settings))
                }
            },
            meter,
            warned: Mutex::default(),
            settings,
        }
    }

    /// What it is.
    pub fn settings(&self) -> &HelperSettings {
        &self.settings
    }

    /// What has been counted of it.
    pub fn counts(&self) -> Counts {
        let Meter {
            questions,
            hits,
            failures,
            timeouts,
        } = &*self.meter;
        let [questions, hits, failures, timeouts] =
            [questions, hits, failures, timeouts].map(|count| count.load(Ordering::Relaxed));
        Counts {
            questions,
            hits,
            failures,
            timeouts,
        }
    }

    /// What it says of that key: at once where an answer is kept, else when there is one, or
    /// [`HelperSettings::timeout`] is over. What comes later is kept for those who ask then.
    pub async fn ask(self: &Arc<Self>, key: &str, upstreams: &Arc<Upstreams>) -> Arc<Answer> {
        count(&self.meter.questions);
        let mut flight = match self.kept.find(key, Instant::now()) {
            Some(Found::Fresh(answer)) => {
                count(&self.meter.hits);
                return answer;
            }
            Some(Found::Stale(answer)) => {
                count(&self.meter.hits);
                // It brings a new one, for those who come after.
                self.flight(key, upstreams);
                return answer;
            }
            None => self.flight(key, upstreams),
        };
        let limit = self.settings.timeout;
        match timeout(limit, flight.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => answer.clone().unwrap_or_else(stopped),
            Ok(Err(_)) => stopped(),
            Err(_) => {
                count(&self.meter.timeouts);
                let why = format!("no answer within {limit:?}");
                self.warn(&why);
                Arc::new(Answer::failed(why))
            }
        }
    }

    /// The question on its way. It goes on when nobody waits any more.
    fn flight(self: &Arc<Self>, key: &str, upstreams: &Arc<Upstreams>) -> Flight {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(key).filter(|flight| is_on_its_way(flight)) {
            return flight.clone();
        }
        // It may have landed while the lock was waited for.
        if let Some(Found::Fresh(answer)) = self.kept.find(key, Instant::now()) {
            return watch::channel(Some(answer)).1;
        }
        let (lands, flight) = watch::channel(None);
        let key: Arc<str> = key.into();
        flights.insert(key.clone(), flight.clone());
        drop(flights);
        let (helper, upstreams) = (self.clone(), upstreams.clone());
        tokio::spawn(async move {
            let answer = Arc::new(helper.fetch(&key, &upstreams).await);
            // Kept first: whoever finds it neither here nor there asks again.
            helper
                .kept
                .keep(key.clone(), answer.clone(), Instant::now());
            helper.flights().remove(&key);
            lands.send_replace(Some(answer));
        });
        flight
    }

    async fn fetch(&self, key: &Arc<str>, upstreams: &Arc<Upstreams>) -> Answer {
        let answer = match &self.source {
            Source::Service(service) => service.ask(key, upstreams).await,
            Source::Program(program) => program.ask(key.clone()).await,
        };
        if answer.finding == Finding::Failed {
            count(&self.meter.failures);
            let why = answer.pair("error").or(answer.pair("message"));
            let why = why.unwrap_or("it says that it cannot");
            self.warn(&format!("no answer: {}", escaped(why)));
        }
        answer
    }

    /// Tells the operator: of one that is down, no more than he can read.
    fn warn(&self, what: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ruling::Write { left_out } = warned.line(Instant::now(), WARNINGS) {
            drop(warned);
            let helper = &self.settings.name;
            if left_out > 0 {
                tracing::warn!(helper, "{left_out} lines of this kind were left out");
            }
            tracing::warn!(helper, "{what}");
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Arc<str>, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Whether somebody still sees to it.
fn is_on_its_way(flight: &Flight) -> bool {
    flight.has_changed().is_ok()
}

fn stopped() -> Arc<Answer> {
    Arc::new(Answer::failed("the proxy stops"))
}

/// On one line of the log, whatever a helper says.
fn escaped(text: &str) -> String {
    const LONGEST: usize = 4096;
    log::escaped(&text[..text.floor_char_boundary(LONGEST)])
}
