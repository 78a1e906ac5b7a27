//! Instances for bodies: one for each that is watched, and some in reserve.

use crate::plugin::engine::{BODIES, Engine, RESERVE};
use crate::plugin::instance::{Instance, Template};
use crate::plugin::{Configured, Plugin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The instances of one plugin that watch bodies.
///
/// One that has watched a body is gone with it: neither what it remembers nor what it leaks reaches
/// another one. One that wanted nothing of a body is kept for the next.
pub(in crate::plugin) struct Places {
    /// Bodies that the plugin can watch at a time.
    most: usize,
    free: Arc<Semaphore>,
    /// The same of all plugins together.
    free_of_all: Arc<Semaphore>,
    reserve: Mutex<Reserve>,
}

/// The place of a body that is watched, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// No more bodies can be watched at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("it watches {0} bodies already, which is its limit")]
    Own(usize),
    #[error("{BODIES} bodies are watched already, which is the limit of all plugins together")]
    OfAll,
}

#[derive(Default)]
struct Reserve {
    #[expect(
        clippy::vec_box,
        reason = "they come and go in their boxes: one is large"
    )]
    instances: Vec<Box<Instance>>,
    /// How many there are to be when a body comes.
    wanted: usize,
    /// Whether they are made in the background.
    filling: bool,
    /// None is kept any more.
    closed: bool,
}

// === impl Places ===

impl Places {
    /// For that many bodies at a time.
    pub(in crate::plugin) fn new(engine: &Engine, most: usize) -> Places {
        Places {
            most,
            free: Arc::new(Semaphore::new(most)),
            free_of_all: engine.bodies().clone(),
            reserve: Mutex::default(),
        }
    }

    /// Takes a place.
    pub(super) fn enter(&self) -> Result<Place, Full> {
        let own = self.free.clone().try_acquire_owned();
        let own = own.map_err(|_| Full::Own(self.most))?;
        let of_all = self.free_of_all.clone().try_acquire_owned();
        let of_all = of_all.map_err(|_| Full::OfAll)?;
        Ok(Place {
            _own: own,
            _of_all: of_all,
        })
    }

    /// Makes as many as are wanted, which is known for sure once there is one.
    pub(in crate::plugin) fn warm(
        &self,
        template: &Template,
        wanted: impl Fn() -> usize,
    ) -> wasmtime::Result<Configured<()>> {
        while self.wants(wanted()) {
            match template.instantiate()? {
                Ok(instance) => self.keep(instance),
                Err(complaint) => return Ok(Err(complaint)),
            }
        }
        Ok(Ok(()))
    }

    /// An instance that has watched nothing yet.
    pub(super) fn instance(&self, template: &Template) -> wasmtime::Result<Box<Instance>> {
        let kept = self.reserve().instances.pop();
        kept.map_or_else(|| template.fresh(), Ok)
    }

    /// Keeps one that has watched nothing.
    pub(super) fn keep(&self, instance: Box<Instance>) {
        let mut reserve = self.reserve();
        if !reserve.closed && reserve.instances.len() < RESERVE {
            reserve.instances.push(instance);
        }
    }

    /// Keeps none any more. Those that watch a body do so to its end.
    pub(in crate::plugin) fn close(&self) {
        let mut reserve = self.reserve();
        reserve.closed = true;
        reserve.instances.clear();
    }

    /// From now on so many are to be there. Whether there are too few.
    fn wants(&self, wanted: usize) -> bool {
        let mut reserve = self.reserve();
        reserve.wanted = wanted.min(self.most).min(RESERVE);
        let wanted = reserve.wanted;
        reserve.instances.truncate(wanted);
        reserve.is_short()
    }

    /// Where somebody has to begin to make more, and what runs that in the background.
    fn begin_filling(&self) -> Option<Handle> {
        let mut reserve = self.reserve();
        if reserve.filling || !reserve.is_short() {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        reserve.filling = true;
        Some(runtime)
    }

    /// Makes what has gone.
    fn fill(&self, template: &Template) {
        while self.goes_on_filling() {
            match template.fresh() {
                Ok(instance) => self.keep(instance),
                Err(error) => {
                    // The body that finds none makes its own, and tells of what happens then.
                    tracing::debug!(plugin = &*template.plugin(), "no reserve: {error:?}");
                    self.reserve().filling = false;
                    return;
                }
            }
        }
    }

    fn goes_on_filling(&self) -> bool {
        let mut reserve = self.reserve();
        reserve.filling = reserve.is_short();
        reserve.filling
    }

    fn reserve(&self) -> MutexGuard<'_, Reserve> {
        self.reserve.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Reserve ===

impl Reserve {
    fn is_short(&self) -> bool {
        !self.closed && self.instances.len() < self.wanted
    }
}

// === impl Plugin ===

impl Plugin {
    /// If one of the reserve is gone, makes another: the next body is not to wait until that is
    /// configured, nor is all else that the worker has to do. Where nothing runs in the background,
    /// it waits.
    pub(super) fn refill(self: &Arc<Plugin>) {
        if let Some(runtime) = self.places.begin_filling() {
            let plugin = self.clone();
            drop(runtime.spawn_blocking(move || plugin.places.fill(&plugin.template)));
        }
    }
}

#[cfg(test)]
mod tests;
