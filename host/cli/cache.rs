//! `wproxy cache`: what the running proxy has stored.

mod text;

use super::running::{self, Proxy};
use crate::control::{CacheLs, CachePurge, CacheStats, Entry, Purged, Request};
use clap::{Args, Subcommand};
use std::io::Write;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List stored responses, in no particular order
    Ls {
        /// Only responses whose URL begins with this
        #[arg(value_name = "URL-PREFIX", conflicts_with = "regex")]
        prefix: Option<String>,
        /// Only responses whose URL matches this regular expression anywhere
        #[arg(long, value_name = "RE")]
        regex: Option<String>,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Remove responses from the cache. The exit code is 1 if nothing was stored for them
    Purge {
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Show how full the cache is, and how many requests it answers
    Stats {
        #[command(flatten)]
        proxy: Proxy,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct What {
    /// The URLs to remove, with all their variants
    #[arg(value_name = "URL")]
    urls: Vec<String>,
    /// Remove every response whose URL matches this regular expression anywhere
    #[arg(long, value_name = "RE")]
    regex: Option<String>,
    /// Remove every response
    #[arg(long)]
    all: bool,
}

/// Runs one of them.
pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    running::print(|out| match command {
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
    })
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
