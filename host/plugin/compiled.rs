//! Components: compiled and linked once, however many generations configure them.

use super::Hook;
use super::bindings;
use super::digest::Digest;
use super::engine::Engine;
use super::manifest::Manifest;
use super::state::State;
use super::wasi;
use crate::config::Mistake;
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre, Linker};

/// A component that is compiled, and linked with what the host offers. Cheap to clone.
#[derive(Clone)]
pub struct Compiled {
    digest: Digest,
    rights: Arc<[String]>,
    hooks: Arc<[Hook]>,
    pub(super) linked: InstancePre<State>,
}

/// The interfaces that every plugin may import, beside those of the empty WASI.
const OFFERED: [&str; 2] = ["wproxy:plugin/http@0.1.0", "wproxy:plugin/log@0.1.0"];

/// How the names of this project's interfaces begin, and the version of them that this host has.
const OURS: &str = "wproxy:plugin/";
const VERSION: &str = "@0.1.0";

// === impl Compiled ===

impl Compiled {
    /// Compiles the component that a manifest names.
    ///
    /// # Errors
    /// What is wrong with the component or with its imports.
    pub fn new(engine: &Engine, manifest: &Manifest, bytes: &[u8]) -> Result<Compiled, Mistake> {
        let wrong = |what: String| manifest.component_mistake(what);
        let component = engine
            .compile(bytes)
            .map_err(|error| wrong(format!("not a WebAssembly component: {error:#}")))?;
        let rights = rights(engine, &component);
        if let Some(unknown) = rights.iter().find(|right| !is_offered(right)) {
            let mistake = format!("the component imports `{unknown}`, which this host lacks");
            let offered = OFFERED.join(" and ");
            return Err(wrong(mistake).help(format!("it has {offered}, and an empty WASI 0.2")));
        }
        let hooks = hooks(engine, &component).map_err(|unknown| {
            let mistake = format!("the component serves `{unknown}`, which this host never calls");
            let known = Hook::ALL.map(|hook| format!("{OURS}{hook}{VERSION}"));
            wrong(mistake).help(format!("the hooks that it calls are {}", known.join(", ")))
        })?;
        if hooks.is_empty() {
            return Err(wrong("the component serves no hook of this host's".into()));
        }
        let mut linker = Linker::new(&engine.wasmtime);
        let linked = bindings::add_to_linker(&mut linker)
            .and_then(|()| wasi::add_to_linker(&mut linker, &engine.wasmtime, &component))
            .and_then(|()| linker.instantiate_pre(&component))
            .map_err(|error| {
                wrong(format!(
                    "the component does not fit this host's WIT: {error:#}"
                ))
            })?;
        Ok(Compiled {
            digest: Digest::of(bytes),
            rights,
            hooks,
            linked,
        })
    }

    /// Whether these octets are what it was compiled from.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        self.digest == Digest::of(bytes)
    }

    /// `sha256:...` of the component.
    pub fn digest(&self) -> String {
        self.digest.to_string()
    }

    /// The interfaces that it imports.
    pub fn rights(&self) -> &[String] {
        &self.rights
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

fn is_offered(import: &str) -> bool {
    OFFERED.contains(&import) || (import.starts_with(wasi::PREFIX) && import.contains("@0.2."))
}

fn rights(engine: &Engine, component: &Component) -> Arc<[String]> {
    let component = component.component_type();
    let imports = component.imports(&engine.wasmtime);
    imports.map(|(name, _)| name.to_owned()).collect()
}

/// The hooks among its exports, in the order of their declaration here. An interface of ours that is none of them is an error: whoever
/// wrote it relies on its being called, and a scrubber that is not called scrubs nothing.
fn hooks(engine: &Engine, component: &Component) -> Result<Arc<[Hook]>, String> {
    let component = component.component_type();
    let exports = component.exports(&engine.wasmtime);
    let ours = exports.filter_map(|(name, _)| name.strip_prefix(OURS));
    let hooks = ours.filter(|name| name.strip_suffix(VERSION) != Some("lifecycle"));
    let known = |name: &str| {
        let name_only = name.strip_suffix(VERSION);
        let hook = Hook::ALL
            .into_iter()
            .find(|hook| name_only == Some(&hook.to_string()));
        hook.ok_or_else(|| format!("{OURS}{name}"))
    };
    let mut hooks = hooks.map(known).collect::<Result<Vec<_>, _>>()?;
    hooks.sort_by_key(|hook| *hook as usize);
    Ok(hooks.into())
}
