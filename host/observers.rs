//! What became of transactions, on its way to the plugins that observe it. Each has a queue and a
//! thread of its own, which hands over what is there in batches: who ends a transaction never waits.
//!
//! A transaction is told to the observers of the generation that serves at its end: a tunnel of
//! yesterday's keeps no plugin of yesterday's. What those have in their queues they still get.

mod queue;

use crate::log::{Completed, Record};
use crate::plugin::{Plugin, THREAD_STACK};
use arc_swap::ArcSwap;
use queue::Queue;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Those of the generation that serves.
#[derive(Debug)]
pub struct Observers {
    /// Whether there are any: where there are none, a transaction asks no more than this.
    any: AtomicBool,
    serving: ArcSwap<Vec<Arc<Observer>>>,
    /// Queries are nobody's business.
    strip_query: bool,
    threads: Mutex<Threads>,
}

/// What ends with the last thread. Nothing is ever said.
#[derive(Debug)]
struct Threads {
    /// Each thread has another one.
    alive: Option<Sender<Infallible>>,
    ended: Receiver<Infallible>,
}

/// A plugin that is told. When this is dropped, its thread hands over what waits, and ends.
#[derive(Debug)]
struct Observer {
    plugin: Arc<Plugin>,
    queue: Arc<Queue>,
}

/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// How often the log says that a plugin does not keep up.
const COMPLAIN: Duration = Duration::from_secs(10);

// === impl Observers ===

impl Observers {
    /// None yet. Whether URIs are told without their queries is as in the access log.
    pub fn new(strip_query: bool) -> Observers {
        let (alive, ended) = channel();
        Observers {
            any: AtomicBool::new(false),
            serving: ArcSwap::default(),
            strip_query,
            threads: Mutex::new(Threads {
                alive: Some(alive),
                ended,
            }),
        }
    }

    /// From now on, these are told, and no others. One that was told before goes on as it is.
    pub fn serve(&self, plugins: &[Arc<Plugin>]) {
        let old = self.serving.load();
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        // It is over: nobody is told any more.
        let Some(alive) = &threads.alive else { return };
        let observer = |plugin: &Arc<Plugin>| {
            let same = |old: &&Arc<Observer>| Arc::ptr_eq(&old.plugin, plugin);
            if let Some(observer) = old.iter().find(same) {
                return Some(observer.clone());
            }
            let name = plugin.name();
            Observer::start(plugin.clone(), alive.clone())
                .inspect_err(|error| {
                    tracing::error!("plugin `{name}` observes nothing: no thread for it: {error}");
                })
                .ok()
                .map(Arc::new)
        };
        let observers: Vec<Arc<Observer>> = plugins.iter().filter_map(observer).collect();
        self.any.store(!observers.is_empty(), Ordering::Relaxed);
        self.serving.store(Arc::new(observers));
    }

    /// Puts what has become of a transaction into every queue.
    pub fn tell(&self, record: &Record<'_>) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        let observers = self.serving.load();
        let Some((last, others)) = observers.split_last() else {
            return;
        };
        let completed = Completed::of(record, self.strip_query);
        for observer in others {
            observer.tell(completed.clone());
        }
        last.tell(completed);
    }

    /// Takes nothing more, and waits that long for what there is to be handed over, by the plugins
    /// of generations before this one, too.
    pub fn close(&self, limit: Duration) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.alive = None;
        self.any.store(false, Ordering::Relaxed);
        let observers = self.serving.swap(Arc::default());
        for observer in observers.iter() {
            observer.queue.close();
        }
        if threads.ended.recv_timeout(limit) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        for observer in observers.iter() {
            let (name, left) = (observer.plugin.name(), observer.queue.len());
            tracing::error!(
                "plugin `{name}` did not take its last batch within {limit:?}: it is not told of \
                 that and {left} more transactions"
            );
        }
    }
}

// === impl Observer ===

impl Observer {
    fn start(plugin: Arc<Plugin>, alive: Sender<Infallible>) -> io::Result<Observer> {
        let limits = &plugin.manifest().limits;
        let queue = Arc::new(Queue::new(limits.queue, limits.batch));
        let observer = Observer {
            plugin: plugin.clone(),
            queue: queue.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("observer".into())
            .stack_size(THREAD_STACK);
        thread.spawn(move || {
            run(&plugin, &queue);
            drop(alive);
        })?;
        Ok(observer)
    }

    fn tell(&self, completed: Completed) {
        if !self.queue.push(completed) {
            self.plugin.drop_unobserved(1);
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Hands over what comes, until the queue is closed and empty.
fn run(plugin: &Plugin, queue: &Queue) {
    let mut dropped = 0;
    let mut complained: Option<Instant> = None;
    while let Some(batch) = queue.take(GATHER) {
        // Where it fails, that is counted and in the log.
        let _ = plugin.observe(batch.completed);
        dropped += batch.dropped_before;
        if dropped > 0 && complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
            complain(plugin, std::mem::take(&mut dropped));
            complained = Some(Instant::now());
        }
    }
    if dropped > 0 {
        complain(plugin, dropped);
    }
    plugin.end_observing();
}

fn complain(plugin: &Plugin, dropped: u64) {
    let name = plugin.name();
    tracing::warn!(
        "plugin `{name}` does not keep up in its hook `observer`: it was not told of {dropped} \
         transactions"
    );
}
