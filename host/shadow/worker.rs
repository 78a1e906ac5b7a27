//! The thread that asks the candidate.
//!
//! It looks for work now and then, instead of being woken: that would cost each request a system call.

use super::queue::{Nothing, Outlet};
use super::report::Example;
use super::{Running, Tried};
use crate::admit;
use crate::comparison::{self, Difference, Sizes, Undecided};
use crate::config::Settings;
use crate::generation::Admission;
use crate::log::{self, Ruling, Window};
use crate::notes::{Access, Noted};
use crate::plugin::THREAD_STACK;
use crate::thread;
use crate::transaction::Request;
use crate::upstream::Upstreams;
use anyhow::Context as _;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};
use tokio::task::{JoinError, JoinSet, yield_now};

struct Worker {
    running: Weak<Running>,
    outlet: Outlet<Arc<Noted>>,
    upstreams: Arc<Upstreams>,
    settings: Arc<Settings>,
    sizes: Sizes,
    log: Window,
    /// What waits for addresses, or for helpers.
    inquiries: JoinSet<Inquired>,
    /// When idle connections were looked through.
    swept: Instant,
}

/// A request that the candidate has decided about, when all was found out that it wanted to know.
struct Inquired {
    noted: Arc<Noted>,
    /// With that.
    request: Arc<Request>,
    access: Option<Access>,
    /// When it was asked: another candidate may have come since then.
    era: u64,
}

/// How long it rests where there is nothing to do.
const REST: Duration = Duration::from_millis(20);
/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);
/// Requests that are compared before inquiries have their turn.
const BATCH: usize = 64;
/// Requests that wait for that at most.
const INQUIRIES: usize = 256;
/// Lines in the log of a second.
const LOG_RATE: u32 = 10;

/// Asks what is tried there about what comes out of here, until nothing comes any more.
///
/// # Errors
/// There is no thread to be had, or the system's resolver settings or certificates cannot be read.
pub(super) fn start(
    running: &Arc<Running>,
    outlet: Outlet<Arc<Noted>>,
    settings: &Arc<Settings>,
) -> anyhow::Result<()> {
    let worker = Worker {
        running: Arc::downgrade(running),
        outlet,
        upstreams: Arc::new(Upstreams::new(settings)?),
        settings: settings.clone(),
        sizes: Sizes {
            request: settings.request_header_max_size,
            reply: settings.reply_header_max_size,
        },
        log: Window::default(),
        inquiries: JoinSet::new(),
        swept: Instant::now(),
    };
    let nice = running.bounds.nice;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("shadow".into())
        .stack_size(THREAD_STACK)
        .spawn(move || {
            if let Err(error) = thread::step_back(nice) {
                tracing::warn!("the shadow does not let everything else run first: {error}");
            }
            // Before each line that the candidate has to say.
            let _shadow = tracing::error_span!("shadow").entered();
            runtime.block_on(worker.run());
        })
        .context("no thread")?;
    Ok(())
}

// === impl Worker ===

impl Worker {
    async fn run(mut self) {
        loop {
            let nothing = self.batch();
            while let Some(found) = self.inquiries.try_join_next() {
                self.found(found);
            }
            match nothing {
                Some(Nothing::Ever) => return,
                None => yield_now().await,
                Some(Nothing::Now) => {
                    let found = tokio::select! {
                        Some(found) = self.inquiries.join_next() => Some(found),
                        () = tokio::time::sleep(REST) => None,
                    };
                    if let Some(found) = found {
                        self.found(found);
                    }
                    self.sweep(Instant::now());
                }
            }
        }
    }

    /// Looks through the idle connections to helpers, now and then.
    fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept) >= SWEEP {
            self.swept = now;
            self.upstreams.sweep();
        }
    }

    /// Compares what is there, within bounds; why there is no more.
    fn batch(&mut self) -> Option<Nothing> {
        let Some(running) = self.running.upgrade() else {
            return Some(Nothing::Ever);
        };
        for _ in 0..BATCH {
            match self.outlet.take() {
                Ok(noted) => self.compare(&running, &noted, None),
                Err(nothing) => return Some(nothing),
            }
        }
        None
    }

    /// That is known now: what waited for it goes on.
    fn found(&mut self, found: Result<Inquired, JoinError>) {
        if let (Ok(inquired), Some(running)) = (found, self.running.upgrade()) {
            self.compare(&running, &inquired.noted, Some(&inquired));
        }
    }

    /// Asks the candidate what the live chain was asked; about access no more, where that is known
    /// of this candidate.
    fn compare(&mut self, running: &Running, noted: &Arc<Noted>, inquired: Option<&Inquired>) {
        loop {
            let era = running.era.load(Relaxed);
            if noted.generation < running.live_since.load(Relaxed) {
                return;
            }
            let tried = running.tried.load_full();
            let chain = &tried.candidate.generation;
            let (request, access) = match inquired.filter(|inquired| inquired.era == era) {
                Some(inquired) => (inquired.request.clone(), inquired.access.as_ref()),
                None => (tried.view(&noted.request), None),
            };
            // It began under another candidate, for which other hooks were noted.
            if !noted.wanted.covers(tried.differs) {
                return;
            }
            let wanted = |hook| tried.differs.has(hook);
            let (notes, sizes) = (&noted.notes, self.sizes);
            let asked = comparison::differences_in(wanted, access, chain, &request, notes, sizes);
            let differences = match asked {
                Ok(differences) => differences,
                Err(Undecided) => return self.inquire(running, tried, era, noted.clone()),
            };
            let mut report = running.report();
            if running.era.load(Relaxed) != era {
                // That was another candidate, or beside another generation.
                continue;
            }
            report.compared(&differences, || self.example(&request), SystemTime::now());
            drop(report);
            return self.tell(running, &request, &differences);
        }
    }

    /// Finds out what the candidate wants to know, while others are compared.
    fn inquire(&mut self, running: &Running, tried: Arc<Tried>, era: u64, noted: Arc<Noted>) {
        if self.inquiries.len() >= INQUIRIES {
            running.drop_one();
            return;
        }
        let upstreams = self.upstreams.clone();
        self.inquiries.spawn(async move {
            let request = Arc::new(tried.apart(&noted.request));
            let chain = &tried.candidate.generation;
            let decided = admit::decide(chain, &request, &upstreams).await;
            Inquired {
                access: Access::of(&decided.map(Admission::Allowed)),
                noted,
                request,
                era,
            }
        });
    }

    /// Counts and logs.
    fn tell(&mut self, running: &Running, request: &Request, differences: &[Difference]) {
        let counts = &running.counts;
        counts.requests.inc();
        if differences.iter().any(|one| !one.candidate.failed) {
            counts.different.inc();
        }
        for difference in differences {
            let hook = difference.hook;
            if difference.candidate.failed {
                // The log says so already.
                counts.fails(hook);
            } else {
                counts.differs(hook);
                self.log(request, difference);
            }
        }
    }

    fn log(&mut self, request: &Request, difference: &Difference) {
        let Ruling::Write { left_out } = self.log.line(Instant::now(), LOG_RATE) else {
            return;
        };
        if left_out > 0 {
            tracing::info!(
                "{left_out} differences were left out here: {LOG_RATE} a second are shown at most"
            );
        }
        let Difference {
            hook,
            live,
            candidate,
            ..
        } = difference;
        let uri = log::shown_uri(request.uri(), self.settings.strip_query_terms);
        tracing::info!(
            "`{hook}` differs: {live}; the candidate: {candidate}; {} {uri} from {} request={}",
            request.method,
            request.client.ip(),
            request.id
        );
    }

    fn example(&self, request: &Request) -> Example {
        let uri = log::shown_uri(request.uri(), self.settings.strip_query_terms);
        Example {
            request: request.id,
            received: request.received,
            client: request.client.ip(),
            method: request.method.as_str().into(),
            uri: uri.into(),
        }
    }
}
