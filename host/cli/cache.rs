//! `wproxy cache`: what the running proxy has stored.

mod text;

pub(super) use text::size;

use crate::config::{Configuration, Overrides};
use crate::control::{self, CacheLs, CachePurge, CacheStats, Entry, Purged, Refusal, Request};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List stored responses, in no order
    Ls {
        /// Only those whose URI begins like this
        #[arg(value_name = "URL-PREFIX", conflicts_with = "regex")]
        prefix: Option<String>,
        /// Only those in whose URI this is found
        #[arg(long, value_name = "RE")]
        regex: Option<String>,
        /// Not more than so many
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Take responses out of the cache; the exit code is 1 where there are none
    Purge {
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Say how full the cache is, and how useful
    Stats {
        #[command(flatten)]
        proxy: Proxy,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct What {
    /// What is stored for these, all variants
    #[arg(value_name = "URL")]
    urls: Vec<String>,
    /// Everything in whose URI this is found
    #[arg(long, value_name = "RE")]
    regex: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
}

/// Which proxy is asked, and for whom its answer is.
#[derive(Debug, Args)]
pub(super) struct Proxy {
    /// The proxy's control socket, in place of what its settings say
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
    /// The proxy's settings; /etc/wproxy/wproxy.toml if that is there, else the documented defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print lines of JSON
    #[arg(long)]
    json: bool,
}

/// Runs one of them.
pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let out = &mut BufWriter::new(io::stdout().lock());
    let done = match command {
        Command::Ls {
            prefix,
            regex,
            limit,
            proxy,
        } => {
            let what = CacheLs {
                prefix,
                regex,
                limit,
            };
            ls(what, &proxy, out)
        }
        Command::Purge { what, proxy } => {
            let What { urls, regex, all } = what;
            purge(CachePurge { urls, regex, all }, &proxy, out)
        }
        Command::Stats { proxy } => stats(&proxy, out),
    };
    let done = done.and_then(|code| Ok(out.flush().map(|()| code)?));
    match done {
        // Whoever reads has enough: `wproxy cache ls | head`.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        done => done,
    }
}

fn ls(what: CacheLs, proxy: &Proxy, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let limit = what.limit;
    let mut sums = text::Sums::default();
    proxy.ask(&Request::CacheLs(what), |entry: Entry<'_>, line| {
        if proxy.json {
            return writeln!(out, "{line}");
        }
        if sums.responses == 0 {
            writeln!(out, "{}", text::ENTRIES)?;
        }
        sums.add(&entry);
        writeln!(out, "{}", text::entry(&entry))
    })?;
    if !proxy.json {
        writeln!(out, "{}", sums.line(limit))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn purge(what: CachePurge, proxy: &Proxy, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut all = 0;
    proxy.ask(&Request::CachePurge(what), |Purged { purged }, line| {
        all += purged;
        match proxy.json {
            true => writeln!(out, "{line}"),
            false => writeln!(out, "{}", text::purged(purged)),
        }
    })?;
    Ok(match all {
        0 => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

fn stats(proxy: &Proxy, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    proxy.ask(
        &Request::CacheStats {},
        |stats: CacheStats, line| match proxy.json {
            true => writeln!(out, "{line}"),
            false => write!(out, "{}", text::stats(&stats)),
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

// === impl Proxy ===

impl Proxy {
    /// Asks it, and hands on each line of its answer: read, and as it came.
    fn ask<T: DeserializeOwned>(
        &self,
        request: &Request,
        mut each: impl FnMut(T, &str) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        control::ask(&self.socket()?, request, &mut |line| {
            let read = serde_json::from_str(line)
                .with_context(|| format!("the proxy's answer is not understood: {line}"))?;
            Ok(each(read, line)?)
        })
    }

    fn socket(&self) -> anyhow::Result<PathBuf> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        let mut overrides = Overrides {
            config: self.config.clone(),
            listen: Vec::new(),
        };
        let settings = Configuration::load(&mut overrides)?.settings;
        let none = || {
            Refusal::new(
                "by its settings the proxy has no control socket",
                "set control_socket to a path and start it anew; or name its socket with --socket",
            )
        };
        Ok(control::path(&settings.control_socket).ok_or_else(none)?)
    }
}
