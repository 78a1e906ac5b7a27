//! The shadow: a candidate chain of plugins that is asked about the requests of real clients, after
//! those have been served, and what it would have done otherwise.
//!
//! ```text
//! transaction   a request takes notes of what the hooks are asked and say (notes); when it is over,
//!    |          it goes into the queue, or, where that is full, is dropped
//! queue         bounded; who puts something in never waits
//!    |
//! worker        a thread of its own, of the lowest priority: asks the candidate the same (comparison)
//!    |
//! report        by hook and rules: how often, since when, which requests for example
//! ```
//!
//! Nothing of it reaches a client: the candidate has instances, limits, counters and stores of its
//! own (`Engine::apart`), it is asked on no worker's time, and what it says goes nowhere but into the
//! report. Where it wants a destination's addresses that the live chain did not want, the shadow
//! finds them out itself, by a resolver of its own, and the request that was served never knows.

mod candidate;
mod queue;
mod report;
mod worker;

pub use candidate::Candidate;
pub use report::{Example, Report};

use crate::comparison::{HOOKS, Room};
use crate::config::{Bounds, Chain, Configuration, Mistake, Settings};
use crate::generation::{Changes, Generation, Reloader};
use crate::helper::{Helper, Question};
use crate::metrics;
use crate::notes::{Noted, Reader, Readers, Wanted};
use crate::plugin::Hook;
use crate::share::Share;
use crate::transaction::Request;
use anyhow::Context as _;
use arc_swap::{ArcSwap, ArcSwapOption};
use queue::Queue;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// What is in the shadow, if anything is.
#[derive(Debug)]
pub struct Shadow {
    running: ArcSwapOption<Running>,
    last_failure: ArcSwapOption<Mistake>,
    /// The number of the last candidate, whether or not it is still there.
    last: AtomicU64,
    settings: Arc<Settings>,
    counts: metrics::Shadow,
}

/// A candidate that is tried.
#[derive(Debug)]
pub struct Running {
    bounds: Bounds,
    tried: ArcSwap<Tried>,
    queue: Queue<Arc<Noted>>,
    report: Mutex<Report>,
    /// The requests that it is asked about.
    sample: Share,
    /// Since that live generation, the plugins have been those that serve now: what others said is
    /// none of the candidate's business.
    live_since: AtomicU64,
    /// Goes on whenever the report begins anew: what was asked before is not for it.
    era: AtomicU64,
    /// What had been dropped when it was begun.
    dropped_before: AtomicU64,
    counts: metrics::Shadow,
}

/// A candidate beside what serves.
#[derive(Debug)]
struct Tried {
    candidate: Arc<Candidate>,
    /// The hooks in which the candidate could say something else than what serves. Where its plugins
    /// are the same, it need not be asked.
    differs: Wanted,
    /// Helpers that are the same in both: what they have said to one, they say to the other.
    alike: BTreeSet<String>,
}

/// What a reload means for the shadow.
#[derive(Debug, Clone)]
pub struct Renewed {
    /// The candidate that is in it now; none where that is empty.
    pub candidate: Option<u64>,
    /// What is different in it; none where it is the old one, because of a mistake, or none.
    pub changes: Option<Changes>,
    /// The mistake.
    pub failure: Option<Arc<Mistake>>,
}

/// How the shadow fares: what has happened since its report was begun.
#[derive(Debug)]
pub struct Facts {
    /// What is tried.
    pub candidate: Arc<Candidate>,
    /// What has come of it.
    pub report: Report,
    /// Requests that were not compared for want of time.
    pub dropped: u64,
    /// Requests that wait to be compared.
    pub waiting: usize,
}

// === impl Shadow ===

impl Shadow {
    /// An empty one.
    pub fn new(settings: Arc<Settings>, counts: metrics::Shadow) -> Shadow {
        Shadow {
            running: ArcSwapOption::empty(),
            last_failure: ArcSwapOption::empty(),
            last: AtomicU64::new(0),
            settings,
            counts,
        }
    }

    /// Tries this candidate from now on, beside that generation.
    ///
    /// # Errors
    /// It can have no thread, or the system's resolver settings cannot be read.
    pub fn begin(
        &self,
        readers: &Readers,
        candidate: Candidate,
        bounds: &Bounds,
        live: &Generation,
    ) -> anyhow::Result<()> {
        let (queue, outlet) = queue::queue(bounds.queue, bounds.queue_mem);
        let number = candidate.generation.id();
        let running = Arc::new(Running {
            report: Mutex::new(Report::new(Room::of(bounds), candidate.since)),
            tried: ArcSwap::from_pointee(Tried::beside(live, Arc::new(candidate))),
            queue,
            sample: Share::percent(bounds.sample_pct),
            live_since: AtomicU64::new(live.id()),
            era: AtomicU64::new(0),
            dropped_before: AtomicU64::new(0),
            bounds: *bounds,
            counts: self.counts.clone(),
        });
        worker::start(&running, outlet, &self.settings).context("nothing can run in the shadow")?;
        tracing::info!("{running}");
        self.end(readers);
        readers.add(&running.clone().as_reader());
        self.running.store(Some(running));
        self.last.store(number, Relaxed);
        Ok(())
    }

    /// The number of the next candidate: from 1, and no number twice.
    fn next_number(&self) -> u64 {
        self.last.load(Relaxed) + 1
    }

    /// Nothing is tried any more.
    pub fn end(&self, readers: &Readers) {
        if let Some(running) = self.running.swap(None) {
            // The thread ends with the queue.
            readers.remove(&running.as_reader());
        }
        self.last_failure.store(None);
    }

    /// What is tried; none where nothing is.
    pub fn running(&self) -> Option<Arc<Running>> {
        self.running.load_full()
    }

    /// Why the candidate could not be made anew at the last reload; none where it could.
    pub fn last_failure(&self) -> Option<Arc<Mistake>> {
        self.last_failure.load_full()
    }

    /// Makes the candidate anew of what the settings say and the files are, now that this generation
    /// serves. A mistake leaves the old one. None: there is none, and there was none. The log has it
    /// in any case.
    pub fn renew(
        &self,
        readers: &Readers,
        configuration: &Configuration,
        reloader: &Reloader,
        live: &Generation,
        live_changed: bool,
    ) -> Option<Renewed> {
        let running = self.running();
        if let Some(running) = running.as_ref().filter(|_| live_changed) {
            running.live_since.store(live.id(), Relaxed);
            running.put(live, running.candidate());
            running.reset();
        }
        let old = running.as_ref().map(|running| running.candidate());
        let now = SystemTime::now();
        let number = self.next_number();
        let wanted = Candidate::wanted(configuration, reloader, live, old.as_deref(), number, now);
        let bounds = &configuration.shadow.bounds;
        let renewed = match (wanted, &running, &old) {
            (Ok(None), None, _) => return None,
            (Ok(None), ..) => {
                self.end(readers);
                tracing::info!("the shadow is empty now");
                Ok((None, None))
            }
            (Ok(Some(candidate)), Some(running), Some(old)) if running.bounds == *bounds => {
                self.last.store(number, Relaxed);
                Ok(running.swap(live, old, candidate))
            }
            (Ok(Some(candidate)), ..) => {
                let changes = match &old {
                    Some(old) => candidate.changes_since(old),
                    None => candidate.generation.as_changes(),
                };
                let candidate = candidate.with_fresh_helpers();
                let begun = self.begin(readers, candidate, bounds, live);
                begun
                    .map(|()| (Some(number), Some(changes)))
                    .map_err(|error| Mistake::new(format!("{error:#}")))
            }
            (Err(mistake), ..) => Err(mistake),
        };
        let renewed = renewed.map_err(Arc::new);
        self.last_failure.store(renewed.as_ref().err().cloned());
        Some(match renewed {
            Ok((candidate, changes)) => Renewed {
                candidate,
                changes,
                failure: None,
            },
            Err(mistake) => {
                self.counts.reload_failures.inc();
                let candidate = old.map(|old| old.generation.id());
                tracing::error!("{}\n{mistake}", renewal_failed(candidate));
                Renewed {
                    candidate,
                    changes: None,
                    failure: Some(mistake),
                }
            }
        })
    }
}

/// What is said before the mistake.
pub fn renewal_failed(candidate: Option<u64>) -> String {
    match candidate {
        Some(number) => format!("no new candidate for the shadow, candidate {number} stays:"),
        None => "no candidate for the shadow:".to_owned(),
    }
}

// === impl Running ===

impl Reader for Running {
    fn wants(&self, request: u64) -> Option<Wanted> {
        if !self.sample.has(request) {
            return None;
        }
        // Its notes would only be thrown away.
        if self.queue.is_full() {
            self.drop_one();
            return None;
        }
        Some(self.tried.load().differs)
    }

    fn read(&self, noted: &Arc<Noted>) {
        if !self.queue.put(noted.clone(), noted.octets()) {
            self.counts.dropped.inc();
        }
    }
}

impl Running {
    fn as_reader(self: Arc<Self>) -> Arc<dyn Reader> {
        self
    }

    /// One is not compared.
    fn drop_one(&self) {
        self.queue.drop_one();
        self.counts.dropped.inc();
    }

    /// Another candidate takes the place of the old one.
    fn swap(
        &self,
        live: &Generation,
        old: &Candidate,
        candidate: Candidate,
    ) -> (Option<u64>, Option<Changes>) {
        let changes = candidate.changes_since(old);
        let number = candidate.generation.id();
        let same = candidate.generation.is_as(&old.generation);
        self.put(live, Arc::new(candidate));
        if !same {
            self.reset();
        }
        tracing::info!("candidate {number} is in the shadow: {changes}");
        (Some(number), Some(changes))
    }

    /// What is tried.
    pub fn candidate(&self) -> Arc<Candidate> {
        self.tried.load().candidate.clone()
    }

    fn put(&self, live: &Generation, candidate: Arc<Candidate>) {
        let tried = Tried::beside(live, candidate);
        self.tried.store(Arc::new(tried));
    }

    /// How it fares.
    pub fn facts(&self) -> Facts {
        self.facts_of(self.report().clone())
    }

    /// Begins the report anew. How it fared until then.
    pub fn reset(&self) -> Facts {
        let mut report = self.report();
        let new = Report::new(Room::of(&self.bounds), SystemTime::now());
        let facts = self.facts_of(std::mem::replace(&mut *report, new));
        self.era.fetch_add(1, Relaxed);
        self.dropped_before.store(self.queue.dropped(), Relaxed);
        facts
    }

    fn facts_of(&self, report: Report) -> Facts {
        let before = self.dropped_before.load(Relaxed);
        Facts {
            candidate: self.candidate(),
            report,
            dropped: self.queue.dropped().saturating_sub(before),
            waiting: self.queue.waiting(),
        }
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tried {
    fn beside(live: &Generation, candidate: Arc<Candidate>) -> Tried {
        let says_the_same = |hook: &Hook| candidate.generation.says_the_same(live, *hook);
        let differs = Wanted::of(HOOKS.into_iter().filter(|hook| !says_the_same(hook)));
        let is_alike = |helper: &&Helper| {
            let other = live.helpers().get(&helper.settings().name);
            other.is_some_and(|other| other.settings() == helper.settings())
        };
        let helpers = candidate.generation.helpers().all().filter(is_alike);
        let alike = helpers.map(|helper| helper.settings().name.clone());
        Tried {
            alike: alike.collect(),
            candidate,
            differs,
        }
    }

    /// The request as the candidate may know it: without what helpers have said that are others there.
    fn view(&self, request: &Arc<Request>) -> Arc<Request> {
        let knows_all = request.answers().iter().all(|(asked, _)| self.knows(asked));
        match knows_all {
            true => request.clone(),
            false => Arc::new(self.apart(request)),
        }
    }

    /// The same, for it to find out more.
    fn apart(&self, request: &Request) -> Request {
        request.apart(|asked| self.knows(asked))
    }

    fn knows(&self, question: &Question) -> bool {
        self.alike.contains(&question.helper)
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let candidate = self.candidate();
        let plugins = candidate.generation.plugins().iter();
        let names: Vec<&str> = plugins.map(|plugin| plugin.name()).collect();
        write!(
            f,
            "candidate {} is in the shadow: {}; plugins {}; {} % of the requests",
            candidate.generation.id(),
            origin(&candidate.chain),
            names.join(", "),
            self.bounds.sample_pct
        )
    }
}

/// For people: where a chain comes from.
pub fn origin(chain: &Chain) -> String {
    match (&chain.plugins, &chain.config) {
        (Some(plugins), Some(config)) => {
            format!("plugins of {} by {}", plugins.display(), config.display())
        }
        (Some(plugins), None) => format!("plugins of {}", plugins.display()),
        (None, Some(config)) => format!("the same plugins by {}", config.display()),
        (None, None) => "the same plugins".to_owned(),
    }
}

impl Room {
    fn of(bounds: &Bounds) -> Room {
        Room {
            groups: bounds.report,
            examples: bounds.examples,
        }
    }
}
