//! What the host calls of a component: found once for each component, loaded for each instance.
//!
//! Most hooks are the same in every version that is served, so that the functions of an older
//! component are called as those of a new one; `configure` and `authorize` answer less in the older.

use super::Configured;
use super::Hook;
use super::bindings::bodies::{Ending, Interest, Verdict};
use super::bindings::lifecycle::Spared;
use super::bindings::{PreviousVerdict, access, cache_key, cache_rules, explain, observer};
use super::compiled::Compiled;
use super::state::{FieldsHandle, RequestHandle, State};
use super::version::{EXPLAIN, Version};
use wasmtime::Store;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Func, Instance, Lift, Lower, Resource,
    TypedFunc,
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
    request_body: Option<BodyExports>,
    response_body: Option<BodyExports>,
}

/// The same of a hook that looks into bodies.
#[derive(Clone)]
struct BodyExports {
    begin: ComponentExportIndex,
    chunk: ComponentExportIndex,
    end: ComponentExportIndex,
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
    request_body: Option<Body>,
    response_body: Option<Body>,
}

/// The functions of a hook that looks into bodies.
pub(super) struct Body {
    pub(super) begin: Begin,
    pub(super) chunk: Chunk,
    pub(super) end: TypedFunc<(bool,), (Ending,)>,
}

/// Of a response, there is a status to know.
pub(super) enum Begin {
    Request(TypedFunc<(Request, Fields), (Interest,)>),
    Response(TypedFunc<(Request, u16, Fields), (Interest,)>),
}

/// `chunk`, whose type has been found right: a typed function can take octets only from where they
/// live for ever, or in a copy.
pub(super) struct Chunk(Func);

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
            request_body: BodyExports::of(Hook::RequestBody, served)?,
            response_body: BodyExports::of(Hook::ResponseBody, served)?,
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
            request_body: Body::load(
                Hook::RequestBody,
                self.request_body.as_ref(),
                store,
                instance,
            )?,
            response_body: Body::load(
                Hook::ResponseBody,
                self.response_body.as_ref(),
                store,
                instance,
            )?,
        })
    }
}

// === impl Functions ===

impl Functions {
    /// Those of that hook for bodies.
    pub(super) fn body(&self, hook: Hook) -> wasmtime::Result<&Body> {
        let body = match hook {
            Hook::RequestBody => &self.request_body,
            Hook::ResponseBody => &self.response_body,
            _ => &None,
        };
        body.as_ref().ok_or_else(not_served)
    }
}

// === impl BodyExports ===

impl BodyExports {
    fn of(
        hook: Hook,
        served: impl Fn(Hook, &str) -> wasmtime::Result<Option<ComponentExportIndex>>,
    ) -> wasmtime::Result<Option<BodyExports>> {
        let (begin, chunk, end) = (
            served(hook, "begin")?,
            served(hook, "chunk")?,
            served(hook, "end")?,
        );
        let all = begin.zip(chunk).zip(end);
        Ok(all.map(|((begin, chunk), end)| BodyExports { begin, chunk, end }))
    }
}

// === impl Body ===

impl Body {
    fn load(
        hook: Hook,
        exports: Option<&BodyExports>,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Option<Body>> {
        let Some(BodyExports { begin, chunk, end }) = exports else {
            return Ok(None);
        };
        let begin = match hook {
            Hook::RequestBody => load(hook, Some(begin), store, instance)?.map(Begin::Request),
            _ => load(hook, Some(begin), store, instance)?.map(Begin::Response),
        };
        let chunk: Option<TypedFunc<(&'static [u8],), (Verdict,)>> =
            load(hook, Some(chunk), store, instance)?;
        let end = load(hook, Some(end), store, instance)?;
        let all = begin.zip(chunk).zip(end);
        Ok(all.map(|((begin, chunk), end)| Body {
            begin,
            chunk: Chunk(*chunk.func()),
            end,
        }))
    }
}

// === impl Chunk ===

impl Chunk {
    /// Shows an instance the next octets of a body.
    pub(super) fn call(
        &self,
        store: &mut Store<State>,
        octets: &[u8],
    ) -> wasmtime::Result<Verdict> {
        let chunk = self.0.typed::<(&[u8],), (Verdict,)>(&mut *store)?;
        Ok(chunk.call(store, (octets,))?.0)
    }
}

pub(super) fn not_served() -> wasmtime::Error {
    wasmtime::Error::msg("the plugin does not serve this hook")
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
