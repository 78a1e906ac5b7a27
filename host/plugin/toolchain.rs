//! From a plugin's source to a component: what `wproxy plugin build` does, by the tools that the
//! plugin's language has.

mod c;
mod javascript;
mod python;
pub(crate) mod rust;

use super::manifest::Grants;
use anyhow::{Context as _, bail};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a plugin is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Rust,
    JavaScript,
    C,
    Python,
}

/// Builds the plugin in that folder, whatever it is written in.
///
/// # Errors
/// What the language's tools say, or which of them is missing and how to get it.
pub(crate) fn build(folder: &Path, grants: &Grants) -> anyhow::Result<Vec<u8>> {
    // The tools run in it.
    let folder = &std::path::absolute(folder)?;
    match Language::of(folder)? {
        Language::Rust => rust::build(folder, &cargo_target(folder)?, None),
        Language::JavaScript => javascript::build(folder, grants),
        Language::C => c::build(folder),
        Language::Python => python::build(folder),
    }
}

// === impl Language ===

impl Language {
    /// By what is in the folder. A project's own tools may be scripts in another language, so that
    /// Cargo.toml and package.json come first.
    fn of(folder: &Path) -> anyhow::Result<Language> {
        if folder.join("Cargo.toml").is_file() {
            Ok(Language::Rust)
        } else if folder.join("package.json").is_file() {
            Ok(Language::JavaScript)
        } else if !sources(folder, "c")?.is_empty() {
            Ok(Language::C)
        } else if !sources(folder, "py")?.is_empty() {
            Ok(Language::Python)
        } else {
            bail!(
                "{}: nothing to build here: a plugin in Rust has a Cargo.toml, one in JavaScript \
                 a package.json, one in C a file *.c, one in Python a file *.py",
                folder.display()
            )
        }
    }
}

/// The files in that folder whose names end so, in order.
fn sources(folder: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("cannot read {}", folder.display());
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.extension().is_some_and(|found| found == extension) && path.is_file() {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

/// The target that the project asks cargo for, where it asks for one: `build.target` in its
/// `.cargo/config.toml`.
fn cargo_target(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join(".cargo/config.toml");
    if !path.is_file() {
        return Ok(rust::TARGET.to_owned());
    }
    let text = read(&path)?;
    let config: toml::Table =
        toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let target = config.get("build").and_then(|build| build.get("target"));
    Ok(target
        .and_then(toml::Value::as_str)
        .unwrap_or(rust::TARGET)
        .to_owned())
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Runs a tool in that folder, and says so, because it can take a while. What it prints goes to
/// stderr. `package` is Debian's package with it.
fn run(command: &mut Command, folder: &Path, package: &str) -> anyhow::Result<()> {
    let program = Path::new(command.get_program());
    let program = program.strip_prefix(folder).unwrap_or(program);
    let program = program.display().to_string();
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy());
    let shown = arguments.fold(program.clone(), |shown, argument| shown + " " + &argument);
    writeln!(anstream::stderr(), "+ {shown}")?;
    let status = command
        .current_dir(folder)
        .stdout(std::io::stderr())
        .status();
    let status = status.map_err(|error| missing(&error, &program, package))?;
    if !status.success() {
        let folder = folder.display();
        bail!("{folder}: `{program}` failed ({status}); what it says is above");
    }
    Ok(())
}

/// Whether that tool is there, which is asked for its version.
fn look_for(program: &str, package: &str) -> anyhow::Result<()> {
    let found = Command::new(program).arg("--version").output();
    match found {
        Ok(_) => Ok(()),
        Err(error) => Err(missing(&error, program, package)),
    }
}

fn missing(error: &std::io::Error, program: &str, package: &str) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            anyhow::anyhow!("`{program}` is missing: apt install {package}")
        }
        _ => anyhow::anyhow!("`{program}` cannot be run: {error}"),
    }
}
