//! Warm instances: one for each plugin and worker thread, made on first use.

use super::bindings::lifecycle::{self, Spared};
use super::bindings::{access, cache_key, cache_rules, request_headers, response_headers};
use super::budget::Budget;
use super::compiled::Compiled;
use super::engine::Engine;
use super::limits::{Allowance, Draft, Keep, Limits};
use super::manifest::{Grants, Manifest};
use super::state::{FieldsHandle, RequestHandle, State};
use super::wasi::Wasi;
use super::{Configured, Hook, printable};
use crate::http::Fields;
use crate::transaction::Request;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use wasmtime::Store;
use wasmtime::component::{InstancePre, Resource};
use wasmtime::error::Context as _;

/// How long `configure` may take: an interpreter starts and a large configuration is read.
const CONFIGURE_TIME: Duration = Duration::from_secs(5);
/// Octets that a call can hand the host at a time, arguments and results: more than anything that
/// it has a use for, and little enough not to hurt.
const MAX_CROSSING: usize = 4 << 20;

/// A component, linked: makes instances.
pub(super) struct Template {
    engine: Engine,
    plugin: Arc<str>,
    component: InstancePre<State>,
    limits: Limits,
    grants: Grants,
    config: String,
    /// What the first instance answered: the host goes by it, whichever instance it calls.
    spared: OnceLock<Spared>,
    lifecycle: lifecycle::GuestIndices,
    access: Option<access::GuestIndices>,
    request_headers: Option<request_headers::GuestIndices>,
    response_headers: Option<response_headers::GuestIndices>,
    cache_rules: Option<cache_rules::GuestIndices>,
    cache_key: Option<cache_key::GuestIndices>,
}

/// One instance: serves one call at a time.
pub(super) struct Instance {
    store: Store<State>,
    calls_left: u64,
    access: Option<access::Guest>,
    request_headers: Option<request_headers::Guest>,
    response_headers: Option<response_headers::Guest>,
    cache_rules: Option<cache_rules::Guest>,
    cache_key: Option<cache_key::Guest>,
}

/// One place for an instance for each worker thread.
pub(super) struct Slots {
    /// Each is taken out of its place for a call: boxed, because one is large.
    places: Box<[Mutex<Option<Box<Instance>>>]>,
    closed: AtomicBool,
}

// === impl Template ===

impl Template {
    pub(super) fn new(
        engine: &Engine,
        manifest: &Manifest,
        compiled: &Compiled,
        config: String,
    ) -> wasmtime::Result<Template> {
        let component = compiled.linked.clone();
        // What it exports has to be what the hook is: else it would be loaded and never called.
        macro_rules! served {
            ($hook:ident, $interface:ident) => {
                match compiled.hooks().contains(&Hook::$hook) {
                    true => Some($interface::GuestIndices::new(&component)?),
                    false => None,
                }
            };
        }
        Ok(Template {
            engine: engine.clone(),
            plugin: manifest.name.as_str().into(),
            spared: OnceLock::new(),
            lifecycle: lifecycle::GuestIndices::new(&component)?,
            access: served!(Access, access),
            request_headers: served!(RequestHeaders, request_headers),
            response_headers: served!(ResponseHeaders, response_headers),
            cache_rules: served!(CacheRules, cache_rules),
            cache_key: served!(CacheKey, cache_key),
            component,
            limits: manifest.limits.clone(),
            grants: manifest.grants,
            config,
        })
    }

    /// Makes an instance and configures it. The outer error is the plugin's failure, the inner
    /// one its complaint about the configuration.
    pub(super) fn instantiate(&self) -> wasmtime::Result<Configured<Box<Instance>>> {
        let (mut instance, lifecycle) = self.start()?;
        match lifecycle.call_configure(&mut instance.store, &self.config)? {
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
    pub(super) fn start(&self) -> wasmtime::Result<(Box<Instance>, lifecycle::Guest)> {
        let state = State {
            plugin: self.plugin.clone(),
            request: None,
            fields: None,
            allowance: Allowance::new(self.limits.memory),
            budget: Budget::new(CONFIGURE_TIME),
            lines: 0,
            wasi: Wasi::new(&self.grants),
        };
        let mut store = Store::new(&self.engine.wasmtime, state);
        store.limiter(|state| &mut state.allowance);
        store.set_hostcall_fuel(MAX_CROSSING);
        let engine = self.engine.clone();
        store.epoch_deadline_callback(move |mut store| {
            engine.call_runs();
            Ok(store.data_mut().budget.look()?)
        });
        self.call_begins(&mut store);
        let instance = self.component.instantiate(&mut store)?;
        let lifecycle = self.lifecycle.load(&mut store, &instance)?;
        macro_rules! load {
            ($name:ident, $hook:ident) => {
                match &self.$hook {
                    Some(indices) => {
                        let hook = indices.load(&mut store, &instance);
                        let other = || format!("its hook `{}` has other types", Hook::$name);
                        Some(hook.with_context(other)?)
                    }
                    None => None,
                }
            };
        }
        let instance = Instance {
            calls_left: self.limits.calls,
            access: load!(Access, access),
            request_headers: load!(RequestHeaders, request_headers),
            response_headers: load!(ResponseHeaders, response_headers),
            cache_rules: load!(CacheRules, cache_rules),
            cache_key: load!(CacheKey, cache_key),
            store,
        };
        Ok((Box::new(instance), lifecycle))
    }

    /// Lends a warm instance of this thread's to one call. A call that fails costs the instance,
    /// and so does one that was its last.
    pub(super) fn call<R>(
        &self,
        slots: &Slots,
        call: impl FnOnce(&mut Instance) -> wasmtime::Result<R>,
    ) -> wasmtime::Result<R> {
        let mut slot = slots.mine().lock().unwrap_or_else(PoisonError::into_inner);
        let mut instance = match slot.take() {
            Some(instance) => instance,
            None => self.instantiate()?.map_err(|complaint| {
                wasmtime::Error::msg(format!(
                    "a new instance refuses the configuration that an earlier one took: {}",
                    complaint.message
                ))
            })?,
        };
        self.call_begins(&mut instance.store);
        let result = call(&mut instance);
        instance.calls_left -= 1;
        if result.is_ok() && instance.calls_left > 0 && !slots.closed.load(Ordering::Relaxed) {
            *slot = Some(instance);
        }
        result
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

    /// The calls that the configuration makes pointless; none before there is an instance.
    pub(super) fn spared(&self) -> Spared {
        self.spared.get().copied().unwrap_or_default()
    }
}

// === impl Instance ===

impl Instance {
    pub(super) fn authorize(
        &mut self,
        request: &Arc<Request>,
    ) -> wasmtime::Result<access::Verdict> {
        let hook = self.access.as_ref().ok_or_else(not_served)?;
        lend(&mut self.store, request, |store| {
            hook.call_authorize(store, request_handle())
        })
    }

    pub(super) fn key_for(&mut self, request: &Arc<Request>) -> wasmtime::Result<cache_key::Key> {
        let hook = self.cache_key.as_ref().ok_or_else(not_served)?;
        lend(&mut self.store, request, |store| {
            hook.call_key_for(store, request_handle())
        })
    }

    pub(super) fn on_request(
        &mut self,
        request: &Arc<Request>,
        lent: Lent<'_>,
    ) -> wasmtime::Result<()> {
        let hook = self.request_headers.as_ref().ok_or_else(not_served)?;
        lent.to(&mut self.store, request, |store| {
            hook.call_on_request(store, request_handle(), fields_handle())
        })
    }

    pub(super) fn on_response(
        &mut self,
        request: &Arc<Request>,
        status: u16,
        lent: Lent<'_>,
    ) -> wasmtime::Result<()> {
        let hook = self.response_headers.as_ref().ok_or_else(not_served)?;
        lent.to(&mut self.store, request, |store| {
            hook.call_on_response(store, request_handle(), status, fields_handle())
        })
    }

    pub(super) fn rule_for(
        &mut self,
        request: &Arc<Request>,
        status: u16,
        lent: Lent<'_>,
    ) -> wasmtime::Result<cache_rules::Decision> {
        let hook = self.cache_rules.as_ref().ok_or_else(not_served)?;
        lent.to(&mut self.store, request, |store| {
            hook.call_rule_for(store, request_handle(), status, fields_handle())
        })
    }
}

fn not_served() -> wasmtime::Error {
    wasmtime::Error::msg("the plugin does not serve this hook")
}

/// Puts a request where the call's handle finds it.
fn lend<R>(
    store: &mut Store<State>,
    request: &Arc<Request>,
    call: impl FnOnce(&mut Store<State>) -> wasmtime::Result<R>,
) -> wasmtime::Result<R> {
    store.data_mut().request = Some(request.clone());
    let result = call(store);
    store.data_mut().request = None;
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
        store.data_mut().fields = Some(Draft::new(fields, self.limit, self.keep));
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
            places: (0..workers.max(1)).map(|_| Mutex::new(None)).collect(),
            closed: AtomicBool::new(false),
        }
    }

    /// Fills every place, so that no request waits for an instance.
    pub(super) fn warm(&self, template: &Template) -> wasmtime::Result<Configured<()>> {
        for slot in &self.places {
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
        for slot in &self.places {
            slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    /// The calling thread's place.
    fn mine(&self) -> &Mutex<Option<Box<Instance>>> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
        }
        let thread = THREAD.get().unwrap_or_else(|| {
            let thread = THREADS.fetch_add(1, Ordering::Relaxed);
            THREAD.set(Some(thread));
            thread
        });
        &self.places[thread % self.places.len()]
    }
}
