//! `wproxy check`

use super::{Prepared, Sources};
use crate::config::HelperSettings;
use crate::control;
use std::io::Write as _;
use std::process::ExitCode;

pub(super) fn check(sources: Sources) -> anyhow::Result<ExitCode> {
    let Prepared {
        configuration,
        generation,
        ..
    } = sources.prepare(Vec::new())?;
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
    writeln!(out, "All of it is good.")?;
    Ok(ExitCode::SUCCESS)
}
