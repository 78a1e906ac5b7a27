//! WASI 0.2, as good as empty: no sockets, no environment, no arguments. What is written to stdout
//! and stderr goes to the log. Clock and random numbers stand still unless granted, and there are
//! no files but those of granted directories, to be read.
//!
//! Toolchains import WASI whether the plugin needs it or not. What is not here traps when it is
//! called, not when the plugin is loaded. wasmtime-wasi cannot stand here: its synchronous
//! bindings block on a tokio runtime, which panics on a worker thread of one.

mod cli;
mod clocks;
mod filesystem;
mod io;
mod random;

pub(super) use filesystem::Preopen;

use super::limits::Exceeded;
use super::manifest::Grants;
use super::state::State;
use cli::{TerminalInput, TerminalOutput};
use clocks::Clock;
use filesystem::{Descriptor, Entries};
use io::{InputStream, IoError, OutputStream, Pollable};
use random::Random;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{
    Component, Linker, LinkerInstance, Resource, ResourceTable, ResourceTableError, ResourceType,
};
use wasmtime::{Engine, StoreContextMut};

/// An instance's share of it.
pub(super) struct Wasi {
    clock: Clock,
    random: Random,
    preopens: Arc<[Preopen]>,
    /// What was written to stdout and stderr since the last end of line.
    output: [Vec<u8>; 2],
    /// All that the guest has handles to. However it goes about it, it cannot hold more.
    table: ResourceTable,
}

/// How the names of WASI's interfaces begin.
pub(super) const PREFIX: &str = "wasi:";

type Call<'a> = StoreContextMut<'a, State>;

// === impl Wasi ===

impl Wasi {
    pub(super) fn new(grants: &Grants, preopens: Arc<[Preopen]>, handles: usize) -> Wasi {
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles);
        Wasi {
            clock: Clock::new(grants.clock),
            random: Random::new(grants.random),
            preopens,
            output: [Vec::new(), Vec::new()],
            table,
        }
    }

    /// A handle to that, for the guest to own.
    fn hold<T: Send + 'static>(&mut self, what: T) -> wasmtime::Result<Resource<T>> {
        self.table.push(what).map_err(|error| match error {
            ResourceTableError::Full => Exceeded::Handles(self.table.max_capacity()).into(),
            other => other.into(),
        })
    }
}

/// Serves WASI to a component, in the versions that it imports: what is here, and traps for the
/// rest.
pub(super) fn add_to_linker(
    linker: &mut Linker<State>,
    component: &Component,
) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let (engine, component) = (component.engine(), component.component_type());
    let imports = component.imports(engine);
    let mut versions = BTreeSet::new();
    for (interface, import) in imports.filter(|(name, _)| name.starts_with(PREFIX)) {
        if let ComponentItem::ComponentInstance(instance) = import.ty {
            stub(linker, engine, interface, &instance)?;
        }
        versions.extend(interface.split('@').nth(1));
    }
    for version in versions {
        let linker = &mut Versioned { linker, version };
        cli::add_to_linker(linker)?;
        io::add_to_linker(linker)?;
        clocks::add_to_linker(linker)?;
        random::add_to_linker(linker)?;
        filesystem::add_to_linker(linker)?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// An interface whose functions all trap. Its resources are those that other interfaces have under
/// the same name: `wasi:sockets/tcp` hands out the streams of `wasi:io/streams`.
fn stub(
    linker: &mut Linker<State>,
    engine: &Engine,
    interface: &str,
    instance: &ComponentInstance,
) -> wasmtime::Result<()> {
    let mut linker = linker.instance(interface)?;
    for (name, export) in instance.exports(engine) {
        match export.ty {
            ComponentItem::Resource(_) => resource(&mut linker, name)?,
            ComponentItem::ComponentFunc(_) => {
                let called = format!("it called `{interface}#{name}`, and its WASI is empty");
                linker.func_new(name, move |_, _, _, _| {
                    Err(wasmtime::Error::msg(called.clone()))
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A resource, its type found by its name.
fn resource(linker: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()> {
    match name {
        "input-stream" => held::<InputStream>(linker, name),
        "output-stream" => held::<OutputStream>(linker, name),
        "pollable" => held::<Pollable>(linker, name),
        "error" => held::<IoError>(linker, name),
        "descriptor" => held::<Descriptor>(linker, name),
        "directory-entry-stream" => held::<Entries>(linker, name),
        "terminal-input" => held::<TerminalInput>(linker, name),
        "terminal-output" => held::<TerminalOutput>(linker, name),
        // Of nobody's but a stub's, and of those there are none.
        _ => {
            let mut hasher = DefaultHasher::new();
            name.hash(&mut hasher);
            let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
            let kind = ResourceType::host_dynamic(u32::from_le_bytes([a, b, c, d]));
            linker.resource(name, kind, |_, _| Ok(()))
        }
    }
}

/// A resource that is in the table for as long as the guest has its handle.
fn held<T: 'static>(linker: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()> {
    linker.resource(name, ResourceType::host::<T>(), |mut call, rep| {
        let table = &mut call.data_mut().wasi.table;
        table.delete(Resource::<T>::new_own(rep))?;
        Ok(())
    })
}

/// A linker that knows which version of WASI it is for.
struct Versioned<'a> {
    linker: &'a mut Linker<State>,
    version: &'a str,
}

impl Versioned<'_> {
    fn instance(&mut self, interface: &str) -> wasmtime::Result<LinkerInstance<'_, State>> {
        self.linker
            .instance(&format!("{interface}@{}", self.version))
    }
}
