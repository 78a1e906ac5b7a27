//! `wproxy plugin`

mod build;
mod new;

use clap::Subcommand;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Begin a plugin: a folder with a small one that works, to change
    New(new::Arguments),
    /// Build the plugins in these folders into the components that their manifests name
    Build(build::Arguments),
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(arguments) => new::run(&arguments)?,
        Command::Build(arguments) => build::run(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
