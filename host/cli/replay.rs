//! `wproxy replay`

mod json;
mod text;

use super::{Prepared, Sources, running};
use crate::comparison::Sizes;
use crate::recording::Reader;
use crate::replay::{Report, replay as tried};
use clap::Args;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is tried on which policy, and how it is said.
#[derive(Debug, Args)]
pub(super) struct Trial {
    /// The recording, made by `wproxy record`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show at most this many requests for each change
    #[arg(long, value_name = "N", default_value_t = 3)]
    examples: usize,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sources: Sources,
}

/// What is said where nothing was named.
const DOCUMENTED: &str =
    "the documented configuration was tried: --config and --plugins name another one";
/// Something would change. As `explain` denies.
const CHANGED: u8 = 2;

pub(super) fn replay(trial: Trial) -> anyhow::Result<ExitCode> {
    let Trial {
        file,
        examples,
        json,
        sources,
    } = trial;
    // What is wrong with it is to be said before anything is compiled.
    let recording = Reader::open(&file)?;
    let Prepared {
        configuration,
        generation,
        ..
    } = sources.prepare(Vec::new())?;
    for plugin in generation.plugins() {
        plugin.no_client_waits();
    }
    let sizes = Sizes {
        request: configuration.settings.request_header_max_size,
        reply: configuration.settings.reply_header_max_size,
    };
    let documented = configuration.file.is_none() && configuration.plugin_dir.is_none();
    let report = tried(recording, &generation, sizes, examples)?;
    running::print(|out| {
        match json {
            true => json::print(&report, out)?,
            false => {
                text::print(&report, out)?;
                if documented {
                    writeln!(out, "\nnote: {DOCUMENTED}")?;
                }
            }
        }
        Ok(code(&report))
    })
}

fn code(report: &Report) -> ExitCode {
    match report.changed {
        // Nobody is to take that for a policy that has been tried.
        0 if report.undecided >= report.transactions => ExitCode::FAILURE,
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(CHANGED),
    }
}
