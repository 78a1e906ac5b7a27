//! `wproxy check`

use super::{Prepared, Sources};
use crate::config::{Chain, HelperSettings, Overrides};
use crate::generation::NOBODY_ADMITS;
use crate::{control, shadow};
use std::io::Write as _;
use std::process::ExitCode;

pub(super) fn check(sources: Sources, shadow: Chain) -> anyhow::Result<ExitCode> {
    let prepared = sources.prepare_with(Overrides {
        shadow,
        ..Overrides::default()
    })?;
    let candidate = prepared.candidate()?;
    let Prepared {
        configuration,
        generation,
        ..
    } = prepared;
    let mut out = anstream::stdout();
    match &configuration.file {
        Some(file) => writeln!(out, "settings  {file}")?,
        None => writeln!(out, "settings  the documented defaults")?,
    }
    let listeners = configuration.settings.http_port.iter();
    let listeners: Vec<String> = listeners.map(ToString::to_string).collect();
    writeln!(out, "listens   {}", listeners.join(", "))?;
    match control::path(&configuration.settings.control_socket) {
        Some(path) => writeln!(out, "control   {}", path.display())?,
        None => writeln!(out, "control   none")?,
    }
    for helper in generation.helpers().all() {
        let HelperSettings { name, source, .. } = helper.settings();
        writeln!(out, "helper    {name}: {source}")?;
    }
    writeln!(out, "\n{}", generation.describe())?;
    if let Some(candidate) = candidate {
        let from = shadow::origin(&candidate.chain);
        let plugins = candidate.generation.describe_plugins();
        writeln!(out, "in the shadow: {from}\n{plugins}")?;
    }
    if !generation.admits_anybody() {
        writeln!(out, "note: {NOBODY_ADMITS}")?;
    }
    writeln!(out, "Everything is valid.")?;
    Ok(ExitCode::SUCCESS)
}
