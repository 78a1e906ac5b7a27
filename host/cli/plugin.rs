//! `wproxy plugin`

mod inspect;
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
        Command::Test(test) => Ok(test.run()),
    }
}

fn build(folder: &Path) -> anyhow::Result<()> {
    let manifest = Manifest::from_source(&Source::read(&folder.join("plugin.toml"))?)?;
    let component = toolchain::build_rust(folder, None)?;
    let path = folder.join(&manifest.component);
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
