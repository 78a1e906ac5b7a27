//! What the host calls of a component: found once for each component, loaded for each instance.
//!
//! Most hooks are the same in every version that is served, so that the functions of an older
//! component are called as those of a new one; `configure` and `authorize` answer less in the older.

use super::Configured;
use super::Hook;
use super::bindings::lifecycle::Spared;
use super::bindings::{PreviousVerdict, access, cache_key, cache_rules, explain, observer};
use super::compiled::Compiled;
use super::state::{FieldsHandle, RequestHandle, State};
use super::version::{EXPLAIN, Version};
use wasmtime::Store;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, Resource, TypedFunc,
};
use wasmtime::error::Context as _;

/// Where the functions are among a component's exports.
#[derive(Clone)]
pub(super) struct Exports {
    version: Version,
    configure: ComponentExportIndex,
    authorize: Option<ComponentExportIndex>,
    on_request: Option<ComponentExportIndex>,
    on_response: Option<ComponentExportIndex>,
    rule_for: Option<ComponentExportIndex>,
    key_for: Option<ComponentExportIndex>,
    on_completed: Option<ComponentExportIndex>,
    trace: Option<ComponentExportIndex>,
}

/// An instance's functions.
pub(super) struct Functions {
    pub(super) configure: Configure,
    pub(super) authorize: Option<Authorize>,
    pub(super) on_request: Option<OnRequest>,
    pub(super) on_response: Option<OnResponse>,
    pub(super) rule_for: Option<RuleFor>,
    pub(super) key_for: Option<KeyFor>,
    pub(super) on_completed: Option<OnCompleted>,
    pub(super) trace: Option<Trace>,
}

/// `configure` answers less in version 0.1.
pub(super) enum Configure {
    V0_1(TypedFunc<(String,), (Configured<()>,)>),
    V0_2(TypedFunc<(String,), (Configured<Spared>,)>),
}

/// `authorize` has fewer verdicts in version 0.1.
pub(super) enum Authorize {
    V0_1(TypedFunc<(Request,), (PreviousVerdict,)>),
    V0_2(TypedFunc<(Request,), (access::Verdict,)>),
}

type Request = Resource<RequestHandle>;
type Fields = Resource<FieldsHandle>;

type OnRequest = TypedFunc<(Request, Fields), ()>;
type OnResponse = TypedFunc<(Request, u16, Fields), ()>;
type RuleFor = TypedFunc<(Request, u16, Fields), (cache_rules::Decision,)>;
type KeyFor = TypedFunc<(Request,), (cache_key::Key,)>;
type OnCompleted = TypedFunc<(Vec<observer::Completed>,), ()>;
type Trace = TypedFunc<(Request,), (Vec<explain::LookedAt>,)>;

// === impl Configure ===

impl Configure {
    /// Hands an instance its configuration.
    pub(super) fn call(
        &self,
        store: &mut Store<State>,
        config: &str,
    ) -> wasmtime::Result<Configured<Spared>> {
        let config = (config.to_owned(),);
        Ok(match self {
            Configure::V0_1(configure) => {
                configure.call(store, config)?.0.map(|()| Spared::empty())
            }
            Configure::V0_2(configure) => configure.call(store, config)?.0,
        })
    }
}

// === impl Authorize ===

impl Authorize {
    /// Asks an instance whether the lent request may pass.
    pub(super) fn call(
        &self,
        store: &mut Store<State>,
        request: Request,
    ) -> wasmtime::Result<access::Verdict> {
        Ok(match self {
            Authorize::V0_1(authorize) => authorize.call(store, (request,))?.0.into(),
            Authorize::V0_2(authorize) => authorize.call(store, (request,))?.0,
        })
    }
}

// === impl Exports ===

impl Exports {
    /// What it exports has to be what the hook is: else it would be loaded and never called.
    pub(super) fn of(compiled: &Compiled) -> wasmtime::Result<Exports> {
        let (component, version) = (compiled.linked.component(), compiled.version());
        let served = |hook: Hook, function: &str| match compiled.hooks().contains(&hook) {
            true => find(component, &version.interface(hook), function).map(Some),
            false => Ok(None),
        };
        Ok(Exports {
            version,
            configure: find(component, &version.interface("lifecycle"), "configure")?,
            authorize: served(Hook::Access, "authorize")?,
            on_request: served(Hook::RequestHeaders, "on-request")?,
            on_response: served(Hook::ResponseHeaders, "on-response")?,
            rule_for: served(Hook::CacheRules, "rule-for")?,
            key_for: served(Hook::CacheKey, "key-for")?,
            on_completed: served(Hook::Observer, "on-completed")?,
            trace: match compiled.explains() {
                true => Some(find(component, &version.interface(EXPLAIN), "trace")?),
                false => None,
            },
        })
    }

    /// The functions of one instance.
    ///
    /// # Errors
    /// One has other types than the hook.
    pub(super) fn load(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Functions> {
        let configure = match self.version {
            Version::V0_1 => Configure::V0_1(instance.get_typed_func(&mut *store, self.configure)?),
            Version::V0_2 => Configure::V0_2(instance.get_typed_func(&mut *store, self.configure)?),
        };
        let trace = |export| {
            let function = instance.get_typed_func(&mut *store, export);
            function.with_context(|| format!("its export `{EXPLAIN}` has other types"))
        };
        let trace = self.trace.as_ref().map(trace).transpose()?;
        let (access, export) = (Hook::Access, self.authorize.as_ref());
        let authorize = match self.version {
            Version::V0_1 => load(access, export, store, instance)?.map(Authorize::V0_1),
            Version::V0_2 => load(access, export, store, instance)?.map(Authorize::V0_2),
        };
        Ok(Functions {
            configure,
            authorize,
            on_request: load(
                Hook::RequestHeaders,
                self.on_request.as_ref(),
                store,
                instance,
            )?,
            on_response: load(
                Hook::ResponseHeaders,
                self.on_response.as_ref(),
                store,
                instance,
            )?,
            rule_for: load(Hook::CacheRules, self.rule_for.as_ref(), store, instance)?,
            key_for: load(Hook::CacheKey, self.key_for.as_ref(), store, instance)?,
            on_completed: load(Hook::Observer, self.on_completed.as_ref(), store, instance)?,
            trace,
        })
    }
}

fn find(
    component: &Component,
    interface: &str,
    function: &str,
) -> wasmtime::Result<ComponentExportIndex> {
    let found = component
        .get_export_index(None, interface)
        .and_then(|instance| component.get_export_index(Some(&instance), function));
    found
        .ok_or_else(|| wasmtime::Error::msg(format!("it does not export `{interface}#{function}`")))
}

fn load<P, R>(
    hook: Hook,
    export: Option<&ComponentExportIndex>,
    store: &mut Store<State>,
    instance: &Instance,
) -> wasmtime::Result<Option<TypedFunc<P, R>>>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let load = |export| {
        let function = instance.get_typed_func(store, export);
        function.with_context(|| format!("its hook `{hook}` has other types"))
    };
    export.map(load).transpose()
}
