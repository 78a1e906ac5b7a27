//! Warm instances: one for each plugin and worker thread, made on first use.

mod bodies;

use super::bindings::lifecycle::{self, Spared};
use super::bindings::{access, cache_key, cache_rules, explain, observer};
use super::budget::Budget;
use super::compiled::Compiled;
use super::draft::{Draft, Keep};
use super::engine::Engine;
use super::exports::{Exports, Functions, not_served};
use super::helpers::HelperNames;
use super::limits::{Allowance, Limits};
use super::manifest::{Grants, Manifest};
use super::meters::{Limit, Meter, Meters};
use super::sets::Sets;
use super::state::{FieldsHandle, Own, RequestHandle, State};
use super::wasi::{Preopen, Wasi};
use super::{Configured, Hook, printable};
use crate::http::Fields;
use crate::thread::{self, Apart};
use crate::transaction::Request;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::Duration;
use wasmtime::Store;
use wasmtime::component::{InstancePre, Resource};

/// How long `configure` may take: an interpreter starts and a large configuration is read.
const CONFIGURE_TIME: Duration = Duration::from_secs(5);
/// Octets that a call can hand the host at a time, arguments and results: more than anything that
/// it has a use for, and little enough not to hurt.
const MAX_CROSSING: usize = 4 << 20;

/// A component, linked: makes instances.
pub(super) struct Template {
    engine: Engine,
    plugin: Arc<str>,
    meter: Arc<Meter>,
    component: InstancePre<State>,
    limits: Arc<Limits>,
    grants: Grants,
    directories: Arc<[Preopen]>,
    sets: Sets,
    helpers: HelperNames,
    config: String,
    /// What the first instance answered: the host goes by it, whichever instance it calls.
    spared: OnceLock<Spared>,
    exports: Exports,
}

/// One instance: serves one call at a time.
pub(super) struct Instance {
    store: Store<State>,
    functions: Functions,
    calls_left: u64,
}

type Place = Mutex<Option<Box<Instance>>>;

/// One place for an instance for each worker thread.
pub(super) struct Slots {
    /// Each is taken out of its place for a call: boxed, because one is large.
    places: Box<[Apart<Place>]>,
    closed: AtomicBool,
}

// === impl Template ===

impl Template {
    pub(super) fn new(
        engine: &Engine,
        manifest: &Manifest,
        compiled: &Compiled,
        directories: Arc<[Preopen]>,
        sets: Sets,
        helpers: HelperNames,
        config: String,
    ) -> wasmtime::Result<Template> {
        Ok(Template {
            engine: engine.clone(),
            plugin: manifest.name.as_str().into(),
            meter: engine.meters().of(&manifest.name),
            spared: OnceLock::new(),
            exports: Exports::of(compiled)?,
            component: compiled.linked.clone(),
            limits: Arc::new(manifest.limits.clone()),
            grants: manifest.grants.clone(),
            directories,
            sets,
            helpers,
            config,
        })
    }

    /// Makes an instance and configures it. The outer error is the plugin's failure, the inner
    /// one its complaint about the configuration.
    pub(super) fn instantiate(&self) -> wasmtime::Result<Configured<Box<Instance>>> {
        let mut instance = self.start()?;
        let Instance {
            functions, store, ..
        } = &mut *instance;
        let configured = functions.configure.call(&mut *store, &self.config);
        store.data_mut().end_lines();
        match configured? {
            Ok(spared) if *self.spared.get_or_init(|| spared) == spared => {}
            // One that wants to be called where the others do not would not be.
            Ok(_) => {
                let what = "an instance of it spares other calls than those before it";
                return Err(wasmtime::Error::msg(what));
            }
            Err(complaint) => {
                return Ok(Err(lifecycle::ConfigError {
                    at: printable(&complaint.at),
                    message: printable(&complaint.message),
                }));
            }
        }
        instance.store.data_mut().budget = Budget::new(self.limits.time);
        Ok(Ok(instance))
    }

    /// Makes an instance whose exports have the types of the hooks. It waits to be configured.
    pub(super) fn start(&self) -> wasmtime::Result<Box<Instance>> {
        let state = State {
            limits: self.limits.clone(),
            meter: self.meter.clone(),
            request: None,
            fields: None,
            allowance: Allowance::new(&self.limits),
            budget: Budget::new(CONFIGURE_TIME),
            lines: 0,
            wasi: Wasi::new(&self.grants, self.directories.clone(), self.limits.handles),
            own: Own::default(),
            kv: self.grants.kv.then(|| self.meter.kv().clone()),
            sets: self.sets.clone(),
            helpers: self.helpers.clone(),
        };
        self.meter.instance_made();
        let mut store = Store::new(self.component.engine(), state);
        store.limiter(|state| &mut state.allowance);
        store.set_hostcall_fuel(MAX_CROSSING);
        let engine = self.engine.clone();
        store.epoch_deadline_callback(move |mut store| {
            engine.call_runs();
            Ok(store.data_mut().budget.look()?)
        });
        self.call_begins(&mut store);
        let instance = self.component.instantiate(&mut store)?;
        let instance = Instance {
            functions: self.exports.load(&mut store, &instance)?,
            calls_left: self.limits.calls,
            store,
        };
        Ok(Box::new(instance))
    }

    /// One that takes the configuration, as those before it did.
    pub(super) fn fresh(&self) -> wasmtime::Result<Box<Instance>> {
        self.instantiate()?.map_err(|complaint| {
            wasmtime::Error::msg(format!(
                "a new instance refuses the configuration that an earlier one took: {}",
                complaint.message
            ))
        })
    }

    /// Lends a warm instance of this thread's to one call. A call that fails costs the instance,
    /// and so does one that was its last.
    pub(super) fn call<R>(
        &self,
        slots: &Slots,
        call: impl FnOnce(&mut Instance) -> wasmtime::Result<R>,
    ) -> wasmtime::Result<R> {
        let mut slot = slots.free();
        let mut instance = match slot.take() {
            Some(instance) => instance,
            None => self.fresh()?,
        };
        self.call_begins(&mut instance.store);
        let result = call(&mut instance);
        instance.calls_left -= 1;
        if instance.calls_left == 0 {
            self.meter.ran_into(Limit::Calls);
        }
        if result.is_ok() && instance.calls_left > 0 && !slots.closed.load(Ordering::Relaxed) {
            *slot = Some(instance);
        }
        result
    }

    /// Lends an instance that is made for this one call, and of which nothing is left.
    pub(super) fn call_once<R>(
        &self,
        time: Duration,
        call: impl FnOnce(&mut Instance) -> wasmtime::Result<R>,
    ) -> wasmtime::Result<R> {
        let mut instance = self.fresh()?;
        instance.store.data_mut().budget = Budget::new(time);
        self.call_begins(&mut instance.store);
        call(&mut instance)
    }

    /// The same for another purpose: nothing that it keeps or counts is the served plugin's.
    pub(super) fn apart(&self) -> Template {
        Template {
            engine: self.engine.clone(),
            plugin: self.plugin.clone(),
            meter: Meters::default().of(&self.plugin),
            component: self.component.clone(),
            limits: self.limits.clone(),
            grants: self.grants.clone(),
            directories: self.directories.clone(),
            sets: self.sets.clone(),
            helpers: self.helpers.clone(),
            config: self.config.clone(),
            spared: OnceLock::new(),
            exports: self.exports.clone(),
        }
    }

    fn call_begins(&self, store: &mut Store<State>) {
        self.engine.call_runs();
        let state = store.data_mut();
        state.lines = 0;
        let ticks = state.budget.begin();
        store.set_epoch_deadline(ticks);
    }

    pub(super) fn plugin(&self) -> Arc<str> {
        self.plugin.clone()
    }

    /// What is counted of the plugin.
    pub(super) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// The calls that the configuration makes pointless; none before there is an instance.
    pub(super) fn spared(&self) -> Spared {
        self.spared.get().copied().unwrap_or_default()
    }

    /// Whether the configuration leaves that hook nothing to do.
    pub(super) fn spares(&self, hook: Hook) -> bool {
        let spared = match hook {
            Hook::Access => return false,
            Hook::RequestHeaders => Spared::REQUEST_HEADERS,
            Hook::ResponseHeaders => Spared::RESPONSE_HEADERS,
            Hook::CacheRules => Spared::CACHE_RULES,
            Hook::CacheKey => Spared::CACHE_KEY,
            Hook::Observer => Spared::OBSERVER,
            Hook::RequestBody => Spared::REQUEST_BODY,
            Hook::ResponseBody => Spared::RESPONSE_BODY,
        };
        self.spared().contains(spared)
    }
}

// === impl Instance ===

impl Instance {
    pub(super) fn authorize(
        &mut self,
        request: &Arc<Request>,
    ) -> wasmtime::Result<access::Verdict> {
        let hook = self.functions.authorize.as_ref().ok_or_else(not_served)?;
        lend(&mut self.store, request, |store| {
            hook.call(store, request_handle())
        })
    }

    pub(super) fn key_for(&mut self, request: &Arc<Request>) -> wasmtime::Result<cache_key::Key> {
        let hook = self.functions.key_for.as_ref().ok_or_else(not_served)?;
        lend(&mut self.store, request, |store| {
            Ok(hook.call(store, (request_handle(),))?.0)
        })
    }

    pub(super) fn trace(
        &mut self,
        request: &Arc<Request>,
    ) -> wasmtime::Result<Vec<explain::LookedAt>> {
        let trace = self.functions.trace.as_ref().ok_or_else(not_served)?;
        lend(&mut self.store, request, |store| {
            Ok(trace.call(store, (request_handle(),))?.0)
        })
    }

    pub(super) fn on_request(
        &mut self,
        request: &Arc<Request>,
        lent: Lent<'_>,
    ) -> wasmtime::Result<()> {
        let hook = self.functions.on_request.as_ref().ok_or_else(not_served)?;
        lent.to(&mut self.store, request, |store| {
            hook.call(store, (request_handle(), fields_handle()))
        })
    }

    pub(super) fn on_response(
        &mut self,
        request: &Arc<Request>,
        status: u16,
        lent: Lent<'_>,
    ) -> wasmtime::Result<()> {
        let hook = self.functions.on_response.as_ref().ok_or_else(not_served)?;
        lent.to(&mut self.store, request, |store| {
            hook.call(store, (request_handle(), status, fields_handle()))
        })
    }

    pub(super) fn rule_for(
        &mut self,
        request: &Arc<Request>,
        status: u16,
        lent: Lent<'_>,
    ) -> wasmtime::Result<cache_rules::Decision> {
        let hook = self.functions.rule_for.as_ref().ok_or_else(not_served)?;
        lent.to(&mut self.store, request, |store| {
            Ok(hook
                .call(store, (request_handle(), status, fields_handle()))?
                .0)
        })
    }

    pub(super) fn on_completed(&mut self, batch: Vec<observer::Completed>) -> wasmtime::Result<()> {
        let hook = self.functions.on_completed.as_ref();
        let done = hook.ok_or_else(not_served)?.call(&mut self.store, (batch,));
        self.store.data_mut().end_lines();
        done
    }
}

/// Puts a request where the call's handle finds it.
fn lend<R>(
    store: &mut Store<State>,
    request: &Arc<Request>,
    call: impl FnOnce(&mut Store<State>) -> wasmtime::Result<R>,
) -> wasmtime::Result<R> {
    store.data_mut().request = Some(request.clone());
    let result = call(store);
    let state = store.data_mut();
    state.end_lines();
    state.request = None;
    result
}

fn request_handle() -> Resource<RequestHandle> {
    Resource::new_borrow(0)
}

fn fields_handle() -> Resource<FieldsHandle> {
    Resource::new_borrow(0)
}

/// Fields that are lent to one call.
pub(super) struct Lent<'a> {
    pub(super) fields: &'a mut Fields,
    /// Octets that they may grow to.
    pub(super) limit: usize,
    pub(super) keep: Keep,
}

// === impl Lent ===

impl Lent<'_> {
    /// Puts request and fields where the call's handles find them, and takes them back after it.
    fn to<R>(
        self,
        store: &mut Store<State>,
        request: &Arc<Request>,
        call: impl FnOnce(&mut Store<State>) -> wasmtime::Result<R>,
    ) -> wasmtime::Result<R> {
        let fields = std::mem::take(self.fields);
        let state = store.data_mut();
        let room = state.limits.fields;
        state.fields = Some(Draft::new(fields, self.limit, room, self.keep));
        let result = lend(store, request, call);
        if let Some(draft) = store.data_mut().fields.take() {
            *self.fields = draft.finish(result.is_ok());
        }
        result
    }
}

// === impl Slots ===

impl Slots {
    pub(super) fn new(workers: usize) -> Slots {
        Slots {
            places: (0..workers.max(1)).map(|_| Apart::default()).collect(),
            closed: AtomicBool::new(false),
        }
    }

    /// How many places there are.
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// Fills every place, so that no request waits for an instance.
    pub(super) fn warm(&self, template: &Template) -> wasmtime::Result<Configured<()>> {
        for Apart(slot) in &self.places {
            match template.instantiate()? {
                Ok(instance) => {
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(instance);
                }
                Err(complaint) => return Ok(Err(complaint)),
            }
        }
        Ok(Ok(()))
    }

    /// Empties every place, for good. Waits for the calls that run, each within its limit.
    pub(super) fn close(&self) {
        // Before the first place is locked: whoever holds one sees it when his call is over.
        self.closed.store(true, Ordering::Relaxed);
        for Apart(slot) in &self.places {
            slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    /// A place that is free: the calling thread's own, unless another thread has the same.
    fn free(&self) -> MutexGuard<'_, Option<Box<Instance>>> {
        let (mine, count) = (thread::number(), self.places.len());
        let place = |turn: usize| &self.places[(mine + turn) % count].0;
        (0..count)
            .find_map(|turn| match place(turn).try_lock() {
                Ok(place) => Some(place),
                Err(TryLockError::Poisoned(place)) => Some(place.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            })
            .unwrap_or_else(|| place(0).lock().unwrap_or_else(PoisonError::into_inner))
    }
}
