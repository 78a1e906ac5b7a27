//! The wasm engine: one for the process, with its clock and its compile cache. Inside are wasmtime's,
//! one for each size of stack that plugins are given.

use super::meters::Meters;
use crate::config::cache_directory;
use anyhow::Context as _;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;
use tokio::sync::Semaphore;
use wasmtime::component::Component;
use wasmtime::{Cache, CacheConfig, Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Compiles components and runs their calls within limits.
#[derive(Debug, Clone)]
pub struct Engine {
    engines: Arc<Engines>,
    ticker: Arc<Ticker>,
    meters: Arc<Meters>,
    /// Places for bodies that are watched.
    bodies: Arc<Semaphore>,
}

/// The most memory that a manifest can give an instance.
pub(super) const MAX_MEMORY: usize = 1 << 30;
/// The most table elements that a manifest can give an instance.
pub(super) const MAX_TABLE: usize = 100_000;
/// Octets of stack that a manifest can give a call. Few, because wasmtime has one for all that an
/// engine runs, and keeps address space for each engine.
pub(super) const STACKS: [usize; 5] = [64 << 10, 128 << 10, 256 << 10, STACK, MAX_STACK];
/// Octets of stack of a call where the manifest does not say.
pub(super) const STACK: usize = 512 << 10;
const MAX_STACK: usize = 1 << 20;
/// Octets of stack for a thread that calls plugins: theirs, and what a thread usually has for itself.
pub const THREAD_STACK: usize = MAX_STACK + (2 << 20);
/// Functions that a trap's backtrace shows.
const FRAMES: NonZeroUsize = NonZeroUsize::new(20).expect("more than none");
/// How often the epoch advances.
const TICK: Duration = Duration::from_millis(2);
/// The longest deadline that a manifest can give a call.
pub(super) const MAX_CALL_TIME: Duration = Duration::from_secs(10);
/// Ticks without a sign of a call after which the ticker sleeps. A call gives one when it begins
/// and whenever its ticks are over, and has no more of them at a time than the longest deadline.
const IDLE_TICKS: u64 = 7_500;
/// Instances that there is place for: twice for each worker, because a generation is warmed while
/// another serves, and that for this many plugins.
const PLUGINS: usize = 32;
/// Instances that can watch bodies at a time, of all plugins together.
pub(super) const BODIES: usize = 1000;
/// Instances that a plugin keeps for bodies that may come.
pub(super) const RESERVE: usize = 16;
/// The same in all, but for those. A place takes 4 GB of address space, and there are 128 TB of it.
const PLACES: RangeInclusive<usize> = 256..=16_000;
/// The same for a stack that is not the usual one: a few plugins have that.
const FEWER_PLACES: RangeInclusive<usize> = 256..=1_000;
/// Core instances and tables that a component can be made of: one from Python has dozens.
const PARTS: u32 = 64;

// === impl Engine ===

impl Engine {
    /// An engine whose compiled components are kept in a cache directory, where one can be had,
    /// with places for the instances of that many workers.
    pub fn new(workers: usize) -> anyhow::Result<Engine> {
        let engines = Arc::new(Engines {
            workers,
            cache: cache_directory("compiled").as_deref().and_then(open_cache),
            by_stack: Default::default(),
        });
        engines.with(STACK)?;
        let ticker = Ticker::start(engines.clone(), IDLE_TICKS)?;
        Ok(Engine {
            engines,
            ticker,
            meters: Arc::default(),
            bodies: Arc::new(Semaphore::new(BODIES)),
        })
    }

    /// What plugins count and keep, and what is counted of them: for as long as the process lives.
    pub fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// Places for bodies that are watched, of all plugins together.
    pub(super) fn bodies(&self) -> &Arc<Semaphore> {
        &self.bodies
    }

    /// The same engine for plugins that begin with nothing: none of them finds what others of its
    /// name have kept or counted.
    pub fn apart(&self) -> Engine {
        Engine {
            meters: Arc::default(),
            ..self.clone()
        }
    }

    /// Compiles a component, or finds it compiled in the cache. Its calls may use so many octets of
    /// stack: one of [`STACKS`].
    pub(super) fn compile(&self, bytes: &[u8], stack: usize) -> anyhow::Result<Component> {
        Component::from_binary(self.engines.with(stack)?, bytes).map_err(anyhow::Error::from)
    }

    /// A call begins, or goes on when its ticks are over: the epoch has to advance.
    pub(super) fn call_runs(&self) {
        self.ticker.wake();
    }
}

/// Ticks of the epoch in that time, the one that is running not counted.
pub(super) fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX) + 1
}

fn open_cache(directory: &Path) -> Option<Cache> {
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    let cache = Cache::new(config);
    if let Err(error) = &cache {
        let directory = directory.display();
        tracing::debug!(
            "components are compiled again each time: no cache in {directory}: {error}"
        );
    }
    cache.ok()
}

/// wasmtime's engines, by [`STACKS`]. The usual one is always there, the others once a plugin wants
/// them.
#[derive(Debug)]
struct Engines {
    workers: usize,
    cache: Option<Cache>,
    by_stack: [OnceLock<wasmtime::Engine>; STACKS.len()],
}

// === impl Engines ===

impl Engines {
    /// The one whose calls may use so many octets of stack: one of [`STACKS`].
    fn with(&self, stack: usize) -> anyhow::Result<&wasmtime::Engine> {
        let index = STACKS.iter().position(|size| *size == stack);
        let place = &self.by_stack[index.context("no engine has that stack")?];
        match place.get() {
            Some(engine) => Ok(engine),
            None => {
                let engine = self.start(stack)?;
                Ok(place.get_or_init(|| engine))
            }
        }
    }

    fn start(&self, stack: usize) -> anyhow::Result<wasmtime::Engine> {
        let bounds = match stack {
            STACK => PLACES,
            _ => FEWER_PLACES,
        };
        let places = (2 * PLUGINS * self.workers).clamp(*bounds.start(), *bounds.end());
        let places = u32::try_from(places + BODIES + 2 * PLUGINS * RESERVE)?;
        let mut pool = PoolingAllocationConfig::new();
        // Virtual address space, not memory.
        pool.total_component_instances(places)
            .total_core_instances(PARTS * places)
            .total_memories(places)
            .total_tables(4 * places)
            // An unused place keeps the code of the component that was in it last: with wasmtime's
            // hundred of them, swapped components would pile up.
            .max_unused_warm_slots(4)
            .max_memory_size(MAX_MEMORY)
            .max_memories_per_component(4)
            .max_core_instances_per_component(PARTS)
            .max_tables_per_component(PARTS)
            .max_component_instance_size(16 << 20)
            .max_core_instance_size(16 << 20)
            .table_elements(MAX_TABLE);
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .concurrency_support(false)
            .epoch_interruption(true)
            .max_wasm_stack(stack)
            .wasm_backtrace_max_frames(Some(FRAMES))
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .cache(self.cache.clone());
        wasmtime::Engine::new(&config)
            .map_err(anyhow::Error::from)
            .context("the wasm engine cannot start")
    }

    fn tick(&self) {
        let engines = self.by_stack.iter().filter_map(OnceLock::get);
        engines.for_each(wasmtime::Engine::increment_epoch);
    }
}

/// Advances the engines' epochs every [`TICK`] while calls are made, and sleeps while none are.
#[derive(Debug)]
struct Ticker {
    called: AtomicBool,
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

// === impl Ticker ===

impl Ticker {
    fn start(engines: Arc<Engines>, idle_ticks: u64) -> anyhow::Result<Arc<Ticker>> {
        let ticker = Arc::new(Ticker {
            called: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            thread: OnceLock::new(),
        });
        let weak = Arc::downgrade(&ticker);
        let thread = std::thread::Builder::new()
            .name("epoch".into())
            .spawn(move || {
                let mut idle = 0;
                while let Some(ticker) = weak.upgrade() {
                    if ticker.called.swap(false, Ordering::SeqCst) {
                        idle = 0;
                    }
                    idle += 1;
                    if idle > idle_ticks {
                        ticker.sleep();
                        idle = 0;
                    }
                    drop(ticker);
                    std::thread::sleep(TICK);
                    engines.tick();
                }
            })?;
        let _ = ticker.thread.set(thread.thread().clone());
        Ok(ticker)
    }

    fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        if !self.called.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_secs(3600));
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// A call runs. Mostly two loads of what no other thread writes.
    fn wake(&self) {
        if !self.called.load(Ordering::Relaxed) {
            self.called.store(true, Ordering::SeqCst);
        }
        if self.asleep.load(Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
    use super::super::limits::Exceeded;
    use super::*;
    use std::sync::mpsc::channel;
    use wasmtime::{Instance, Module, Store};

    /// `(module (func (loop (br 0))) (start 0))`
    const LOOPS: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x08\x01\0\
        \x0a\x09\x01\x07\0\x03\x40\x0c\0\x0b\x0b";

    /// A call's time is the processor's: where a worker gets little of that, it can be running when
    /// the clock on the wall has long passed what the ticker waits for.
    #[test]
    fn the_epoch_advances_for_as_long_as_a_call_runs() {
        const TIME: Duration = Duration::from_millis(100);
        let (sender, receiver) = channel();
        // A thread of its own: a call that is never interrupted would never give it back.
        std::thread::spawn(move || {
            let mut engine = Engine::new(1).expect("an engine");
            // Enough for all of the call's time, but not for the half before it as well.
            let idle = ticks(TIME) + 10;
            engine.ticker = Ticker::start(engine.engines.clone(), idle).expect("a thread");
            let wasmtime = engine.engines.with(STACKS[0]).expect("an engine");
            let module = Module::new(wasmtime, LOOPS).expect("a module");
            let mut store = Store::new(wasmtime, Budget::new(TIME));
            let runs = engine.clone();
            store.epoch_deadline_callback(move |mut store| {
                runs.call_runs();
                Ok(store.data_mut().look()?)
            });
            engine.call_runs();
            let ticks = store.data_mut().begin();
            store.set_epoch_deadline(ticks);
            let error = Instance::new(&mut store, &module, &[]).expect_err("it loops");
            let _ = sender.send(error.downcast_ref::<Exceeded>().copied());
        });
        let ended = receiver.recv_timeout(Duration::from_secs(20));
        assert_eq!(ended, Ok(Some(Exceeded::Time(TIME))));
    }
}
