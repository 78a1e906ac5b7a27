//! Components: compiled and linked once, however many generations configure them.

use super::Hook;
use super::bindings;
use super::digest::Digest;
use super::engine::Engine;
use super::inspect::Kind;
use super::manifest::Manifest;
use super::rights;
use super::state::State;
use super::version::{self, Version};
use super::waiting;
use super::wasi;
use crate::config::Mistake;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Component, InstancePre, Linker};

/// A component that is compiled, and linked with what the host offers. Cheap to clone.
#[derive(Clone)]
pub struct Compiled {
    digest: Digest,
    version: Version,
    rights: Arc<[String]>,
    hooks: Arc<[Hook]>,
    explains: bool,
    pub(super) linked: InstancePre<State>,
}

/// Those that are granted by what there is to ask.
const SETS: &str = "sets";
const HELPERS: &str = "helpers";
/// A compiler that takes less time is not worth a word.
const PATIENCE: Duration = Duration::from_secs(1);

// === impl Compiled ===

impl Compiled {
    /// Compiles the component that a manifest names.
    ///
    /// # Errors
    /// What is wrong with the component or with its imports.
    pub fn new(engine: &Engine, manifest: &Manifest, bytes: &[u8]) -> Result<Compiled, Mistake> {
        let wrong = |what: String| manifest.component_mistake(what);
        let compiled = waiting::or_say(
            PATIENCE,
            || say_that_it_takes_a_while(&manifest.name),
            || engine.compile(bytes, manifest.limits.stack),
        );
        let component = compiled.map_err(|error| match Kind::of(bytes) {
            Kind::Component => wrong(format!("not a WebAssembly component: {error:#}")),
            Kind::Module => wrong("not a WebAssembly component, but a core module".into()).help(
                "`wproxy plugin build` makes a component of it, as does `wasm-tools component new`",
            ),
            Kind::Other => wrong("not a WebAssembly component, nor WebAssembly at all".into()),
        })?;
        let version = version(&component).map_err(|odd| {
            let served = Version::ALL
                .map(|version| version.to_string())
                .join(" and ");
            wrong(odd).help(format!(
                "this host has {served}: rebuild it with the WIT of one of them"
            ))
        })?;
        let rights = imports(&component);
        if let Some(unknown) = rights.iter().find(|right| !is_offered(right, version)) {
            let mistake = format!("the component imports `{unknown}`, which this host lacks");
            let offered = version.imports().iter().map(|name| version.interface(name));
            let offered = offered.collect::<Vec<_>>().join(", ");
            return Err(wrong(mistake).help(format!("it has {offered}, and an empty WASI 0.2")));
        }
        let hooks = hooks(&component, version).map_err(|unknown| {
            let mistake = format!("the component serves `{unknown}`, which this host never calls");
            let known = Hook::ALL.into_iter().filter(|hook| hook.is_in(version));
            let known: Vec<_> = known.map(|hook| version.interface(hook)).collect();
            wrong(mistake).help(format!("the hooks that it calls are {}", known.join(", ")))
        })?;
        if hooks.is_empty() {
            return Err(wrong("the component serves no hook of this host's".into()));
        }
        let mut linker = Linker::new(component.engine());
        let linked = bindings::add_to_linker(&mut linker, version)
            .and_then(|()| wasi::add_to_linker(&mut linker, &component))
            .and_then(|()| linker.instantiate_pre(&component))
            .map_err(|error| {
                wrong(format!(
                    "the component does not fit this host's WIT: {error:#}"
                ))
            })?;
        Ok(Compiled {
            digest: Digest::of(bytes),
            version,
            rights,
            hooks,
            explains: exports(&component, version::EXPLAIN),
            linked,
        })
    }

    /// Whether it imports no more than its manifest grants. What it imports of WASI need not be:
    /// that is empty, and toolchains import it in any case.
    ///
    /// # Errors
    /// The import, what to write to grant it, and what that would let the plugin do.
    pub(super) fn check_grants(&self, manifest: &Manifest) -> Result<(), Mistake> {
        match rights::refused(&self.rights, &manifest.grants) {
            None => Ok(()),
            Some((import, grant)) => {
                let what = format!("the component imports `{import}`, which it was not granted");
                Err(manifest.component_mistake(what).help(grant.help()))
            }
        }
    }

    /// What it imports of WASI and finds empty with that manifest: a line for each grant.
    pub(super) fn empty(&self, manifest: &Manifest) -> Vec<String> {
        rights::empty(&self.rights, &manifest.grants)
    }

    /// Whether these octets, with that manifest, would be compiled to the same.
    pub fn is_of(&self, manifest: &Manifest, bytes: &[u8]) -> bool {
        let stack = self.linked.engine().get_max_wasm_stack();
        stack == manifest.limits.stack && self.digest == Digest::of(bytes)
    }

    /// `sha256:...` of the component.
    pub fn digest(&self) -> String {
        self.digest.to_string()
    }

    /// The version of the WIT that it was built for.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether it asks sets.
    pub fn asks_sets(&self) -> bool {
        self.rights.contains(&self.version.interface(SETS))
    }

    /// Whether it looks which helpers there are.
    pub fn looks_for_helpers(&self) -> bool {
        self.rights.contains(&self.version.interface(HELPERS))
    }

    /// The interfaces that it imports.
    pub fn rights(&self) -> &[String] {
        &self.rights
    }

    /// Whether it can say how it comes to its answers.
    pub fn explains(&self) -> bool {
        self.explains
    }

    /// The hooks that it serves.
    pub fn hooks(&self) -> &[Hook] {
        &self.hooks
    }
}

impl PartialEq for Compiled {
    fn eq(&self, other: &Compiled) -> bool {
        self.digest == other.digest
    }
}

fn say_that_it_takes_a_while(plugin: &str) {
    // That nobody can read it is no reason to stop.
    let _ = writeln!(
        anstream::stderr(),
        "compiling plugin `{plugin}`: the first time takes a while"
    );
}

fn is_offered(import: &str, version: Version) -> bool {
    match version::parts(import) {
        Some((name, of)) => version.imports().contains(&name) && of == version.as_str(),
        None => import.starts_with(wasi::PREFIX) && import.contains("@0.2."),
    }
}

/// The version of the WIT that a component was built for.
///
/// # Errors
/// One that is not served, or more than one.
fn version(component: &Component) -> Result<Version, String> {
    let (engine, component) = (component.engine(), component.component_type());
    let imports = component.imports(engine).map(|(name, _)| name);
    let exports = component.exports(engine).map(|(name, _)| name);
    let mut built_for = None;
    for name in imports.chain(exports) {
        let Some((_, text)) = version::parts(name) else {
            continue;
        };
        let version = Version::of(text).ok_or_else(|| {
            format!("the component was built for version {text} of wproxy:plugin")
        })?;
        if built_for.is_some_and(|other| other != version) {
            return Err(format!(
                "the component has `{name}` and others of another version"
            ));
        }
        built_for = Some(version);
    }
    // One that has nothing of ours serves no hook: whatever version it is.
    Ok(built_for.unwrap_or(Version::ALL[0]))
}

fn imports(component: &Component) -> Arc<[String]> {
    let (engine, component) = (component.engine(), component.component_type());
    let imports = component.imports(engine);
    imports.map(|(name, _)| name.to_owned()).collect()
}

/// Whether it exports that interface of ours.
fn exports(component: &Component, interface: &str) -> bool {
    let (engine, component) = (component.engine(), component.component_type());
    let mut exports = component.exports(engine);
    exports.any(|(name, _)| version::parts(name).is_some_and(|(ours, _)| ours == interface))
}

/// The hooks among its exports, in the order of their declaration here. An interface of ours that
/// is none of them is an error: whoever wrote it relies on its being called, and a scrubber that is
/// not called scrubs nothing.
fn hooks(component: &Component, version: Version) -> Result<Arc<[Hook]>, String> {
    let (engine, component) = (component.engine(), component.component_type());
    let exports = component.exports(engine);
    let ours = exports.filter_map(|(interface, _)| Some((interface, version::parts(interface)?.0)));
    let hooks = ours.filter(|(_, name)| !version.asides().contains(name));
    let known = |(interface, name): (&str, &str)| {
        let named = |hook: &Hook| hook.is_in(version) && hook.to_string() == name;
        let hook = Hook::ALL.into_iter().find(named);
        hook.ok_or_else(|| interface.to_owned())
    };
    let mut hooks = hooks.map(known).collect::<Result<Vec<_>, _>>()?;
    hooks.sort_by_key(|hook| *hook as usize);
    Ok(hooks.into())
}
