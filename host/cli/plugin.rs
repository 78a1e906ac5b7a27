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
    /// Create a plugin: a folder with a small working example to start from
    New(new::Arguments),
    /// Compile plugins to WebAssembly components
    Build(build::Arguments),
    /// Write the three built-in plugins into a folder, each with its plugin.toml and its component,
    /// so that you can change them or add others
    Unpack {
        /// Created if it does not exist; existing files are never overwritten
        #[arg(value_name = "DIR")]
        folder: std::path::PathBuf,
    },
    Inspect(inspect::Inspect),
    Test(test::Test),
    /// Push a plugin's component to a container registry, and print the reference to put into a
    /// plugin.toml
    Push {
        /// Folder with a plugin.toml and the component that it names
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
