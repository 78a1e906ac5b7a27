//! The proxy as a whole: made from settings, run until it is told to stop. Owns every task.

mod reload;
mod swap;

pub use reload::Promoted;
pub use swap::{Kept, RESTART_NEEDED, Swap, as_promoted, reload_failed};

use crate::cache::Cache;
use crate::config::{Mistake, Settings};
use crate::control::{self, Socket, SocketFile};
use crate::generation::{Alive, Generation, Generations, NOBODY_ADMITS, Reloader};
use crate::log::{AccessLog, Record};
use crate::metrics::Metrics;
use crate::names::Names;
use crate::notes::Readers;
use crate::observers::Observers;
use crate::plugin::THREAD_STACK;
use crate::recent::Recent;
use crate::recording::Recorder;
use crate::serve;
use crate::shadow::Shadow;
use crate::signals::{Order, Signals};
use crate::upstream::Upstreams;
use crate::watch::Watch;
use anyhow::Context as _;
use arc_swap::ArcSwapOption;
use std::future::pending;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What every task shares.
#[derive(Debug)]
pub struct App {
    /// What it runs with: fixed until it is started anew.
    pub settings: Arc<Settings>,
    /// The way to servers.
    pub upstreams: Arc<Upstreams>,
    /// Stored responses.
    pub cache: Cache,
    /// The access log.
    pub log: AccessLog,
    /// Counters.
    pub metrics: Metrics,
    /// Its name in the fields that it writes.
    pub names: Names,
    /// The last requests, where they are remembered.
    pub recent: Option<Recent>,
    /// Where transactions go that somebody records.
    pub recorder: Recorder,
    /// The policy, and those before it that are not over yet.
    pub generations: Generations,
    /// Who wants to know what hooks are asked and say.
    pub readers: Readers,
    observers: Observers,
    /// What is tried beside it.
    pub shadow: Shadow,
    reloader: Mutex<Reloader>,
    /// Beside the reloader, which is locked for as long as it compiles: pages are not to wait.
    last_failure: ArcSwapOption<Mistake>,
    stage: watch::Sender<Stage>,
    /// The same as the stage says, for every response: to look at that takes a lock.
    draining: AtomicBool,
    started: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Serving,
    /// No new connections, no new requests.
    Draining,
}

/// A client's connection, for as long as it is open.
#[derive(Debug)]
pub struct OpenConnection(Arc<App>);

/// How often idle connections to servers are looked through.
const SWEEP: Duration = Duration::from_secs(1);
/// Threads that read and write files.
const MAX_BLOCKING: usize = 32;
/// How long the end waits for workers, then for observers, and then for the access log: all are done
/// at once, unless something is stuck.
const LAST: Duration = Duration::from_secs(2);

// === impl App ===

impl App {
    /// Makes the proxy of what has been read and found good, and opens the access log.
    ///
    /// # Errors
    /// The log cannot be opened.
    pub fn new(
        settings: Arc<Settings>,
        upstreams: Arc<Upstreams>,
        cache: Cache,
        generation: Generation,
        reloader: Reloader,
    ) -> anyhow::Result<App> {
        let metrics = Metrics::new(reloader.engine.meters().clone());
        metrics.generation.set(1);
        let log = AccessLog::open(&settings, metrics.access_log_dropped.clone())
            .context("the access log cannot be opened")?;
        let observers = Observers::new(settings.strip_query_terms);
        observers.serve(generation.observers());
        generation.log_missing_grants(None);
        if !generation.admits_anybody() {
            tracing::warn!("{NOBODY_ADMITS}");
        }
        let shadow = Shadow::new(settings.clone(), metrics.shadow.clone());
        Ok(App {
            observers,
            shadow,
            upstreams,
            cache,
            log,
            metrics,
            names: Names::new(&settings),
            recent: Recent::new(&settings),
            recorder: Recorder::default(),
            generations: Generations::new(generation, SystemTime::now()),
            readers: Readers::default(),
            reloader: Mutex::new(reloader),
            last_failure: ArcSwapOption::empty(),
            stage: watch::Sender::new(Stage::Serving),
            draining: AtomicBool::new(false),
            started: Instant::now(),
            settings,
        })
    }

    /// The generation that decides about what begins now.
    pub fn generation(&self) -> Arc<Generation> {
        self.generations.serving()
    }

    /// How long it has been running.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Counts a request, writes its line, and has it told to who observes.
    pub fn record(&self, record: &Record<'_>) {
        self.metrics.count(record.outcome.code, record.outcome.sent);
        self.log.write(record);
        self.observers.tell(record);
    }

    /// Counts a client's connection while it is open.
    pub fn open_connection(self: &Arc<Self>) -> OpenConnection {
        self.metrics.connections.inc();
        OpenConnection(self.clone())
    }

    /// Whether the proxy is about to stop.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Waits until the proxy is about to stop.
    pub async fn draining(&self) {
        let mut stage = self.stage.subscribe();
        // It fails only when the sender is gone, and that is ours.
        let _ = stage.wait_for(|stage| *stage == Stage::Draining).await;
    }

    /// Why the last reload failed; none where it did not.
    pub fn last_reload_failure(&self) -> Option<Arc<Mistake>> {
        self.last_failure.load_full()
    }

    /// Serves until a signal ends it. The listeners are bound already; `control` is for signals
    /// and commands, and what they order.
    ///
    /// # Errors
    /// The runtime cannot start.
    pub fn run(
        self,
        control: Runtime,
        socket: Option<Socket>,
        listeners: Vec<TcpListener>,
        mut signals: Signals,
        mut watch: Option<Watch>,
    ) -> anyhow::Result<()> {
        let workers = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.settings.workers)
            // For the cache's files: more at a time would only wait for the disk.
            .max_blocking_threads(MAX_BLOCKING)
            .thread_name("worker")
            .thread_stack_size(THREAD_STACK)
            .enable_all()
            .build()
            .context("the workers cannot start")?;
        let addresses = listeners.iter().map(TcpListener::local_addr);
        self.upstreams
            .set_ourselves(addresses.collect::<Result<_, _>>()?);
        let app = Arc::new(self);
        let commands = socket.map(|socket| app.take_commands(&control, socket));
        let commands = commands.transpose()?;
        for listener in listeners {
            let _workers = workers.enter();
            tracing::info!("listening at {}", listener.local_addr()?);
            let listener = tokio::net::TcpListener::from_std(listener)?;
            workers.spawn(serve::accept(app.clone(), listener));
        }
        workers.spawn(sweep(app.clone()));
        control.block_on(async {
            app.obey(&mut signals, watch.as_mut()).await;
            // Who comes after this one can have it.
            drop(commands);
            app.stop(&mut signals).await;
            // Files that are not written when the workers end never are.
            let _ = tokio::time::timeout(LAST, app.cache.settled()).await;
            // Nobody else sees to the programs that run for it.
            let _ = tokio::time::timeout(LAST, app.close_helpers()).await;
        });
        // A reload in progress is for nobody any more.
        control.shutdown_background();
        // Whatever still runs is over; each request says so in the log when its task is dropped.
        workers.shutdown_timeout(LAST);
        app.observers.close(LAST);
        app.log.close(LAST);
        Ok(())
    }

    /// Lets commands come by the socket, for as long as its file is kept.
    fn take_commands(
        self: &Arc<Self>,
        control: &Runtime,
        socket: Socket,
    ) -> std::io::Result<SocketFile> {
        let Socket { listener, file } = socket;
        tracing::info!("commands come by {}", file.path().display());
        let _control = control.enter();
        let listener = tokio::net::UnixListener::from_std(listener)?;
        control.spawn(control::serve(self.clone(), listener));
        Ok(file)
    }

    /// Does what it is told, until that is to stop.
    async fn obey(self: &Arc<Self>, signals: &mut Signals, mut watch: Option<&mut Watch>) {
        loop {
            let order = tokio::select! {
                order = signals.next() => order,
                what = changed(watch.as_deref_mut()) => {
                    tracing::info!("{what} has changed");
                    Order::Reload
                }
            };
            match order {
                Order::Reload => {
                    let app = self.clone();
                    // Compiling takes its time, and other orders may come meanwhile.
                    tokio::task::spawn_blocking(move || {
                        // The log says what has come of it.
                        let _ = app.reload();
                    });
                }
                Order::Reopen => self.log.reopen(),
                Order::Stop => return,
            }
        }
    }

    /// Lets what runs come to its end.
    async fn stop(&self, signals: &mut Signals) {
        self.draining.store(true, Ordering::Relaxed);
        self.stage.send_replace(Stage::Draining);
        let limit = self.settings.shutdown_lifetime;
        end_in_any_case(limit.saturating_add(5 * LAST));
        let open = self.metrics.connections.get();
        tracing::info!("stopping: {open} connections may take {limit:?} to end");
        tokio::select! {
            () = self.all_closed() => tracing::info!("stopped: every connection has ended"),
            () = tokio::time::sleep(limit) => {
                tracing::warn!("stopped: {} connections were cut", self.metrics.connections.get());
            }
            () = signals.stop() => tracing::warn!("stopped at once"),
        }
    }

    async fn close_helpers(&self) {
        for Alive { generation, .. } in self.generations.alive() {
            generation.helpers().close().await;
        }
        if let Some(running) = self.shadow.running() {
            running.candidate().generation.helpers().close().await;
        }
    }

    async fn all_closed(&self) {
        while self.metrics.connections.get() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Ends the process after that time, whatever is stuck: stderr, too, may be a pipe that nobody
/// reads, and what writes to it then waits for ever.
fn end_in_any_case(limit: Duration) {
    let thread = std::thread::Builder::new().name("last".into());
    // Without it the end is as good as everything that it waits for.
    let _ = thread.spawn(move || {
        std::thread::sleep(limit);
        std::process::exit(1);
    });
}

/// What has changed, where anybody looks.
async fn changed(watch: Option<&mut Watch>) -> String {
    match watch {
        Some(watch) => watch.changed().await,
        None => pending().await,
    }
}

async fn sweep(app: Arc<App>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        app.upstreams.sweep();
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.metrics.connections.dec();
    }
}
