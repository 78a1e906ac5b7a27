//! `wproxy shadow`: what a candidate would do otherwise, and letting it do so.

mod text;

use super::running::{self, Proxy};
use crate::control::{Differences, Promotion, Request, ShadowReport};
use anyhow::bail;
use clap::Subcommand;
use std::io::Write;
use std::process::ExitCode;

pub(super) use text::{facts, reloaded};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what the candidate would have done differently, by which rules, and to which requests
    Report {
        /// Reset the report after printing it
        #[arg(long)]
        reset: bool,
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Make the candidate live, as it was compared, and say what to change in the settings to keep
    /// it after a restart
    Promote {
        #[command(flatten)]
        proxy: Proxy,
    },
}

/// Runs one of them.
pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    running::print(|out| match command {
        Command::Report { reset, proxy } => report(reset, &proxy, out),
        Command::Promote { proxy } => promote(&proxy, out),
    })
}

fn report(reset: bool, proxy: &Proxy, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let request = Request::ShadowReport(ShadowReport { reset });
    proxy.ask(&request, |report: Differences, line| match proxy.json {
        true => writeln!(out, "{line}"),
        false => write!(out, "{}", text::report(&report)),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn promote(proxy: &Proxy, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut done = false;
    proxy.ask(&Request::ShadowPromote {}, |promotion: Promotion, line| {
        done = true;
        match proxy.json {
            true => writeln!(out, "{line}"),
            false => write!(out, "{}", text::promotion(&promotion)),
        }
    })?;
    match done {
        true => Ok(ExitCode::SUCCESS),
        false => bail!("no result from the proxy; see its log"),
    }
}
