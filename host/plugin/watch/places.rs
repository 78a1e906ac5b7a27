//! Instances for bodies: one for each that is watched, and some in reserve.

use crate::plugin::instance::{Instance, Template};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The instances of one plugin that watch bodies.
///
/// One that has watched a body is gone with it: neither what it remembers nor what it leaks reaches
/// another one. One that wanted nothing of a body is kept for the next.
#[derive(Default)]
pub(in crate::plugin) struct Places {
    taken: AtomicUsize,
    reserve: Mutex<Reserve>,
}

#[derive(Default)]
struct Reserve {
    #[expect(
        clippy::vec_box,
        reason = "they come and go in their boxes: one is large"
    )]
    instances: Vec<Box<Instance>>,
    /// None is kept any more.
    closed: bool,
}

/// Instances that are kept for bodies that may come.
const RESERVE: usize = 16;

// === impl Places ===

impl Places {
    /// Takes one of so many places. `false` where none is free.
    pub(super) fn enter(&self, most: usize) -> bool {
        let one_more = |taken| (taken < most).then_some(taken + 1);
        let taken = &self.taken;
        let entered = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.is_ok()
    }

    /// Gives a place back.
    pub(super) fn leave(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
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

    fn reserve(&self) -> MutexGuard<'_, Reserve> {
        self.reserve.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
