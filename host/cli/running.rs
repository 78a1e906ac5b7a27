//! Commands that go to the running proxy: which one that is, and what becomes of its answer.

use crate::config::{Configuration, Overrides};
use crate::control::{self, Refusal, Request};
use anyhow::Context as _;
use clap::Args;
use serde::de::DeserializeOwned;
use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Which proxy is asked, and for whom its answer is.
#[derive(Debug, Args)]
pub(super) struct Proxy {
    /// The proxy's control socket, in place of the one in its settings
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    pub(super) socket: Option<PathBuf>,
    /// The proxy's settings file; by default /etc/wproxy/wproxy.toml if it exists, else the
    /// documented defaults
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    pub(super) json: bool,
}

/// Runs a command that prints what it is told.
pub(super) fn print(
    command: impl FnOnce(&mut BufWriter<StdoutLock<'_>>) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let out = &mut BufWriter::new(io::stdout().lock());
    let done = command(out).and_then(|code| Ok(out.flush().map(|()| code)?));
    match done {
        // Whoever reads has enough: `wproxy cache ls | head`.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        done => done,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn not_understood(line: &str, error: &serde_json::Error) -> Refusal {
    let version = env!("CARGO_PKG_VERSION");
    Refusal::new(
        format!("wproxy {version} does not understand this answer: {line}: {error}"),
        "ask with the `wproxy` that runs there, or restart the proxy with this one",
    )
}

// === impl Proxy ===

impl Proxy {
    /// Asks it, and hands on each line of its answer: read, and as it came.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        request: &Request,
        mut each: impl FnMut(T, &str) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        control::ask(&self.socket()?, request, &mut |line| {
            let read = serde_json::from_str(line).map_err(|error| not_understood(line, &error))?;
            Ok(each(read, line)?)
        })
    }

    fn socket(&self) -> anyhow::Result<PathBuf> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        let mut overrides = Overrides {
            config: self.config.clone(),
            ..Overrides::default()
        };
        let setting = Configuration::control_socket(&mut overrides)
            .context("the proxy's control socket is not known, but can be named with --socket")?;
        let none = || {
            Refusal::new(
                "by its settings the proxy has no control socket",
                "set control_socket to a path and restart it; or name its socket with --socket",
            )
        };
        Ok(control::path(&setting).ok_or_else(none)?)
    }
}
