//! Components: compiled and linked once, however many generations configure them.

use super::Hook;
use super::bindings;
use super::engine::Engine;
use super::inspect::Kind;
use super::manifest::Manifest;
use super::state::State;
use super::wasi;
use crate::config::Mistake;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre, Linker};

/// A component that is compiled, and linked with what the host offers. Cheap to clone.
#[derive(Clone)]
pub struct Compiled {
    digest: [u8; 32],
    rights: Arc<[String]>,
    hooks: Arc<[Hook]>,
    pub(super) linked: InstancePre<State>,
}

/// The interfaces that every plugin may import, beside those of the empty WASI.
const OFFERED: [&str; 2] = ["wproxy:plugin/http@0.1.0", "wproxy:plugin/log@0.1.0"];

/// How the names of this project's interfaces begin, and the version of them that this host has.
pub(super) const OURS: &str = "wproxy:plugin/";
pub(super) const VERSION: &str = "@0.1.0";

// === impl Compiled ===

impl Compiled {
    /// Compiles the component that a manifest names.
    ///
    /// # Errors
    /// What is wrong with the component or with its imports.
    pub fn new(engine: &Engine, manifest: &Manifest, bytes: &[u8]) -> Result<Compiled, Mistake> {
        let wrong = |what: String| manifest.component_mistake(what);
        let component = engine.compile(bytes).map_err(|error| match Kind::of(bytes) {
            Kind::Component => wrong(format!("not a WebAssembly component: {error:#}")),
            Kind::Module => wrong("not a WebAssembly component, but a core module".into())
                .help("`wproxy plugin build` makes a component of it, as does `wasm-tools component new`"),
            Kind::Other => wrong("not a WebAssembly component, nor WebAssembly at all".into()),
        })?;
        let rights = rights(engine, &component);
        if let Some(other) = other_version(engine, &component) {
            let ours = VERSION.trim_start_matches('@');
            let mistake = format!("the component was built for version {other} of wproxy:plugin");
            let help = format!("this host has {ours}: build it anew with the WIT of that");
            return Err(wrong(mistake).help(help));
        }
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
            digest: digest(bytes),
            rights,
            hooks,
            linked,
        })
    }

    /// Whether these octets are what it was compiled from.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        self.digest == digest(bytes)
    }

    /// `sha256:...` of the component.
    pub fn digest(&self) -> String {
        in_words(self.digest)
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

/// The version of this project's interfaces that a component was built for, where none of them is
/// this host's.
fn other_version(engine: &Engine, component: &Component) -> Option<String> {
    let component = component.component_type();
    let imports = component.imports(&engine.wasmtime).map(|(name, _)| name);
    let exports = component.exports(&engine.wasmtime).map(|(name, _)| name);
    let ours = imports.chain(exports).filter(|name| name.starts_with(OURS));
    let ours: Vec<&str> = ours.collect();
    if ours.iter().any(|name| name.ends_with(VERSION)) {
        return None;
    }
    let (_, version) = ours.first()?.split_once('@')?;
    Some(version.to_owned())
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// `sha256:...` of these octets.
pub(super) fn digest_text(bytes: &[u8]) -> String {
    in_words(digest(bytes))
}

fn in_words(digest: [u8; 32]) -> String {
    use std::fmt::Write as _;
    let mut text = "sha256:".to_owned();
    for octet in digest {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}
