//! `wasi:io`: stdin is at its end, stdout and stderr go to the log, files can be read.

use super::filesystem::{self, MAX_READ};
use super::{Call, Versioned, Wasi};
use crate::plugin::state::State;
use cap_std::fs::File;
use std::sync::Arc;
use wasmtime::component::{ComponentType, Lift, Lower, Resource};

/// What can be read from.
pub(super) enum InputStream {
    /// Stdin.
    Closed,
    /// From that octet on.
    File { file: Arc<File>, offset: u64 },
}

/// What can be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputStream {
    Stdout,
    Stderr,
}

/// Nothing here ever waits: whatever is polled is ready.
pub(super) struct Pollable;

/// Why the last read failed.
pub(super) struct IoError(pub(super) std::io::Error);

#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Read<T> = wasmtime::Result<(Result<T, StreamError>,)>;
type Written = wasmtime::Result<(Result<(), StreamError>,)>;

/// Octets that a guest may write at a time, and that wait for the end of a line.
const MAX_WRITE: usize = 4096;

impl State {
    /// Whole lines go to the log, stdout's as information, stderr's as warnings.
    fn print(&mut self, stream: OutputStream, text: &[u8]) {
        let (index, level) = match stream {
            OutputStream::Stdout => (0, tracing::Level::INFO),
            OutputStream::Stderr => (1, tracing::Level::WARN),
        };
        let waiting = &mut self.wasi.output[index];
        waiting.extend_from_slice(text);
        let end = match waiting.iter().rposition(|&octet| octet == b'\n') {
            Some(end) => end + 1,
            None if waiting.len() > MAX_WRITE => waiting.len(),
            None => return,
        };
        let lines: Vec<u8> = waiting.drain(..end).collect();
        for line in String::from_utf8_lossy(&lines).lines() {
            self.log(level, line);
        }
    }

    /// A call is over: what it has begun to write is a line.
    pub(in crate::plugin) fn end_lines(&mut self) {
        for (index, stream) in [OutputStream::Stdout, OutputStream::Stderr]
            .into_iter()
            .enumerate()
        {
            if !self.wasi.output[index].is_empty() {
                self.print(stream, b"\n");
            }
        }
    }
}

impl Wasi {
    fn read(&mut self, stream: &Resource<InputStream>, length: u64) -> Read<Vec<u8>> {
        let read = match self.table.get_mut(stream)? {
            InputStream::Closed => return Ok((Err(StreamError::Closed),)),
            InputStream::File { file, offset } => {
                let read = filesystem::read_at(file, length, *offset);
                *offset += read.as_ref().map_or(0, |octets| octets.len() as u64);
                read
            }
        };
        Ok((match read {
            Ok(octets) if octets.is_empty() && length > 0 => Err(StreamError::Closed),
            Ok(octets) => Ok(octets),
            Err(error) => Err(StreamError::LastOperationFailed(self.hold(IoError(error))?)),
        },))
    }

    /// What is skipped counts as read; no more at a time.
    fn skip(&mut self, stream: &Resource<InputStream>, length: u64) -> Read<u64> {
        let (read,) = self.read(stream, length.min(MAX_READ))?;
        Ok((read.map(|octets| octets.len() as u64),))
    }
}

pub(super) fn add_to_linker(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
    let mut error = linker.instance("wasi:io/error")?;
    error.func_wrap(
        "[method]error.to-debug-string",
        |call: Call<'_>, (error,): (Resource<IoError>,)| {
            Ok((call.data().wasi.table.get(&error)?.0.to_string(),))
        },
    )?;
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
    input(linker)?;
    output(linker)
}

const STREAMS: &str = "wasi:io/streams";

fn input(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
    let mut streams = linker.instance(STREAMS)?;
    for way in ["", "blocking-"] {
        streams.func_wrap(
            &format!("[method]input-stream.{way}read"),
            |mut call: Call<'_>, (stream, length): (Resource<InputStream>, u64)| {
                call.data_mut().wasi.read(&stream, length)
            },
        )?;
        streams.func_wrap(
            &format!("[method]input-stream.{way}skip"),
            |mut call: Call<'_>, (stream, length): (Resource<InputStream>, u64)| {
                call.data_mut().wasi.skip(&stream, length)
            },
        )?;
    }
    streams.func_wrap(
        "[method]input-stream.subscribe",
        |mut call: Call<'_>, (_,): (Resource<InputStream>,)| {
            Ok((call.data_mut().wasi.hold(Pollable)?,))
        },
    )
}

fn output(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
    let mut streams = linker.instance(STREAMS)?;
    streams.func_wrap(
        "[method]output-stream.check-write",
        |_: Call<'_>, (_,): (Resource<OutputStream>,)| {
            Ok((Ok::<u64, StreamError>(MAX_WRITE as u64),))
        },
    )?;
    for method in ["write", "blocking-write-and-flush"] {
        streams.func_wrap(
            &format!("[method]output-stream.{method}"),
            |mut call: Call<'_>, (stream, text): (Resource<OutputStream>, Vec<u8>)| -> Written {
                // As WASI has it: one call of the host's must not take long.
                if text.len() > MAX_WRITE {
                    let what = "it wrote more at once than `check-write` permits";
                    return Err(wasmtime::Error::msg(what));
                }
                let stream = *call.data().wasi.table.get(&stream)?;
                call.data_mut().print(stream, &text);
                Ok((Ok(()),))
            },
        )?;
    }
    for method in ["flush", "blocking-flush"] {
        streams.func_wrap(
            &format!("[method]output-stream.{method}"),
            |_: Call<'_>, (_,): (Resource<OutputStream>,)| -> Written { Ok((Ok(()),)) },
        )?;
    }
    streams.func_wrap(
        "[method]output-stream.subscribe",
        |mut call: Call<'_>, (_,): (Resource<OutputStream>,)| {
            Ok((call.data_mut().wasi.hold(Pollable)?,))
        },
    )
}
