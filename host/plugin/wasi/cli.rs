//! `wasi:cli`: nobody called it, and nobody listens but the log.

use super::io::{InputStream, OutputStream};
use super::{Call, Versioned};
use wasmtime::component::Resource;

/// There is none.
pub(super) enum TerminalInput {}
/// There is none.
pub(super) enum TerminalOutput {}

pub(super) fn add_to_linker(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
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
        .func_wrap("get-stdin", |mut call: Call<'_>, (): ()| {
            Ok((call.data_mut().wasi.hold(InputStream::Closed)?,))
        })?;
    for (name, stream) in [
        ("stdout", OutputStream::Stdout),
        ("stderr", OutputStream::Stderr),
    ] {
        linker
            .instance(&format!("wasi:cli/terminal-{name}"))?
            .func_wrap(&format!("get-terminal-{name}"), |_: Call<'_>, (): ()| {
                Ok((None::<Resource<TerminalOutput>>,))
            })?;
        linker
            .instance(&format!("wasi:cli/{name}"))?
            .func_wrap(&format!("get-{name}"), move |mut call: Call<'_>, (): ()| {
                Ok((call.data_mut().wasi.hold(stream)?,))
            })?;
    }
    Ok(())
}
