//! `wproxy plugin`

mod inspect;
mod push;
mod test;

use crate::config::Source;
use crate::plugin::{Manifest, toolchain};
use anyhow::Context as _;
use clap::Subcommand;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build the Rust plugins in these folders into the components that their manifests name
    Build {
        /// Folders with a plugin.toml and a Cargo.toml
        #[arg(default_value = ".")]
        folders: Vec<PathBuf>,
    },
    Inspect(inspect::Inspect),
    Test(test::Test),
    /// Push the component of the plugin in a folder to a registry, and print the reference that
    /// others name it by in their manifests
    Push {
        /// A folder with a plugin.toml and the component that this names
        folder: PathBuf,
        /// oci://registry/name:tag, with or without `oci://`
        reference: String,
    },
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Build { folders } => {
            for folder in &folders {
                build(folder)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Inspect(inspect) => inspect.run(),
        Command::Push { folder, reference } => {
            push::push(&folder, &reference)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Test(test) => Ok(test.run()),
    }
}

fn build(folder: &Path) -> anyhow::Result<()> {
    let manifest = Manifest::from_source(&Source::read(&folder.join("plugin.toml"))?)?;
    let path = manifest.component_file(folder)?;
    let component = toolchain::build_rust(folder, None)?;
    std::fs::write(&path, &component)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let size = component.len() >> 10;
    writeln!(
        anstream::stdout(),
        "{}: {} ({size} KB)",
        manifest.name,
        path.display()
    )?;
    Ok(())
}
