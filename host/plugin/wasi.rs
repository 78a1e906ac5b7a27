//! An empty WASI 0.2: no files, no sockets, no environment, no arguments. What is written to
//! stdout and stderr goes to the log. Clock and random numbers stand still unless granted.
//!
//! Toolchains import WASI whether the plugin needs it or not. What is not here traps when it is
//! called, not when the plugin is loaded. wasmtime-wasi cannot stand here: its synchronous
//! bindings block on a tokio runtime, which panics on a worker thread of one.

use super::manifest::Grants;
use super::state::State;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{
    Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType,
};
use wasmtime::{Engine, StoreContextMut};

/// An instance's share of it.
pub(super) struct Wasi {
    /// Where a clock was granted: when it began.
    clock: Option<Instant>,
    random: Random,
    /// What was written to stdout and stderr since the last end of line.
    output: [Vec<u8>; 2],
}

enum Random {
    Granted,
    /// The same numbers for every instance.
    Fixed(u64),
}

enum Stdin {}
/// Its representation is 0 for stdout, 1 for stderr.
enum Stdout {}
enum Pollable {}
enum IoError {}
enum Descriptor {}
enum TerminalInput {}
enum TerminalOutput {}

#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// How the names of WASI's interfaces begin.
pub(super) const PREFIX: &str = "wasi:";

type Call<'a> = StoreContextMut<'a, State>;
type Written = wasmtime::Result<(Result<(), StreamError>,)>;

/// Octets that a guest may write at a time, and that wait for the end of a line.
const MAX_WRITE: usize = 4096;

// === impl Wasi ===

impl Wasi {
    pub(super) fn new(grants: &Grants) -> Wasi {
        Wasi {
            clock: grants.clock.then(Instant::now),
            random: match grants.random {
                true => Random::Granted,
                false => Random::Fixed(0x9e37_79b9_7f4a_7c15),
            },
            output: [Vec::new(), Vec::new()],
        }
    }

    fn wall_clock(&self) -> Datetime {
        let now = self.clock.map(|_| SystemTime::now());
        let now = now.and_then(|now| now.duration_since(UNIX_EPOCH).ok());
        let now = now.unwrap_or_default();
        Datetime {
            seconds: now.as_secs(),
            nanoseconds: now.subsec_nanos(),
        }
    }

    fn monotonic_clock(&self) -> u64 {
        let elapsed = self.clock.map(|began| began.elapsed());
        elapsed.map_or(0, |elapsed| {
            u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
        })
    }

    fn random(&mut self) -> wasmtime::Result<u64> {
        match &mut self.random {
            Random::Granted => getrandom::u64()
                .map_err(|error| wasmtime::Error::msg(format!("no random numbers: {error}"))),
            Random::Fixed(state) => {
                // splitmix64: any sequence will do.
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                Ok(mixed ^ (mixed >> 31))
            }
        }
    }

    fn random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        if length > 1 << 16 {
            return Err(wasmtime::Error::msg(
                "more than 64 KB of random octets at a time",
            ));
        }
        let mut octets = Vec::new();
        while (octets.len() as u64) < length {
            octets.extend_from_slice(&self.random()?.to_le_bytes());
        }
        octets.truncate(usize::try_from(length)?);
        Ok(octets)
    }
}

impl State {
    /// Whole lines go to the log, stdout's as information, stderr's as warnings.
    fn print(&mut self, stream: &Resource<Stdout>, text: &[u8]) {
        let stderr = stream.rep() == 1;
        let waiting = &mut self.wasi.output[usize::from(stderr)];
        waiting.extend_from_slice(text);
        let end = match waiting.iter().rposition(|&octet| octet == b'\n') {
            Some(end) => end + 1,
            None if waiting.len() > MAX_WRITE => waiting.len(),
            None => return,
        };
        let lines: Vec<u8> = waiting.drain(..end).collect();
        let level = if stderr {
            tracing::Level::WARN
        } else {
            tracing::Level::INFO
        };
        for line in String::from_utf8_lossy(&lines).lines() {
            self.log(level, line);
        }
    }
}

/// Serves the empty WASI to a component, in the versions that it imports: what is here, and traps
/// for the rest.
pub(super) fn add_to_linker(
    linker: &mut Linker<State>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let component = component.component_type();
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
        cli(linker)?;
        io(linker)?;
        clocks(linker)?;
        random(linker)?;
        filesystem(linker)?;
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
            ComponentItem::Resource(_) => {
                linker.resource(name, resource(name), |_, _| Ok(()))?;
            }
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

/// The type of a resource, by its name.
fn resource(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<Stdin>(),
        "output-stream" => ResourceType::host::<Stdout>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "error" => ResourceType::host::<IoError>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        // Of nobody's but a stub's.
        _ => {
            let mut hasher = DefaultHasher::new();
            name.hash(&mut hasher);
            let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
            ResourceType::host_dynamic(u32::from_le_bytes([a, b, c, d]))
        }
    }
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

fn cli(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
    let mut environment = linker.instance("wasi:cli/environment")?;
    environment.func_wrap("get-environment", |_: Call<'_>, (): ()| {
        Ok((Vec::<(String, String)>::new(),))
    })?;
    environment.func_wrap("get-arguments", |_: Call<'_>, (): ()| {
        Ok((Vec::<String>::new(),))
    })?;
    environment.func_wrap("initial-cwd", |_: Call<'_>, (): ()| Ok((None::<String>,)))?;
    let mut exit = linker.instance("wasi:cli/exit")?;
    exit.func_wrap(
        "exit",
        |_: Call<'_>, (_,): (Result<(), ()>,)| -> wasmtime::Result<()> {
            Err(wasmtime::Error::msg("it called exit"))
        },
    )?;

    linker
        .instance("wasi:cli/terminal-stdin")?
        .func_wrap("get-terminal-stdin", |_: Call<'_>, (): ()| {
            Ok((None::<Resource<TerminalInput>>,))
        })?;
    linker
        .instance("wasi:cli/stdin")?
        .func_wrap("get-stdin", |_: Call<'_>, (): ()| {
            Ok((Resource::<Stdin>::new_own(0),))
        })?;
    for (rep, name) in [(0, "stdout"), (1, "stderr")] {
        linker
            .instance(&format!("wasi:cli/terminal-{name}"))?
            .func_wrap(&format!("get-terminal-{name}"), |_: Call<'_>, (): ()| {
                Ok((None::<Resource<TerminalOutput>>,))
            })?;
        linker
            .instance(&format!("wasi:cli/{name}"))?
            .func_wrap(&format!("get-{name}"), move |_: Call<'_>, (): ()| {
                Ok((Resource::<Stdout>::new_own(rep),))
            })?;
    }
    Ok(())
}

fn io(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
    const STREAMS: &str = "wasi:io/streams";

    let mut error = linker.instance("wasi:io/error")?;
    error.func_wrap(
        "[method]error.to-debug-string",
        |_: Call<'_>, (_,): (Resource<IoError>,)| Ok(("an error".to_owned(),)),
    )?;
    // Nothing here ever waits: whatever is polled is ready.
    let mut poll = linker.instance("wasi:io/poll")?;
    poll.func_wrap(
        "[method]pollable.ready",
        |_: Call<'_>, (_,): (Resource<Pollable>,)| Ok((true,)),
    )?;
    poll.func_wrap(
        "[method]pollable.block",
        |_: Call<'_>, (_,): (Resource<Pollable>,)| Ok(()),
    )?;
    poll.func_wrap("poll", |_: Call<'_>, (all,): (Vec<Resource<Pollable>>,)| {
        Ok(((0..u32::try_from(all.len())?).collect::<Vec<u32>>(),))
    })?;

    let mut streams = linker.instance(STREAMS)?;
    for method in ["read", "blocking-read"] {
        streams.func_wrap(
            &format!("[method]input-stream.{method}"),
            |_: Call<'_>, (_, _): (Resource<Stdin>, u64)| {
                Ok((Err::<Vec<u8>, StreamError>(StreamError::Closed),))
            },
        )?;
    }
    streams.func_wrap(
        "[method]input-stream.subscribe",
        |_: Call<'_>, (_,): (Resource<Stdin>,)| Ok((Resource::<Pollable>::new_own(0),)),
    )?;
    streams.func_wrap(
        "[method]output-stream.check-write",
        |_: Call<'_>, (_,): (Resource<Stdout>,)| Ok((Ok::<u64, StreamError>(MAX_WRITE as u64),)),
    )?;
    for method in ["write", "blocking-write-and-flush"] {
        streams.func_wrap(
            &format!("[method]output-stream.{method}"),
            |mut call: Call<'_>, (stream, text): (Resource<Stdout>, Vec<u8>)| -> Written {
                // As WASI has it: one call of the host's must not take long.
                if text.len() > MAX_WRITE {
                    let what = "it wrote more at once than `check-write` permits";
                    return Err(wasmtime::Error::msg(what));
                }
                call.data_mut().print(&stream, &text);
                Ok((Ok(()),))
            },
        )?;
    }
    for method in ["flush", "blocking-flush"] {
        streams.func_wrap(
            &format!("[method]output-stream.{method}"),
            |_: Call<'_>, (_,): (Resource<Stdout>,)| -> Written { Ok((Ok(()),)) },
        )?;
    }
    streams.func_wrap(
        "[method]output-stream.subscribe",
        |_: Call<'_>, (_,): (Resource<Stdout>,)| Ok((Resource::<Pollable>::new_own(0),)),
    )
}

fn clocks(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
    let mut wall = linker.instance("wasi:clocks/wall-clock")?;
    wall.func_wrap("now", |call: Call<'_>, (): ()| {
        Ok((call.data().wasi.wall_clock(),))
    })?;
    wall.func_wrap("resolution", |_: Call<'_>, (): ()| {
        Ok((Datetime {
            seconds: 0,
            nanoseconds: 1,
        },))
    })?;
    let mut monotonic = linker.instance("wasi:clocks/monotonic-clock")?;
    monotonic.func_wrap("now", |call: Call<'_>, (): ()| {
        Ok((call.data().wasi.monotonic_clock(),))
    })?;
    monotonic.func_wrap("resolution", |_: Call<'_>, (): ()| Ok((1u64,)))?;
    for method in ["subscribe-instant", "subscribe-duration"] {
        monotonic.func_wrap(method, |_: Call<'_>, (_,): (u64,)| {
            Ok((Resource::<Pollable>::new_own(0),))
        })?;
    }
    Ok(())
}

fn random(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
    for (interface, prefix) in [
        ("random", "get-random"),
        ("insecure", "get-insecure-random"),
    ] {
        let mut interface = linker.instance(&format!("wasi:random/{interface}"))?;
        interface.func_wrap(
            &format!("{prefix}-bytes"),
            |mut call: Call<'_>, (length,): (u64,)| {
                Ok((call.data_mut().wasi.random_bytes(length)?,))
            },
        )?;
        interface.func_wrap(&format!("{prefix}-u64"), |mut call: Call<'_>, (): ()| {
            Ok((call.data_mut().wasi.random()?,))
        })?;
    }
    let mut seed = linker.instance("wasi:random/insecure-seed")?;
    seed.func_wrap("insecure-seed", |mut call: Call<'_>, (): ()| {
        let wasi = &mut call.data_mut().wasi;
        Ok(((wasi.random()?, wasi.random()?),))
    })
}

fn filesystem(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
    let mut preopens = linker.instance("wasi:filesystem/preopens")?;
    preopens.func_wrap("get-directories", |_: Call<'_>, (): ()| {
        Ok((Vec::<(Resource<Descriptor>, String)>::new(),))
    })
}
