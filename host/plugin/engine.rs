//! The wasm engine: one for the process, with its clock and its compile cache.

use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;
use wasmtime::component::Component;
use wasmtime::{Cache, CacheConfig, Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Compiles components and runs their calls within limits.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    ticker: Arc<Ticker>,
}

/// The most memory that a manifest can give an instance.
pub(super) const MAX_MEMORY: usize = 1 << 30;
/// How often the epoch advances.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// The longest deadline that a manifest can give a call.
pub(super) const MAX_CALL_TIME: Duration = Duration::from_secs(10);
/// Ticks without a call after which the ticker sleeps: no call can be running that long.
const IDLE_TICKS: u32 = 15_000;

// === impl Engine ===

impl Engine {
    /// An engine whose compiled components are kept in a cache directory, where one can be had.
    pub fn new() -> anyhow::Result<Engine> {
        let mut pool = PoolingAllocationConfig::new();
        // Virtual address space, not memory: enough for every worker, plugin and generation.
        pool.total_component_instances(1000)
            .total_core_instances(4000)
            .total_memories(1000)
            .total_tables(4000)
            // An unused place keeps the code of the component that was in it last: with wasmtime's
            // hundred of them, swapped components would pile up.
            .max_unused_warm_slots(4)
            .max_memory_size(MAX_MEMORY)
            .max_memories_per_component(4)
            .max_core_instances_per_component(64)
            .max_tables_per_component(64)
            .max_component_instance_size(16 << 20)
            .max_core_instance_size(16 << 20)
            .table_elements(100_000);
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .concurrency_support(false)
            .epoch_interruption(true)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .cache(cache_directory().as_deref().and_then(open_cache));
        let wasmtime = wasmtime::Engine::new(&config)
            .map_err(anyhow::Error::from)
            .context("the wasm engine cannot start")?;
        let ticker = Ticker::start(wasmtime.clone())?;
        Ok(Engine { wasmtime, ticker })
    }

    /// Compiles a component, or finds it compiled in the cache.
    pub(super) fn compile(&self, bytes: &[u8]) -> anyhow::Result<Component> {
        Component::from_binary(&self.wasmtime, bytes).map_err(anyhow::Error::from)
    }

    /// A call begins: the epoch has to advance.
    pub(super) fn call_begins(&self) {
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
        tracing::debug!("components are compiled anew each time: no cache in {directory}: {error}");
    }
    cache.ok()
}

/// `/var/cache/wproxy` for a service, `$XDG_CACHE_HOME/wproxy` for a person.
fn cache_directory() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let directory = variable("CACHE_DIRECTORY")
        .map(PathBuf::from)
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| Path::new(&cache).join("wproxy")))
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache/wproxy")))
        .unwrap_or_else(|| "/var/cache/wproxy".into());
    directory.is_absolute().then_some(directory)
}

/// Advances the engine's epoch every [`TICK`] while calls are made, and sleeps while none are.
#[derive(Debug)]
struct Ticker {
    called: AtomicBool,
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

// === impl Ticker ===

impl Ticker {
    fn start(engine: wasmtime::Engine) -> anyhow::Result<Arc<Ticker>> {
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
                    if idle > IDLE_TICKS {
                        ticker.sleep();
                        idle = 0;
                    }
                    drop(ticker);
                    std::thread::sleep(TICK);
                    engine.increment_epoch();
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

    /// A call begins. Mostly two loads of what no other thread writes.
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
