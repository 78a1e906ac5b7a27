//! `wproxy plugin`

mod build;
mod inspect;
mod new;
mod push;
mod test;
mod unpack;

use clap::Subcommand;
use std::process::ExitCode;
pub(super) use test::NOT_TESTED;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Begin a plugin: a folder with a small one that works, to change
    New(new::Arguments),
    /// Build the plugins in these folders into the components that their manifests name
    Build(build::Arguments),
    /// Write the three plugins that the program carries into a folder, to change them or to add
    /// others: each with its plugin.toml and its component
    Unpack {
        /// It is made where it is not there; nothing that is there is overwritten
        #[arg(value_name = "DIR")]
        folder: std::path::PathBuf,
    },
    Inspect(inspect::Inspect),
    Test(test::Test),
    /// Push the component of the plugin in a folder to a registry, and print the reference that
    /// others name it by in their manifests
    Push {
        /// A folder with a plugin.toml and the component that this names
        folder: std::path::PathBuf,
        /// oci://registry/name:tag, with or without `oci://`
        reference: String,
    },
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(arguments) => new::run(&arguments)?,
        Command::Build(arguments) => build::run(&arguments)?,
        Command::Unpack { folder } => unpack::unpack(&folder)?,
        Command::Inspect(inspect) => return inspect.run(),
        Command::Push { folder, reference } => push::push(&folder, &reference)?,
        Command::Test(test) => return Ok(test.run()),
    }
    Ok(ExitCode::SUCCESS)
}
